"""The forecasts that cost nothing, and the measures of forecasts, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.closeness import assert_close

from elman.estimators.baselines import baseline_forecasts, drift, forecast_errors, naive, seasonal_naive

Y = np.array([[1.0, 10.0], [2.0, 30.0], [4.0, 20.0], [7.0, 70.0]])


def test_baselines() -> None:
    assert naive(Y, 2).tolist() == [[7, 70], [7, 70]]
    assert seasonal_naive(Y, 5, 2).tolist() == [[4, 20], [7, 70], [4, 20], [7, 70], [4, 20]]
    assert seasonal_naive(Y, 2, 99).tolist() == Y[:2].tolist()
    assert drift(Y, 2).tolist() == [[9, 90], [11, 110]]
    assert drift(Y[:1], 2).tolist() == [[1, 10], [1, 10]]
    assert list(baseline_forecasts(Y, 2, 2)) == ["seasonal_naive", "naive", "drift"]
    assert list(baseline_forecasts(Y, 2, 1)) == ["naive", "drift"]


def test_measures_by_hand() -> None:
    actual, predicted = np.array([[10.0], [20.0]]), np.array([[13.0], [16.0]])
    history = np.array([[1.0], [3.0], [4.0], [8.0]])  # lag 1: 2, 1, 4; lag 2: 3, 5
    found = forecast_errors([actual], [predicted], [history], 2)
    assert_close(found["mae"], 3.5)
    assert_close(found["rmse"], math.sqrt(12.5))
    assert_close(found["mape"], 100 * (0.3 + 0.2) / 2)
    assert_close(found["smape"], 100 * (2 * 3 / 23 + 2 * 4 / 36) / 2)
    assert_close(found["mase"], 3.5 / 4)
    assert_close(forecast_errors([actual], [predicted], [history], 1)["mase"], 3.5 / (7 / 3))
    assert_close(forecast_errors([actual], [predicted], [history], 9)["mase"], 3.5 / (7 / 3))


def test_several_forecasts_of_several_lengths() -> None:
    one, two = np.array([[10.0], [20.0]]), np.array([[5.0]])
    found = forecast_errors([one, two], [one + 1, two - 4], [Y[:, :1], Y[:, 1:]], 1)
    assert_close(found["mae"], 2.0)
    assert_close(found["mase"], (1 / 2 + 4 / (80 / 3)) / 2)


def test_what_cannot_be_divided_by_is_left_out() -> None:
    flat = np.zeros((3, 1))
    found = forecast_errors([flat], [flat], [flat], 1)
    assert found == {"mae": 0.0, "rmse": 0.0, "smape": 0.0}
    assert "mape" not in forecast_errors([np.array([[0.0], [1.0]])], [np.ones((2, 1))], [Y[:, :1]], 1)


@pytest.mark.parametrize("scale", [0.1, 1000.0])
def test_scaled_measures_do_not_depend_on_units(scale: float) -> None:
    actual, predicted = np.array([[10.0], [20.0]]), np.array([[13.0], [16.0]])
    plain = forecast_errors([actual], [predicted], [Y[:, :1]], 1)
    other = forecast_errors([actual * scale], [predicted * scale], [Y[:, :1] * scale], 1)
    for name in ("mape", "smape", "mase"):
        assert_close(other[name], plain[name])
    assert_close(other["mae"], plain["mae"] * scale)
