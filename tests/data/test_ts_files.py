"""`.ts` files: the archive's own, and every way one can be wrong."""

from __future__ import annotations

import numpy as np
import pytest

from elman.data.ts_files import read_ts
from elman.errors import DataError

GOOD = """# a comment
@problemName Two Words
@TIMESTAMPS false
@missing false
@univariate false
@dimensions 2
@equalLength false
@classlabel TRUE up down
@Data
1,2,3:4,5,6:up

# between
7.5,-8e1:9,10:down
"""


def write(tmp_path, text):
    file = tmp_path / "cases.ts"
    file.write_text(text)
    return file


def test_cases_labels_and_head(tmp_path):
    X, y, meta = read_ts(write(tmp_path, GOOD))
    assert [one.tolist() for one in X] == [[[1, 4], [2, 5], [3, 6]], [[7.5, 9], [-80, 10]]]
    assert X[0].dtype == np.float64
    assert y.tolist() == ["up", "down"]
    assert meta == {"problem": "Two Words", "dimensions": 2, "classes": ["up", "down"]}


def test_windows_line_ends_and_a_byte_order_mark(tmp_path):
    file = tmp_path / "cases.ts"
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert read_ts(file)[1].tolist() == ["up", "down"]


def test_without_labels(tmp_path):
    X, y, meta = read_ts(write(tmp_path, "@classLabel false\n@data\n1,2\n3,4,5\n"))
    assert (len(X), X[1].shape, y) == (2, (3, 1), None)
    assert meta == {"problem": "", "dimensions": 1, "classes": None}


def test_targets_of_a_regression_come_as_text(tmp_path):
    _, y, meta = read_ts(write(tmp_path, "@targetLabel true\n@data\n1,2:0.5\n"))
    assert y.tolist() == ["0.5"]
    assert meta["classes"] is None


@pytest.mark.parametrize(
    ("name", "count", "dimensions", "lengths", "classes"),
    [
        ("BasicMotions_TRAIN", 40, 6, {100}, 4),
        ("ItalyPowerDemand_TEST", 1029, 1, {24}, 2),
        ("JapaneseVowels_TRAIN", 270, 12, set(range(7, 27)) - {8}, 9),
    ],
)
def test_the_archive(data_dir, name, count, dimensions, lengths, classes):
    X, y, meta = read_ts(data_dir / "classification" / f"{name}.ts")
    assert (len(X), len(y), meta["dimensions"], len(meta["classes"])) == (count, count, dimensions, classes)
    assert {one.shape[1] for one in X} == {dimensions}
    assert {len(one) for one in X} == lengths
    assert set(y) == set(meta["classes"])


REFUSED = {
    "time stamps": (
        ("@TIMESTAMPS false", "@timeStamps true"),
        "line 3: time stamps in .ts files are not supported; export",
    ),
    "missing value": (("4,5,6", "4,?,6"), "line 10: dimension 1, step 1 (counting from 0) is missing ('?'); fill"),
    "text": (("1,2,3", "1,two,3"), "line 10: dimension 0, step 1 (counting from 0) must be a number; it is 'two'"),
    "hole": (("1,2,3", "1,,3"), "line 10: dimension 0, step 1 (counting from 0) must be a number; it is empty"),
    "nan": (("1,2,3", "1,2,nan"), "line 10: dimension 0, step 2 (counting from 0) is nan"),
    "infinity": (("9,10", "9,inf"), "line 13: dimension 1, step 1 (counting from 0) is inf"),
    "dimensions": (("7.5,-8e1:9,10", "7.5,-8e1"), "line 13: 1 dimensions, but 2 are expected"),
    "unequal": (("9,10", "9,10,11"), "line 13: dimension 1 has 3 steps, but dimension 0 has 2"),
    "label": (
        (":down", ":sideways"),
        "line 13: the class label 'sideways' (after the last ':') is not in the @classLabel list up down",
    ),
    "no label": ((":down", ""), "line 13: the class label '9,10' (after the last ':') is not in"),
    "equal length": (
        ("@equalLength false", "@equalLength true"),
        "line 13: 2 steps, but the file says @equalLength true and has 3",
    ),
    "series length": (
        ("@equalLength false", "@equalLength true\n@seriesLength 4"),
        "line 11: 3 steps, but the file says @equalLength true and has 4",
    ),
    "no flag": (
        ("@missing false\n@univariate false", "@univariate maybe"),
        "line 4: @univariate must be followed by true or false",
    ),
    "no number": (
        ("@dimensions 2", "@dimensions two"),
        "line 6: @dimensions must be followed by a whole number of at least 1; got 'two'",
    ),
    "no classes": (("@classlabel TRUE up down", "@classLabel true"), "line 8: @classLabel true must list the labels"),
    "no class tag": (("@classlabel TRUE up down\n", ""), "line 8: no @classLabel before @data"),
    "no data tag": (("@Data\n", ""), "line 9: data before @data"),
    "cut in the head": ((GOOD[GOOD.index("@Data") :], ""), "has no @data line; it is no .ts file, or it is cut off"),
    "cut after it": ((GOOD[GOOD.index("1,2,3") :], ""), "has no cases after @data; the file may be cut off"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_file_and_line(tmp_path, case):
    (old, new), words = REFUSED[case]
    assert old in GOOD
    file = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(DataError) as raised:
        read_ts(file)
    assert str(raised.value).startswith(str(file))
    assert words in str(raised.value)


def test_empty_and_absent(tmp_path):
    with pytest.raises(DataError, match="cases.ts is empty"):
        read_ts(write(tmp_path, ""))
    with pytest.raises(DataError, match="none.ts does not exist"):
        read_ts(tmp_path / "none.ts")
