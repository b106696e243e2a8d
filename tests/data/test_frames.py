"""Series and sequences cut from tables of any library; every refusal with file and line."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from elman.data.frames import sequences_from_frame, series_from_frame
from elman.data.times import Frequency, format_time, infer_frequency
from elman.errors import DataError, UsageError

Write = Callable[..., Path]

MONTHS = "t,y\n2020-01,1\n2020-02,2\n2020-03,3\n2020-04,4\n"
DAYS = np.array(["2020-01-01", "2020-01-02", "2020-01-03"], dtype="datetime64[us]")


# Series


def test_dates_of_parquet(tmp_path: Path) -> None:
    frame = pl.DataFrame({"t": [dt.date(2020, 1, 1), dt.date(2020, 1, 2)], "y": [1.0, 2.0]})
    frame.write_parquet(tmp_path / "t.parquet")
    (one,) = series_from_frame(tmp_path / "t.parquet", time="t", target="y")
    assert np.asarray(one.ds).dtype == "datetime64[us]"


def test_airline_passengers(data_dir: Path) -> None:
    (one,) = series_from_frame(data_dir / "airline-passengers.csv", time="Month", target="Passengers")
    assert (one.unique_id, one.y.shape, one.y[0, 0], format_time(np.asarray(one.ds)[-1])) == (
        "Passengers",
        (144, 1),
        112.0,
        "1960-12-01",
    )
    assert infer_frequency(one.ds) == Frequency("month", 12)


def test_beijing_pollution(data_dir: Path) -> None:
    file = data_dir / "beijing-pollution.csv"
    (one,) = series_from_frame(file, time="No", target=["TEMP", "PRES"])
    assert one.y.shape == (43824, 2)
    with pytest.raises(
        DataError, match=r"beijing-pollution.csv, line 2: the column 'pm2.5' is missing.* 2067 of 43824"
    ):
        series_from_frame(file, time="No", target="pm2.5")
    (one,) = series_from_frame(file, time="No", target="pm2.5", missing="keep")
    assert np.isnan(one.y).sum() == 2067


def test_melbourne_lacks_two_leap_days(data_dir: Path) -> None:
    file = data_dir / "daily-min-temperatures.csv"
    with pytest.raises(DataError, match=r"line 1462: a gap in 'Date': after 1984-12-30 comes 1985-01-01.*\(2 in all\)"):
        series_from_frame(file, time="Date", target="Temp")


def test_several_series_each_sorted_in_order_of_appearance(write: Write) -> None:
    file = write("s,t,y,z\nb,2,1,5\na,1,2,6\nb,1,3,7\na,2,4,8\n")
    b, a = series_from_frame(file, time="t", target=["y", "z"], series="s")
    assert (b.unique_id, np.asarray(b.ds).tolist(), b.y.tolist()) == ("b", [1, 2], [[3, 7], [1, 5]])
    assert (a.unique_id, np.asarray(a.ds).tolist(), a.y.tolist()) == ("a", [1, 2], [[2, 6], [4, 8]])


def test_without_times_rows_keep_their_order(write: Write) -> None:
    (one,) = series_from_frame(write("y\n3\n1\n2\n"), target="y")
    assert one.ds is None
    assert one.y.ravel().tolist() == [3, 1, 2]


def test_the_series_is_named_in_errors(write: Write) -> None:
    file = write("s,t,y\na,1,1\nb,1,1\nb,1,2\n")
    with pytest.raises(
        DataError, match=r"line 4: the time 1 in 't' comes a second time in the series 'b' \(first: .*line 3\)"
    ):
        series_from_frame(file, time="t", target="y", series="s")
    with pytest.raises(DataError, match="or name the column that tells the series apart"):
        series_from_frame(file, time="t", target="y")
    with pytest.raises(DataError, match="line 3: the column 's', which names the series, is missing"):
        series_from_frame(write("s,y\na,1\n,1\n"), target="y", series="s")


def test_all_absent_columns_in_one_error(write: Write) -> None:
    with pytest.raises(DataError) as raised:
        series_from_frame(write(MONTHS), time="T", target="price", series="s")
    assert "has no column 'price' and no 'T' (did you mean 't'?) and no 's'; its columns are 't', 'y'." in str(
        raised.value
    )


def test_one_role_a_column_and_known_words(write: Write) -> None:
    file = write(MONTHS)
    with pytest.raises(UsageError, match="the column 't' is named as both `target` and `time`"):
        series_from_frame(file, time="t", target="t")
    with pytest.raises(UsageError, match="the column 'y' is named as `target` twice"):
        series_from_frame(file, target=["y", "y"])
    with pytest.raises(UsageError, match="`target` must name at least one column"):
        series_from_frame(file, target=[])
    with pytest.raises(UsageError, match='`gaps` must be "error" or "keep"'):
        series_from_frame(file, target="y", gaps="fill")


# Order and gaps


BAD_ORDER = {
    "twice": ("2020-01,1\n2020-02,2\n2020-01,3\n", "line 4: the time 2020-01-01 in 't' comes a second time (first: "),
    "gap of a month": (
        "2020-01,1\n2020-02,2\n2020-03,3\n2020-05,4\n",
        (
            "line 5: a gap in 't': after 2020-03-01 comes 2020-05-01, but the step is one month (1 in all); fill or "
            "resample first"
        ),
    ),
    "gap, rows shuffled": (
        "2020-01-05,1\n2020-01-01,1\n2020-01-02,2\n2020-01-03,3\n",
        "line 2: a gap in 't': after 2020-01-03 comes",
    ),
    "gap in hours": (
        "2020-01-01 00:00,1\n2020-01-01 03:00,1\n2020-01-01 06:00,1\n2020-01-01 07:00,1\n",
        "line 5: a gap in 't': after 2020-01-01 06:00:00 comes 2020-01-01 07:00:00, but the step is one 3 hours",
    ),
    "gap in steps": ("1,1\n2,1\n3,1\n7,1\n", "line 5: a gap in 't': after 3 comes 7, but the step is one step"),
}


@pytest.mark.parametrize("case", BAD_ORDER)
def test_a_time_out_of_step_has_its_line(write: Write, case: str) -> None:
    rows, words = BAD_ORDER[case]
    file = write("t,y\n" + rows)
    with pytest.raises(DataError) as raised:
        series_from_frame(file, time="t", target="y")
    assert str(raised.value).startswith(f"{file}, {words}")


def test_gaps_may_be_kept_and_irregular_times_pass(write: Write) -> None:
    (one,) = series_from_frame(write("t,y\n1,1\n2,1\n3,1\n7,1\n"), time="t", target="y", gaps="keep")
    assert np.asarray(one.ds).tolist() == [1, 2, 3, 7]
    (one,) = series_from_frame(write("t,y\n1,1\n2,1\n4,1\n8,1\n16,1\n"), time="t", target="y")
    assert len(np.asarray(one.ds)) == 5


def test_a_holiday_is_a_gap_in_business_days(write: Write) -> None:
    days = ["2020-01-06", "2020-01-07", "2020-01-08", "2020-01-10", "2020-01-13"]
    file = write("t,y\n" + "".join(f"{day},1\n" for day in days))
    with pytest.raises(DataError, match="after 2020-01-08 comes 2020-01-10, but the step is one business day"):
        series_from_frame(file, time="t", target="y")


# Frames of other libraries


def frame_of(kind: str) -> Any:
    days = [dt.datetime(2020, 1, day) for day in (1, 2, 3)]
    columns = {"t": days, "s": ["a", "a", "a"], "y": [1.0, 2.0, 4.0], "i": [1, 2, 3]}
    return {"polars": pl.DataFrame, "pandas": pd.DataFrame, "pyarrow": pa.table}[kind](columns)


@pytest.mark.parametrize("kind", ["polars", "pandas", "pyarrow"])
def test_frames_of_any_library(kind: str) -> None:
    (one,) = series_from_frame(frame_of(kind), time="t", target=["y", "i"], series="s")
    assert one.unique_id == "a"
    np.testing.assert_array_equal(one.ds, DAYS)
    assert one.y.tolist() == [[1, 1], [2, 2], [4, 3]]


def test_pandas_peculiarities() -> None:
    frame = pd.DataFrame(
        {
            "zone": pd.date_range("2020-01-01", periods=3, tz="Europe/Paris"),
            "period": pd.period_range("2020-01", periods=3, freq="M"),
            "category": pd.Categorical(["a", "a", "b"]),
            "nullable": pd.array([1, None, 3], dtype="Int64"),
            "objects": np.array([1, 2, "x"], dtype=object),
        }
    )
    y = frame.assign(y=[1.0, 2.0, 3.0])
    days = series_from_frame(y, time="zone", target="y")[0].ds
    np.testing.assert_array_equal(days, DAYS)
    assert infer_frequency(series_from_frame(y, time="period", target="y")[0].ds) == Frequency("month", 12)
    assert [one.unique_id for one in series_from_frame(y, target="y", series="category")] == ["a", "b"]
    with pytest.raises(DataError, match=r"the data frame, row 1 \(counting from 0\): the column 'nullable' is missing"):
        series_from_frame(frame, target="nullable")
    with pytest.raises(
        DataError, match=r"row 2 \(counting from 0\): the column 'objects' must hold numbers; it holds 'x'"
    ):
        series_from_frame(frame, target="objects")
    with pytest.raises(
        DataError, match=r"row 1 \(counting from 0\): the column 's', which names the series, is missing"
    ):
        series_from_frame(y.assign(s=["a", None, "b"]), target="y", series="s")
    with pytest.raises(DataError, match=r"A pandas index becomes a column with `.reset_index\(\)`"):
        series_from_frame(y.set_index("zone"), time="zone", target="y")


@pytest.mark.parametrize(
    "source", [[1, 2], {"y": [1]}, pd.Series([1.0]), pl.LazyFrame({"y": [1]})], ids=["list", "dict", "series", "lazy"]
)
def test_what_is_no_table(source: Any) -> None:
    with pytest.raises(UsageError, match=r"a table must be the path of a .csv, .tsv or .parquet file, or a data frame"):
        series_from_frame(source, target="y")


def test_an_empty_frame() -> None:
    with pytest.raises(DataError, match="the data frame has no rows"):
        series_from_frame(pl.DataFrame({"y": []}), target="y")


# Sequences


LONG = "who,t,a,b,y,kind\nu,2,1,10,0.1,x\nv,1,2,20,0.2,z\nu,1,3,30,0.3,x\nv,2,4,40,0.4,z\nv,3,5,50,0.5,z\n"


def test_sequences_of_a_long_table(write: Write) -> None:
    cut = sequences_from_frame(write(LONG), target="y", series="who", time="t", label="kind")
    assert cut.ids == ["u", "v"]
    assert cut.input_names == ["a", "b"]
    assert cut.target_names == ["y"]
    assert [x.tolist() for x in cut.X] == [[[3, 30], [1, 10]], [[2, 20], [4, 40], [5, 50]]]
    assert [y.ravel().tolist() for y in cut.y or []] == [[0.3, 0.1], [0.2, 0.4, 0.5]]
    assert np.asarray(cut.labels).tolist() == ["x", "z"]


def test_chosen_inputs_without_targets(write: Write) -> None:
    cut = sequences_from_frame(write(LONG), inputs=["b"])
    assert (cut.ids, cut.input_names, cut.y, cut.labels) == (["all"], ["b"], None, None)
    assert cut.X[0].ravel().tolist() == [10, 20, 30, 40, 50]


def test_labels_keep_their_type(write: Write) -> None:
    cut = sequences_from_frame(write("s,x,l\na,1,3\nb,2,4\n"), series="s", label="l")
    assert np.asarray(cut.labels).tolist() == [3, 4]
    assert cut.input_names == ["x"]


def test_gas_rate(data_dir: Path) -> None:
    cut = sequences_from_frame(data_dir / "gasrate_co2.csv", target="CO2%")
    assert cut.y is not None
    assert (cut.X[0].shape, cut.y[0].shape, cut.input_names) == ((296, 1), (296, 1), ["GasRate(ft3/min)"])


BAD_SEQUENCES: dict[str, tuple[str, dict[str, Any], str]] = {
    "label changes": (
        "s,x,l\na,1,u\na,2,v\n",
        {},
        ", line 3: the label 'v' in 'l' differs from 'u' before it in the sequence 'a'",
    ),
    "label missing": ("s,x,l\na,1,u\na,2,NA\n", {}, ", line 3: the label column 'l' is missing"),
    "a word among numbers": (
        "s,x,l\na,1,u\na,2,u\nb,oops,u\n",
        {},
        ", line 4: the column 'x' must hold numbers; it holds 'oops'",
    ),
    "no inputs": (
        "s,x,l\na,p,u\nb,q,u\n",
        {},
        " has no column of numbers left for `inputs`; its columns are 's', 'x', 'l', of which 'l', 's'",
    ),
    "absent": ("s,x,l\na,1,u\n", {"inputs": ["z"]}, " has no column 'z'"),
    "time twice": (
        "s,x,t,l\na,1,1,u\nb,1,1,u\na,1,1,u\n",
        {"time": "t"},
        ", line 4: the time 1 in 't' comes a second time in the series 'a'",
    ),
}


@pytest.mark.parametrize("case", BAD_SEQUENCES)
def test_bad_sequences_have_file_and_line(write: Write, case: str) -> None:
    content, options, words = BAD_SEQUENCES[case]
    file = write(content)
    with pytest.raises(DataError) as raised:
        sequences_from_frame(file, series="s", label="l", **options)
    assert str(raised.value).startswith(f"{file}{words}")


def test_sequences_refuse_a_role_twice(write: Write) -> None:
    with pytest.raises(UsageError, match="the column 'y' is named as both `inputs` and `target`"):
        sequences_from_frame(write(LONG), inputs=["y"], target="y")
