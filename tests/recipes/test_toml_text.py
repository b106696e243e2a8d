"""Writing TOML: what Python's own reader reads back."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.errors import UsageError
from elman.recipes.toml_text import write_toml

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.booleans() | st.integers() | st.floats(allow_nan=False)
SCALARS = NUMBERS | TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))
DOCUMENTS = st.dictionaries(
    TEXT, st.none() | VALUES | st.dictionaries(TEXT, st.none() | VALUES, max_size=4), max_size=5
)


def without_none(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without keys whose value is None, in its tables too."""
    kept = {key: value for key, value in document.items() if value is not None}
    return {key: without_none(value) if isinstance(value, Mapping) else value for key, value in kept.items()}


def same(a: Any, b: Any) -> bool:
    """Equal in value and in type: True is not 1, and 1.0 is not 1."""
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return type(a) is type(b) and a == b and (a != 0 or str(a) == str(b))


@given(document=DOCUMENTS)
def test_what_is_written_is_read_back(document: dict[str, Any]) -> None:
    found = tomllib.loads(write_toml(document))
    wanted = without_none(document)
    # Plain keys come before tables, else they would belong to the table above them.
    order = sorted(wanted, key=lambda key: isinstance(wanted[key], dict))
    assert same(found, {key: wanted[key] for key in order})


@given(text=TEXT)
def test_any_text_is_a_key_and_a_value(text: str) -> None:
    written = write_toml({text: text, "table": {text: [text]}}) if text != "table" else write_toml({text: text})
    assert written.isprintable() or set(written) - {"\n"}
    assert tomllib.loads(written)[text] == text


@pytest.mark.parametrize(
    "text", ['"', "\\", "\n", "\r\n", "\x00", "\x1f", "\x7f", "\u2028", "é", "🜁", "'''", "#", "a.b", ""]
)
def test_texts_that_need_care(text: str) -> None:
    assert tomllib.loads(write_toml({"a": text, "t": {text: 1}})) == {"a": text, "t": {text: 1}}


def test_numbers_that_are_none() -> None:
    found = tomllib.loads(write_toml({"a": math.nan, "b": math.inf, "c": [-math.inf]}))
    assert math.isnan(found["a"])
    assert (found["b"], found["c"]) == (math.inf, [-math.inf])


def test_it_reads_well() -> None:
    document = {
        "title": "T",
        "data": {"path": "a.csv", "rows": (1, 2.5), "gone": None},
        "seed": 0,
        "deep": {"a": {"b": True}},
    }
    assert write_toml(document) == (
        'title = "T"\nseed = 0\n\n[data]\npath = "a.csv"\nrows = [1, 2.5]\n\n[deep]\na = { b = true }\n'
    )


@pytest.mark.parametrize("value", [np.float64(1.5).reshape(1), b"bytes", {1, 2}, object(), [None], {"a": {"b": None}}])
def test_what_a_recipe_cannot_hold(value: Any) -> None:
    with pytest.raises(UsageError, match="a recipe cannot hold a "):
        write_toml({"data": {"key": value}})


def test_the_comparison_can_fail() -> None:
    assert not same({"a": 1}, {"a": True})
    assert not same({"a": 1}, {"a": 1.0})
    assert not same([1, 2], [2, 1])
    assert not same(-0.0, 0.0)
    assert not same({"a": 1, "b": 2}, {"b": 2, "a": 1})
