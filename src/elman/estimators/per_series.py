"""One forecaster for each of many time series.

A `Forecaster` fitted to many series is one network that has seen them all; this is many networks that have each seen one.
Shapes: T steps of history, C variables, K steps ahead.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeGuard, final

import numpy as np

from elman.data.frames import Series
from elman.errors import DataError, ElmanError, NotFittedError, RunError, UsageError
from elman.estimators.estimator import did_you_mean
from elman.estimators.forecaster import Backtest, Forecast, Forecaster, as_series
from elman.estimators.jobs import Job, OnOutcome, Outcome, fit_many, run_jobs
from elman.estimators.tags import sklearn_tags
from elman.files import FORMAT, json_text, open_folder, replace_folder
from elman.network import CONFIG
from elman.version import VERSION


class PerSeriesBacktest(NamedTuple):
    """Backtests of many series.

    Attributes:
        by_series: the backtest of each series, by its unique_id.
        errors: of the series that could not be tested, by unique_id.
        metrics: the mean over the series of each measure that all of them have.
        baselines: the same, by the baseline's name.
    """

    by_series: dict[str, Backtest]
    errors: dict[str, ElmanError]
    metrics: dict[str, float]
    baselines: dict[str, dict[str, float]]

    @property
    def beaten(self) -> dict[str, str]:
        """The series in which a baseline has a mean absolute error as small as the network's, and which baseline."""
        best = {name: min(b.baselines, key=lambda n: b.baselines[n]["mae"]) for name, b in self.by_series.items()}
        return {
            name: best[name] for name, b in self.by_series.items() if b.baselines[best[name]]["mae"] <= b.metrics["mae"]
        }


@final
@dataclass(kw_only=True, eq=False)
class PerSeries:
    """Many time series, a `Forecaster` for each, fitted side by side.

    A series that cannot be fitted costs the others nothing: it has no model, its error is kept, and a warning tells of it.

    Args:
        forecaster: an unfitted Forecaster, cloned for each series. Its `season`, `window` and the like, where they are None, are
            chosen for each series by itself.
        n_jobs: models fitted at a time: 1 for one after the other, more for worker processes, -1 for one a core, None for what
            `joblib.parallel_config` says, else 1. The numbers are the same bits for any `n_jobs`.

    After `fit`:
        models_: the fitted forecasters, by unique_id.
        errors_: the errors of the others, by unique_id.

    >>> import numpy as np
    >>> waves = [np.sin(np.arange(60) * 2 * np.pi / season) for season in (6, 12)]
    >>> many = PerSeries(forecaster=Forecaster(horizon=2, season=6, epochs=5)).fit(waves)
    >>> [f.unique_id for f in many.forecast()], [mean.shape for mean in many.predict()]
    (['0', '1'], [(2, 1), (2, 1)])
    """

    forecaster: Forecaster = field(default_factory=Forecaster)
    n_jobs: int | None = None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments as they stand; with `deep` also the forecaster's, as `forecaster__horizon`."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        inner = self.forecaster.get_params() if deep else {}
        return {**own, **{f"forecaster__{name}": value for name, value in inner.items()}}

    def set_params(self, **parameters: Any) -> Self:
        """Change arguments, the forecaster's as `forecaster__horizon`; every unknown name is told in one error."""
        known = list(self.get_params())
        unknown = [name for name in parameters if name not in known]
        if unknown:
            raise UsageError("PerSeries has no " + "; no ".join(did_you_mean(n, known) for n in unknown))
        own = {name: value for name, value in parameters.items() if "__" not in name}
        for name, value in own.items():
            setattr(self, name, value)
        inner = {n.removeprefix("forecaster__"): v for n, v in parameters.items() if n not in own}
        self.forecaster.set_params(**inner)
        return self

    def clone(self, **changes: Any) -> Self:
        """An unfitted one with the same arguments, but for `changes`."""
        return type(self)(**{"forecaster": self.forecaster.clone(), "n_jobs": self.n_jobs, **changes})

    def fit(
        self, X: Any, y: None = None, *, checkpoint: str | Path | None = None, resume: bool = False,
        on_outcome: OnOutcome | None = None,
    ) -> Self:  # fmt: skip
        """Train a model for each series.

        Args:
            X: a list of arrays (T,) or (T, C), or of `Series` read from a table.
            y: there for scikit-learn, not used.
            checkpoint: a folder that gets a checkpoint for each series; None keeps none.
            resume: go on from the checkpoints in that folder.
            on_outcome: called as soon as a series is fitted, or has failed; see `OnOutcome`. The models train in other
                processes, so there are no `callbacks` of single epochs.

        Warns where some series could not be fitted.

        Raises:
            ElmanError: the first series' error, where none could be fitted.
        """
        series = self._series_of(X)
        jobs = {
            s.unique_id: Job(self.forecaster, ([s],), {"checkpoint": _folder_of(checkpoint, number), "resume": resume})
            for number, s in enumerate(series)
        }
        outcomes = fit_many(jobs, n_jobs=self.n_jobs, on_outcome=on_outcome)
        models, errors = _sorted_out(outcomes, "fitted")
        self.models_: dict[str, Forecaster] = models
        self.errors_ = errors
        if errors:
            name, error = next(iter(errors.items()))
            warnings.warn(
                f"{len(errors)} of {len(series)} series have no model (see `errors_`); the first is {name!r}: {error}",
                stacklevel=2,
            )
        return self

    def forecast(self, X: Any = None, *, horizon: int | None = None) -> list[Forecast]:
        """Forecasts with times and intervals, one a series; X None goes on from the series of `fit` that have a model.

        X: series as for `fit`, each told apart by its unique_id (of arrays, their position). Raises DataError for a
        series that has no model.
        """
        if X is None:
            return [model.forecast(horizon=horizon)[0] for model in self._fitted().values()]
        return [self.model_of(s).forecast([s], horizon=horizon)[0] for s in as_series(X)]

    def predict(self, X: Any = None, *, horizon: int | None = None) -> Any:
        """What comes next, (K, C); a list of these for several series."""
        means = [f.mean for f in self.forecast(X, horizon=horizon)]
        return means if self._many(X) else means[0]

    def predict_proba(self, X: Any = None) -> Any:
        """Low and high ends of the `interval`, (2, K, C); a list of these for several series."""
        ends = [np.stack((f.low, f.high)) for f in self.forecast(X)]
        return ends if self._many(X) else ends[0]

    def score(self, X: Any, y: None = None) -> float:
        """The mean over the series of `Forecaster.score`."""
        return float(np.mean([self.model_of(s).score([s]) for s in as_series(X)]))

    def backtest(self, X: Any, *, folds: int = 3, on_outcome: OnOutcome | None = None) -> PerSeriesBacktest:
        """`Forecaster.backtest` of each series by itself: every fold fits a network afresh on what lies before it.

        The models that `fit` made play no part.

        Args:
            X: series, as for `fit`.
            folds: of each series.
            on_outcome: called as soon as a series is tested, or has failed; see `OnOutcome`.
        """
        series = self._series_of(X)
        jobs = {s.unique_id: (self.forecaster, s, folds) for s in series}
        by_series, errors = _sorted_out(run_jobs(_backtest, jobs, n_jobs=self.n_jobs, on_outcome=on_outcome), "tested")
        tested: list[Backtest] = list(by_series.values())
        names = [name for name in tested[0].baselines if all(name in b.baselines for b in tested)]
        baselines = {name: mean_measures([b.baselines[name] for b in tested]) for name in names}
        return PerSeriesBacktest(by_series, errors, mean_measures([b.metrics for b in tested]), baselines)

    def save(self, folder: str | Path) -> None:
        """Write every model into a folder; an older one is replaced.

        Args:
            folder: gets `config.json`, in `models/` a model folder a series, and `manifest.json` with the checksum of each.

        Raises:
            RunError: the system refused, or the folder holds something that is no model.
        """
        models = self._fitted()
        errors = {name: str(error) for name, error in self.errors_.items()}
        config = {
            "format": FORMAT, "elman": VERSION, "estimator": "PerSeries", "series": list(models), "errors": errors,
        }  # fmt: skip
        with replace_folder(folder, CONFIG) as files:
            files.write(CONFIG, json_text(config, indent=2) + "\n")
            for number, model in enumerate(models.values()):
                model.write_files(files.inside(f"models/{_numbered(number)}"))

    @classmethod
    def load(cls, folder: str | Path, **changes: Any) -> Self:
        """The models that `save` wrote. Opens no pickle and runs no code from the folder.

        Args:
            folder: one that `save` made.
            **changes: options to take instead of the saved ones, as in `Estimator.load`.

        Raises:
            RunError: a file is missing or was changed after it was written, or the folder holds something else.
        """
        files = open_folder(folder, what="set of models")
        config = files.read_json(CONFIG)
        kind, names, errors = config.get("estimator"), config.get("series"), config.get("errors")
        if kind != cls.__name__:
            raise RunError(f"{folder} holds a {kind}, not a {cls.__name__}; use elman.load(folder)")
        if not _is_list_of_texts(names) or not isinstance(errors, dict):
            raise RunError(f"{files.folder / CONFIG} does not name its series; train again")
        models = {
            name: Forecaster.read_files(files.inside(f"models/{_numbered(number)}"), **changes)
            for number, name in enumerate(names)
        }
        loaded = cls(forecaster=next(iter(models.values())).clone())
        loaded.models_ = models
        loaded.errors_ = {str(name): DataError(str(error)) for name, error in errors.items()}
        return loaded

    def _series_of(self, X: Any) -> list[Series]:
        """The series of X, each with a name of its own, and options that can be used."""
        if not isinstance(self.forecaster, Forecaster):
            raise UsageError(f"`forecaster` must be a Forecaster; got {type(self.forecaster).__name__}")
        series = as_series(X)
        counts = Counter(s.unique_id for s in series)
        twice = next((name for name, count in counts.items() if count > 1), None)
        if twice is not None:
            raise DataError(f"every series must have a unique_id of its own; {twice!r} comes twice")
        return series

    def _fitted(self) -> dict[str, Forecaster]:
        models: dict[str, Forecaster] | None = getattr(self, "models_", None)
        if models is None:
            raise NotFittedError("this PerSeries is not fitted yet; call `fit` first, or `load` its models")
        return models

    def model_of(self, s: Series) -> Forecaster:
        """The fitted forecaster of this series, by its unique_id. Raises DataError where there is none, and says why."""
        models = self._fitted()
        if s.unique_id in models:
            return models[s.unique_id]
        if s.unique_id in self.errors_:
            raise DataError(
                f"series {s.unique_id!r} has no model; leave it out, or fit again: {self.errors_[s.unique_id]}"
            )
        raise DataError(f"series {s.unique_id!r} was not among those fitted ({_few(list(models))}); fit again with it")

    def _many(self, X: Any) -> bool:
        return len(self.models_) > 1 if X is None else isinstance(X, list)

    def __sklearn_tags__(self) -> Any:
        return sklearn_tags(Forecaster.task)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "models_")


def _folder_of(checkpoint: str | Path | None, number: int) -> Path | None:
    """The checkpoint folder of the series of this number."""
    return None if checkpoint is None else Path(checkpoint) / _numbered(number)


def _numbered(number: int) -> str:
    """A folder's name for the series of this number: their own names may hold anything."""
    return f"{number:06d}"


def _backtest(forecaster: Forecaster, s: Series, folds: int) -> Backtest:
    return forecaster.backtest([s], folds=folds)


def _sorted_out(outcomes: Mapping[str, Outcome], verb: str) -> tuple[dict[str, Any], dict[str, ElmanError]]:
    """Results and errors by name. Where there are errors alone, the first is raised."""
    errors = {name: outcome.error for name, outcome in outcomes.items() if outcome.error is not None}
    results = {name: outcome.result for name, outcome in outcomes.items() if outcome.error is None}
    if not results:
        name, first = next(iter(errors.items()))
        if len(errors) == 1:
            raise first
        raise type(first)(f"none of {len(errors)} series could be {verb}; the first is {name!r}: {first}") from first
    return results, errors


def mean_measures(measures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each measure that all have."""
    shared = [name for name in measures[0] if all(name in m for m in measures)]
    return {name: float(np.mean([m[name] for m in measures])) for name in shared}


def _is_list_of_texts(value: Any) -> TypeGuard[list[str]]:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f", ... {len(names)} in all" if len(names) > 10 else "")
