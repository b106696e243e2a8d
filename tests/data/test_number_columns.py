"""Columns of numbers: what is read, and every refusal with file and line."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from elman.data.number_columns import number_column
from elman.data.table_files import read_table
from elman.errors import DataError, UsageError

Write = Callable[..., Path]

BAD_COLUMNS = {
    "text": ("y\n1\n2\nx\n", "line 4: the column 'y' must hold numbers; it holds 'x' (1 such in all); correct it"),
    "decimal comma": (
        "t;y\n1;1,5\n",
        "line 2: the column 'y' must hold numbers; it holds '1,5' (1 such in all); write numbers with a dec",
    ),
    "after blank lines": ("\nt,y\n\n1,1\n\n1,x\n", "line 6: the column 'y'"),
    "after a line break in quotes": ('t,y\n"a\nb",1\nc,x\n', "line 4: the column 'y'"),
    "missing": (
        "t,y\n1,1\n2,\n3,NA\n",
        "line 3: the column 'y' is missing (empty, NA or NaN), and 2 of 3 values in all; fill or drop",
    ),
    "infinite": ("y\n1\n-inf\n", "line 3: the column 'y' is infinite, and 1 of 2 values in all; fill or drop"),
    "all missing": ("t,y\n1,\n2,\n", "line 2: the column 'y' is missing"),
}


@pytest.mark.parametrize("case", BAD_COLUMNS)
def test_a_bad_number_has_its_line(write: Write, case: str) -> None:
    content, words = BAD_COLUMNS[case]
    file = write(content)
    with pytest.raises(DataError) as raised:
        number_column(read_table(file), "y", source=file)
    assert str(raised.value).startswith(f"{file}, {words}")


def test_number_column_reads_numbers_of_all_kinds() -> None:
    frame = pl.DataFrame(
        {"i": [1, 2], "t": ["1.5", " 2 "], "b": [True, False], "m": [1, 2]}, schema_overrides={"m": pl.Float32}
    )
    assert number_column(frame, "i", source="f").tolist() == [1.0, 2.0]
    assert number_column(frame, "t", source="f").tolist() == [1.5, 2.0]
    assert number_column(frame, "b", source="f").tolist() == [1.0, 0.0]
    assert number_column(frame, "m", source="f").dtype == np.float64
    kept = number_column(frame.with_columns(t=pl.Series(["NA", "3"])), "t", source="f", missing="keep")
    np.testing.assert_array_equal(kept, [np.nan, 3.0])


def test_number_column_refusals() -> None:
    frame = pl.DataFrame({"Sales": [1.0, None], "day": [dt.date(2020, 1, 1)] * 2})
    with pytest.raises(DataError) as raised:
        number_column(frame, "sale", source="shop")
    assert str(raised.value) == "shop has no column 'sale' (did you mean 'Sales'?); its columns are 'Sales', 'day'."
    with pytest.raises(DataError, match=r"shop, row 1 \(counting from 0\): the column 'Sales' is missing"):
        number_column(frame, "Sales", source="shop")
    with pytest.raises(DataError, match=r"gone\.csv, line 3: the column 'Sales' is missing"):
        number_column(frame, "Sales", source="gone.csv")
    with pytest.raises(DataError, match="the column 'day' must hold numbers; it holds Date"):
        number_column(frame, "day", source="shop")
    with pytest.raises(UsageError, match='`missing` must be "error" or "keep"; got \'drop\''):
        number_column(frame, "Sales", source="shop", missing="drop")
