"""What is done to a series before the network, undone to its forecasts, and chosen from the training part alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.closeness import assert_close

from elman.errors import UsageError
from elman.estimators.preparation import Preparation, choose_preparation, preparation_from_config

MONTHS = np.arange(96.0)
GROWING = (np.exp(MONTHS / 120) * (10 + 3 * np.sin(MONTHS * np.pi / 6)))[:, None]
WAVE = (20 + 3 * np.sin(MONTHS * np.pi / 6))[:, None]
WALK = np.cumsum(np.random.default_rng(0).standard_normal(96))[:, None]
NOISE = np.random.default_rng(0).standard_normal((96, 1))


@given(
    y=st.integers(1, 3).flatmap(lambda c: arrays(np.float64, (20, c), elements=st.floats(0.5, 1e6))),
    log=st.booleans(), lag=st.integers(0, 9), steps=st.integers(1, 10),
)  # fmt: skip
def test_what_is_prepared_comes_back(y: np.ndarray, log: bool, lag: int, steps: int) -> None:
    """The last steps, prepared and continued from what is before them, are those steps; over more than one lag too."""
    preparation = Preparation(log=log, lag=lag)
    prepared = preparation.forward(y)
    assert prepared.shape == (20 - lag, y.shape[1])
    back = preparation.original(preparation.continued(y[:-steps], prepared[-steps:]))
    assert np.abs(back - y[-steps:]).max() <= 1e-12 * np.abs(y).max() * (1 + steps)
    assert preparation_from_config(preparation.config()) == preparation


def test_formulas() -> None:
    y = np.array([[1.0], [10.0], [100.0], [1000.0]])
    assert Preparation(log=False, lag=0).forward(y).tolist() == y.tolist()
    assert Preparation(log=False, lag=2).forward(y).tolist() == [[99.0], [990.0]]
    assert_close(Preparation(log=True, lag=1).forward(y), np.full((3, 1), np.log(10)))
    ahead = np.array([[5.0], [7.0], [1.0]])
    assert Preparation(log=False, lag=2).continued(y, ahead).tolist() == [[105.0], [1007.0], [106.0]]
    assert Preparation(log=False, lag=0).continued(y, ahead).tolist() == ahead.tolist()


def test_nothing_that_goes_in_is_changed() -> None:
    y, ahead = GROWING.copy(), np.ones((30, 1))
    preparation = Preparation(log=True, lag=12)
    preparation.continued(y, ahead)
    preparation.forward(y)
    assert (y == GROWING).all()
    assert (ahead == 1).all()


@pytest.mark.parametrize(
    ("series", "log", "lag"), [(GROWING, True, 12), (WAVE, False, 12), (WALK, False, 1), (NOISE, False, 0)],
    ids=["growing", "wave", "walk", "noise"],
)  # fmt: skip
def test_auto_sees_what_a_person_would(series: np.ndarray, log: bool, lag: int) -> None:
    assert choose_preparation([series], "auto", "auto", 12, 6) == Preparation(log=log, lag=lag)


def test_a_logarithm_needs_values_above_zero_in_every_series() -> None:
    assert choose_preparation([GROWING, GROWING], "auto", 0, 12, 6).log
    assert not choose_preparation([GROWING, GROWING - GROWING.min()], "auto", 0, 12, 6).log
    with pytest.raises(UsageError, match="`transform` = 'log' needs values above 0 throughout; use 'auto' or 'none'"):
        choose_preparation([GROWING - 100], "log", 0, 12, 6)


def test_what_is_asked_for_is_taken() -> None:
    assert choose_preparation([GROWING], "none", 5, 12, 6) == Preparation(log=False, lag=5)
    assert choose_preparation([NOISE + 9], "log", "none", 12, 6) == Preparation(log=True, lag=0)
    assert choose_preparation([WAVE], "none", np.int64(3), 12, 6) == Preparation(log=False, lag=3)  # type: ignore[arg-type]


def test_a_season_longer_than_the_series_is_left_alone() -> None:
    assert choose_preparation([WAVE[:14]], "auto", "auto", 12, 6).lag in (0, 1)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (("sqrt", "auto"), "`transform` must be auto, none or log; got 'sqrt'"),
        (("auto", "first"), "`difference` must be auto, none or a lag of at least 0; got 'first'"),
        (("auto", -1), "`difference` must be .* got -1"),
        (("auto", True), "`difference` must be .* got True"),
    ],
)
def test_mistakes(options: tuple[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        choose_preparation([WAVE], *options, 12, 6)
