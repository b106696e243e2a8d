"""Labels of every dtype there and back, and class weights."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data.labels import Labels, class_weights
from elman.errors import DataError, UsageError

LISTS = st.one_of(
    st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=2),
    st.lists(st.integers(-(2**60), 2**60), min_size=2),
    st.lists(st.booleans(), min_size=2),
    st.lists(st.integers(-1000, 1000).map(float), min_size=2),
).filter(lambda labels: len(set(labels)) > 1)


@given(LISTS)
def test_encode_then_decode_is_the_same(y):
    labels = Labels.of(y)
    codes = labels.encode(y)
    assert codes.dtype == np.int64
    assert labels.decode(codes).tolist() == y
    assert labels.classes.tolist() == sorted(set(y))
    assert set(codes.tolist()) == set(range(labels.count))


@given(LISTS)
def test_config_keeps_classes_and_dtype(y):
    labels = Labels.of(y)
    again = Labels.from_config(json.loads(json.dumps(labels.config())))
    assert again.classes.dtype.kind == labels.classes.dtype.kind
    assert again.decode(labels.encode(y)).tolist() == y


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "bool", "float32"])
def test_the_dtype_comes_back(dtype):
    y = np.array([1, 0, 1], dtype=dtype)
    labels = Labels.from_config(Labels.of(y).config())
    assert labels.decode([0, 1]).dtype == y.dtype


def test_objects_of_one_type_are_read():
    assert Labels.of(np.array(["b", "a", "bb"], dtype=object)).classes.tolist() == ["a", "b", "bb"]
    assert Labels.of(np.array([3, 1], dtype=object)).classes.dtype.kind == "i"


def test_columns_of_data_frames():
    for y in (pd.Series(["b", "a"]), pd.Series(["b", "a"], dtype="category"), pl.Series(["b", "a"])):
        assert Labels.of(y).encode(y).tolist() == [1, 0]
    for y in (pd.Series(["b", None]), pd.Series(["b", pd.NA], dtype=object), pd.Series([1, None], dtype="Int64")):
        with pytest.raises(DataError, match=r"`y` must not have missing labels; position 1 \(counting from 0\)"):
            Labels.of(y)


def test_whole_floats_and_integers_are_the_same_label():
    assert Labels.of([1, 2]).encode([2.0, 1.0]).tolist() == [1, 0]


def refusals():
    animals, numbers = Labels.of(["cat", "dog"]), Labels.of([1, 2, 3])
    return {
        "one class": (
            lambda: Labels.of(["a"] * 3),
            DataError,
            "`y` needs at least two classes to tell apart; all 3 labels are 'a'",
        ),
        "empty": (lambda: Labels.of([]), DataError, "`y` must hold at least one label"),
        "column": (lambda: Labels.of(np.ones((3, 1))), DataError, "got (3, 1). Pass `y.ravel()`"),
        "measured": (
            lambda: Labels.of([1.0, 2.5]),
            DataError,
            "2.5 at position 1 (counting from 0) looks like a measurement",
        ),
        "nan": (
            lambda: Labels.of([1.0, np.nan], "label"),
            DataError,
            "`label` must not have missing labels; position 1",
        ),
        "none": (lambda: Labels.of(["a", None, "b"]), DataError, "position 1 (counting from 0) is None"),
        "mixed list": (lambda: Labels.of([1, "a"]), DataError, "`y` mixes text and numbers: 'a' and 1"),
        "mixed objects": (lambda: Labels.of(np.array([1, "a"], dtype=object)), DataError, "mixes text and numbers"),
        "complex": (lambda: Labels.of(np.array([1j, 2])), DataError, "got dtype complex128"),
        "unseen": (
            lambda: animals.encode(["cat", "cow"]),
            DataError,
            "the label 'cow' (position 1, counting from 0), which was not in training; known labels: 'cat', 'dog'",
        ),
        "unseen last": (lambda: animals.encode(["zebra"]), DataError, "'zebra' (position 0"),
        "text for numbers": (
            lambda: numbers.encode(["1"]),
            DataError,
            "known labels: 1, 2, 3 (as text and as number, labels differ)",
        ),
        "many": (lambda: Labels.of(range(30)).encode([99]), DataError, "18, 19, ... (30 in all)"),
        "code": (lambda: animals.decode([0, 2]), DataError, "`codes` must be integers from 0 to 1"),
        "negative": (lambda: animals.decode([-1]), DataError, "`codes` must be integers from 0 to 1"),
        "config": (lambda: Labels.from_config({"dtype": "str"}), DataError, "damaged or foreign"),
        "config dtype": (
            lambda: Labels.from_config({"dtype": "strr", "classes": [1, 2]}),
            DataError,
            "damaged or foreign",
        ),
        "config twice": (
            lambda: Labels.from_config({"dtype": "int64", "classes": [1, 1]}),
            DataError,
            "two distinct 'classes'",
        ),
        "weight word": (lambda: class_weights([0], 2, "even"), UsageError, 'must be None, "balanced" or a mapping'),
        "weight label": (
            lambda: class_weights([0], 2, {"dgo": 2.0}, labels=animals),
            UsageError,
            "names the label 'dgo', but the labels are ['cat', 'dog']; did you mean 'dog'?",
        ),
        "weight size": (
            lambda: class_weights([0], 2, {0: -1.0}),
            UsageError,
            "must be positive and finite; label 0 has -1.0",
        ),
    }


@pytest.mark.parametrize("case", refusals())
def test_refused_with_the_reason(case):
    call, kind, words = refusals()[case]
    with pytest.raises(kind) as raised:
        call()
    assert words in str(raised.value)


def test_class_weights():
    assert class_weights([0, 1], 2, None) is None
    np.testing.assert_allclose(class_weights([0, 0, 0, 1], 2, "balanced"), [4 / (2 * 3), 4 / (2 * 1)])
    np.testing.assert_array_equal(class_weights([0, 0], 2, "balanced"), [0.5, 1.0])
    labels = Labels.of(["cat", "dog"])
    np.testing.assert_array_equal(class_weights([0, 1], 2, {"dog": 3}, labels=labels), [1.0, 3.0])
    np.testing.assert_array_equal(class_weights([0, 1], 2, {1: 3.0}), [1.0, 3.0])


@given(st.lists(st.integers(0, 4), min_size=1))
def test_balanced_classes_count_the_same_in_all(codes):
    weights = class_weights(codes, 5, "balanced")
    totals = [weights[code] * codes.count(code) for code in set(codes)]
    np.testing.assert_allclose(totals, len(codes) / 5)
