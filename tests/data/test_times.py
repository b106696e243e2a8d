"""Times: spellings, frequencies, and what follows; every refusal with file and line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data.frames import series_from_frame
from elman.data.times import Frequency, format_time, future_times, infer_frequency
from elman.errors import DataError

Write = Callable[..., Path]

# Times


SPELLINGS = {
    "months": ("2020-01 2020-02", "2020-01-01 2020-02-01"),
    "short months": ("2020-1 2020-2", "2020-01-01 2020-02-01"),
    "days": ("2020-01-30 2020-01-31", "2020-01-30 2020-01-31"),
    "slashes": ("2020/01/30 2020/1/31", "2020-01-30 2020-01-31"),
    "compact": ("20200131 20200201", "2020-01-31 2020-02-01"),
    "quarters": ("2020-Q1 2020Q2", "2020-01-01 2020-04-01"),
    "iso": ("2020-01-01T00:00:00Z 2020-01-01T01:00:00.000000000+00:00", "2020-01-01 2020-01-01T01"),
    "wall time": ("2020-01-01T00:00+02:00 2020-01-02T00:00+02:00", "2020-01-01 2020-01-02"),
}


@pytest.mark.parametrize("case", SPELLINGS)
def test_spellings_of_time(write: Write, case: str) -> None:
    words, expected = SPELLINGS[case]
    first, second = words.split()
    (one,) = series_from_frame(write(f"t,y\n{first},1\n{second},2\n"), time="t", target="y")
    np.testing.assert_array_equal(one.ds, np.array(expected.split(), dtype="datetime64[us]"))


def test_time_with_a_space_and_whole_numbers(write: Write) -> None:
    (one,) = series_from_frame(write("t,y\n2020-01-01 00:00:00,1\n2020-01-01 00:00:01.5,2\n"), time="t", target="y")
    assert str(np.asarray(one.ds)[1]) == "2020-01-01T00:00:01.500000"
    (one,) = series_from_frame(write("t,y\n1949,1\n1950,2\n"), time="t", target="y")
    assert np.asarray(one.ds).dtype == np.int64
    (one,) = series_from_frame(pl.DataFrame({"t": [1.0, 2.0], "y": [1, 2]}), time="t", target="y")
    assert np.asarray(one.ds).tolist() == [1, 2]
    (one,) = series_from_frame(pl.DataFrame({"t": [20209901, 20209902], "y": [1, 2]}), time="t", target="y")
    assert np.asarray(one.ds).tolist() == [20209901, 20209902]
    (one,) = series_from_frame(pl.DataFrame({"t": [20210228, 20210229], "y": [1, 2]}), time="t", target="y")
    assert np.asarray(one.ds).tolist() == [20210228, 20210229]


BAD_TIMES = {
    "no month 13": (
        "2020-01,1\n2020-13,2\n",
        "line 3: the time column 't' holds '2020-13', which is no date; write 2020-01-31",
    ),
    "no 30 February": ("2020-02-28,1\n2020-02-30,2\n", "line 3: the time column 't' holds '2020-02-30'"),
    "which is the day?": ("01/02/2020,1\n", "line 2: the time column 't' holds '01/02/2020'"),
    "words": ("2020-01,1\nsoon,2\n", "line 3: the time column 't' holds 'soon'"),
    "compact among others": ("2020-01-01,1\n20200102,2\n", "line 3: the time column 't' holds '20200102'"),
    "half steps": ("0,1\n0.5,2\n", "line 3: the time column 't' must hold dates or whole numbers; it holds 0.5"),
    "missing": ("2020-01,1\n,2\n", "line 3: the time column 't' is missing; fill or drop these rows"),
    "missing number": ("1,1\nNA,2\n", "line 3: the time column 't' is missing"),
}


@pytest.mark.parametrize("case", BAD_TIMES)
def test_a_bad_time_has_its_line(write: Write, case: str) -> None:
    rows, words = BAD_TIMES[case]
    file = write("t,y\n" + rows)
    with pytest.raises(DataError) as raised:
        series_from_frame(file, time="t", target="y")
    assert str(raised.value).startswith(f"{file}, {words}")


# Frequencies


def dates(words: str) -> npt.NDArray[np.datetime64]:
    return np.array(words.split(), dtype="datetime64[us]")


FREQUENCIES = {
    "month": ("2020-01 2020-02 2020-03", Frequency("month", 12), "2020-04-01 2020-05-01"),
    "month end": ("2019-12-31 2020-01-31 2020-02-29", Frequency("month", 12), "2020-03-31 2020-04-30"),
    "month end, none of 31 days": ("2020-04-30 2020-06-30", Frequency("month", 6, 2), "2020-08-31 2020-10-31"),
    "the 30th": ("2019-12-30 2020-01-30 2020-02-29", Frequency("month", 12), "2020-03-30 2020-04-30"),
    "quarter": ("2020-01 2020-04 2020-07", Frequency("quarter", 4), "2020-10-01 2021-01-01"),
    "quarter end": ("2020-03-31 2020-06-30 2020-09-30", Frequency("quarter", 4), "2020-12-31 2021-03-31"),
    "half year": ("2020-01 2020-07 2021-01", Frequency("quarter", 2, 2), "2021-07-01 2022-01-01"),
    "two months": ("2020-01 2020-03 2020-05", Frequency("month", 6, 2), "2020-07-01 2020-09-01"),
    "year": ("2019-07-01 2020-07-01 2021-07-01", Frequency("year", 1), "2022-07-01 2023-07-01"),
    "week": ("2020-01-06 2020-01-13 2020-01-20", Frequency("week", 52), "2020-01-27 2020-02-03"),
    "day": ("2020-02-27 2020-02-28 2020-02-29", Frequency("day", 7), "2020-03-01 2020-03-02"),
    "two days": ("2020-02-25 2020-02-27 2020-02-29", Frequency("day", 1, 2), "2020-03-02 2020-03-04"),
    "business day": ("2020-01-02 2020-01-03 2020-01-06", Frequency("business day", 5), "2020-01-07 2020-01-08"),
    "hour": ("2020-01-01T22 2020-01-01T23", Frequency("hour", 24), "2020-01-02T00 2020-01-02T01"),
    "three hours": ("2020-01-01T18 2020-01-01T21", Frequency("hour", 8, 3), "2020-01-02T00 2020-01-02T03"),
    "minute": ("2020-01-01T00:00 2020-01-01T00:01", Frequency("minute", 60), "2020-01-01T00:02 2020-01-01T00:03"),
    "quarter hour": (
        "2020-01-01T00:00 2020-01-01T00:15",
        Frequency("minute", 96, 15),
        "2020-01-01T00:30 2020-01-01T00:45",
    ),
    "second": (
        "2020-01-01T00:00:00 2020-01-01T00:00:01",
        Frequency("second", 60),
        "2020-01-01T00:00:02 2020-01-01T00:00:03",
    ),
    "10 ms": (
        "2020-01-01T00:00:00.00 2020-01-01T00:00:00.01",
        Frequency("microsecond", 1, 10_000),
        "2020-01-01T00:00:00.02 2020-01-01T00:00:00.03",
    ),
    "with a gap": ("2020-01-01 2020-01-02 2020-01-03 2020-01-05", Frequency("day", 7), "2020-01-06 2020-01-07"),
}


@pytest.mark.parametrize("case", FREQUENCIES)
def test_frequency_and_what_follows(case: str) -> None:
    words, frequency, following = FREQUENCIES[case]
    assert infer_frequency(dates(words)) == frequency
    np.testing.assert_array_equal(future_times(dates(words), frequency, 2), dates(following))


def test_business_days_go_over_the_weekend() -> None:
    days = dates("2020-01-02 2020-01-03 2020-01-06 2020-01-07 2020-01-08 2020-01-09 2020-01-10")
    assert [format_time(day) for day in future_times(days, infer_frequency(days), 2)] == ["2020-01-13", "2020-01-14"]


def test_whole_number_steps_and_no_times() -> None:
    steps = np.array([10, 15, 20])
    assert infer_frequency(steps) == Frequency("step", 1, 5)
    assert future_times(steps, infer_frequency(steps), 3).tolist() == [25, 30, 35]
    assert infer_frequency(None) == Frequency("step", 1)
    assert future_times(None, infer_frequency(None), 2).tolist() == [1, 2]


def test_no_frequency() -> None:
    with pytest.raises(DataError, match="at least two times; got 1"):
        infer_frequency(np.array([1]))
    with pytest.raises(
        DataError, match=r"the times from 1 to 11 are of no one frequency.*resample to equal steps first"
    ):
        infer_frequency(np.array([1, 2, 4, 7, 11]))


@given(
    st.sampled_from(["2000-01-31", "2003-02-28", "2011-05-15T13:45", "2004-02-29T00:00:01"]),
    st.sampled_from(
        [
            Frequency("month", 12),
            Frequency("quarter", 4),
            Frequency("day", 7),
            Frequency("hour", 6, 4),
            Frequency("week", 26, 2),
        ]
    ),
    st.integers(3, 40),
)
def test_the_future_has_the_frequency_of_the_past(start: str, frequency: Frequency, count: int) -> None:
    first = np.array([start], dtype="datetime64[us]")
    ds = np.concatenate([first, future_times(first, frequency, count)])
    assert infer_frequency(ds) == frequency
    assert (np.diff(ds) > np.timedelta64(0, "us")).all()
    np.testing.assert_array_equal(future_times(ds[:3], frequency, count - 2), ds[3:])


def test_format_time() -> None:
    assert format_time(np.datetime64("1949-01")) == "1949-01-01"
    assert format_time(np.datetime64("2020-01-01T06:30", "us")) == "2020-01-01 06:30:00"
    assert format_time(np.datetime64("2020-01-01T00:00:00.25", "us")) == "2020-01-01 00:00:00.250000"
    assert format_time(np.int64(7)) == "7"
