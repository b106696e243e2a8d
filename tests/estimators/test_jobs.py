"""Many fits side by side: the same numbers, every error with its own name, and nothing lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from joblib._parallel_backends import ThreadingBackend
from joblib.externals.loky import get_reusable_executor
from tests.closeness import assert_same_bits
from tests.estimators.subjects import LABELS, TEXT, X, classifier, is_fitted, language_model
from tests.files.trees import stored

from elman.errors import DataError, ElmanError, InterruptedTraining, MissingExtraError, UsageError
from elman.estimators import Job, Outcome, SequenceClassifier, fit_many
from elman.estimators.jobs import run_jobs
from elman.training.checkpoint import FILE

SIZES = {f"{h} units": classifier(hidden_size=h) for h in (5, 2, 3)}
JOBS = {name: Job(model, (X, LABELS)) for name, model in SIZES.items()}
ROUTES = [
    ({"n_jobs": 1}, {}),
    ({"n_jobs": 2}, {}),
    ({}, {"backend": "threading", "n_jobs": 2}),
    ({"n_jobs": 2}, {"backend": "a pool"}),
]


class Pool(ThreadingBackend):
    """A backend that gives everything back at the end, as Ray's does."""

    supports_return_generator = False


@pytest.fixture(autouse=True, scope="module")
def _no_workers_left() -> Iterator[None]:
    joblib.register_parallel_backend("a pool", Pool)
    yield
    get_reusable_executor().shutdown(wait=True)


@pytest.mark.parametrize(("options", "config"), ROUTES, ids=["one", "processes", "threads", "pool"])
def test_the_same_models_by_every_way(options: dict[str, Any], config: dict[str, Any]) -> None:
    told: list[tuple[str, int, int]] = []
    with joblib.parallel_config(**config):
        done = fit_many(JOBS, **options, on_outcome=lambda outcome, count, of: told.append((outcome.name, count, of)))
    assert list(done) == list(JOBS)
    for name, outcome in done.items():
        assert outcome.name == name
        assert outcome.error is None
        assert_same_bits(outcome.result.predict_proba(X), SIZES[name].clone().fit(X, LABELS).predict_proba(X))
    assert not any(is_fitted(model) for model in SIZES.values())
    assert sorted(name for name, _, _ in told) == sorted(JOBS)
    assert [(count, of) for _, count, of in told] == [(1, 3), (2, 3), (3, 3)]


def test_other_tasks_and_their_options() -> None:
    valid = (X[:4], LABELS[:4])
    jobs = {
        "text": Job(language_model(), (TEXT,)),
        "validated": Job(classifier(patience=None), (X, LABELS), {"validation_data": valid}),
    }
    done = fit_many(jobs, n_jobs=2)
    assert done["text"].result.predict("the cat") == language_model().fit(TEXT).predict("the cat")
    wanted = classifier(patience=None).fit(X, LABELS, validation_data=valid).final_record()["validation_loss"]
    assert done["validated"].result.final_record()["validation_loss"] == wanted


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_is_its_own_jobs_alone(n_jobs: int) -> None:
    jobs = {
        "few labels": Job(classifier(), (X, LABELS[:3])),
        "whole": Job(classifier(), (X, LABELS)),
        "no cell": Job(classifier(cell="rnn"), (X, LABELS)),
        "no y": Job(classifier(), (X,)),
    }
    done = fit_many(jobs, n_jobs=n_jobs)
    assert [name for name, outcome in done.items() if outcome.error is None] == ["whole"]
    assert is_fitted(done["whole"].result)
    assert [done[name].result for name in ("few labels", "no cell", "no y")] == [None, None, None]
    few, cell, y = (done[name].error for name in ("few labels", "no cell", "no y"))
    assert isinstance(few, DataError) and "`X` holds 16 sequences and `y` 3" in str(few)
    assert isinstance(cell, UsageError) and "`cell` must be one of" in str(cell)
    assert type(y) is ElmanError and str(y).startswith("TypeError: ") and "'y'" in str(y)
    assert "Traceback" in y.__notes__[0]  # what is no error of ours may be a defect, and must be found


def test_an_error_without_words() -> None:
    assert str(run_jobs(_assert_false, {"a": ()}, n_jobs=1, on_outcome=None)["a"].error) == "AssertionError"


def _assert_false() -> None:
    raise AssertionError


def _killed(number: int, first: Path) -> int:
    """Number 1 ends as the system ends a process that takes too much memory, once the first has been told of."""
    if number == 1:
        while not first.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_worker_that_is_killed(tmp_path: Path) -> None:
    """Those that it took with it say so; those that were done stay done."""
    arrived: list[Outcome] = []

    def told_of(outcome: Outcome, count: int, of: int) -> None:
        arrived.append(outcome)
        (tmp_path / "first").touch()

    jobs = {str(number): (number, tmp_path / "first") for number in range(4)}
    done = run_jobs(_killed, jobs, n_jobs=2, on_outcome=told_of)
    assert list(done) == list(jobs)
    assert done["0"].result == 0
    assert done["1"].error is not None
    told = "not finished, because the worker processes failed: TerminatedWorkerError: A worker process"
    for name, outcome in done.items():
        assert outcome.result == int(name) if outcome.error is None else str(outcome.error).startswith(told)
    assert sorted(outcome.name for outcome in arrived) == list(jobs)
    again = run_jobs(_killed, {name: jobs[name] for name in ("2", "3")}, n_jobs=2, on_outcome=None)  # new workers come
    assert [outcome.result for outcome in again.values()] == [2, 3]


def test_what_cannot_be_sent_to_a_worker() -> None:
    lock = Job(classifier(), (X, LABELS), {"callbacks": [threading.Lock()]})
    (outcome,) = fit_many({"locked": lock}, n_jobs=2).values()
    assert "the worker processes failed: PicklingError" in str(outcome.error)


def test_checkpoints_lie_where_the_caller_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not where the workers do, which were started somewhere else."""
    run_jobs(os.getcwd, {"a": (), "b": ()}, n_jobs=2, on_outcome=None)
    monkeypatch.chdir(tmp_path)
    done = fit_many({"a": Job(classifier(), (X, LABELS), {"checkpoint": Path("here")})}, n_jobs=2)
    assert done["a"].error is None
    assert stored(tmp_path / "here", FILE)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_interrupted_training_stops_them_all(n_jobs: int) -> None:
    with pytest.raises(InterruptedTraining, match="stopped by SIGTERM"):
        run_jobs(_interrupted, {"a": (0,), "b": (0.0,)}, n_jobs=n_jobs, on_outcome=None)


def _interrupted(seconds: float) -> None:
    time.sleep(seconds)
    raise InterruptedTraining("stopped by SIGTERM")


@pytest.mark.parametrize("n_jobs", [0, 1.5, "2", True])
def test_numbers_of_jobs_that_cannot_be(n_jobs: Any) -> None:
    with pytest.raises(UsageError, match="`n_jobs` must be a whole number other than 0, or None; got"):
        fit_many(JOBS, n_jobs=n_jobs)


def test_without_joblib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "joblib", None)
    assert len(fit_many(JOBS, n_jobs=1)) == 3
    with pytest.raises(MissingExtraError, match=r"joblib; install it with: pip install 'elman\[parallel\]'") as caught:
        fit_many(JOBS, n_jobs=2)
    assert caught.value.exit_code == 3


def test_one_at_a_time_does_not_import_joblib() -> None:
    program = (
        "import sys, numpy as np\nfrom elman.estimators import *\n"
        "x = np.random.default_rng(0).normal(size=(8, 5, 1))\n"
        "job = Job(SequenceRegressor(epochs=1), (x, x))\n"
        "assert fit_many({'a': job})['a'].error is None\n"
        "assert fit_many({'a': job}, n_jobs=1)['a'].error is None\n"
        "print('joblib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_no_jobs_are_no_outcomes() -> None:
    assert fit_many({}, n_jobs=2) == {}


def _threads(number: int) -> int:
    from elman.native import _core

    return int(_core.threads())


def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("elman.native._core")
    monkeypatch.delenv("ELMAN_NUM_THREADS", raising=False)
    get_reusable_executor().shutdown(wait=True)  # those that run have the old environment
    done = run_jobs(_threads, {str(n): (n,) for n in range(4)}, n_jobs=2, on_outcome=None)
    most = max(1, (os.cpu_count() or 1) // 2)
    assert all(1 <= outcome.result <= most for outcome in done.values())


def test_a_search_by_hand() -> None:
    """What `fit_many` is for without scikit-learn: the best of several on what was set aside."""
    candidates = {f"{rate:g}": SequenceClassifier(epochs=3, learning_rate=rate) for rate in (1e-5, 0.05)}
    x = np.random.default_rng(0).normal(size=(60, 8, 1))
    done = fit_many({name: Job(model, (x, x.sum((1, 2)) > 0)) for name, model in candidates.items()}, n_jobs=2)
    losses = {name: outcome.result.final_record()["validation_loss"] for name, outcome in done.items()}
    assert min(losses, key=lambda name: losses[name]) == "0.05"
