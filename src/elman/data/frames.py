"""Tables as sequences: time series for a forecaster, or sequences with inputs, targets and labels.

Shapes: T steps, C target columns, D inputs, O outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elman.data.number_columns import numbers_of, require_columns, text_as_numbers
from elman.data.table_files import clean_text
from elman.data.tables import Table, as_table
from elman.data.times import find_gaps, format_time, times
from elman.errors import DataError, UsageError
from elman.files import Array, FloatArray


@dataclass(frozen=True, eq=False)
class Series:
    """One time series.

    Attributes:
        unique_id: its name.
        ds: times, (T,) datetime64[us] or int64; None without a time column.
        y: values, (T, C).
    """

    unique_id: str
    ds: Array | None
    y: FloatArray


@dataclass(frozen=True, eq=False)
class FrameSequences:
    """N sequences cut from a table.

    Attributes:
        X: inputs, N arrays (T_i, D).
        y: targets of each step, N arrays (T_i, O), or None.
        labels: the class of each sequence, (N,), or None.
        ids: names of the sequences, (N,).
        input_names: columns of X.
        target_names: columns of y.
    """

    X: list[FloatArray]
    y: list[FloatArray] | None
    labels: Array | None
    ids: list[str]
    input_names: list[str]
    target_names: list[str]


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

    Args:
        frame_or_path: path of a .csv, .tsv or .parquet file, or a data frame.
        time: column of dates (2020-01, 2020-01-31, 20200131, 2020-01-31 23:59:59, 2020-Q1) or whole numbers; None: the rows are
            in order.
        target: the column to forecast, or several.
        series: column that names the series, in a long table; None: it is all one, named after its targets.
        missing: "error"; or "keep", and missing values become NaN.
        gaps: "error"; or "keep", and the steps that are there count as neighbours.

    Raises:
        DataError: with line: a column that is not there, no number, no date, missing values, a time twice in one series, or a gap
            (a step other than the commonest, where that makes up half of all).
        UsageError: `missing` or `gaps` is neither, or a column has two roles.
    """
    for name, value in (("missing", missing), ("gaps", gaps)):
        if value not in ("error", "keep"):
            raise UsageError(f'`{name}` must be "error" or "keep"; got {value!r}')
    targets = _names("target", target)
    table = as_table(frame_or_path)
    _check_roles(table, {"target": targets, "time": _names("time", time), "series": _names("series", series)})
    y = np.stack([numbers_of(table, name, missing) for name in targets], axis=1)
    ds = None if time is None else times(table, time)
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
    """The sequences of a long table, in order of first appearance.

    Args:
        frame_or_path: path of a .csv, .tsv or .parquet file, or a data frame.
        inputs: input columns; None: all columns of numbers that have no other role.
        target: target column, or several, for regression at each step.
        series: column that tells the sequences apart; None: the table is one sequence.
        time: column to sort by within a sequence, in which gaps are allowed; None: rows are in order.
        label: column that holds the sequence's class, the same in all its rows.

    Raises:
        DataError: with line: a column that is not there, no number, missing values, a time twice in one sequence, or a label that
            changes within a sequence.
        UsageError: a column has two roles.
    """
    targets = _names("target", target)
    roles = {name: _names(name, value) for name, value in (("series", series), ("time", time), ("label", label))}
    table = as_table(frame_or_path)
    _check_roles(table, {"target": targets, **roles})
    taken = {*targets, *(name for names in roles.values() for name in names)}
    names = _input_names(table, taken) if inputs is None else _names("inputs", inputs)
    _check_roles(table, {"inputs": names, "target": targets, **roles})
    x = np.stack([numbers_of(table, name, "error") for name in names], axis=1)
    y = np.stack([numbers_of(table, name, "error") for name in targets], axis=1) if targets else None
    ds = None if time is None else times(table, time)
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


def _check_roles(table: Table, roles: dict[str, list[str]]) -> None:
    """Every column is there, and has one role."""
    require_columns(table, [name for names in roles.values() for name in names])
    taken: dict[str, str] = {}
    for role, names in roles.items():
        for name in names:
            if name in taken:
                both = f"`{taken[name]}` twice" if taken[name] == role else f"both `{taken[name]}` and `{role}`"
                raise UsageError(f"the column {name!r} is named as {both}; each column has one role")
            taken[name] = role


def _input_names(table: Table, taken: set[str]) -> list[str]:
    """All columns of numbers without another role; one with a few words among its numbers is refused as a mistake."""
    import polars as pl

    names = []
    for column in table.frame.get_columns():
        if column.name in taken:
            continue
        if column.dtype == pl.String:
            text = clean_text(column)
            if (
                2 * text.cast(pl.Float64, strict=False).count() > text.count()
                and not text.str.contains(r"^[+-]?0\d").any()
            ):
                text_as_numbers(table, column, column.name)
                names.append(column.name)
        elif column.dtype.is_numeric() or column.dtype == pl.Boolean:
            names.append(column.name)
    if not names:
        raise DataError(
            f"{table.source} has no column of numbers left for `inputs`; its columns are "
            f"{', '.join(map(repr, table.frame.columns))}, of which {', '.join(map(repr, sorted(taken)))} have other roles"
        )
    return names


def _groups(table: Table, series: str | None, alone: str) -> list[tuple[str, Array]]:
    """(name, rows) of each series, in order of first appearance."""
    if series is None:
        return [(alone, np.arange(table.frame.height))]
    column = table.frame[series]
    missing = column.is_null().arg_true()
    if len(missing):
        raise DataError(
            f"{table.place(int(missing[0]))}: the column {series!r}, which names the series, is missing; fill it in"
        )
    ids = np.array([str(value) for value in column.to_list()])
    names, first, inverse, counts = np.unique(ids, return_index=True, return_inverse=True, return_counts=True)
    rows = np.split(np.argsort(inverse, kind="stable"), np.cumsum(counts)[:-1])
    return [(str(names[code]), rows[code]) for code in np.argsort(first)]


def _sorted(table: Table, rows: Array, ds: Array | None, time: str | None, series: str | None) -> Array:
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


def _check_gaps(table: Table, rows: Array, ds: Array, time: str, series: str | None) -> None:
    frequency_and_gaps = find_gaps(ds)
    if frequency_and_gaps is None:
        return
    frequency, gaps = frequency_and_gaps
    if gaps.size:
        before = int(gaps[0])
        every = frequency.name if frequency.every == 1 else f"{frequency.every} {frequency.name}s"
        within = f" of the series {series!r}" if series else ""
        raise DataError(
            f"{table.place(int(rows[before + 1]))}: a gap in {time!r}{within}: after {format_time(ds[before])} comes "
            f"{format_time(ds[before + 1])}, but the step is one {every} ({gaps.size} in all); fill or resample first"
        )


def _one_label(table: Table, label: str, unique_id: str, rows: Array) -> Any:
    column = table.frame[label]
    values = [column[int(row)] for row in rows]
    for row, value in zip(rows, values, strict=True):
        if value is None:
            raise DataError(f"{table.place(int(row))}: the label column {label!r} is missing; fill or drop these rows")
        if value != values[0]:
            raise DataError(
                f"{table.place(int(row))}: the label {value!r} in {label!r} differs from {values[0]!r} before it in the sequence "
                f"{unique_id!r}; a sequence has one label. If it changes with time, split the sequence or make it a `target`"
            )
    return values[0]
