"""Scalers: what each measures, that it comes back, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from elman.data.scalers import KINDS, make_scaler, scaler_from_config
from elman.errors import DataError, NotFittedError, UsageError

MATRICES = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.floats(-1e9, 1e9))
VALUES = np.array([[1.0, 10.0], [2.0, 10.0], [3.0, 10.0], [10.0, 10.0]])


@pytest.mark.parametrize(
    ("kind", "shift", "scale"),
    [
        ("standard", 4.0, np.std([1, 2, 3, 10])),
        ("minmax", 1.0, 9.0),
        ("robust", 2.5, 4.75 - 1.75),
        ("none", 0.0, 1.0),
    ],
)
def test_what_is_measured(kind, shift, scale):
    scaler = make_scaler(kind).fit(VALUES)
    np.testing.assert_allclose([scaler.shift[0], scaler.scale[0]], [shift, scale], rtol=1e-14)
    np.testing.assert_allclose(scaler.transform(VALUES)[:, 0], (VALUES[:, 0] - shift) / scale, rtol=1e-14)


@pytest.mark.parametrize("kind", ["standard", "minmax", "robust"])
@pytest.mark.parametrize("constant", [0.0, 0.1, -1e9, 1e-300])
def test_a_constant_feature_becomes_zero_and_comes_back(kind, constant):
    values = np.full((7, 1), constant)
    scaler = make_scaler(kind).fit(values)
    assert scaler.scale.tolist() == [1.0]
    assert not scaler.transform(values).any()
    np.testing.assert_array_equal(scaler.inverse(scaler.transform(values)), values)


def test_robust_with_half_the_values_equal_uses_the_deviation():
    spiky = np.array([[0.0]] * 9 + [[10.0]])
    assert make_scaler("robust").fit(spiky).scale.tolist() == [3.0]


@pytest.mark.parametrize("kind", KINDS)
@given(values=MATRICES)
def test_round_trip(kind, values):
    scaler = make_scaler(kind).fit(values)
    assert np.isfinite(scaler.transform(values)).all()
    size = np.abs(values).max(axis=0) + 1e-300
    assert (np.abs(scaler.inverse(scaler.transform(values)) - values) <= 1e-13 * size).all()


@pytest.mark.parametrize("kind", KINDS)
@given(values=MATRICES)
def test_config_brings_back_the_same_bits(kind, values):
    scaler = make_scaler(kind).fit(values)
    again = scaler_from_config(json.loads(json.dumps(scaler.config())))
    np.testing.assert_array_equal(again.transform(values), scaler.transform(values))


def test_fit_leaves_the_scaler_as_it_was_and_an_unfitted_one_has_a_config():
    empty = make_scaler("standard")
    empty.fit(VALUES)
    assert empty.shift is None
    assert scaler_from_config(empty.config()).shift is None


def test_any_number_of_axes_and_float32():
    scaler = make_scaler("minmax").fit(VALUES)
    cube = np.ones((3, 5, 2), dtype=np.float32)
    assert scaler.transform(cube).shape == (3, 5, 2)
    assert scaler.transform(cube).dtype == np.float32
    assert scaler.inverse(np.ones((1, 2), dtype=int)).dtype == np.float64


def test_transform_does_not_touch_its_input():
    values = VALUES.copy()
    make_scaler("none").fit(values).transform(values)[:] = 99
    np.testing.assert_array_equal(values, VALUES)


def refusals():
    fitted = make_scaler("standard").fit(VALUES)
    nan = np.array([[0.0, 1.0], [2.0, np.nan]])
    return {
        "unknown": (lambda: make_scaler("standrad"), UsageError, "got 'standrad'; did you mean 'standard'?"),
        "not fitted": (
            lambda: make_scaler("robust").transform(VALUES),
            NotFittedError,
            "this 'robust' scaler has not seen any data",
        ),
        "other D": (
            lambda: fitted.transform(np.ones((4, 3))),
            DataError,
            "`values` must have shape (..., 2), as in `fit`; got (4, 3)",
        ),
        "empty": (
            lambda: make_scaler("standard").fit(np.ones((0, 2))),
            DataError,
            "at least one row and column; got (0, 2)",
        ),
        "nan": (lambda: make_scaler("standard").fit(nan), DataError, "row 1, column 1 (counting from 0) is nan"),
        "no kind": (lambda: scaler_from_config({}), DataError, "must have the key 'kind'; got {}"),
        "half": (lambda: scaler_from_config({"kind": "none", "shift": [0]}), DataError, "'shift' and 'scale'"),
        "zero scale": (
            lambda: scaler_from_config({"kind": "none", "shift": [0], "scale": [0]}),
            DataError,
            "positive 'scale'",
        ),
    }


@pytest.mark.parametrize("case", refusals())
def test_refused_with_the_reason(case):
    call, kind, words = refusals()[case]
    with pytest.raises(kind) as raised:
        call()
    assert words in str(raised.value)
