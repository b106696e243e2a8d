"""Tables: reading and columns; every refusal with file and line."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from elman.data.tables import number_column, read_table
from elman.errors import DataError, UsageError

Write = Callable[..., Path]

# Reading


def test_types_and_missing_words(write: Write) -> None:
    frame = read_table(write('i,f,s,code,n\n1,1.5,a,007,NA\n-2,1e3," b ",010,\n NaN,null,NA,012,nan\n'))
    assert frame.to_dict(as_series=False) == {
        "i": [1, -2, None],
        "f": [1.5, 1000.0, None],
        "s": ["a", "b", None],
        "code": ["007", "010", "012"],
        "n": [None, None, None],
    }


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("a,b\n1,2\n3,4\n", "t.csv"),
        ("a,b\r\n1,2\r\n3,4", "t.CSV"),
        ("\ufeff\n\na,b\n\n1,2\n\n3,4\n\n\n", "t.csv"),
        ("a;b\n1;2\n3;4\n", "t.csv"),
        ("a\tb\n1\t2\n3\t4\n", "t.tsv"),
        ('"a","b"\n"1","2"\n"3","4"\n', "t.csv"),
    ],
    ids=["plain", "windows", "bom-and-blank-lines", "semicolon", "tsv", "quoted"],
)
def test_the_same_table_written_differently(write: Write, content: str, name: str) -> None:
    assert read_table(write(content, name)).to_dict(as_series=False) == {"a": [1, 3], "b": [2, 4]}


def test_parquet(tmp_path: Path) -> None:
    frame = pl.DataFrame({"t": [dt.date(2020, 1, 1), dt.date(2020, 1, 2)], "y": [1.0, 2.0]})
    frame.write_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").equals(frame)


UNREADABLE = {
    "empty": (b"", "t.csv", "is empty; give a table with a header and rows"),
    "blank": (b" \n\n", "t.csv", "holds only blank lines"),
    "header only": (b"a,b\n", "t.csv", "has a header but no rows; add rows below it"),
    "header and blank lines": (b"a,b\n\n\n", "t.csv", "has a header but no rows"),
    "short row": (b"a,b\n1,2\n\n3\n", "t.csv", ", line 4: 1 field, but the header has 2; correct this line"),
    "long row": (b"a,b\n1,2\n3,4,5\n", "t.csv", ", line 3: 3 fields, but the header has 2"),
    "latin-1": (
        b"a,b\n1,2\n\xe9,2\n",
        "t.csv",
        "is not UTF-8: byte 0xe9 at offset 8 (line 3); re-save the file as UTF-8",
    ),
    "latin-1 header": (b"\xe9,b\n1,2\n", "t.csv", "byte 0xe9 at offset 0 (line 1)"),
    "utf-16": ("a,b\n1,2\n".encode("utf-16"), "t.csv", "is not UTF-8: byte 0xff at offset 0 (line 1)"),
    "name twice": (b"a,a\n1,2\n", "t.csv", ", line 1: the column 'a' appears twice"),
    "open quote": (b'a,b\n1,2\n3,"4\n5,6\n', "t.csv", ", line 3: a quotation mark is never closed"),
    "one endless line": (b"x" * 200_000, "t.csv", ", line 1: the header cannot be read: field larger than"),
    "unknown kind": (
        b"x",
        "t.xlsx",
        "is of no known kind (.xlsx): tables are .csv, .tsv or .parquet, recordings are .ts",
    ),
    "no suffix": (b"x", "table", "is of no known kind (no suffix)"),
    "ts": (b"x", "t.ts", "a .ts file holds labelled recordings, read by `read_ts` and `elman classify`"),
    "no parquet": (b"not parquet at all", "t.parquet", "cannot be read as Parquet"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_an_unreadable_file_is_named(write: Write, case: str) -> None:
    content, name, words = UNREADABLE[case]
    file = write(content, name)
    with pytest.raises(DataError) as raised:
        read_table(file)
    assert str(raised.value).startswith(str(file))
    assert words in str(raised.value)


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none.csv does not exist; check the path"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(DataError, match="is a folder; give one file in it"):
        read_table(tmp_path)


# Columns


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


def test_importing_the_room_imports_no_table_library() -> None:
    code = (
        "import sys; import elman.data.frames, elman.data.ts_files, elman.data.text, elman.data.vocabulary;"
        "print([name for name in ('polars', 'narwhals', 'pandas', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
