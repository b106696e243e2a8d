"""Pieces of work that do not depend on each other, side by side: on this machine's cores, or on a cluster through joblib.

Nothing here knows of threads or machines. With one job at a time the work is done here and now, without joblib; otherwise joblib
does it, by the backend that `joblib.parallel_config` has set: processes of this machine (loky), or Dask's or Ray's workers.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple

from elman.errors import ElmanError, InterruptedTraining, MissingExtraError, UsageError
from elman.estimators.estimator import Estimator


@dataclass(frozen=True, eq=False)
class Job:
    """One model to fit: an estimator, what `fit` takes by position (X and y), and by name (`validation_data`, ...)."""

    estimator: Estimator
    data: tuple[Any, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


class Outcome(NamedTuple):
    """What became of the job called `name`: its result, or the error that it ended with; the other one is None."""

    name: str
    result: Any
    error: ElmanError | None


OnOutcome = Callable[[Outcome, int, int], None]
"""on_outcome(outcome, count, total): called as soon as a job is over, in the order in which they end; `count` of `total` are."""


def fit_many(
    jobs: Mapping[str, Job], *, n_jobs: int | None = None, on_outcome: OnOutcome | None = None
) -> dict[str, Outcome]:
    """Fit many estimators, several at a time. The numbers are the same bits for any `n_jobs`.

    An error in one job does not stop the others: it is that job's outcome. Ctrl-C stops them all; what had a `checkpoint` can be
    resumed from there.

    Args:
        jobs: by name. Each estimator is cloned and the clone fitted, so that the one in the job stays as it is.
        n_jobs: 1 for one after the other; more for so many worker processes; -1 for one a core; None for what
            `joblib.parallel_config` says, else 1.
        on_outcome: called as soon as a job is over; see `OnOutcome`.

    Returns:
        What became of the jobs, by name, in the same order; `Outcome.result` is the fitted estimator.

    Raises:
        MissingExtraError: joblib is needed and not installed.
        UsageError: an `n_jobs` that cannot be.

    >>> import numpy as np
    >>> from elman.estimators import SequenceClassifier
    >>> x = np.random.default_rng(0).normal(size=(60, 8, 1))
    >>> sizes = {f"{h} units": SequenceClassifier(hidden_size=h, epochs=5) for h in (2, 8)}
    >>> outcomes = fit_many({name: Job(model, (x, x.sum((1, 2)) > 0)) for name, model in sizes.items()})
    >>> [(name, outcome.result.hidden_size, outcome.error) for name, outcome in outcomes.items()]
    [('2 units', 2, None), ('8 units', 8, None)]
    """
    work = {name: (_with_absolute_checkpoint(job),) for name, job in jobs.items()}
    return run_jobs(_fit, work, n_jobs=n_jobs, on_outcome=on_outcome)


def run_jobs(
    work: Callable[..., Any], jobs: Mapping[str, tuple[Any, ...]], *, n_jobs: int | None, on_outcome: OnOutcome | None
) -> dict[str, Outcome]:
    """Call `work` with each job's arguments. The other arguments, and what is returned, are those of `fit_many`."""
    if n_jobs is not None and (not isinstance(n_jobs, Integral) or isinstance(n_jobs, bool) or n_jobs == 0):
        raise UsageError(f"`n_jobs` must be a whole number other than 0, or None; got {n_jobs!r}. -1 takes every core")
    ended: dict[str, Outcome] = {}
    with contextlib.closing(_outcomes(work, jobs, n_jobs)) as outcomes:
        for outcome in outcomes:
            ended[outcome.name] = outcome
            if on_outcome is not None:
                on_outcome(outcome, len(ended), len(jobs))
    return {name: ended[name] for name in jobs}


def _with_absolute_checkpoint(job: Job) -> Job:
    """The job with its checkpoint's whole path: a worker process has a working folder of its own."""
    folder = job.options.get("checkpoint")
    if folder is None:
        return job
    return replace(job, options={**job.options, "checkpoint": Path(folder).absolute()})


def _fit(job: Job) -> Estimator:
    estimator: Any = job.estimator.clone()
    fitted: Estimator = estimator.fit(*job.data, **job.options)
    return fitted


def _outcomes(work: Callable[..., Any], jobs: Mapping[str, tuple[Any, ...]], n_jobs: int | None) -> Generator[Outcome]:
    """An outcome for every job, in the order in which they end."""
    # Without joblib in the process, nobody can have set one of its backends.
    if n_jobs == 1 or (n_jobs is None and "joblib" not in sys.modules):
        yield from (_attempt(work, name, arguments) for name, arguments in jobs.items())
        return
    left = dict.fromkeys(jobs)
    try:
        for outcome in _in_parallel(n_jobs, work, jobs):
            del left[outcome.name]
            yield outcome
    except ElmanError:
        raise
    except Exception as error:  # a worker was killed, a job could not be sent, a cluster went away
        for name in left:
            yield Outcome(name, None, _as_ours(error, "not finished, because the worker processes failed: "))


def _in_parallel(
    n_jobs: int | None, work: Callable[..., Any], jobs: Mapping[str, tuple[Any, ...]]
) -> Iterator[Outcome]:
    try:
        from joblib import Parallel, delayed
    except ImportError as error:
        raise MissingExtraError(
            "`n_jobs` other than 1 needs joblib; install it with: pip install 'elman[parallel]'"
        ) from error
    try:
        parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    except ValueError:  # backends that are pools (Ray's, multiprocessing) give everything back at the end
        parallel = Parallel(n_jobs=n_jobs)
    yield from parallel(delayed(_attempt)(work, name, arguments) for name, arguments in jobs.items())


def _attempt(work: Callable[..., Any], name: str, arguments: tuple[Any, ...]) -> Outcome:
    """Do the work, wherever this runs; an error becomes the outcome, but for one that means to stop everything."""
    try:
        return Outcome(name, work(*arguments), None)
    except InterruptedTraining:
        raise
    except ElmanError as error:
        return Outcome(name, None, error)
    except Exception as error:
        ours = _as_ours(error, "")
        ours.add_note(traceback.format_exc())
        return Outcome(name, None, ours)


def _as_ours(error: Exception, beginning: str) -> ElmanError:
    """An error of somebody else's as one of ours, which can be sent from process to process."""
    words = str(error).strip().partition("\n")[0]
    return ElmanError(f"{beginning}{type(error).__name__}: {words}" if words else f"{beginning}{type(error).__name__}")
