"""A script: a training that is killed after any line that writes its checkpoint, resumed, and killed again.

    python -m tests.training.killed_training FOLDER EVERY

kills at every EVERY-th line of elman.files and of the checkpoint, from the first on, and prints a digest of each training's end;
the first line is that of a training that was never killed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from tests.training.long_training import digest

import elman.files
from elman.training import checkpoint

WRITERS = (os.path.dirname(elman.files.__file__), checkpoint.__file__)


def trained(folder: Path, lines: int | None) -> int:
    """Train, or go on, in a process of its own, which dies after so many lines of the writers; the lines that it had in all.

    Returns -1 where it was killed.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        with os.fdopen(reading) as answer:
            text = answer.read()
        os.waitpid(child, 0)
        return int(text) if text else -1
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(WRITERS):
            return None
        if event == "line":
            count += 1
            if count == lines:
                os._exit(9)
        return trace

    sys.settrace(trace)
    digest(folder, "reference")
    sys.settrace(None)
    os.write(writing, str(count).encode())
    os._exit(0)


def main() -> None:
    base, every = Path(sys.argv[1]), int(sys.argv[2])
    os.fsync = lambda descriptor: None  # a process dies here, not the machine: what was written stays
    print(digest(None, "reference"))
    total = trained(base / "whole", None)
    print(digest(base / "whole", "reference"))
    for lines in range(1, total, every):
        folder = base / str(lines)
        killed = [trained(folder, lines), trained(folder, lines)]  # and a second time, in what the first one left
        assert -1 in killed, "the training was not killed"
        trained(folder, None)
        print(digest(folder, "reference"))


if __name__ == "__main__":
    main()
