"""What is done to a time series before a network sees it, and undone to its forecasts.

Three steps, each chosen from the training part alone: a logarithm where the swings grow with the level; a difference with the
value one step or one season before, where that predicts better than the mean does; and a scale.

Shapes: T steps, C variables, K steps ahead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from numbers import Integral
from typing import Any, final

import numpy as np

from elman.errors import UsageError
from elman.files import Array


@final
@dataclass(frozen=True, kw_only=True)
class Preparation:
    """log: take logarithms first. lag: subtract the value `lag` steps before; 0 subtracts nothing."""

    log: bool
    lag: int

    def forward(self, y: Array) -> Array:
        """(T, C) to (T - lag, C)."""
        y = np.log(y) if self.log else y
        return y[self.lag :] - y[: -self.lag] if self.lag else y

    def continued(self, y: Array, ahead: Array) -> Array:
        """The series' own next values, on the scale after the logarithm, from prepared ones.

        y: (T, C), all that is known. ahead: prepared values (K, C) of the steps that follow. Returns (K, C).
        """
        if not self.lag:
            return ahead
        known = (np.log(y[-self.lag :]) if self.log else y[-self.lag :]).copy()
        values = np.empty_like(ahead)
        for k, step in enumerate(ahead):
            before = known[k] if k < self.lag else values[k - self.lag]
            values[k] = before + step
        return values

    def original(self, values: Array) -> Array:
        """Undo the logarithm."""
        return np.exp(values) if self.log else values

    def config(self) -> dict[str, Any]:
        return asdict(self)


def choose_preparation(
    histories: Sequence[Array], transform: str, difference: str | int, season: int, horizon: int
) -> Preparation:
    """The preparation for these training histories, each (T, C).

    transform: `none`, `log`, or `auto`: log where every value is above 0 and, season by season, the spread rises with
    the level (correlation above 0.5). difference: a lag, `none`, or `auto`: of no difference, lag 1 and the season, the
    one whose plain continuation has the smallest mean absolute error over `horizon` steps within the training part.
    """
    if transform not in ("auto", "none", "log"):
        raise UsageError(f"`transform` must be auto, none or log; got {transform!r}")
    positive = all((y > 0).all() for y in histories)
    if transform == "log" and not positive:
        raise UsageError("`transform` = 'log' needs values above 0 throughout; use 'auto' or 'none'")
    log = transform == "log" or (transform == "auto" and positive and _spread_rises(histories, max(season, 8)))
    if isinstance(difference, Integral) and not isinstance(difference, bool) and difference >= 0:
        return Preparation(log=log, lag=int(difference))
    if difference == "none":
        return Preparation(log=log, lag=0)
    if difference != "auto":
        raise UsageError(f"`difference` must be auto, none or a lag of at least 0; got {difference!r}")
    values = [np.log(y) if log else y for y in histories]
    lags = [0, 1] + ([season] if season > 1 and all(len(y) > season + horizon for y in histories) else [])
    return Preparation(log=log, lag=min(lags, key=lambda lag: _continuation_error(values, lag, horizon)))


def _spread_rises(histories: Sequence[Array], block: int) -> bool:
    correlations = []
    for y in histories:
        blocks = len(y) // block
        if blocks < 4:
            return False
        cut = y[: blocks * block].reshape(blocks, block, -1)
        level, spread = cut.mean(axis=1), cut.std(axis=1)
        for c in range(y.shape[1]):
            if level[:, c].std() > 0 and spread[:, c].std() > 0:
                correlations.append(np.corrcoef(level[:, c], spread[:, c])[0, 1])
    return bool(correlations) and float(np.mean(correlations)) > 0.5


def _continuation_error(histories: Sequence[Array], lag: int, horizon: int) -> float:
    """Mean absolute error of continuing with the mean (lag 0), the last value (1) or the last season."""
    errors = []
    for y in histories:
        scale = np.abs(y - y.mean(axis=0)).mean() or 1.0
        if lag == 0:
            errors.append(1.0)
            continue
        steps = [k for k in range(1, horizon + 1) if len(y) > lag * -(-k // lag)]
        gaps = [np.abs(y[(back := lag * -(-k // lag)) :] - y[:-back]).mean() for k in steps]
        errors.append(float(np.mean(gaps)) / scale if gaps else np.inf)
    return float(np.mean(errors))


def preparation_from_config(config: Mapping[str, Any]) -> Preparation:
    """The inverse of `Preparation.config`."""
    return Preparation(log=bool(config["log"]), lag=int(config["lag"]))
