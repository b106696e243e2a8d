"""What the tests of files and folders share: a tree as a value, and a system that refuses."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`, by its name with `/` between parts, with its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def refusing(number: int) -> Callable[..., Any]:
    """A stand-in for a system call that fails with this error number."""

    def call(*arguments: Any, **options: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return call
