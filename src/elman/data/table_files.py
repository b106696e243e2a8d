"""Files of tables: CSV, TSV and Parquet, read through polars.

Every complaint names the file and the line, the header being line 1. polars is imported when a table is read, not before.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from elman.errors import DataError

if TYPE_CHECKING:
    import polars as pl

SEPARATORS = {".csv": ",", ".tsv": "\t"}
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL")


def read_table(path: str | os.PathLike[str]) -> pl.DataFrame:
    """A CSV, TSV or Parquet file as a polars frame.

    Of a CSV, `NA`, `NaN`, `null` and nothing at all are read as missing; a column becomes integers or floats where every value is
    one (codes such as 007 stay text), else text, dates too; blank lines are skipped; a file whose header has ';' and no ',' is
    split at ';'.

    Args:
        path: of a .csv, .tsv or .parquet file.

    Raises:
        DataError: with file and line: a missing, empty or unreadable file, a header without rows, bytes that are no UTF-8, rows
            with more or fewer fields than the header, a column named twice, or another kind of file.
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
            f"{file} is of no known kind ({suffix or 'no suffix'}): tables are .csv, .tsv or .parquet, recordings are .ts"
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
    """Whether each record is a row and no blank line. Raises DataError for a record of another width than the header."""
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


def line_of(file: Path, row: int) -> int:
    """The line of a CSV file in which a row stands: blank lines and line breaks in quotes count.

    Args:
        file: the file.
        row: counted from 0, without the header.
    """
    try:
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            separator = _separator(file, next(line for line in lines if line.strip()))
        return next(islice((line for line, fields in _records(file, separator) if fields), row, None))
    except (OSError, StopIteration, RuntimeError, csv.Error):  # another table than the file on disk
        return row + 2
