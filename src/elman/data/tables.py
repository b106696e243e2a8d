"""Tables from anywhere: a file, or anybody's data frame through narwhals, as a polars frame that knows where it came from.

narwhals is imported when a frame is taken, not before. Rows of a data frame are counted from 0, as the frame itself does.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from elman.data.table_files import SEPARATORS, line_of, read_table
from elman.errors import DataError, UsageError

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, eq=False)
class Table:
    """A table that can say where a row of it stands.

    Attributes:
        frame: polars.
        source: what to call it in errors: a path, or words.
    """

    frame: pl.DataFrame
    source: str | Path

    def place(self, row: int) -> str:
        """Where a row stands: the line of a CSV file, else the row. `row` counts from 0, without a header."""
        file = Path(self.source)
        if file.suffix.lower() in SEPARATORS:
            return f"{file}, line {line_of(file, row)}"
        return f"{self.source}, row {row} (counting from 0)"


def as_table(frame_or_path: Any) -> Table:
    """Take a table, from wherever it comes.

    Args:
        frame_or_path: path of a .csv, .tsv or .parquet file; a data frame of polars, pandas, pyarrow or any that narwhals knows;
            or a `Table`.

    Raises:
        DataError: the file cannot be read (see `read_table`), or there are no rows.
        UsageError: it is something else, or a lazy frame.
    """
    import narwhals as nw
    import polars as pl

    if isinstance(frame_or_path, Table):
        return frame_or_path
    if isinstance(frame_or_path, str | os.PathLike):
        return Table(read_table(frame_or_path), Path(frame_or_path))
    if isinstance(frame_or_path, pl.DataFrame):
        return _not_empty(frame_or_path)
    try:
        foreign = nw.from_native(frame_or_path, eager_only=True)
    except TypeError as error:
        raise UsageError(
            "a table must be the path of a .csv, .tsv or .parquet file, or a data frame (polars, pandas, pyarrow, or any that "
            "narwhals knows; a lazy one collected first, a single series with `.to_frame()`); got "
            f"{type(frame_or_path).__name__}"
        ) from error
    columns = {str(name): foreign.get_column(name) for name in foreign.columns}
    return _not_empty(pl.DataFrame([_foreign_column(name, column) for name, column in columns.items()]))


def _not_empty(frame: pl.DataFrame) -> Table:
    if frame.is_empty():
        raise DataError("the data frame has no rows; look where it was filtered")
    return Table(frame, "the data frame")


def _foreign_column(name: str, column: Any) -> pl.Series:
    """A narwhals column as a polars one, by way of NumPy or a list: polars' own converter needs pyarrow for pandas."""
    import narwhals as nw
    import polars as pl

    kind = column.dtype
    if kind.is_numeric() or kind == nw.Boolean:
        values = column.to_numpy()
        return pl.Series(name, values.astype(np.float64) if values.dtype == object else values)
    if isinstance(kind, nw.Datetime):
        wall = column.dt.replace_time_zone(None) if kind.time_zone else column
        return pl.Series(name, wall.to_numpy().astype("datetime64[us]"))
    missing = column.is_null().to_list()
    values = [None if gone else str(value) for value, gone in zip(column.to_list(), missing, strict=True)]
    return pl.Series(name, values, dtype=pl.String)
