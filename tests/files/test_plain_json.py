"""Plain JSON: what is turned into it, what is refused, and what is read back."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.files import json_text, parse_json, plain


def test_plain_turns_everything_into_what_json_knows() -> None:
    value = {"nan": np.float64("nan"), "list": [np.int64(3), (1.5, -np.inf)], 1: np.eye(2), "path": Path("a", "b")}
    assert plain(value) == {
        "nan": None, "list": [3, [1.5, None]], "1": [[1.0, 0.0], [0.0, 1.0]], "path": str(Path("a", "b")),
    }  # fmt: skip
    assert plain({"a": [True, None, 2, 0.5, "ü"]}) == {"a": [True, None, 2, 0.5, "ü"]}


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(value=st.dictionaries(st.text(), VALUES), indent=st.none() | st.just(2))
def test_what_is_written_is_read(value: dict[str, Any], indent: int | None) -> None:
    assert parse_json(json_text(value, indent=indent).encode()) == value


def test_letters_are_written_as_they_are_and_half_a_pair_as_an_escape() -> None:
    assert json_text({"größe": "é"}) == '{"größe": "é"}'
    half = {"half a pair": "\ud83d", "ü": 1}
    assert json_text(half).isascii()
    assert parse_json(json_text(half).encode()) == half


def test_numbers_of_numpy_are_numbers() -> None:
    assert json_text([np.float32(0.5), np.int64(3), np.bool_(True)]) == "[0.5, 3, true]"


@pytest.mark.parametrize("value", [math.nan, math.inf, np.float64("nan")])
def test_what_is_not_finite_is_refused_or_kept_exactly(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_text({"a": value})
    text = json_text({"a": value}, nonfinite=True)
    assert math.isclose(parse_json(text, nonfinite=True)["a"], value) or math.isnan(value)
    with pytest.raises(ValueError, match="is not JSON"):
        parse_json(text)


def test_what_has_no_word_in_json_is_refused() -> None:
    with pytest.raises(TypeError, match="of type set cannot be saved as JSON"):
        json_text({"a": {1, 2}})


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"[1]", "not a JSON object"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b'{"a": ', "Expecting value"),
        (b"\xff\xfe{", "utf-8"),
        (b"", "Expecting value"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "digits"),
    ],
)
def test_anything_but_one_strict_object_is_a_value_error(data: bytes, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        parse_json(data)


def test_a_file_of_ours_is_read_by_any_other_reader() -> None:
    text = json_text(plain({"a": [np.nan, "é", 1]}), indent=2)
    assert json.loads(text, parse_constant=pytest.fail) == {"a": [None, "é", 1]}
