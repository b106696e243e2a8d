"""Tables from anywhere: frames of every library, and where a row of them stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from elman.data.tables import Table, as_table
from elman.errors import DataError, UsageError

COLUMNS: dict[str, list[Any]] = {"name": ["a", None, "c"], "value": [1.5, 2.0, None], "count": [1, 2, 3]}


@pytest.mark.parametrize("make", [pl.DataFrame, pd.DataFrame, pa.table])
def test_a_frame_of_any_library_is_the_same_table(make: Any) -> None:
    table = as_table(make(COLUMNS))
    assert table.source == "the data frame"
    assert table.frame["name"].to_list() == COLUMNS["name"]
    assert table.frame["value"].fill_nan(None).to_list() == COLUMNS["value"]
    assert table.frame["count"].to_list() == COLUMNS["count"]


def test_a_table_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a\n1\n")
    table = as_table(tmp_path / "t.csv")
    assert as_table(table) is table
    assert table.source == tmp_path / "t.csv"


def test_a_row_is_a_line_of_a_file_and_a_row_of_a_frame(tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text('a,b\n\n1,"x\ny"\n2,z\n')
    assert as_table(file).place(1) == f"{file}, line 5"
    assert Table(pl.DataFrame(COLUMNS), "the data frame").place(1) == "the data frame, row 1 (counting from 0)"
    assert Table(pl.DataFrame(COLUMNS), "gone.csv").place(1) == "gone.csv, line 3"


@pytest.mark.parametrize("frame", [3, [1, 2], pl.DataFrame(COLUMNS).lazy(), pl.Series([1])])
def test_what_is_no_table_is_refused(frame: Any) -> None:
    with pytest.raises(UsageError, match="a table must be the path of a .csv, .tsv or .parquet file, or a data frame"):
        as_table(frame)


def test_a_frame_without_rows_is_refused() -> None:
    for frame in (pl.DataFrame(COLUMNS).head(0), pd.DataFrame(COLUMNS).head(0)):
        with pytest.raises(DataError, match="the data frame has no rows; look where it was filtered"):
            as_table(frame)


def test_importing_the_room_imports_no_table_library() -> None:
    code = (
        "import sys; import elman.data.frames, elman.data.ts_files, elman.data.text, elman.data.vocabulary;"
        "print([name for name in ('polars', 'narwhals', 'pandas', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
