"""`as_sequences`: layouts, padding, and every refusal with its words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from elman.data.sequences import Sequences, as_sequences
from elman.errors import DataError, UsageError

CUBE = np.arange(2 * 3 * 4, dtype=float).reshape(2, 3, 4)


class Arrayish:
    """Something that is no array but can become one, as a tensor or a data frame can."""

    def __array__(self, dtype=None, copy=None):
        return CUBE


@pytest.mark.parametrize(
    ("source", "layout"),
    [
        (CUBE, "ntd"),
        (CUBE.swapaxes(1, 2), "nct"),
        (CUBE.swapaxes(0, 1), "tnd"),
        (list(CUBE), "ntd"),
        (tuple(one.T for one in CUBE), "nct"),
        (CUBE.tolist(), "ntd"),
        (Arrayish(), "ntd"),
        (Sequences(CUBE), "ntd"),
    ],
    ids=["ntd", "nct", "tnd", "list", "list-nct", "nested", "arrayish", "sequences"],
)
def test_every_way_in_gives_the_same_sequences(source, layout):
    result = as_sequences(source, layout=layout)
    np.testing.assert_array_equal(result.values, CUBE)
    assert result.values.dtype == np.float64
    assert result.values.flags.c_contiguous
    assert result.lengths is None
    assert (result.count, result.features) == (2, 4)


def test_two_axes_are_sequences_of_one_feature():
    plain = np.arange(6.0).reshape(2, 3)
    assert as_sequences(plain).values.shape == (2, 3, 1)
    np.testing.assert_array_equal(as_sequences(plain.T, layout="tnd").values, as_sequences(plain).values)


def test_sequences_are_counted_and_picked_like_a_list():
    """As scikit-learn's searches do it: `len`, one position, a slice, a mask, several positions."""
    items = [np.full((steps, 2), float(steps)) for steps in (3, 1, 2)]
    result = as_sequences(items)
    assert len(result) == len(list(result)) == 3
    for position, item in ((0, items[0]), (np.int64(2), items[2]), (-2, items[1])):
        np.testing.assert_array_equal(result[position], item)
    for picked in (result[1:], result[[1, 2]], result[np.array([False, True, True])]):
        assert [one.tolist() for one in picked.unpadded()] == [item.tolist() for item in items[1:]]
    assert as_sequences(CUBE)[1].tolist() == CUBE[1].tolist()
    with pytest.raises(IndexError):
        result[3]


def test_unequal_lengths_are_padded_with_zeros_and_come_back():
    items = [np.ones((3, 2)), np.full((1, 2), 5.0), np.full((2, 2), 7.0)]
    result = as_sequences(items)
    assert result.lengths is not None
    assert result.lengths.dtype == np.int64
    assert result.lengths.tolist() == [3, 1, 2]
    assert result.values[1].tolist() == [[5, 5], [0, 0], [0, 0]]
    for item, back in zip(items, result.unpadded(), strict=True):
        np.testing.assert_array_equal(item, back)


def test_an_object_array_of_sequences_is_a_list():
    ragged = np.empty(2, dtype=object)
    ragged[:] = [np.ones(3), np.ones(2)]
    assert as_sequences(ragged).lengths.tolist() == [3, 2]


@given(st.lists(st.integers(1, 7), min_size=1, max_size=6), st.integers(1, 3), st.data())
def test_padding_loses_nothing(lengths, features, data):
    finite = st.floats(-1e6, 1e6)
    items = [data.draw(arrays(np.float64, (length, features), elements=finite)) for length in lengths]
    result = as_sequences(items)
    for item, back in zip(items, result.unpadded(), strict=True):
        np.testing.assert_array_equal(item, back)
    assert (result.lengths is None) == (len(set(lengths)) == 1)
    order = data.draw(st.permutations(range(len(items))))
    for index, back in zip(order, result.select(order).unpadded(), strict=True):
        np.testing.assert_array_equal(items[index], back)


def test_select_takes_masks_and_nothing():
    sequences = as_sequences([[1.0, 2.0], [3.0]])
    assert sequences.select(np.array([False, True])).values.tolist() == [[[3.0], [0.0]]]
    assert sequences.select(np.array([True, False])).lengths is None
    assert sequences.select([]).count == 0


def test_dtype_is_as_asked():
    assert as_sequences(CUBE, dtype=np.float32).values.dtype == np.float32
    assert as_sequences(as_sequences(CUBE), dtype=np.float32).values.dtype == np.float32
    assert as_sequences(np.array([[True, False]])).values.tolist() == [[[1.0], [0.0]]]


def with_nan(value: float = np.nan) -> np.ndarray:
    bad = CUBE.copy()
    bad[1, 2, 3] = value
    return bad


REFUSED = {
    "unknown layout": (CUBE, {"layout": "dnt"}, UsageError, "`layout` must be one of 'ntd', 'nct', 'tnd'; got 'dnt'"),
    "one axis": (np.ones(5), {}, DataError, "`X` must have shape (N, T) or (N, T, D); got (5,). For one sequence"),
    "four axes": (np.ones((1, 1, 1, 1)), {}, DataError, "got (1, 1, 1, 1)"),
    "no sequences": (
        np.ones((0, 3, 2)),
        {},
        DataError,
        "at least one sequence, step and feature; got (N, T, D) = (0, 3, 2)",
    ),
    "no steps": (np.ones((2, 0, 2)), {}, DataError, "(2, 0, 2)"),
    "empty list": ([], {}, DataError, "`X` must hold at least one sequence; got an empty list"),
    "list of numbers": ([1.0, 2.0], {}, DataError, "its first item is 1.0. For one single sequence pass `[X]`"),
    "list of words": (["a", "b"], {}, DataError, "its first item is 'a'"),
    "an empty item": ([np.ones(3), np.ones(0)], {}, DataError, "sequence 1 of `X` (counting from 0) has no steps"),
    "text": (np.array([["a", "b"]]), {}, DataError, "`X` must hold real numbers; got dtype <U1, for example"),
    "objects": (np.array([[1, None]], dtype=object), {}, DataError, "got dtype object"),
    "complex": (np.ones((2, 2), dtype=complex), {}, DataError, "got dtype complex128"),
    "text in a list": (
        [np.ones(3), np.array(["a"])],
        {},
        DataError,
        "sequence 1 of `X` (counting from 0) must hold real",
    ),
    "ragged inside": (
        [[[1.0, 2.0], [3.0]]],
        {},
        DataError,
        "sequence 0 of `X` (counting from 0) cannot be read as an array",
    ),
    "masked": (np.ma.masked_equal(CUBE, 3), {}, DataError, "masked (missing) values; fill them first"),
    "a table": ({"a": [1]}, {}, DataError, "got dict. A table or a file is read by `sequences_from_frame`"),
    "ragged features": (
        [np.ones((3, 2)), np.ones((3, 4))],
        {},
        DataError,
        "sequence 0 has (T_i, D) = (3, 2), sequence 1 (counting from 0) has (3, 4). If features come before time, pass "
        '`layout="nct"`',
    ),
    "other features": (
        CUBE,
        {"features": 5},
        DataError,
        "`X` must have shape (N, T, 5), as in `fit`; got (N, T, D) = (2, 3, 4).",
    ),
    "swapped": (CUBE, {"features": 3}, DataError, 'pass `layout="nct"`'),
    "swapped back": (CUBE, {"features": 4, "layout": "nct"}, DataError, 'pass `layout="ntd"`'),
    "time first": (
        CUBE,
        {"features": 3, "layout": "tnd"},
        DataError,
        'If the sequences come first, pass `layout="ntd"`',
    ),
    "a single one": (
        np.ones((9, 4)),
        {"features": 4},
        DataError,
        "A single sequence of shape (T, D) is passed as `X[None]`",
    ),
    "too short": (
        [np.ones(5), np.ones(2), np.ones(1)],
        {"minimum_length": 3},
        DataError,
        "at least 3 steps; sequence 1 (counting from 0) has 2, and 2 of 3 are too short",
    ),
    "nan": (
        with_nan(),
        {},
        DataError,
        "sequence 1, step 2, feature 3 (all counting from 0) is nan, and 1 values in all",
    ),
    "inf": (with_nan(-np.inf), {"name": "series"}, DataError, "`series` must be finite; sequence 1, step 2, feature 3"),
    "nan in sequences": (Sequences(with_nan()), {}, DataError, "sequence 1, step 2, feature 3"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_the_reason(case):
    source, options, kind, words = REFUSED[case]
    with pytest.raises(kind) as raised:
        as_sequences(source, **options)
    assert words in str(raised.value)


def test_no_false_hint_about_the_layout():
    with pytest.raises(DataError) as raised:
        as_sequences(CUBE, features=7)
    assert "layout" not in str(raised.value)


def test_overflow_to_float32_is_not_silent():
    with pytest.raises(DataError, match="sequence 0, step 1, feature 0"), np.errstate(over="ignore"):
        as_sequences([[1.0, 1e300]], dtype=np.float32)
