"""Files that are there as a whole or not at all, whenever a process is killed or the power fails."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from elman.errors import RunError

TEMPORARY_SUFFIX = ".elman-tmp"
"""How the names of files and folders end that are not yet in their place; what a kill leaves behind is known by it."""


def write_atomically(path: Path | str, content: bytes | str) -> None:
    """Write a file so that `path` holds the old content or the new one, never a part of it.

    The bytes go to a temporary file in the same folder, are synced, and the file is renamed over `path`.

    Args:
        path: the file; its folder must exist.
        content: bytes, or text that is written as UTF-8.

    Raises:
        RunError: the operating system refused; `path` is untouched and no temporary file stays.
    """
    path = Path(path)
    with run_errors("write", path):
        replace_file(path, content.encode("utf-8") if isinstance(content, str) else content)


def replace_file(path: Path, data: bytes) -> None:
    """`write_atomically` that raises the system's own OSError."""
    temporary = temporary_beside(path)
    try:
        write_durably(temporary, data)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def write_durably(path: Path, data: bytes) -> None:
    """Write a file that is not there yet, and return when the disk has its bytes. Raises OSError."""
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def temporary_beside(path: Path) -> Path:
    """A fresh name in the same folder for what will take the place of `path`."""
    return path.with_name(f".{path.name}.{fresh_token()}{TEMPORARY_SUFFIX}")


def fresh_token() -> str:
    """Eight hexadecimal digits, drawn by the system's own generator."""
    return os.urandom(4).hex()


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` survive a power cut, where the system can (Windows cannot)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def system_error(verb: str, path: Path, error: OSError, *, option: str = " with --out") -> RunError:
    """The error for an operation that the system refused: the path, the system's reason and the next step.

    Args:
        verb: `read` or `write`.
        path: what was to be read or written.
        error: what the system said.
        option: how the user names another place, for the next step; empty in plain Python.
    """
    reason = error.strerror or str(error) or type(error).__name__
    if verb == "read":
        step = "Check the path and its permissions."
    elif error.errno in (errno.ENOSPC, errno.EDQUOT):
        step = f"Free some space there, or choose another place{option}."
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        step = f"Choose a folder you may write{option}, or change its permissions."
    elif error.errno in (errno.ENOTDIR, errno.EEXIST):
        step = f"A file stands where a folder is needed; choose another place{option}."
    else:
        step = f"Check the path, or choose another place{option}."
    return RunError(f"{path}: cannot {verb} this ({reason}). {step}")


@contextlib.contextmanager
def run_errors(verb: str, path: Path, *, option: str = " with --out") -> Iterator[None]:
    """Turn what the system refuses inside the block into the RunError of `system_error`; arguments as there."""
    try:
        yield
    except OSError as error:
        raise system_error(verb, path, error, option=option) from error
