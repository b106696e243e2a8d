"""Short texts such as `normal(0, 0.4)` or `cosine`: a name, and numbers where it needs some."""

from __future__ import annotations

import re

_FORM = re.compile(r"\s*(\w+)\s*(?:\(([^()]*)\))?\s*")


def parse_named_numbers(text: str) -> tuple[str, tuple[float, ...]] | None:
    """Split `name(number, number)` into its name and its numbers.

    Args:
        text: a name, alone or with numbers in parentheses; spaces do not matter.

    Returns:
        (name, numbers), which may be NaN or infinite if the text says so; None where the text has another form.

    >>> parse_named_numbers("normal(0, 0.4)"), parse_named_numbers("cosine")
    (('normal', (0.0, 0.4)), ('cosine', ()))
    """
    match = _FORM.fullmatch(str(text))
    if match is None:
        return None
    inside = (match[2] or "").strip()
    try:
        return match[1], tuple(float(part) for part in inside.split(",")) if inside else ()
    except ValueError:
        return None
