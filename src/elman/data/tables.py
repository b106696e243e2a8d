"""Tables as sequences: CSV, TSV and Parquet through polars, anybody's data frame through narwhals.

A table becomes columns of numbers (`number_column`), time series for a forecaster (`series_from_frame`), or sequences
with inputs, targets and labels (`sequences_from_frame`). Every complaint names the file and the line, the header being
line 1; rows of a data frame are counted from 0, as the frame itself does.

Times are kept as wall-clock time: a time zone or an offset is dropped. Shapes: T steps, C target columns, D inputs, O
outputs. polars and narwhals are imported when a table is read, not before.
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

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float64]

SEPARATORS = {".csv": ",", ".tsv": "\t"}
MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL")

_MICROSECONDS = {
    "week": 7 * 86_400_000_000,
    "day": 86_400_000_000,
    "hour": 3_600_000_000,
    "minute": 60_000_000,
    "second": 1_000_000,
    "microsecond": 1,
}
_MONTHS = {"year": 12, "quarter": 3, "month": 1}
_SEASONS = {
    "year": 1,
    "quarter": 4,
    "month": 12,
    "week": 52,
    "business day": 5,
    "day": 7,
    "hour": 24,
    "minute": 60,
    "second": 60,
}

_TIME = re.compile(
    r"(?P<year>\d{4})(?:-?Q(?P<quarter>[1-4])|[-/](?P<month>\d{1,2})(?:[-/](?P<day>\d{1,2})"
    r"(?:[T ](?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<fraction>\d{1,9}))?)?"
    r"(?:Z|[+-]\d{2}:?\d{2})?)?)?)?"
)


@dataclass(frozen=True, eq=False)
class Series:
    """One time series: its name, its times (datetime64[us] or int64, (T,); None without a time column) and y (T, C)."""

    unique_id: str
    ds: Array | None
    y: Float


@dataclass(frozen=True)
class Frequency:
    """How far apart times are: `every` units called `name`; `season` is how many such steps make the usual cycle (1:
    none).

    Cycles: a year of months, quarters or weeks; a week of days; a day of hours; an hour of single minutes, a day of
    longer ones (15 minutes: 96); a minute of seconds. `name` is one of year, quarter, month, week, day, business day,
    hour, minute, second, microsecond and, for whole numbers, step.
    """

    name: str
    season: int
    every: int = 1


@dataclass(frozen=True, eq=False)
class FrameSequences:
    """N sequences cut from a table: `X` N arrays (T_i, D), `y` N arrays (T_i, O) or None, `labels` (N,) or None, `ids`
    (N,)."""

    X: list[Float]
    y: list[Float] | None
    labels: Array | None
    ids: list[str]
    input_names: list[str]
    target_names: list[str]


@dataclass(frozen=True, eq=False)
class _Table:
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

    text = _clean_text(column)
    if text.null_count() == len(text):
        return text.cast(pl.Float64)
    if text.str.contains(r"^[+-]?0\d").any():
        return text
    for kind in (pl.Int64, pl.Float64):
        numbers = text.cast(kind, strict=False)
        if numbers.null_count() == text.null_count():
            return numbers
    return text


def _clean_text(column: pl.Series) -> pl.Series:
    text = column.str.strip_chars()
    return text.set(text.is_in(list(MISSING)), None)


def _table(frame_or_path: Any) -> _Table:
    """A path, or any frame that narwhals knows, as a polars frame with a name for errors."""
    import narwhals as nw
    import polars as pl

    if isinstance(frame_or_path, _Table):
        return frame_or_path
    if isinstance(frame_or_path, str | os.PathLike):
        return _Table(read_table(frame_or_path), Path(frame_or_path))
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


def _not_empty(frame: pl.DataFrame) -> _Table:
    if frame.is_empty():
        raise DataError("the data frame has no rows; look where it was filtered")
    return _Table(frame, "the data frame")


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
    return _numbers(_Table(_table(frame).frame, source if isinstance(source, str) else Path(source)), name, missing)


def _numbers(table: _Table, name: str, missing: str) -> Float:
    import polars as pl

    _require_columns(table, [name])
    column = table.frame[name]
    if column.dtype == pl.String:
        column = _text_as_numbers(table, column, name)
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


def _text_as_numbers(table: _Table, column: pl.Series, name: str) -> pl.Series:
    import polars as pl

    text = _clean_text(column)
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


def _refuse(table: _Table, name: str, bad: npt.NDArray[np.bool_], what: str, numbers: Float) -> None:
    rows = np.flatnonzero(bad)
    if rows.size:
        raise DataError(
            f"{table.place(int(rows[0]))}: the column {name!r} {what}, and {rows.size} of {len(numbers)} values in "
            "all; "
            "fill or drop these rows"
        )


def _require_columns(table: _Table, names: Sequence[str]) -> None:
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


# Times


def _times(table: _Table, name: str) -> Array:
    """A time column as (rows,) datetime64[us] or int64. Raises DataError, with line, for what is neither."""
    import polars as pl

    _require_columns(table, [name])
    column = table.frame[name]
    if column.dtype == pl.String:
        column = _clean_text(column)
    gone = column.is_null().arg_true()
    if len(gone):
        raise DataError(f"{table.place(int(gone[0]))}: the time column {name!r} is missing; fill or drop these rows")
    if column.dtype.is_integer():
        return _compact_dates(column.cast(pl.Int64).to_numpy())
    if column.dtype.is_float():
        return _whole_times(table, name, column.to_numpy())
    if column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
        wall = column.cast(pl.Datetime("us")) if column.dtype == pl.Date else column.dt.replace_time_zone(None)
        return wall.cast(pl.Datetime("us")).to_numpy()
    if column.dtype != pl.String:
        raise DataError(
            f"{table.place(0)}: the time column {name!r} must hold dates or whole numbers; it holds {column.dtype}"
        )
    return _text_times(table, name, column.to_list())


def _compact_dates(numbers: Array) -> Array:
    """Numbers such as 20200131 as dates, where each is a day of the years 1800 to 2199; else as they are."""
    if len(numbers) == 0 or numbers.min() < 18_000_101 or numbers.max() > 21_991_231:
        return numbers
    months_of_year = numbers // 100 % 100
    months = (numbers // 10_000 - 1970) * 12 + months_of_year - 1
    days = months.astype("datetime64[M]").astype("datetime64[D]") + (numbers % 100 - 1)
    real = (months_of_year >= 1) & (months_of_year <= 12) & (days.astype("datetime64[M]").astype(np.int64) == months)
    return np.asarray(days.astype("datetime64[us]")) if real.all() else numbers


def _whole_times(table: _Table, name: str, numbers: Float) -> Array:
    bad = np.flatnonzero(~np.isfinite(numbers) | (numbers != np.floor(numbers)))
    if bad.size:
        row = int(bad[0])
        raise DataError(
            f"{table.place(row)}: the time column {name!r} must hold dates or whole numbers; it holds {numbers[row]}. "
            "Number the steps 0, 1, 2, or write dates as YYYY-MM-DD"
        )
    return _compact_dates(numbers.astype(np.int64))


def _text_times(table: _Table, name: str, words: list[str]) -> Array:
    if all(re.fullmatch(r"[+-]?\d{1,18}", word) for word in words):
        return _compact_dates(np.array([int(word) for word in words], dtype=np.int64))
    iso = [_iso(word) for word in words]
    try:
        return np.array(iso, dtype="datetime64[us]")
    except ValueError:
        row = next(row for row, word in enumerate(iso) if not _is_time(word))
    raise DataError(
        f"{table.place(row)}: the time column {name!r} holds {words[row][:60]!r}, which is no date; "
        "write 2020-01-31, 2020-01, 2020-Q1, 2020-01-31 23:59:59 or whole numbers"
    )


def _iso(word: str) -> str:
    """The full ISO form of a time; the word itself where it is none (NumPy then refuses it)."""
    match = _TIME.fullmatch(word)
    if match is None:
        return f"?{word}"  # NumPy would read "20200101" as a year
    year, quarter, month, day, hour, minute, second, fraction = match.groups()
    if quarter:
        month = str(3 * int(quarter) - 2)
    date = f"{year}-{month or '1':0>2}-{day or '1':0>2}"
    return f"{date}T{hour or '0':0>2}:{minute or '00'}:{second or '00'}.{(fraction or '0')[:6]}"


def _is_time(word: str) -> bool:
    try:
        np.datetime64(word, "us")
    except ValueError:
        return False
    return True


def infer_frequency(ds: Array | None) -> Frequency:
    """How far apart these times are, judged by the commonest step.

    ds   (T,) datetime64 or integers, sorted; None (no times) counts as steps of 1

    Months, quarters and years are calendar ones: the same day of each month, or each month's last. Days from Monday to
    Friday alone are business days. Raises DataError for fewer than two times, or where no step makes up half of all.

    >>> infer_frequency(np.array(["2020-01", "2020-02", "2020-03"], dtype="datetime64[us]"))
    Frequency(name='month', season=12, every=1)
    """
    if ds is None:
        return Frequency("step", 1)
    if len(ds) < 2:
        raise DataError(f"a frequency needs at least two times; got {len(ds)}. Give a longer series")
    frequency = _commonest(ds)
    if frequency is None:
        raise DataError(
            f"the times from {format_time(ds[0])} to {format_time(ds[-1])} are of no one frequency: no step between "
            "neighbours "
            "makes up half of all; resample to equal steps first"
        )
    return frequency


def _commonest(ds: Array) -> Frequency | None:
    if ds.dtype.kind != "M":
        every = _mode(np.diff(ds))
        return None if every is None else Frequency("step", 1, every)
    ds = ds.astype("datetime64[us]")
    if _is_calendar(ds):
        every = _mode(np.diff(_positions(ds, "month")))
        return None if every is None else _in_units(every, _MONTHS)
    if _is_business(ds):
        return Frequency("business day", 5)
    every = _mode(np.diff(ds).astype(np.int64))
    return None if every is None else _in_units(every, _MICROSECONDS)


def _mode(steps: npt.NDArray[np.int64]) -> int | None:
    """The commonest step, where it makes up at least half and is positive."""
    values, counts = np.unique(steps, return_counts=True)
    best = int(counts.argmax())
    return int(values[best]) if 2 * counts[best] >= len(steps) and values[best] > 0 else None


def _in_units(step: int, units: dict[str, int]) -> Frequency:
    """The step in the largest unit that divides it, with its season."""
    name = next(unit for unit, size in units.items() if step % size == 0)
    every = step // units[name]
    cycle = 1440 if name == "minute" and every > 1 else _SEASONS.get(name, 1)
    if name == "day" and every > 1:
        cycle = 1
    return Frequency(name, cycle // every if cycle % every == 0 else 1, every)


def _days_and_month_lengths(ds: Array) -> tuple[Array, Array]:
    """The day of the month, from 1, and the number of days of that month, for each time."""
    days, months = ds.astype("datetime64[D]"), ds.astype("datetime64[M]")
    lengths = ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64)
    return (days - months.astype("datetime64[D]")).astype(np.int64) + 1, lengths


def _anchor(ds: Array) -> int:
    """The day of the month that times stand on: 31 where all are the last of their month."""
    days, lengths = _days_and_month_lengths(ds)
    return 31 if bool((days == lengths).all()) else int(days.max())


def _time_of_day(ds: Array) -> Array:
    return np.asarray(ds - ds.astype("datetime64[D]"))


def _is_calendar(ds: Array) -> bool:
    days, lengths = _days_and_month_lengths(ds)
    same_day = bool((days == np.minimum(_anchor(ds), lengths)).all())
    same_hour = len(np.unique(_time_of_day(ds))) == 1
    return same_day and same_hour and bool((np.diff(_positions(ds, "month")) > 0).all())


def _is_business(ds: Array) -> bool:
    """Monday to Friday, a weekend between, and at least half of the steps one business day."""
    days = ds.astype("datetime64[D]")
    if len(np.unique(_time_of_day(ds))) != 1 or not np.is_busday(days).all():
        return False
    return _mode(np.diff(_positions(ds, "business day"))) == 1 and bool((np.diff(days).astype(np.int64) == 3).any())


def _positions(ds: Array, name: str) -> npt.NDArray[np.int64]:
    """Times as whole numbers: months, business days, microseconds or steps, whichever `name` counts in."""
    if name == "step":
        return ds.astype(np.int64)
    if name in _MONTHS:
        return ds.astype("datetime64[M]").astype(np.int64)
    if name == "business day":
        return np.busday_count(np.datetime64("1970-01-01"), ds.astype("datetime64[D]")).astype(np.int64)
    return ds.astype("datetime64[us]").astype(np.int64)


def _stride(frequency: Frequency) -> int:
    """One step of this frequency, in the whole numbers of `_positions`."""
    return frequency.every * {**_MONTHS, **_MICROSECONDS}.get(frequency.name, 1)


def future_times(ds: Array | None, frequency: Frequency, steps: int) -> Array:
    """The (steps,) times that follow `ds`, of its dtype. Month ends stay month ends.

    >>> month = np.array(["2020-01-31", "2020-02-29"], dtype="datetime64[us]")
    >>> [format_time(value) for value in future_times(month, infer_frequency(month), 2)]
    ['2020-03-31', '2020-04-30']
    """
    ahead = np.arange(1, steps + 1, dtype=np.int64) * _stride(frequency)
    if ds is None:
        return ahead
    if len(ds) == 0:
        raise DataError("the times that follow need at least one time to follow on; got an empty series")
    if frequency.name == "step":
        return np.asarray(ds[-1] + ahead)
    ds = ds.astype("datetime64[us]")
    if frequency.name == "business day":
        days = np.busday_offset(ds[-1].astype("datetime64[D]"), ahead, roll="backward")
        return np.asarray(days + _time_of_day(ds[-1:]))
    if frequency.name in _MONTHS:
        months = ds[-1].astype("datetime64[M]") + ahead
        _, lengths = _days_and_month_lengths(months)
        days = months.astype("datetime64[D]") + (np.minimum(_anchor(ds), lengths) - 1)
        return np.asarray(days + _time_of_day(ds[-1:]))
    return np.asarray(ds[-1] + ahead.astype("timedelta64[us]"))


def format_time(value: Any) -> str:
    """A time as text: `1949-01-01`, with ` 13:00:00` where it is not midnight, or a whole number.

    >>> format_time(np.datetime64("1949-01")), format_time(np.datetime64("2020-01-01T13:00", "us")), format_time(7)
    ('1949-01-01', '2020-01-01 13:00:00', '7')
    """
    if not isinstance(value, np.datetime64):
        return str(int(value))
    date, time = str(value.astype("datetime64[us]")).split("T")
    time = time.removesuffix(".000000")
    return date if time == "00:00:00" else f"{date} {time}"


# Series and sequences


def series_from_frame(
    frame_or_path: Any,
    *,
    time: str | None = None,
    target: str | Sequence[str],
    series: str | None = None,
    missing: str = "error",
    gaps: str = "error",
) -> list[Series]:
    """The time series of a table, in order of first appearance, each sorted by time.

    frame_or_path   path of a .csv, .tsv or .parquet file, or a data frame
    time            column of dates (2020-01, 2020-01-31, 20200131, 2020-01-31 23:59:59, 2020-Q1) or whole numbers;
                    None: the rows are in order
    target          the column to forecast, or several
    series          column that names the series, in a long table; None: it is all one, named after its targets
    missing         "error", or "keep": missing values become NaN
    gaps            "error", or "keep": the steps that are there count as neighbours

    Raises DataError, with line: a column that is not there, no number, no date, missing values, a time twice in one
    series, or a gap (a step other than the commonest, where that makes up half of all).
    """
    for name, value in (("missing", missing), ("gaps", gaps)):
        if value not in ("error", "keep"):
            raise UsageError(f'`{name}` must be "error" or "keep"; got {value!r}')
    targets = _names("target", target)
    table = _table(frame_or_path)
    _check_roles(table, {"target": targets, "time": _names("time", time), "series": _names("series", series)})
    y = np.stack([_numbers(table, name, missing) for name in targets], axis=1)
    ds = None if time is None else _times(table, time)
    result = []
    for unique_id, rows in _groups(table, series, "+".join(targets)):
        rows = _sorted(table, rows, ds, time, unique_id if series else None)
        if ds is not None and gaps == "error":
            _check_gaps(table, rows, ds[rows], str(time), unique_id if series else None)
        result.append(Series(unique_id, None if ds is None else ds[rows], y[rows]))
    return result


def sequences_from_frame(
    frame_or_path: Any,
    *,
    inputs: Sequence[str] | None = None,
    target: str | Sequence[str] | None = None,
    series: str | None = None,
    time: str | None = None,
    label: str | None = None,
) -> FrameSequences:
    """The sequences of a long table, in order of first appearance: inputs, targets of each step, a label of each
    sequence.

    inputs   input columns; None: all columns of numbers that have no other role
    target   target column, or several, for regression at each step
    series   column that tells the sequences apart; None: the table is one sequence
    time     column to sort by within a sequence; None: rows are in order. Gaps are allowed
    label    column that holds the sequence's class, the same in all its rows

    Raises DataError, with line: a column that is not there, no number, missing values, a time twice in one sequence, or
    a label that changes within a sequence.
    """
    targets = _names("target", target)
    roles = {name: _names(name, value) for name, value in (("series", series), ("time", time), ("label", label))}
    table = _table(frame_or_path)
    _check_roles(table, {"target": targets, **roles})
    taken = {*targets, *(name for names in roles.values() for name in names)}
    names = _input_names(table, taken) if inputs is None else _names("inputs", inputs)
    _check_roles(table, {"inputs": names, "target": targets, **roles})
    x = np.stack([_numbers(table, name, "error") for name in names], axis=1)
    y = np.stack([_numbers(table, name, "error") for name in targets], axis=1) if targets else None
    ds = None if time is None else _times(table, time)
    groups = [
        (unique_id, _sorted(table, rows, ds, time, unique_id if series else None))
        for unique_id, rows in _groups(table, series, "all")
    ]
    return FrameSequences(
        X=[x[rows] for _, rows in groups],
        y=None if y is None else [y[rows] for _, rows in groups],
        labels=None if label is None else np.array([_one_label(table, label, *group) for group in groups]),
        ids=[unique_id for unique_id, _ in groups],
        input_names=names,
        target_names=targets,
    )


def _names(role: str, value: str | Sequence[str] | None) -> list[str]:
    names = [] if value is None else [value] if isinstance(value, str) else list(value)
    if value is not None and not names:
        raise UsageError(f"`{role}` must name at least one column; got {value!r}")
    return names


def _check_roles(table: _Table, roles: dict[str, list[str]]) -> None:
    """Every column is there, and has one role."""
    _require_columns(table, [name for names in roles.values() for name in names])
    taken: dict[str, str] = {}
    for role, names in roles.items():
        for name in names:
            if name in taken:
                both = f"`{taken[name]}` twice" if taken[name] == role else f"both `{taken[name]}` and `{role}`"
                raise UsageError(f"the column {name!r} is named as {both}; each column has one role")
            taken[name] = role


def _input_names(table: _Table, taken: set[str]) -> list[str]:
    """All columns of numbers without another role; one with a few words among its numbers is refused as a mistake."""
    import polars as pl

    names = []
    for column in table.frame.get_columns():
        if column.name in taken:
            continue
        if column.dtype == pl.String:
            text = _clean_text(column)
            if (
                2 * text.cast(pl.Float64, strict=False).count() > text.count()
                and not text.str.contains(r"^[+-]?0\d").any()
            ):
                _text_as_numbers(table, column, column.name)
                names.append(column.name)
        elif column.dtype.is_numeric() or column.dtype == pl.Boolean:
            names.append(column.name)
    if not names:
        raise DataError(
            f"{table.source} has no column of numbers left for `inputs`; its columns are "
            f"{', '.join(map(repr, table.frame.columns))}, of which {', '.join(map(repr, sorted(taken)))} have other "
            "roles"
        )
    return names


def _groups(table: _Table, series: str | None, alone: str) -> list[tuple[str, Array]]:
    """(name, rows) of each series, in order of first appearance."""
    if series is None:
        return [(alone, np.arange(table.frame.height))]
    column = table.frame[series]
    gone = column.is_null().arg_true()
    if len(gone):
        raise DataError(
            f"{table.place(int(gone[0]))}: the column {series!r}, which names the series, is missing; fill it in"
        )
    ids = np.array([str(value) for value in column.to_list()])
    names, first, inverse, counts = np.unique(ids, return_index=True, return_inverse=True, return_counts=True)
    rows = np.split(np.argsort(inverse, kind="stable"), np.cumsum(counts)[:-1])
    return [(str(names[code]), rows[code]) for code in np.argsort(first)]


def _sorted(table: _Table, rows: Array, ds: Array | None, time: str | None, series: str | None) -> Array:
    """These rows in order of time. Raises DataError where a time comes twice."""
    if ds is None:
        return rows
    rows = rows[np.argsort(ds[rows], kind="stable")]
    twice = np.flatnonzero(ds[rows][1:] == ds[rows][:-1])
    if twice.size:
        first, second = int(rows[twice[0]]), int(rows[twice[0] + 1])
        within = f" in the series {series!r}" if series else ""
        hint = (
            "drop one of them"
            if series
            else "drop one of them, or name the column that tells the series apart (`series`)"
        )
        raise DataError(
            f"{table.place(second)}: the time {format_time(ds[second])} in {time!r} comes a second time{within} "
            f"(first: {table.place(first)}); {hint}"
        )
    return rows


def _check_gaps(table: _Table, rows: Array, ds: Array, time: str, series: str | None) -> None:
    frequency = _commonest(ds) if len(ds) > 2 else None
    if frequency is None:
        return
    gaps = np.flatnonzero(np.diff(_positions(ds, frequency.name)) != _stride(frequency))
    if gaps.size:
        before = int(gaps[0])
        every = frequency.name if frequency.every == 1 else f"{frequency.every} {frequency.name}s"
        within = f" of the series {series!r}" if series else ""
        raise DataError(
            f"{table.place(int(rows[before + 1]))}: a gap in {time!r}{within}: after {format_time(ds[before])} comes "
            f"{format_time(ds[before + 1])}, but the step is one {every} ({gaps.size} in all); fill or resample "
            "first"
        )


def _one_label(table: _Table, label: str, unique_id: str, rows: Array) -> Any:
    column = table.frame[label]
    values = [column[int(row)] for row in rows]
    for row, value in zip(rows, values, strict=True):
        if value is None:
            raise DataError(f"{table.place(int(row))}: the label column {label!r} is missing; fill or drop these rows")
        if value != values[0]:
            raise DataError(
                f"{table.place(int(row))}: the label {value!r} in {label!r} differs from {values[0]!r} before it in "
                "the sequence "
                f"{unique_id!r}; a sequence has one label. If it changes with time, split the sequence or make it a "
                "`target`"
            )
    return values[0]
