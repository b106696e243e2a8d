"""Times: the columns that hold them, how far apart they are, and which come next.

Times are kept as wall-clock time, datetime64[us], or as whole numbers, int64: a time zone or an offset is dropped.
Shapes: T steps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from elman.data.number_columns import require_columns
from elman.data.table_files import clean_text
from elman.data.tables import Table
from elman.errors import DataError
from elman.files import Array, FloatArray, IntArray

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


@dataclass(frozen=True)
class Frequency:
    """How far apart times are.

    Attributes:
        name: the unit: year, quarter, month, week, day, business day, hour, minute, second, microsecond or, of whole numbers, step.
        season: how many steps make the usual cycle; 1 for none. A year of months, quarters or weeks; a week of days; a day of
            hours; an hour of single minutes, a day of longer ones (15 minutes: 96); a minute of seconds.
        every: units in a step.
    """

    name: str
    season: int
    every: int = 1


def times(table: Table, name: str) -> Array:
    """Read a time column.

    Args:
        table: that has it.
        name: of the column.

    Returns:
        (rows,) datetime64[us] or int64.

    Raises:
        DataError: with line: the column is not there, has missing times, or holds what is no time.
    """
    import polars as pl

    require_columns(table, [name])
    column = table.frame[name]
    if column.dtype == pl.String:
        column = clean_text(column)
    missing = column.is_null().arg_true()
    if len(missing):
        raise DataError(f"{table.place(int(missing[0]))}: the time column {name!r} is missing; fill or drop these rows")
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


def _whole_times(table: Table, name: str, numbers: FloatArray) -> Array:
    bad = np.flatnonzero(~np.isfinite(numbers) | (numbers != np.floor(numbers)))
    if bad.size:
        row = int(bad[0])
        raise DataError(
            f"{table.place(row)}: the time column {name!r} must hold dates or whole numbers; it holds {numbers[row]}. "
            "Number the steps 0, 1, 2, or write dates as YYYY-MM-DD"
        )
    return _compact_dates(numbers.astype(np.int64))


def _text_times(table: Table, name: str, words: list[str]) -> Array:
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
    """How far apart times are, judged by the commonest step.

    Months, quarters and years are calendar ones: the same day of each month, or each month's last. Days from Monday to Friday alone
    are business days.

    Args:
        ds: (T,) datetime64 or integers, sorted; None (no times) counts as steps of 1.

    Raises:
        DataError: fewer than two times, or no step makes up half of all.

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
            f"the times from {format_time(ds[0])} to {format_time(ds[-1])} are of no one frequency: no step between neighbours "
            "makes up half of all; resample to equal steps first"
        )
    return frequency


def find_gaps(ds: Array) -> tuple[Frequency, IntArray] | None:
    """Find the gaps in sorted times.

    Args:
        ds: (T,) datetime64 or integers.

    Returns:
        (frequency, gaps): the commonest step, and each i where the step from i to i + 1 is another one. None where nothing can be
        a gap: fewer than three times, or no step that makes up half of all.
    """
    frequency = _commonest(ds) if len(ds) > 2 else None
    if frequency is None:
        return None
    return frequency, np.flatnonzero(np.diff(_positions(ds, frequency.name)) != _stride(frequency))


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


def _mode(steps: IntArray) -> int | None:
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


def _positions(ds: Array, name: str) -> IntArray:
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
    """The times that follow. Month ends stay month ends.

    Args:
        ds: (T,) times so far; None for none.
        frequency: how far apart they are.
        steps: how many are wanted.

    Returns:
        (steps,) times of the dtype of `ds`; 1, 2, ... where it is None.

    Raises:
        DataError: `ds` is empty.

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
