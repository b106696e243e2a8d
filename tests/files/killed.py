"""A script: writes folders in processes that are killed, each after one more line of elman.files, and tells what is left.

    python killed.py update|replace|atomic FOLDER

prints one JSON line a kill: the number of lines before it, and what a reader then finds: `nothing`, `old`, `new`, or an error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import elman.files
from elman.errors import RunError
from elman.files import open_folder, open_updated_folder, replace_folder, update_folder, write_atomically

ROOM = os.path.dirname(elman.files.__file__)
OLD, NEW = b"old" * 1000, b"new" * 2000


def killed_after(lines: int, write: Callable[[], None]) -> bool:
    """Call `write` in a process of its own that ends, without any clean-up, after so many lines; whether it was."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    left = lines

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal left
        if not frame.f_code.co_filename.startswith(ROOM):
            return None
        if event == "line":
            left -= 1
            if left < 0:
                os._exit(9)
        return trace

    sys.settrace(trace)
    write()
    sys.settrace(None)
    os._exit(0)


def update(folder: Path, data: bytes) -> None:
    update_folder(folder, {"a.bin": data, "b.bin": data[::-1]})


def updated(folder: Path) -> tuple[bytes, bytes] | None:
    reader = open_updated_folder(folder)
    return None if reader is None else (reader.read("a.bin"), reader.read("b.bin"))


def replace(folder: Path, data: bytes) -> None:
    with replace_folder(folder, "a.bin") as files:
        files.write("a.bin", data)
        files.inside("inner").write("b.bin", data[::-1])


def replaced(folder: Path) -> tuple[bytes, bytes] | None:
    if not folder.exists() and not folder.with_name(f".{folder.name}-old").exists():
        return None
    reader = open_folder(folder)
    return reader.read("a.bin"), reader.inside("inner").read("b.bin")


def write(folder: Path, data: bytes) -> None:
    write_atomically(folder.parent / f"{folder.name}.bin", data)


def written(folder: Path) -> tuple[bytes, bytes] | None:
    path = folder.parent / f"{folder.name}.bin"
    return (path.read_bytes(), path.read_bytes()[::-1]) if path.exists() else None


WAYS: dict[str, tuple[Callable[[Path, bytes], None], Callable[[Path], tuple[bytes, bytes] | None]]] = {
    "update": (update, updated), "replace": (replace, replaced), "atomic": (write, written),
}  # fmt: skip


def left(read: Callable[[Path], tuple[bytes, bytes] | None], folder: Path) -> str:
    """What a reader finds."""
    try:
        content = read(folder)
    except RunError as error:
        return str(error)
    kinds = {None: "nothing", (OLD, OLD[::-1]): "old", (NEW, NEW[::-1]): "new"}
    return kinds.get(content, "a mixture")


def main() -> None:
    os.fsync = lambda descriptor: None  # a process dies here, not the machine: what was written stays
    way, base = sys.argv[1], Path(sys.argv[2])
    act, read = WAYS[way]
    for had_one in (True, False):
        lines, killed = 0, True
        while killed:
            folder = base / f"{had_one}-{lines}"
            if had_one:
                act(folder, OLD)
            killed = killed_after(lines, lambda folder=folder: act(folder, NEW))  # type: ignore[misc]
            found = left(read, folder)
            act(folder, NEW)  # the next writer takes no harm
            again = left(read, folder)
            print(json.dumps({"had_one": had_one, "lines": lines, "killed": killed, "left": found, "again": again}))
            lines += 1


if __name__ == "__main__":
    main()
