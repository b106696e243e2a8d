"""Names of columns as a person writes them in one text."""

from __future__ import annotations

from elman.errors import UsageError


def split_columns(text: str) -> list[str]:
    """The column names in a text, separated by commas; spaces around them do not count.

    Raises:
        UsageError: a name is empty.

    >>> split_columns("sales, visitors")
    ['sales', 'visitors']
    """
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise UsageError(f"`target` must name columns, separated by commas; got {text!r}, in which a name is empty")
    return names
