"""Forecast time series: one or several variables, one or several steps ahead, one or many series.

Shapes: T steps of history, C variables, K steps ahead (the horizon), W windows, F calendar features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, final

import numpy as np

from elman.data.batches import SequenceBatches
from elman.data.frames import Series
from elman.data.times import Frequency, future_times, infer_frequency
from elman.data.windows import WindowsOf
from elman.engines import Loss
from elman.errors import DataError, UsageError
from elman.estimators.baselines import baseline_forecasts, forecast_errors
from elman.estimators.calendar import calendar_features
from elman.estimators.estimator import Estimator, arrays_in, check_share
from elman.estimators.preparation import choose_preparation, preparation_from_config
from elman.files import Array
from elman.network import Network
from elman.training import Callbacks

PREDICT_BATCH = 256


class Forecast(NamedTuple):
    """unique_id of the series; times (K,); mean, low and high, each (K, C), in the series' own units. low and high
    enclose the truth with about the probability `interval`; they are NaN where nothing was set aside to learn it from."""

    unique_id: str
    times: Array
    mean: Array
    low: Array
    high: Array


class Fold(NamedTuple):
    """One forecast of a backtest: the series' number, the step it starts at, and what came."""

    series: int
    start: int
    forecast: Forecast
    actual: Array


class Backtest(NamedTuple):
    """Forecasts made from the past of a series, beside what came.

    Attributes:
        folds: every forecast made.
        metrics: of the forecaster, with `coverage`, the share of true values inside the interval.
        baselines: the same measures, by the baseline's name.
    """

    folds: list[Fold]
    metrics: dict[str, float]
    baselines: dict[str, dict[str, float]]


@final
@dataclass(kw_only=True, eq=False)
class Forecaster(Estimator):
    """A recurrent network that continues time series.

    Its own options:
        horizon: steps ahead, K.
        window: steps of history that the network sees; None for two seasons, at least 24, as far as the series allows.
        strategy: `direct` answers all K steps at once; `recursive` predicts the next step and is fed its own answers, for
            any horizon.
        season: steps in a cycle; None takes it from the times.
        transform: `log`, `none`, or `auto` for a logarithm where swings grow with the level.
        difference: a lag whose value is subtracted, `none`, or `auto`; see `choose_preparation`.
        scale: of the prepared values of each series: `standard` or `none`.
        loss: `mae`, `mse` or `huber`.
        interval: probability that low and high shall enclose, between 0 and 1.
        refit: after early stopping, train again on everything for as many epochs as were best.

    `validation` is the last share of each series in time.

    {shared options}

    After `fit`:
        network_, history_: the trained network; a record an epoch.
        season_, window_: as chosen.
        preparation_: what is done to values before the network sees them.

    >>> import numpy as np
    >>> wave = np.sin(np.arange(120) * 2 * np.pi / 12)
    >>> model = Forecaster(horizon=3, season=12, epochs=20).fit(wave)
    >>> bool(np.abs(model.predict()[:, 0] - np.sin(np.arange(120, 123) * 2 * np.pi / 12)).max() < 0.1)
    True
    """

    horizon: int = 1
    window: int | None = None
    strategy: str = "direct"
    season: int | None = None
    transform: str = "auto"
    difference: str | int = "auto"
    scale: str = "standard"
    loss: str = "mae"
    interval: float = 0.9
    refit: bool = True
    epochs: int = 200
    patience: int | None = 20
    learning_rate: float = 3e-3
    clip_norm: float | None = 1.0

    task: ClassVar[str] = "forecasting"

    def fit(
        self, X: Any, y: None = None, *, callbacks: Callbacks = (), checkpoint: str | Path | None = None,
        resume: bool = False,
    ) -> Forecaster:  # fmt: skip
        """Train.

        Args:
            X: one series (T,) or (T, C), several in a list, or `Series` read from a table.
            y: there for scikit-learn, not used.
            callbacks: `Callback` objects, or functions called with each epoch's record.
            checkpoint: a folder for the checkpoint; None keeps none and leaves Ctrl-C to Python.
            resume: go on from the checkpoint in that folder, if there is one.

        Raises:
            DataError: a series too short for window and horizon.
            UsageError: options that cannot be.
        """
        series = as_series(X)
        self._check_options(series)
        share = check_share("validation", self.validation)
        self._frequency = infer_frequency(series[0].ds)
        self.season_ = self.season or self._frequency.season
        cuts = [len(s.y) - self._validation_steps(len(s.y)) for s in series]
        for s, cut in zip(series, cuts, strict=True):
            if cut < 1:
                raise DataError(
                    f"series {s.unique_id!r} has {len(s.y)} steps; with {len(s.y) - cut} of them set aside for validation "
                    f"(`validation`, at least the `horizon` of {self.horizon}) nothing is left to learn from; "
                    "bring a longer series"
                )
        self.preparation_ = choose_preparation(
            [s.y[:cut] for s, cut in zip(series, cuts, strict=True)],
            "none" if self.transform == "auto" and not all((s.y > 0).all() for s in series) else self.transform,
            self.difference, self.season_, self.horizon,
        )  # fmt: skip
        for s in series:
            self._check_positive(s)
        shortest = min(cuts) - self.preparation_.lag
        self.window_ = self.window or max(1, min(max(2 * self.season_, 24), shortest - self.horizon - 7))
        self._series, self.n_variables_ = series, series[0].y.shape[1]
        self.residuals_: Array | None = None
        folder = None if checkpoint is None else Path(checkpoint)
        self._fit_until(series, cuts, validate=share > 0, callbacks=callbacks, checkpoint=folder, resume=resume)
        if self.validation:
            self.residuals_ = self._validation_residuals(series, cuts)
        if self.refit and self.validation and self.patience is not None:
            self._refit(series, None if folder is None else folder / "refit", resume)
        return self

    def forecast(self, X: Any = None, *, horizon: int | None = None) -> list[Forecast]:
        """Forecasts with times and intervals, one a series; X None goes on from the series of `fit`."""
        self._fitted()
        series = self._series if X is None else as_series(X)
        steps = self._horizon(horizon)
        for s in series:
            if s.y.shape[1] != self.n_variables_:
                raise DataError(
                    f"series {s.unique_id!r} has {s.y.shape[1]} variables, but this model was fitted to "
                    f"{self.n_variables_}; give the same ones, in the same order"
                )
            self._check_history(s)
            self._check_positive(s)
        return [self._forecast(s, steps) for s in series]

    def predict(self, X: Any = None, *, horizon: int | None = None) -> Any:
        """What comes next, (K, C); a list of these for several series."""
        means = [f.mean for f in self.forecast(X, horizon=horizon)]
        many = len(self._series) > 1 if X is None else isinstance(X, list)
        return means if many else means[0]

    def predict_proba(self, X: Any = None) -> Any:
        """Low and high ends of the `interval`, (2, K, C); a list of these for several series."""
        ends = [np.stack((f.low, f.high)) for f in self.forecast(X)]
        many = len(self._series) > 1 if X is None else isinstance(X, list)
        return ends if many else ends[0]

    def score(self, X: Any, y: None = None) -> float:
        """Minus the mean absolute scaled error of forecasting the last `horizon` steps of X from what is before them.

        Raises DataError where every series repeats itself exactly, as there is nothing to scale by.
        """
        series = as_series(X)
        heads = [
            Series(s.unique_id, None if s.ds is None else s.ds[: -self.horizon], s.y[: -self.horizon]) for s in series
        ]
        guesses = [f.mean for f in self.forecast(heads)]
        truths = [s.y[-self.horizon :] for s in series]
        errors = forecast_errors(truths, guesses, [h.y for h in heads], self.season_)
        if "mase" not in errors:
            raise DataError(
                f"every series of `X` repeats itself exactly every {self.season_} steps, which leaves nothing to scale its errors "
                "by; `backtest` tells them in the series' units"
            )
        return -errors["mase"]

    def backtest(self, X: Any, *, folds: int = 3) -> Backtest:
        """Rolling origin: `folds` times, fit afresh on all but the last steps, forecast `horizon` steps, compare.

        Every fold chooses its preparation, scales and epochs anew from what lies before it; nothing leaks back.
        """
        series = as_series(X)
        if folds < 1:
            raise UsageError(f"`folds` must be at least 1; got {folds!r}")
        made: list[Fold] = []
        histories: list[Array] = []
        for fold in range(folds, 0, -1):
            heads = [_head(s, len(s.y) - fold * self.horizon) for s in series]
            model = self.clone().fit(heads)
            for number, forecast in enumerate(model.forecast()):
                start = len(heads[number].y)
                actual = series[number].y[start : start + self.horizon]
                made.append(Fold(number, start, forecast, actual))
                histories.append(heads[number].y)
        season = model.season_
        truths = [f.actual for f in made]
        metrics = forecast_errors(truths, [f.forecast.mean for f in made], histories, season)
        inside = [(f.forecast.low <= f.actual) & (f.actual <= f.forecast.high) for f in made]
        if self.validation:
            metrics["coverage"] = float(np.mean(inside))
        guesses = [baseline_forecasts(h, self.horizon, season) for h in histories]
        baselines = {
            name: forecast_errors(truths, [g[name] for g in guesses], histories, season) for name in guesses[0]
        }
        return Backtest(made, metrics, baselines)

    def _check_options(self, series: Sequence[Series]) -> None:
        problems = []
        if self.horizon < 1:
            problems.append(f"`horizon` must be at least 1; got {self.horizon!r}")
        for name in ("window", "season"):
            value = getattr(self, name)
            if value is not None and value < 1:
                problems.append(f"`{name}` must be at least 1, or None; got {value!r}")
        if self.strategy not in ("direct", "recursive"):
            problems.append(f"`strategy` must be direct or recursive; got {self.strategy!r}")
        if self.scale not in ("standard", "none"):
            problems.append(f"`scale` must be standard or none; got {self.scale!r}")
        if self.loss not in ("mae", "mse", "huber"):
            problems.append(f"`loss` must be mae, mse or huber; got {self.loss!r}")
        if not 0 < self.interval < 1:
            problems.append(f"`interval` must be between 0 and 1; got {self.interval!r}")
        if self.bidirectional and self.strategy == "recursive":
            problems.append("`bidirectional` reads the future and needs strategy='direct'")
        if problems:
            raise UsageError("; ".join(problems))
        counts = {s.y.shape[1] for s in series}
        if len(counts) > 1:
            raise DataError(f"all series must have as many variables; got {sorted(counts)}")

    def _horizon(self, horizon: int | None) -> int:
        steps = self.horizon if horizon is None else horizon
        if steps < 1:
            raise UsageError(f"`horizon` must be at least 1; got {steps!r}")
        if steps > self.horizon and self.strategy == "direct":
            raise UsageError(
                f"`horizon` must be at most the {self.horizon} that was trained; got {steps}. "
                "Fit with a larger horizon, or with strategy='recursive'"
            )
        return steps

    def _validation_steps(self, length: int) -> int:
        return max(self.horizon, round(length * self.validation)) if self.validation else 0

    def _check_history(self, s: Series, extra: int = 0) -> None:
        needed = self.window_ + self.preparation_.lag + extra
        if len(s.y) < needed:
            raise DataError(
                f"series {s.unique_id!r} has {len(s.y)} steps, fewer than the {needed} that a window of {self.window_}"
                + (f", a difference over {self.preparation_.lag}" if self.preparation_.lag else "")
                + (f" and {extra} steps to learn from" if extra else "")
                + " need; make `window` or `horizon` shorter, or bring a longer series"
            )

    def _check_positive(self, s: Series) -> None:
        """Where logarithms are taken, every value must have one."""
        bad = np.argwhere(s.y <= 0)
        if self.preparation_.log and len(bad):
            step, variable = bad[0]
            raise DataError(
                f"series {s.unique_id!r} must hold values above 0, because logarithms are taken (`transform`); "
                f"step {step} (from 0) of variable {variable} is {s.y[step, variable]}. Correct it, or fit with "
                "transform='none'"
            )

    def _fit_until(
        self, series: Sequence[Series], ends: Sequence[int], *, validate: bool, callbacks: Callbacks,
        checkpoint: Path | None, resume: bool,
    ) -> None:  # fmt: skip
        """Train on what lies before `ends`; validate on what lies after."""
        lag = self.preparation_.lag
        for s, end in zip(series, ends, strict=True):
            self._check_history(_head(s, end), extra=self.horizon)
        prepared = [self.preparation_.forward(s.y) for s in series]
        self._scales = {
            s.unique_id: self._scale_of(values[: end - lag])
            for s, values, end in zip(series, prepared, ends, strict=True)
        }
        z = [
            (v - self._scales[s.unique_id][0]) / self._scales[s.unique_id][1]
            for s, v in zip(series, prepared, strict=True)
        ]
        features = [np.concatenate((v, self._calendar(s)[lag:]), axis=1) for s, v in zip(series, z, strict=True)]
        span = self.window_ + self.horizon
        train = [np.arange(0, end - lag - span + 1) for end in ends]
        after = [np.arange(max(0, end - lag - self.window_), len(v) - span + 1) for end, v in zip(ends, z, strict=True)]
        size = features[0].shape[1]
        outputs = self.n_variables_ * (self.horizon if self.strategy == "direct" else 1)
        head = "last" if self.strategy == "direct" else "every"
        network = self.make_network(input_size=size, output_size=outputs, head=head)
        batches = self._windows(features, z, train, batch_size=self.batch_size, shuffle=self.shuffle)
        validation = None
        if validate:
            validation = self._windows(features, z, after, batch_size=PREDICT_BATCH, shuffle=False)
        times = [None if s.ds is None else s.ds.astype(np.int64) for s in series]
        self._train(
            network, Loss(kind=self.loss), batches, validation, arrays_in(*(s.y for s in series), *times),
            callbacks=callbacks, checkpoint=checkpoint, resume=resume,
        )  # fmt: skip

    def _windows(
        self, features: Sequence[Array], z: Sequence[Array], starts: Sequence[Array], **options: Any
    ) -> SequenceBatches:
        """Windows that begin at `starts` of each series, and their targets: K steps after them, or one step on."""
        inputs = WindowsOf(features, starts, self.window_)
        if self.strategy == "recursive":
            targets = WindowsOf(z, [s + 1 for s in starts], self.window_)
            return SequenceBatches(inputs, targets, dtype=self._dtype, seed=self.seed, **options)
        ahead = WindowsOf(z, [s + self.window_ for s in starts], self.horizon, flat=True)
        return SequenceBatches(inputs, ahead, aligned=False, dtype=self._dtype, seed=self.seed, **options)

    def _scale_of(self, values: Array) -> tuple[Array, Array]:
        if self.scale == "none":
            return np.zeros(values.shape[1]), np.ones(values.shape[1])
        spread = values.std(axis=0)
        return values.mean(axis=0), np.where(spread > 0, spread, 1.0)

    def _calendar(self, s: Series, ahead: int = 0) -> Array:
        """Calendar features (T + ahead, F); none without dates."""
        if s.ds is None or s.ds.dtype.kind != "M":
            return np.zeros((len(s.y) + ahead, 0))
        times = np.concatenate((s.ds, future_times(s.ds, self._frequency, ahead))) if ahead else s.ds
        return calendar_features(times, self._frequency)

    def _refit(self, series: Sequence[Series], checkpoint: Path | None, resume: bool) -> None:
        """Train afresh on everything, for as many epochs as were best; the history stays that of the first training."""
        history, best, seconds = self.history_, self.best_epoch_, self.seconds_
        options = self.epochs, self.patience
        try:
            self.epochs, self.patience = best + 1, None
            ends = [len(s.y) for s in series]
            self._fit_until(series, ends, validate=False, callbacks=(), checkpoint=checkpoint, resume=resume)
        finally:
            self.epochs, self.patience = options
        self.history_, self.best_epoch_, self.seconds_ = history, best, seconds + self.seconds_

    def _forecast(self, s: Series, steps: int) -> Forecast:
        values = self._continue(s, steps)
        low = high = np.full_like(values, np.nan)
        if self.residuals_ is not None:
            reach = self.residuals_[np.minimum(np.arange(steps), len(self.residuals_) - 1)]
            low, high = values - reach, values + reach
        times = future_times(s.ds, self._frequency, steps)
        if s.ds is None:
            times = times + len(s.y) - 1
        undo = self.preparation_.original
        return Forecast(s.unique_id, times, undo(values), undo(low), undo(high))

    def _continue(self, s: Series, steps: int) -> Array:
        """The next values (K, C) on the scale after the logarithm."""
        lag = self.preparation_.lag
        prepared = self.preparation_.forward(s.y)
        mean, spread = self._scales.get(s.unique_id) or self._scale_of(prepared)
        z = ((prepared - mean) / spread)[-self.window_ :]
        calendar = self._calendar(s, steps)[lag:][len(prepared) - self.window_ :]
        x = np.concatenate((z, calendar[: self.window_]), axis=1)[None]
        if self.strategy == "direct":
            ahead = self._engine.forward(x)[0][0].reshape(self.horizon, self.n_variables_)[:steps]
        else:
            stream = self._engine.stream()
            answers = [stream.step_many(x[0])[-1]]
            for k in range(steps - 1):
                answers.append(stream.step(np.concatenate((answers[-1], calendar[self.window_ + k]))))
            ahead = np.stack(answers)
        return self.preparation_.continued(s.y, ahead * spread + mean)

    def _validation_residuals(self, series: Sequence[Series], cuts: Sequence[int]) -> Array:
        """How far off forecasts were on the part set aside: for each step ahead the distance that `interval` of them
        stayed within, (K, C), on the scale after the logarithm (split conformal prediction)."""
        errors = []
        for s, cut in zip(series, cuts, strict=True):
            y = np.log(s.y) if self.preparation_.log else s.y
            for end in range(cut, len(s.y) - self.horizon + 1):
                errors.append(np.abs(self._continue(_head(s, end), self.horizon) - y[end : end + self.horizon]))
        count = len(errors)
        level = min(1.0, np.ceil((count + 1) * self.interval) / count)
        reach = np.quantile(np.stack(errors), level, axis=0, method="higher")
        return np.asarray(np.maximum.accumulate(reach, axis=0))

    def _streaming_network(self) -> Network:
        raise UsageError("a Forecaster works on prepared windows and cannot be stepped; call `forecast` with a history")

    def _learned(self) -> dict[str, Any]:
        return {
            "season": self.season_,
            "window": self.window_,
            "variables": self.n_variables_,
            "preparation": self.preparation_.config(),
            "frequency": list(self._frequency.__dict__.values()),
            "scales": {name: [m.tolist(), s.tolist()] for name, (m, s) in self._scales.items()},
            "residuals": None if self.residuals_ is None else self.residuals_.tolist(),
            "series": [
                {
                    "unique_id": s.unique_id,
                    "ds": None if s.ds is None else [str(t) for t in s.ds[-self._context_steps() :]],
                    "y": s.y[-self._context_steps() :].tolist(),
                    "steps": len(s.y),
                }
                for s in self._series
            ],
        }

    def _context_steps(self) -> int:
        """How many last steps of a series a saved model needs to go on from it."""
        return self.window_ + self.preparation_.lag

    def _restore(self, learned: Mapping[str, Any]) -> None:
        self.season_, self.window_, self.n_variables_ = learned["season"], learned["window"], learned["variables"]
        self.preparation_ = preparation_from_config(learned["preparation"])
        self._frequency = Frequency(*learned["frequency"])
        self._scales = {name: (np.array(m), np.array(s)) for name, (m, s) in learned["scales"].items()}
        self.residuals_ = None if learned["residuals"] is None else np.array(learned["residuals"])
        self._series = [_read_series(s) for s in learned["series"]]


def as_series(X: Any) -> list[Series]:
    """One series (T,) or (T, C), a list of such, or `Series`, as a list of `Series`."""
    items = X if isinstance(X, list) and not (X and np.isscalar(X[0])) else [X]
    if not items:
        raise DataError("`X` holds no series; give at least one")
    series = [item if isinstance(item, Series) else _from_array(item, i) for i, item in enumerate(items)]
    for s in series:
        bad = np.argwhere(~np.isfinite(s.y))
        if len(bad):
            raise DataError(
                f"series {s.unique_id!r} must hold finite numbers; step {bad[0][0]} (from 0) of variable {bad[0][1]} is "
                f"{s.y[tuple(bad[0])]}. Fill or drop it first"
            )
    return series


def _from_array(item: Any, index: int) -> Series:
    try:
        y = np.asarray(item, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"series {index} (from 0) must be numbers (T,) or (T, C): {error}") from error
    if y.ndim not in (1, 2) or 0 in y.shape:
        raise DataError(f"series {index} (from 0) must have shape (T,) or (T, C) with T of at least 1; got {y.shape}")
    return Series(str(index), None, y.reshape(len(y), -1))


def _head(s: Series, end: int) -> Series:
    """The series up to step `end`, not included."""
    return Series(s.unique_id, None if s.ds is None else s.ds[:end], s.y[: max(0, end)])


def _read_series(saved: Mapping[str, Any]) -> Series:
    ds = saved["ds"]
    if ds is not None:
        whole = bool(ds) and ds[0].lstrip("-").isdigit()
        ds = np.array([int(t) for t in ds]) if whole else np.array(ds, dtype="datetime64[us]")
    elif saved["steps"] > len(saved["y"]):
        ds = np.arange(saved["steps"] - len(saved["y"]), saved["steps"])
    return Series(saved["unique_id"], ds, np.array(saved["y"], dtype=np.float64))
