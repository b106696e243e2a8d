"""Every comparison helper passes what it should, and fails where it must."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.closeness import (
    TOLERANCES,
    assert_all_close,
    assert_all_same_bits,
    assert_close,
    assert_no_worse,
    assert_same_bits,
    assert_slope,
)

X = np.array([[1.0, -2.0, 0.5], [0.0, 1e-9, 3.0]])


def fails(check: Callable[..., None], *arguments: Any, match: str, **options: Any) -> None:
    with pytest.raises(AssertionError, match=match):
        check(*arguments, **options)


def test_same_bits() -> None:
    assert_same_bits(X, X.copy())
    assert_same_bits(np.array([np.nan]), np.array([np.nan]))
    fails(assert_same_bits, np.nextafter(X, 9), X, match="bits differ")
    fails(assert_same_bits, np.array([-0.0]), np.array([0.0]), match="bits differ")
    fails(assert_same_bits, X.astype(np.float32), X, match="dtype")
    fails(assert_same_bits, X[:1], X, match="shape")


@pytest.mark.parametrize("tolerance", TOLERANCES)
def test_close_has_a_limit_on_both_sides(tolerance: str) -> None:
    inside, outside = (X + size * TOLERANCES[tolerance] * 3.0 for size in (0.9, 1.1))
    assert_close(inside, X, tolerance)
    fails(assert_close, outside, X, tolerance, match="off by")
    fails(assert_close, np.zeros_like(X), X, tolerance, match="off by")
    fails(assert_close, X[:, ::-1], X, tolerance, match="off by")


def test_close_refuses_comparisons_that_say_nothing() -> None:
    fails(assert_close, 0.0, 0.0, match="every expected value is zero")
    fails(assert_close, np.zeros(0), np.zeros(0), match="empty")
    fails(assert_close, X[0], X, match="shape")
    fails(assert_close, 1.0, np.ones(3), match="shape")
    fails(assert_close, X, np.where(X > 2, np.nan, X), match="expected values are not finite")
    fails(assert_close, np.where(X > 2, np.nan, X), X, match="actual values are not finite")
    fails(assert_close, np.where(X > 2, np.inf, X), X, match="actual values are not finite")


def test_zeros_must_be_zero() -> None:
    assert_close(np.zeros(3), np.zeros(3), zero=True)
    fails(assert_close, np.array([0, 1e-300]), np.zeros(2), zero=True, match="must be zero")
    fails(assert_close, np.array([np.nan, 0]), np.zeros(2), zero=True, match="must be zero")
    fails(assert_close, X, X, zero=True, match="expected zeros")


@pytest.mark.parametrize("check", [assert_all_close, assert_all_same_bits])
def test_names_are_compared_too(check: Callable[..., None]) -> None:
    check({"a": X}, {"a": X})
    fails(check, {"a": X}, {"b": X}, match="names differ: .'a', 'b'.")
    fails(check, {"a": X}, {"a": X, "b": X}, match="names differ: .'b'.")
    fails(check, {"a": X, "b": X}, {"a": X}, match="names differ: .'b'.")
    fails(check, {"a": X, "b": X + 1}, {"a": X, "b": X}, match="`b`: ")
    fails(check, {}, {}, match="no names")


def test_slope() -> None:
    def cubic(x: Any) -> float:
        return float(np.sum(x**3))

    slope = 3 * X**2
    assert_slope(cubic, X, slope)
    fails(assert_slope, cubic, X, np.zeros_like(X), match="central differences")
    fails(assert_slope, cubic, X, slope * (1 + 1e-5), match="central differences")
    fails(assert_slope, cubic, X, slope[:, ::-1], match="central differences")
    wrong_in_one = slope.copy()
    wrong_in_one[1, 1] += 1e-3
    fails(assert_slope, cubic, X, wrong_in_one, match="central differences")
    fails(assert_slope, lambda x: 0.0, X, np.zeros_like(X), match="nothing to compare")
    fails(assert_slope, lambda x: 0.0, X, slope, match="central differences")
    fails(assert_slope, cubic, X, slope[0], match="shape")
    fails(assert_slope, cubic, X.astype(np.float32), slope, match="float64")
    fails(assert_slope, cubic, X, slope * np.nan, match="not finite")


def test_no_worse() -> None:
    exact = np.linspace(1, 2, 7) / 3
    rival = exact.astype(np.float32)
    gap = rival - exact
    assert_no_worse((exact + 1.5 * gap).astype(np.float32), rival, exact, factor=3.0)
    fails(assert_no_worse, (exact + 20 * gap).astype(np.float32), rival, exact, match="times the rival")
    fails(assert_no_worse, np.zeros_like(rival), rival, exact, match="times the rival")
    fails(assert_no_worse, rival, rival, rival.astype(np.float64), match="rival makes no error")
    fails(assert_no_worse, exact, rival, exact, match="float32")
    fails(assert_no_worse, rival[:1], rival, exact, match="shapes")
    fails(assert_no_worse, rival * np.float32(np.nan), rival, exact, match="not finite")
