"""tanh and the sigmoid within 2 units in the last place, in every instruction set, at every kind of number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elman.native import _core

Array = NDArray[Any]
TANH, RELU, SIGMOID = _core.Cell.elman_tanh, _core.Cell.elman_relu, _core.Cell.elman_sigmoid

# Near zero, through both branches and their border at 0.625, into saturation, and a whole sweep of exponents.
POINTS = np.concatenate(
    [
        np.linspace(-12, 12, 200_001),
        np.linspace(0.6249, 0.6251, 4_001),
        np.geomspace(1e-30, 80, 100_001),
        -np.geomspace(1e-30, 80, 100_001),
    ]
)


def activated(kind: _core.Cell, x: Array) -> Array:
    out = np.full_like(x, np.nan)
    (_core.activate32 if x.dtype == np.float32 else _core.activate64)(kind, x, out)
    return out


def exact(kind: _core.Cell, x: Array) -> Array:
    """In a wider type than x's."""
    wide = x.astype(np.float64 if x.dtype == np.float32 else np.longdouble)
    if kind == TANH:
        return np.tanh(wide)
    return np.where(wide >= 0, 1, np.exp(-np.abs(wide))) / (1 + np.exp(-np.abs(wide)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [TANH, SIGMOID], ids=["tanh", "sigmoid"])
def test_within_two_units_in_the_last_place(isa: str, kind: _core.Cell, dtype: type) -> None:
    x = POINTS.astype(dtype)
    true = exact(kind, x)
    normal = np.abs(true) >= np.finfo(dtype).tiny
    unit = np.spacing(np.abs(true[normal]).astype(dtype))
    error = np.abs(activated(kind, x)[normal] - true[normal]) / unit
    assert error.max() <= 2.0, f"{isa}: {error.max():.2f} units at {x[normal][error.argmax()]!r}"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_numbers(isa: str, dtype: type) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e4, -1e4] * 3, dtype)
    np.testing.assert_array_equal(activated(TANH, x)[:7], np.array([np.nan, 1, -1, 0, -0.0, 1, -1], dtype))
    np.testing.assert_array_equal(activated(SIGMOID, x)[:7], np.array([np.nan, 1, 0, 0.5, 0.5, 1, 0], dtype))
    np.testing.assert_array_equal(activated(RELU, x)[:7], np.array([np.nan, np.inf, 0, 0, 0, 1e4, 0], dtype))
    assert np.signbit(activated(TANH, x)[4])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tanh_never_leaves_its_range(isa: str, dtype: type) -> None:
    """Above 1, its derivative 1 - h^2 would be negative."""
    assert np.abs(activated(TANH, POINTS.astype(dtype))).max() <= 1


def test_only_elman_cells_have_a_nonlinearity_of_their_own() -> None:
    with pytest.raises(ValueError, match="`cell` must be an elman cell"):
        activated(_core.Cell.gru, POINTS)


def test_a_wrong_value_would_be_noticed(isa: str) -> None:
    x = POINTS.astype(np.float32)
    wrong = activated(TANH, x) * np.float32(1 + 4e-7)
    true = exact(TANH, x)
    assert (np.abs(wrong - true) / np.spacing(np.abs(true).astype(np.float32))).max() > 2
