"""Columns of numbers: what a table's column holds as float64, or which line of it does not.

polars is imported when a column is read, not before.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from elman.data.table_files import clean_text
from elman.data.tables import Table, as_table
from elman.errors import DataError, UsageError
from elman.files import Array, FloatArray

if TYPE_CHECKING:
    import polars as pl


def number_column(frame: Any, name: str, *, source: str | os.PathLike[str], missing: str = "error") -> FloatArray:
    """Read a column of numbers.

    Args:
        frame: polars, or any data frame that narwhals knows.
        name: of the column.
        source: the file it came from, whose lines errors then name, or words for it.
        missing: "error"; or "keep", and missing values become NaN.

    Returns:
        (rows,) float64.

    Raises:
        DataError: with line, column and value: no such column, text or dates where a number belongs, infinity, or missing values
            where they are an error.
        UsageError: `missing` is neither.
    """
    if missing not in ("error", "keep"):
        raise UsageError(f'`missing` must be "error" or "keep"; got {missing!r}')
    return numbers_of(Table(as_table(frame).frame, source if isinstance(source, str) else Path(source)), name, missing)


def numbers_of(table: Table, name: str, missing: str) -> FloatArray:
    """`number_column` of a table that knows its source."""
    import polars as pl

    require_columns(table, [name])
    column = table.frame[name]
    if column.dtype == pl.String:
        column = text_as_numbers(table, column, name)
    elif column.dtype.is_temporal() or not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null)):
        raise DataError(
            f"{table.place(0)}: the column {name!r} must hold numbers; it holds {column.dtype}, for example {column[0]!r}. "
            "Choose another column, or convert it"
        )
    numbers = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    _refuse(table, name, np.isinf(numbers), "is infinite", numbers)
    if missing == "error":
        _refuse(table, name, np.isnan(numbers), "is missing (empty, NA or NaN)", numbers)
    return numbers


def text_as_numbers(table: Table, column: pl.Series, name: str) -> pl.Series:
    """Text as floats, missing words as nulls. Raises DataError, with line, for any other word."""
    import polars as pl

    text = clean_text(column)
    numbers = text.cast(pl.Float64, strict=False)
    bad = (numbers.is_null() & text.is_not_null()).arg_true()
    if len(bad):
        row = int(bad[0])
        value = str(text[row])
        hint = "correct it, or leave it empty and fill it later"
        if re.fullmatch(r"[+-]?[\d.]*,\d+", value):
            hint = "write numbers with a decimal point and without thousands separators"
        raise DataError(
            f"{table.place(row)}: the column {name!r} must hold numbers; it holds {value[:60]!r} "
            f"({len(bad)} such in all); {hint}"
        )
    return numbers


def _refuse(table: Table, name: str, bad: Array, what: str, numbers: FloatArray) -> None:
    rows = np.flatnonzero(bad)
    if rows.size:
        raise DataError(
            f"{table.place(int(rows[0]))}: the column {name!r} {what}, and {rows.size} of {len(numbers)} values in all; "
            "fill or drop these rows"
        )


def require_columns(table: Table, names: Sequence[str]) -> None:
    """Refuse a table without these columns. Raises DataError that names every one and the nearest name for each."""
    there = table.frame.columns
    absent = [name for name in names if name not in there]
    if not absent:
        return
    words = []
    for name in absent:
        near = difflib.get_close_matches(str(name).lower(), [one.lower() for one in there], n=1)
        guess = next((one for one in there if near and one.lower() == near[0]), None)
        words.append(f"{name!r} (did you mean {guess!r}?)" if guess else f"{name!r}")
    index = " A pandas index becomes a column with `.reset_index()`." if table.source == "the data frame" else ""
    raise DataError(
        f"{table.source} has no column {' and no '.join(words)}; its columns are {', '.join(map(repr, there))}.{index}"
    )
