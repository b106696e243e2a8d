"""The `elman` command as tests call it: in this process, or in one of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from elman.cli.main import main

SOURCE = Path(__file__).resolve().parents[2] / "src"


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str

    def document(self) -> Any:
        """The one JSON document on standard output; anything before or after it is a mistake, as is NaN."""
        return json.loads(self.out, parse_constant=pytest.fail)

    def succeeded(self) -> Outcome:
        """This outcome, if it is one of success."""
        assert self.code == 0, f"exit code {self.code}\n{self.err}"
        return self


def elman(*arguments: str | os.PathLike[str]) -> Outcome:
    """Run `elman ARGUMENTS` in this process, by the same function that the installed command calls."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["elman", *map(str, arguments)])
        # The parser draws its own messages in a box as wide as the terminal; so wide a one never breaks a line.
        patch.setenv("COLUMNS", "1000")
        patch.setenv("TERMINAL_WIDTH", "1000")
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Outcome(code, out.getvalue(), err.getvalue())


def start(*arguments: str | os.PathLike[str], **options: Any) -> subprocess.Popen[str]:
    """Start `elman ARGUMENTS` as a process of its own, its output in pipes."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "COLUMNS": "1000", "TERMINAL_WIDTH": "1000"}
    return subprocess.Popen(
        [sys.executable, "-m", "elman", *map(str, arguments)], env=environment, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, **options,
    )  # fmt: skip


def process(*arguments: str | os.PathLike[str], **options: Any) -> Outcome:
    """Run `elman ARGUMENTS` as a process of its own, to its end."""
    with start(*arguments, **options) as running:
        out, err = running.communicate(timeout=120)
    return Outcome(running.returncode, out, err)


def tree(folder: Path) -> dict[str, bytes]:
    """Everything below `folder`, hidden files too: files with their bytes, folders, links with where they lead."""
    found: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = b"-> " + os.fsencode(os.readlink(path))
        else:
            found[name] = path.read_bytes() if path.is_file() else b"/"
    return found


def settings(**values: Any) -> list[str]:
    """`--set` options: settings(training__epochs=3) is ["--set", "training.epochs=3"]."""
    return [word for name, value in values.items() for word in ("--set", f"{name.replace('__', '.')}={value}")]
