"""Writing TOML. Python reads it and does not write it; this writes what recipes hold: values, lists, and tables in tables."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from elman.errors import UsageError


def write_toml(document: Mapping[str, Any]) -> str:
    """A document as TOML; keys whose value is None are left out.

    >>> print(write_toml({"task": "language", "data": {"source": "text", "rows": [1, 2.5]}}), end="")
    task = "language"
    <BLANKLINE>
    [data]
    source = "text"
    rows = [1, 2.5]
    """
    plain = [f"{_key(k)} = {_value(v)}" for k, v in document.items() if not isinstance(v, Mapping) and v is not None]
    parts = ["\n".join(plain)] if plain else []
    for name, table in document.items():
        if isinstance(table, Mapping):
            lines = [f"{_key(k)} = {_value(v)}" for k, v in table.items() if v is not None]
            parts.append("\n".join([f"[{_key(name)}]", *lines]))
    return "\n\n".join(parts) + "\n"


def _key(name: str) -> str:
    bare = bool(name) and all(c.isascii() and (c.isalnum() or c in "-_") for c in name)
    return name if bare else _text(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(v) for v in value) + "]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(str(k))} = {_value(v)}" for k, v in value.items()) + " }" if value else "{}"
    raise UsageError(f"a recipe cannot hold a {type(value).__name__}: {value!r}")


def _text(value: str) -> str:
    """A basic string: JSON's escapes are TOML's, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
