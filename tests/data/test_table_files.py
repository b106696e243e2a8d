"""Files of tables: what is read, and every refusal with file and line."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from elman.data.tables import read_table
from elman.errors import DataError

Write = Callable[..., Path]


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
