"""Forecasts that cost nothing, and how forecasts are judged.

Shapes: T steps of history, K steps ahead, C variables.

Source: R. Hyndman and G. Athanasopoulos, "Forecasting: Principles and Practice", sections 5.2 and 5.8.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from elman.files import Array


def naive(history: Array, steps: int) -> Array:
    """The last value again and again, (K, C)."""
    return np.repeat(history[-1:], steps, axis=0)


def seasonal_naive(history: Array, steps: int, season: int) -> Array:
    """The last season again and again, (K, C)."""
    season = min(season, len(history))
    return history[-season:][np.arange(steps) % season]


def drift(history: Array, steps: int) -> Array:
    """The straight line through the first and the last value, continued, (K, C)."""
    slope = (history[-1] - history[0]) / max(1, len(history) - 1)
    line: Array = history[-1] + slope * np.arange(1, steps + 1)[:, None]
    return line


def baseline_forecasts(history: Array, steps: int, season: int) -> dict[str, Array]:
    """Every baseline by name; `seasonal_naive` only where there is a season."""
    forecasts = {"naive": naive(history, steps), "drift": drift(history, steps)}
    return forecasts if season < 2 else {"seasonal_naive": seasonal_naive(history, steps, season), **forecasts}


def forecast_errors(
    actual: Sequence[Array], predicted: Sequence[Array], histories: Sequence[Array], season: int
) -> dict[str, float]:
    """Measures of several forecasts.

    Args:
        actual: what came, (K, C) each.
        predicted: the forecasts, (K, C) each.
        histories: what each forecast was made from, (T, C) each.
        season: steps in a cycle, for `mase`.

    Returns:
        `mae`, `rmse`, `mape`, `smape` and `mase` by name, as `elman.measures` defines them; without `mape` and `mase` where they
        are not defined.
    """
    error = np.concatenate([p - a for a, p in zip(actual, predicted, strict=True)])
    truth, guess = np.concatenate(list(actual)), np.concatenate(list(predicted))
    measures = {"mae": float(np.abs(error).mean()), "rmse": float(np.sqrt((error**2).mean()))}
    if (truth != 0).all():
        measures["mape"] = float(100 * np.abs(error / truth).mean())
    total = np.abs(truth) + np.abs(guess)
    measures["smape"] = float(200 * np.mean(np.divide(np.abs(error), total, where=total > 0, out=np.zeros_like(total))))
    scaled = []
    for a, p, y in zip(actual, predicted, histories, strict=True):
        lag = season if len(y) > season else 1
        scale = np.abs(y[lag:] - y[:-lag]).mean(axis=0)
        if (scale > 1e-12 * np.abs(y).max()).all():  # an exactly periodic series has none, but for rounding
            scaled.append((np.abs(p - a) / scale).mean())
    if scaled:
        measures["mase"] = float(np.mean(scaled))
    return measures
