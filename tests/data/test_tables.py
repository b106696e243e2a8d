"""Tables: reading, columns, times and frequencies, series and sequences; every refusal with file and line."""

from __future__ import annotations

import datetime
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data.tables import (
    Frequency,
    format_time,
    future_times,
    infer_frequency,
    number_column,
    read_table,
    sequences_from_frame,
    series_from_frame,
)
from elman.errors import DataError, UsageError

MONTHS = "t,y\n2020-01,1\n2020-02,2\n2020-03,3\n2020-04,4\n"


@pytest.fixture
def write(tmp_path):
    """Writes a table, text or bytes, and gives its path."""

    def to_file(content, name="table.csv"):
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    return to_file


# Reading


def test_types_and_missing_words(write):
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
def test_the_same_table_written_differently(write, content, name):
    assert read_table(write(content, name)).to_dict(as_series=False) == {"a": [1, 3], "b": [2, 4]}


def test_parquet(tmp_path):
    frame = pl.DataFrame({"t": [datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)], "y": [1.0, 2.0]})
    frame.write_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").equals(frame)
    (one,) = series_from_frame(tmp_path / "t.parquet", time="t", target="y")
    assert one.ds.dtype == "datetime64[us]"


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
def test_an_unreadable_file_is_named(write, case):
    content, name, words = UNREADABLE[case]
    file = write(content, name)
    with pytest.raises(DataError) as raised:
        read_table(file)
    assert str(raised.value).startswith(str(file))
    assert words in str(raised.value)


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(DataError, match=r"none.csv does not exist; check the path"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(DataError, match="is a folder; give one file in it"):
        read_table(tmp_path)


# Columns


BAD_COLUMNS = {
    "text": ("y\n1\n2\nx\n", "line 4: the column 'y' must hold numbers; it holds 'x' (1 such in all); correct it"),
    "decimal comma": (
        "t;y\n1;1,5\n",
        "line 2: the column 'y' must hold numbers; it holds '1,5' (1 such in all); write numbers with a dec",
    ),
    "after blank lines": ("\nt,y\n\n1,1\n\n1,x\n", "line 6: the column 'y'"),
    "after a line break in quotes": ('t,y\n"a\nb",1\nc,x\n', "line 4: the column 'y'"),
    "missing": (
        "t,y\n1,1\n2,\n3,NA\n",
        "line 3: the column 'y' is missing (empty, NA or NaN), and 2 of 3 values in all; fill or drop",
    ),
    "infinite": ("y\n1\n-inf\n", "line 3: the column 'y' is infinite, and 1 of 2 values in all; fill or drop"),
    "all missing": ("t,y\n1,\n2,\n", "line 2: the column 'y' is missing"),
}


@pytest.mark.parametrize("case", BAD_COLUMNS)
def test_a_bad_number_has_its_line(write, case):
    content, words = BAD_COLUMNS[case]
    file = write(content)
    with pytest.raises(DataError) as raised:
        number_column(read_table(file), "y", source=file)
    assert str(raised.value).startswith(f"{file}, {words}")


def test_number_column_reads_numbers_of_all_kinds():
    frame = pl.DataFrame(
        {"i": [1, 2], "t": ["1.5", " 2 "], "b": [True, False], "m": [1, 2]}, schema_overrides={"m": pl.Float32}
    )
    assert number_column(frame, "i", source="f").tolist() == [1.0, 2.0]
    assert number_column(frame, "t", source="f").tolist() == [1.5, 2.0]
    assert number_column(frame, "b", source="f").tolist() == [1.0, 0.0]
    assert number_column(frame, "m", source="f").dtype == np.float64
    kept = number_column(frame.with_columns(t=pl.Series(["NA", "3"])), "t", source="f", missing="keep")
    np.testing.assert_array_equal(kept, [np.nan, 3.0])


def test_number_column_refusals():
    frame = pl.DataFrame({"Sales": [1.0, None], "day": [datetime.date(2020, 1, 1)] * 2})
    with pytest.raises(DataError) as raised:
        number_column(frame, "sale", source="shop")
    assert str(raised.value) == "shop has no column 'sale' (did you mean 'Sales'?); its columns are 'Sales', 'day'."
    with pytest.raises(DataError, match=r"shop, row 1 \(counting from 0\): the column 'Sales' is missing"):
        number_column(frame, "Sales", source="shop")
    with pytest.raises(DataError, match="gone.csv, line 3: the column 'Sales' is missing"):
        number_column(frame, "Sales", source="gone.csv")
    with pytest.raises(DataError, match="the column 'day' must hold numbers; it holds Date"):
        number_column(frame, "day", source="shop")
    with pytest.raises(UsageError, match='`missing` must be "error" or "keep"; got \'drop\''):
        number_column(frame, "Sales", source="shop", missing="drop")


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
def test_spellings_of_time(write, case):
    words, expected = SPELLINGS[case]
    first, second = words.split()
    (one,) = series_from_frame(write(f"t,y\n{first},1\n{second},2\n"), time="t", target="y")
    np.testing.assert_array_equal(one.ds, np.array(expected.split(), dtype="datetime64[us]"))


def test_time_with_a_space_and_whole_numbers(write):
    (one,) = series_from_frame(write("t,y\n2020-01-01 00:00:00,1\n2020-01-01 00:00:01.5,2\n"), time="t", target="y")
    assert str(one.ds[1]) == "2020-01-01T00:00:01.500000"
    (one,) = series_from_frame(write("t,y\n1949,1\n1950,2\n"), time="t", target="y")
    assert one.ds.dtype == np.int64
    (one,) = series_from_frame(pl.DataFrame({"t": [1.0, 2.0], "y": [1, 2]}), time="t", target="y")
    assert one.ds.tolist() == [1, 2]
    (one,) = series_from_frame(pl.DataFrame({"t": [20209901, 20209902], "y": [1, 2]}), time="t", target="y")
    assert one.ds.tolist() == [20209901, 20209902]
    (one,) = series_from_frame(pl.DataFrame({"t": [20210228, 20210229], "y": [1, 2]}), time="t", target="y")
    assert one.ds.tolist() == [20210228, 20210229]


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
    "twice": ("2020-01,1\n2020-02,2\n2020-01,3\n", "line 4: the time 2020-01-01 in 't' comes a second time (first: "),
    "gap of a month": (
        "2020-01,1\n2020-02,2\n2020-03,3\n2020-05,4\n",
        "line 5: a gap in 't': after 2020-03-01 comes 2020-05-01, but the step is one month (1 in all); fill or "
        "resample first",
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


@pytest.mark.parametrize("case", BAD_TIMES)
def test_a_bad_time_has_its_line(write, case):
    rows, words = BAD_TIMES[case]
    file = write("t,y\n" + rows)
    with pytest.raises(DataError) as raised:
        series_from_frame(file, time="t", target="y")
    assert str(raised.value).startswith(f"{file}, {words}")


def test_gaps_may_be_kept_and_irregular_times_pass(write):
    (one,) = series_from_frame(write("t,y\n1,1\n2,1\n3,1\n7,1\n"), time="t", target="y", gaps="keep")
    assert one.ds.tolist() == [1, 2, 3, 7]
    (one,) = series_from_frame(write("t,y\n1,1\n2,1\n4,1\n8,1\n16,1\n"), time="t", target="y")
    assert len(one.ds) == 5


# Frequencies


def dates(words: str) -> np.ndarray:
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
def test_frequency_and_what_follows(case):
    words, frequency, following = FREQUENCIES[case]
    assert infer_frequency(dates(words)) == frequency
    np.testing.assert_array_equal(future_times(dates(words), frequency, 2), dates(following))


def test_business_days_go_over_the_weekend():
    days = dates("2020-01-02 2020-01-03 2020-01-06 2020-01-07 2020-01-08 2020-01-09 2020-01-10")
    assert [format_time(day) for day in future_times(days, infer_frequency(days), 2)] == ["2020-01-13", "2020-01-14"]


def test_a_holiday_is_a_gap_in_business_days(write):
    days = ["2020-01-06", "2020-01-07", "2020-01-08", "2020-01-10", "2020-01-13"]
    file = write("t,y\n" + "".join(f"{day},1\n" for day in days))
    with pytest.raises(DataError, match="after 2020-01-08 comes 2020-01-10, but the step is one business day"):
        series_from_frame(file, time="t", target="y")


def test_whole_number_steps_and_no_times():
    steps = np.array([10, 15, 20])
    assert infer_frequency(steps) == Frequency("step", 1, 5)
    assert future_times(steps, infer_frequency(steps), 3).tolist() == [25, 30, 35]
    assert infer_frequency(None) == Frequency("step", 1)
    assert future_times(None, infer_frequency(None), 2).tolist() == [1, 2]


def test_no_frequency():
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
def test_the_future_has_the_frequency_of_the_past(start, frequency, count):
    first = np.array([start], dtype="datetime64[us]")
    ds = np.concatenate([first, future_times(first, frequency, count)])
    assert infer_frequency(ds) == frequency
    assert (np.diff(ds) > np.timedelta64(0, "us")).all()
    np.testing.assert_array_equal(future_times(ds[:3], frequency, count - 2), ds[3:])


def test_format_time():
    assert format_time(np.datetime64("1949-01")) == "1949-01-01"
    assert format_time(np.datetime64("2020-01-01T06:30", "us")) == "2020-01-01 06:30:00"
    assert format_time(np.datetime64("2020-01-01T00:00:00.25", "us")) == "2020-01-01 00:00:00.250000"
    assert format_time(np.int64(7)) == "7"


# Series


def test_airline_passengers(data_dir):
    (one,) = series_from_frame(data_dir / "airline-passengers.csv", time="Month", target="Passengers")
    assert (one.unique_id, one.y.shape, one.y[0, 0], format_time(one.ds[-1])) == (
        "Passengers",
        (144, 1),
        112.0,
        "1960-12-01",
    )
    assert infer_frequency(one.ds) == Frequency("month", 12)


def test_beijing_pollution(data_dir):
    file = data_dir / "beijing-pollution.csv"
    (one,) = series_from_frame(file, time="No", target=["TEMP", "PRES"])
    assert one.y.shape == (43824, 2)
    with pytest.raises(
        DataError, match=r"beijing-pollution.csv, line 2: the column 'pm2.5' is missing.* 2067 of 43824"
    ):
        series_from_frame(file, time="No", target="pm2.5")
    (one,) = series_from_frame(file, time="No", target="pm2.5", missing="keep")
    assert np.isnan(one.y).sum() == 2067


def test_melbourne_lacks_two_leap_days(data_dir):
    file = data_dir / "daily-min-temperatures.csv"
    with pytest.raises(DataError, match=r"line 1462: a gap in 'Date': after 1984-12-30 comes 1985-01-01.*\(2 in all\)"):
        series_from_frame(file, time="Date", target="Temp")


def test_several_series_each_sorted_in_order_of_appearance(write):
    file = write("s,t,y,z\nb,2,1,5\na,1,2,6\nb,1,3,7\na,2,4,8\n")
    b, a = series_from_frame(file, time="t", target=["y", "z"], series="s")
    assert (b.unique_id, b.ds.tolist(), b.y.tolist()) == ("b", [1, 2], [[3, 7], [1, 5]])
    assert (a.unique_id, a.ds.tolist(), a.y.tolist()) == ("a", [1, 2], [[2, 6], [4, 8]])


def test_without_times_rows_keep_their_order(write):
    (one,) = series_from_frame(write("y\n3\n1\n2\n"), target="y")
    assert one.ds is None
    assert one.y.ravel().tolist() == [3, 1, 2]


def test_the_series_is_named_in_errors(write):
    file = write("s,t,y\na,1,1\nb,1,1\nb,1,2\n")
    with pytest.raises(
        DataError, match=r"line 4: the time 1 in 't' comes a second time in the series 'b' \(first: .*line 3\)"
    ):
        series_from_frame(file, time="t", target="y", series="s")
    with pytest.raises(DataError, match="or name the column that tells the series apart"):
        series_from_frame(file, time="t", target="y")
    with pytest.raises(DataError, match="line 3: the column 's', which names the series, is missing"):
        series_from_frame(write("s,y\na,1\n,1\n"), target="y", series="s")


def test_all_absent_columns_in_one_error(write):
    with pytest.raises(DataError) as raised:
        series_from_frame(write(MONTHS), time="T", target="price", series="s")
    assert "has no column 'price' and no 'T' (did you mean 't'?) and no 's'; its columns are 't', 'y'." in str(
        raised.value
    )


def test_one_role_a_column_and_known_words(write):
    file = write(MONTHS)
    with pytest.raises(UsageError, match="the column 't' is named as both `target` and `time`"):
        series_from_frame(file, time="t", target="t")
    with pytest.raises(UsageError, match="the column 'y' is named as `target` twice"):
        series_from_frame(file, target=["y", "y"])
    with pytest.raises(UsageError, match="`target` must name at least one column"):
        series_from_frame(file, target=[])
    with pytest.raises(UsageError, match='`gaps` must be "error" or "keep"'):
        series_from_frame(file, target="y", gaps="fill")


# Frames of other libraries


def frame_of(kind: str):
    days = [datetime.datetime(2020, 1, day) for day in (1, 2, 3)]
    columns = {"t": days, "s": ["a", "a", "a"], "y": [1.0, 2.0, 4.0], "i": [1, 2, 3]}
    return {"polars": pl.DataFrame, "pandas": pd.DataFrame, "pyarrow": pa.table}[kind](columns)


@pytest.mark.parametrize("kind", ["polars", "pandas", "pyarrow"])
def test_frames_of_any_library(kind):
    (one,) = series_from_frame(frame_of(kind), time="t", target=["y", "i"], series="s")
    assert one.unique_id == "a"
    np.testing.assert_array_equal(one.ds, dates("2020-01-01 2020-01-02 2020-01-03"))
    assert one.y.tolist() == [[1, 1], [2, 2], [4, 3]]


def test_pandas_peculiarities():
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
    np.testing.assert_array_equal(days, dates("2020-01-01 2020-01-02 2020-01-03"))
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
def test_what_is_no_table(source):
    with pytest.raises(UsageError, match=r"a table must be the path of a .csv, .tsv or .parquet file, or a data frame"):
        series_from_frame(source, target="y")


def test_an_empty_frame():
    with pytest.raises(DataError, match="the data frame has no rows"):
        series_from_frame(pl.DataFrame({"y": []}), target="y")


# Sequences


LONG = "who,t,a,b,y,kind\nu,2,1,10,0.1,x\nv,1,2,20,0.2,z\nu,1,3,30,0.3,x\nv,2,4,40,0.4,z\nv,3,5,50,0.5,z\n"


def test_sequences_of_a_long_table(write):
    cut = sequences_from_frame(write(LONG), target="y", series="who", time="t", label="kind")
    assert cut.ids == ["u", "v"]
    assert cut.input_names == ["a", "b"]
    assert cut.target_names == ["y"]
    assert [x.tolist() for x in cut.X] == [[[3, 30], [1, 10]], [[2, 20], [4, 40], [5, 50]]]
    assert [y.ravel().tolist() for y in cut.y] == [[0.3, 0.1], [0.2, 0.4, 0.5]]
    assert cut.labels.tolist() == ["x", "z"]


def test_chosen_inputs_without_targets(write):
    cut = sequences_from_frame(write(LONG), inputs=["b"])
    assert (cut.ids, cut.input_names, cut.y, cut.labels) == (["all"], ["b"], None, None)
    assert cut.X[0].ravel().tolist() == [10, 20, 30, 40, 50]


def test_labels_keep_their_type(write):
    cut = sequences_from_frame(write("s,x,l\na,1,3\nb,2,4\n"), series="s", label="l")
    assert cut.labels.tolist() == [3, 4]
    assert cut.input_names == ["x"]


def test_gas_rate(data_dir):
    cut = sequences_from_frame(data_dir / "gasrate_co2.csv", target="CO2%")
    assert (cut.X[0].shape, cut.y[0].shape, cut.input_names) == ((296, 1), (296, 1), ["GasRate(ft3/min)"])


BAD_SEQUENCES = {
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
def test_bad_sequences_have_file_and_line(write, case):
    content, options, words = BAD_SEQUENCES[case]
    file = write(content)
    with pytest.raises(DataError) as raised:
        sequences_from_frame(file, series="s", label="l", **options)
    assert str(raised.value).startswith(f"{file}{words}")


def test_sequences_refuse_a_role_twice(write):
    with pytest.raises(UsageError, match="the column 'y' is named as both `inputs` and `target`"):
        sequences_from_frame(write(LONG), inputs=["y"], target="y")


def test_importing_the_room_imports_no_table_library():
    code = (
        "import sys; import elman.data.tables, elman.data.ts_files, elman.data.text, elman.data.vocabulary;"
        "print([name for name in ('polars', 'narwhals', 'pandas', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
