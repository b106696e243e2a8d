"""Tables: CSV, TSV and Parquet through polars, anybody's data frame through narwhals, and their columns of numbers.

Every complaint names the file and the line, the header being line 1; rows of a data frame are counted from 0, as the
frame itself does. polars and narwhals are imported when a table is read, not before.
"""

from __future__ import annotations

import csv
import difflib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from elman.errors import DataError, UsageError

if TYPE_CHECKING:
    import polars as pl

Float = npt.NDArray[np.float64]

SEPARATORS = {".csv": ",", ".tsv": "\t"}
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL")


@dataclass(frozen=True, eq=False)
class Table:
    """A polars frame and what to call it in errors: a path, or words."""

    frame: pl.DataFrame
    source: str | Path

    def place(self, row: int) -> str:
        return _place(self.source, row)


# Reading


def read_table(path: str | os.PathLike[str]) -> pl.DataFrame:
    """A CSV, TSV or Parquet file as a polars frame.

    Of a CSV, `NA`, `NaN`, `null` and nothing at all are read as missing; a column becomes integers or floats where
    every value is one (codes such as 007 stay text), else text, dates too; blank lines are skipped; a file whose header
    has ';' and no ',' is split at ';'.

    Raises DataError, with file and line, for a missing, empty or unreadable file, a header without rows, bytes that are
    no UTF-8, rows with more or fewer fields than the header, a column named twice, or another kind of file.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if file.is_dir():
        raise DataError(f"{file} is a folder; give one file in it (.csv, .tsv or .parquet)")
    if suffix not in (*SEPARATORS, ".parquet"):
        hint = (
            "; a .ts file holds labelled recordings, read by `read_ts` and `elman classify`" if suffix == ".ts" else ""
        )
        raise DataError(
            f"{file} is of no known kind ({suffix or 'no suffix'}): tables are .csv, .tsv or .parquet, recordings are "
            ".ts"
            f"{hint or '. Convert or rename it'}"
        )
    try:
        with file.open("rb") as opened:
            empty = not opened.read(1)
    except FileNotFoundError as error:
        raise DataError(f"{file} does not exist; check the path (looked from {Path.cwd()})") from error
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}; check its permissions") from error
    if empty:
        raise DataError(f"{file} is empty; give a table with a header and rows")
    frame = _read_parquet(file) if suffix == ".parquet" else _read_csv(file)
    if frame.is_empty():
        raise DataError(f"{file} has a header but no rows; add rows below it")
    return frame


def _read_parquet(file: Path) -> pl.DataFrame:
    import polars as pl

    try:
        return pl.read_parquet(file)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DataError(
            f"{file} cannot be read as Parquet: {_first_line(error)}. Write it again, or save it as .csv"
        ) from error


def _read_csv(file: Path) -> pl.DataFrame:
    import polars as pl

    separator = _check_header(file)
    try:
        frame = pl.read_csv(file, separator=separator, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        _check_encoding(file)
        _check_rows(file, separator)
        _check_quotes(file, separator)
        raise DataError(f"{file} cannot be read as CSV: {_first_line(error)}. Correct it, or write it again") from error
    if frame.width and frame.to_series(-1).has_nulls():  # polars fills short and blank lines with nulls, silently
        frame = frame.filter(pl.Series(_check_rows(file, separator), dtype=pl.Boolean))
    return frame.with_columns([_typed(column) for column in frame.get_columns()])


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _separator(file: Path, header: str) -> str:
    if file.suffix.lower() == ".csv" and ";" in header and "," not in header:
        return ";"
    return SEPARATORS.get(file.suffix.lower(), ",")


def _check_header(file: Path) -> str:
    """Refuse a blank file, a header that is no UTF-8, and a name used twice; returns the separator."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            header = next((line for line in lines if line.strip()), None)
    except UnicodeDecodeError:
        _check_encoding(file)
        raise
    if header is None:
        raise DataError(f"{file} holds only blank lines; give a table with a header and rows")
    separator = _separator(file, header)
    seen: set[str] = set()
    try:
        names = next(csv.reader([header], delimiter=separator))
    except csv.Error as error:
        raise DataError(f"{file}, line 1: the header cannot be read: {error}. Is this a table?") from error
    for name in names:
        if name in seen:
            raise DataError(f"{file}, line 1: the column {name!r} appears twice; give every column its own name")
        seen.add(name)
    return separator


def _check_encoding(file: Path) -> None:
    raw = file.read_bytes()
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{file} is not UTF-8: byte 0x{raw[error.start]:02x} at offset {error.start} (line {line}); "
            "re-save the file as UTF-8 (in a spreadsheet: 'CSV UTF-8')"
        ) from error


def _check_quotes(file: Path, separator: str) -> None:
    if file.read_bytes().count(b'"') % 2:
        line = max(line for line, _ in _records(file, separator))
        raise DataError(f"{file}, line {line}: a quotation mark is never closed; close it, or remove it")


def _records(file: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Every record after the header as (its line, its fields); a blank line gives no fields."""
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        reader = csv.reader(lines, delimiter=separator)
        header: list[str] = []
        while not header:
            header = next(reader)
        line = reader.line_num + 1
        for fields in reader:
            yield line, fields
            line = reader.line_num + 1


def _check_rows(file: Path, separator: str) -> list[bool]:
    """Whether each record is a row and no blank line.

    Raises DataError for a record of another width than the header.
    """
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        width = len(next(fields for fields in csv.reader(lines, delimiter=separator) if fields))
    rows: list[bool] = []
    try:
        for line, fields in _records(file, separator):
            if fields and len(fields) != width:
                raise DataError(
                    f"{file}, line {line}: {len(fields)} field{'s' * (len(fields) > 1)}, but the header has {width}; "
                    "correct this line (a text with a comma in it needs quotation marks)"
                )
            rows.append(bool(fields))
    except csv.Error as error:
        raise DataError(
            f"{file} cannot be read as CSV: {error}. Look for a quotation mark that is not closed"
        ) from error
    return rows


def _typed(column: pl.Series) -> pl.Series:
    """Text without its outer white space and missing words, as integers or floats where every value is one."""
    import polars as pl

    text = clean_text(column)
    if text.null_count() == len(text):
        return text.cast(pl.Float64)
    if text.str.contains(r"^[+-]?0\d").any():
        return text
    for kind in (pl.Int64, pl.Float64):
        numbers = text.cast(kind, strict=False)
        if numbers.null_count() == text.null_count():
            return numbers
    return text


def clean_text(column: pl.Series) -> pl.Series:
    """Text without its outer white space; the words for missing become nulls."""
    text = column.str.strip_chars()
    return text.set(text.is_in(list(MISSING)), None)


def as_table(frame_or_path: Any) -> Table:
    """A path, or any frame that narwhals knows, as a polars frame with a name for errors."""
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
            "a table must be the path of a .csv, .tsv or .parquet file, or a data frame (polars, pandas, pyarrow, or "
            "any that "
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


def _place(source: str | Path, row: int) -> str:
    """Where a row is: the line of a CSV file (blank lines and line breaks in quotes counted), else the row."""
    file = Path(source)
    if file.suffix.lower() in SEPARATORS:
        return f"{file}, line {_line(file, row)}"
    return f"{source}, row {row} (counting from 0)"


def _line(file: Path, row: int) -> int:
    try:
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            separator = _separator(file, next(line for line in lines if line.strip()))
        return next(islice((line for line, fields in _records(file, separator) if fields), row, None))
    except (OSError, StopIteration, RuntimeError, csv.Error):  # another table than the file on disk
        return row + 2


# Columns


def number_column(frame: Any, name: str, *, source: str | os.PathLike[str], missing: str = "error") -> Float:
    """A column as (rows,) float64.

    frame     a polars frame, or any that narwhals knows
    source    the file it came from (errors then give its line), or words for it
    missing   "error", or "keep": missing values become NaN

    Raises DataError, with line, column and value: no such column, text or dates where a number belongs, infinity, or
    missing values (unless kept).
    """
    if missing not in ("error", "keep"):
        raise UsageError(f'`missing` must be "error" or "keep"; got {missing!r}')
    return numbers_of(Table(as_table(frame).frame, source if isinstance(source, str) else Path(source)), name, missing)


def numbers_of(table: Table, name: str, missing: str) -> Float:
    """`number_column` of a table that knows its source."""
    import polars as pl

    require_columns(table, [name])
    column = table.frame[name]
    if column.dtype == pl.String:
        column = text_as_numbers(table, column, name)
    elif column.dtype.is_temporal() or not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null)):
        raise DataError(
            f"{table.place(0)}: the column {name!r} must hold numbers; it holds {column.dtype}, for example "
            f"{column[0]!r}. "
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


def _refuse(table: Table, name: str, bad: npt.NDArray[np.bool_], what: str, numbers: Float) -> None:
    rows = np.flatnonzero(bad)
    if rows.size:
        raise DataError(
            f"{table.place(int(rows[0]))}: the column {name!r} {what}, and {rows.size} of {len(numbers)} values in "
            "all; "
            "fill or drop these rows"
        )


def require_columns(table: Table, names: Sequence[str]) -> None:
    """All columns that are not there, in one error, with the nearest name for each."""
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
