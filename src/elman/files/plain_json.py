"""JSON without NumPy in it, written and read strictly: NaN and infinity are no JSON."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """A value in strict JSON's terms.

    Args:
        value: dictionaries, lists, tuples, NumPy numbers and arrays, paths, texts, numbers, None.

    Returns:
        The same in Python's own types: keys and paths as text, tuples and arrays as lists, NaN and infinity as None.
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def json_text(value: Any, *, indent: int | None = None, nonfinite: bool = False) -> str:
    """A value as JSON text that UTF-8 can hold.

    Args:
        value: plain values, and NumPy numbers among them.
        indent: spaces a level; None for one line.
        nonfinite: write `NaN` and `Infinity`, which `parse_json` reads back where it is told to, instead of refusing them.

    Raises:
        TypeError: something in it is no JSON.
        ValueError: a number in it is not finite, and `nonfinite` is false.
    """
    text = json.dumps(value, indent=indent, allow_nan=nonfinite, ensure_ascii=False, default=_number)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair, which only an escape can say
        text = json.dumps(value, indent=indent, allow_nan=nonfinite, default=_number)
    return text


def parse_json(data: bytes | str, *, nonfinite: bool = False) -> dict[str, Any]:
    """The JSON object that a file holds.

    Args:
        data: the file's bytes, UTF-8, or its text.
        nonfinite: whether `NaN` and `Infinity` may stand in it.

    Raises:
        ValueError: it is anything else; the message says what.
    """

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    text = data.decode("utf-8") if isinstance(data, bytes) else data
    try:
        document = json.loads(text, parse_constant=None if nonfinite else refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if isinstance(document, dict):
        return document
    raise ValueError("not a JSON object")


def _number(value: Any) -> Any:
    """NumPy's numbers, as a search over a grid of options hands them in, as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be saved as JSON")
