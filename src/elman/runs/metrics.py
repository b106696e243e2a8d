"""`metrics.jsonl`: a JSON line an epoch, appended as training goes on.

It may lose its last line to a kill; readers leave a torn last line out. Elman 0.1.0 wrote `valid_loss` for what is now
`validation_loss`, and so on; it is read under the new name.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elman.errors import RunError
from elman.files import json_text, parse_json, plain, run_errors, write_atomically

_OLD_PREFIX, _PREFIX = "valid_", "validation_"


def append_record(path: Path, record: Mapping[str, Any], *, next_step: str) -> None:
    """Add one epoch's numbers as one JSON line.

    Args:
        path: the file; made where it is missing.
        record: numbers by name; NaN and infinity become null.
        next_step: what a user can do about a damaged line, for messages.

    Raises:
        RunError: the system refused, or a line before the last is damaged.
    """
    line = json_text(plain(dict(record))) + "\n"
    with run_errors("write", path):
        if _ends_torn(path):
            write_atomically(path, b"".join(whole for whole, _ in _lines(path, next_step)))
        with open(path, "ab") as file:
            file.write(line.encode("utf-8"))


def truncate_records(path: Path, epochs: int, *, next_step: str) -> None:
    """Drop the lines of epochs after `epochs`, and a torn last line; the others stay byte for byte.

    Args:
        path: the file; where it is missing it stays so.
        epochs: the last epoch whose line stays.
        next_step: what a user can do about a damaged line, for messages.

    Raises:
        RunError: the system refused, or a line is damaged.
    """
    lines = _lines(path, next_step)
    for number, (_, record) in enumerate(lines, start=1):
        if not isinstance(record.get("epoch"), int):
            raise RunError(f"{path}, line {number}: has no whole number `epoch`. {next_step}")
    if path.exists():
        write_atomically(path, b"".join(line for line, record in lines if record["epoch"] <= epochs))


def read_records(path: Path, *, next_step: str) -> list[dict[str, Any]]:
    """One record an epoch, in order; none where there is no file.

    Args:
        path: the file.
        next_step: what a user can do about a damaged line, for messages.

    Raises:
        RunError: a line before the last is not a JSON object; the message has its number.
    """
    return [with_present_names(record) for _, record in _lines(path, next_step)]


def with_present_names(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers by name, those that Elman 0.1.0 called `valid_...` under their name of today."""
    return {
        _PREFIX + name.removeprefix(_OLD_PREFIX) if name.startswith(_OLD_PREFIX) else name: value
        for name, value in numbers.items()
    }


def _lines(path: Path, next_step: str) -> list[tuple[bytes, dict[str, Any]]]:
    """Every whole line, with its newline, and what it says."""
    with run_errors("read", path):
        content = path.read_bytes() if path.exists() else b""
    lines = [line for line in content.split(b"\n") if line.strip()]
    parsed: list[tuple[bytes, dict[str, Any]]] = []
    for number, line in enumerate(lines, start=1):
        try:
            parsed.append((line + b"\n", parse_json(line)))
        except ValueError as error:
            if number == len(lines):
                break  # a kill tore it
            raise RunError(f"{path}, line {number}: not a JSON object ({error}). {next_step}") from error
    return parsed


def _ends_torn(path: Path) -> bool:
    """Whether the file ends within a line."""
    if not path.exists() or path.stat().st_size == 0:
        return False
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
