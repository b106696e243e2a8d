"""What the tests of files and folders share: a tree as a value, and a system that refuses."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from elman.files.manifest import MANIFEST, Entry, manifest_bytes, read_manifest


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


def reseal(folder: Path) -> Path:
    """Make the manifests fit what now lies in a folder, as a program with a mistake, not an accident, would leave it."""
    names = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    for name in names:
        if name.endswith(f"/{MANIFEST}"):
            reseal((folder / name).parent)
    entries = {name: Entry.of((folder / name).read_bytes()) for name in names if (folder / name).is_file()}
    (folder / MANIFEST).write_bytes(manifest_bytes(entries))
    return folder


@contextmanager
def full_disk(bytes_left: int) -> Iterator[None]:
    """No file may grow beyond so many bytes, which fails in `write` as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def stored(folder: Path, name: str) -> Path | None:
    """Where a file of a folder that is brought up to date lies now; None where there is none yet."""
    try:
        entry = read_manifest(folder).get(name)
    except FileNotFoundError:
        return None
    return None if entry is None else folder / entry.stored
