"""How tests compare numbers: one table of tolerances with reasons, and helpers that cannot pass by accident.

An error is measured against the largest entry of what is expected, so small entries of a large gradient are judged by the
rounding that they really suffer. A tolerance so wide that zeros would pass is refused; so are shapes that broadcast, types
that differ in kind, and expected values that are not finite.

Shapes: whatever is compared; both sides must have the same one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

TOLERANCES: dict[str, float] = {
    # Two ways to compute the same in float64: sums of up to some thousand products, each rounded to 1.1e-16, through a few
    # dozen steps of a recurrence. The reference is within 1e-14; vectorised exp and tanh may add 2 ulp a step.
    "float64": 1e-11,
    # The same after many optimiser steps: each of some hundred updates feeds rounding back into the weights.
    "float64 trained": 1e-9,
    # The same in float32, whose unit roundoff is 6e-8; only where no float64 twin is at hand to ask for more.
    "float32": 2e-5,
    # A few dozen updates in float32 beside float64: only to see that both learned the same thing.
    "float32 trained": 1e-2,
    # The same products in another grouping: at most a few units in the last place.
    "float64 rounding": 1e-14,
    "float32 rounding": 5e-6,
    # Central differences with step 1e-5: truncation error about h^2 f''' / 6 = 1e-11, cancellation eps / h = 1e-11, both
    # times what the loss is larger than its gradient.
    "difference": 1e-6,
}

STEP = 1e-5
"""h of central differences."""


def assert_same_bits(actual: Array, expected: Array) -> None:
    """Equal in shape, type and every bit (so NaN equals NaN, and 0.0 is not -0.0)."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"shape {actual.shape} is not {expected.shape}"
    assert actual.dtype == expected.dtype, f"dtype {actual.dtype} is not {expected.dtype}"
    same = np.ascontiguousarray(actual).tobytes() == np.ascontiguousarray(expected).tobytes()
    assert same, f"bits differ, by at most {_largest(_difference(actual, expected))}"


def assert_close(actual: Any, expected: Any, tolerance: str = "float64", *, zero: bool = False) -> None:
    """Within TOLERANCES[tolerance] of the largest expected entry.

    zero: for values that must be zero, each exactly; without it an expected array of zeros is refused, since then nothing
    is compared.
    """
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"shape {actual.shape} is not {expected.shape}"
    assert np.isfinite(expected).all(), "the expected values are not finite, so nothing can be close to them"
    if zero:
        assert not expected.any(), "zero=True is for expected zeros"
        assert not actual.any(), f"must be zero, is up to {_largest(actual)}"
        return
    assert expected.size, "nothing to compare: the arrays are empty"
    size = _largest(expected)
    assert size > 0, "nothing to compare: every expected value is zero (zero=True where that is meant)"
    allowed = TOLERANCES[tolerance] * size
    error = _difference(actual, expected)
    assert np.isfinite(error).all(), "the actual values are not finite"
    worst = np.unravel_index(int(np.argmax(error)), error.shape)
    assert error[worst] <= allowed, (
        f"at {tuple(int(i) for i in worst)}: {actual[worst]!r} is not {expected[worst]!r}, off by {error[worst]:.3g}, "
        f"allowed {allowed:.3g} ({tolerance})"
    )


def assert_all_close(actual: Mapping[str, Any], expected: Mapping[str, Any], tolerance: str = "float64") -> None:
    """The same names on both sides, and `assert_close` for each."""
    assert set(actual) == set(expected), f"names differ: {sorted(set(actual) ^ set(expected))}"
    assert expected, "nothing to compare: no names"
    for name in expected:
        try:
            assert_close(actual[name], expected[name], tolerance)
        except AssertionError as error:
            raise AssertionError(f"`{name}`: {error}") from None


def assert_all_same_bits(actual: Mapping[str, Array], expected: Mapping[str, Array]) -> None:
    """The same names on both sides, and `assert_same_bits` for each."""
    assert set(actual) == set(expected), f"names differ: {sorted(set(actual) ^ set(expected))}"
    assert expected, "nothing to compare: no names"
    for name in expected:
        try:
            assert_same_bits(actual[name], expected[name])
        except AssertionError as error:
            raise AssertionError(f"`{name}`: {error}") from None


def assert_slope(function: Callable[[Array], float], at: Array, gradient: Array, seed: int = 0, count: int = 3) -> None:
    """`gradient` is that of `function` at `at`, by central differences along `count` random directions.

    A direction touches every entry, so an error in any of them shows in every direction (but for a set of measure zero).
    The tolerance is relative to the largest slope that a direction of that length can have.
    """
    assert gradient.shape == at.shape, f"shape {gradient.shape} is not {at.shape}"
    assert at.dtype == np.float64, f"central differences need float64, not {at.dtype}"
    assert np.isfinite(gradient).all(), "the gradient is not finite"
    generator = np.random.default_rng(seed)
    for _ in range(count):
        direction = generator.standard_normal(at.shape)
        measured = (function(at + STEP * direction) - function(at - STEP * direction)) / (2 * STEP)
        claimed = float(np.sum(gradient * direction))
        size = max(abs(measured), float(np.linalg.norm(gradient)))
        assert size > 0, (
            "nothing to compare: neither the function nor the gradient moves (zero=... is not offered here)"
        )
        assert abs(measured - claimed) <= TOLERANCES["difference"] * size, (
            f"the slope is {measured:.9g} by central differences, {claimed:.9g} by the gradient"
        )


def assert_no_worse(actual: Array, rival: Array, exact: Array, factor: float = 2.0) -> None:
    """The root mean square error of `actual` against `exact` is at most `factor` times that of `rival`.

    actual, rival: float32. exact: the same in float64. The rival must be off a little: if it were exact, nothing would be
    allowed and the test would say nothing about rounding.
    """
    assert actual.shape == rival.shape == exact.shape, f"shapes {actual.shape}, {rival.shape}, {exact.shape} differ"
    kinds = [str(a.dtype) for a in (actual, rival, exact)]
    assert kinds == ["float32", "float32", "float64"], f"float32, float32, float64 wanted, not {kinds}"
    assert np.isfinite(actual).all(), "the actual values are not finite"
    ours, theirs = (float(np.sqrt(np.mean(_difference(a, exact) ** 2))) for a in (actual, rival))
    assert theirs > 0, "nothing to compare: the rival makes no error"
    assert ours <= factor * theirs, f"error {ours:.3g} is {ours / theirs:.2f} times the rival's {theirs:.3g}"


def _difference(a: Array, b: Array) -> Array:
    with np.errstate(invalid="ignore"):
        found: Array = np.abs(np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64))
    return found


def _largest(a: Array) -> float:
    return float(np.max(np.abs(np.asarray(a, dtype=np.float64)), initial=0.0))
