"""Many models on a Dask cluster of two worker processes: `python -m tests.estimators.on_a_cluster FOLDER`.

Prints one JSON document: what came of each job, as digests of every bit, and the processes that did the work. A process of its
own, so that whoever started it can end it after a finite time.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import joblib
from dask.distributed import Client, LocalCluster
from sklearn.model_selection import GridSearchCV
from tests.estimators.subjects import LABELS, SERIES, X, classifier, forecaster

from elman.data import Series
from elman.estimators import Job, PerSeries, fit_many
from elman.estimators.jobs import run_jobs


def results(n_jobs: int | None) -> dict[str, Any]:
    """What many models come to by every way there is, of which each must give the same."""
    jobs = {f"{h} units": Job(classifier(hidden_size=h), (X, LABELS)) for h in (2, 3)}
    jobs["refused"] = Job(classifier(hidden_size=0), (X, LABELS))
    models = {n: str(o.error) if o.error else digest(o.result) for n, o in fit_many(jobs, n_jobs=n_jobs).items()}
    many = PerSeries(forecaster=forecaster(), n_jobs=n_jobs)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="1 of 3 series have no model")
        many.fit([*SERIES, Series("short", None, SERIES[0][:4, None])])
    backtest = many.backtest(SERIES, folds=2)
    search = GridSearchCV(classifier(), {"hidden_size": [2, 3]}, cv=2, n_jobs=n_jobs).fit(X, LABELS)
    return {
        "models": models,
        "series": {name: digest(model) for name, model in many.models_.items()},
        "errors": {name: str(error) for name, error in many.errors_.items()},
        "backtest": [backtest.metrics, backtest.baselines],
        "search": search.cv_results_["mean_test_score"].tolist(),
    }


def digest(estimator: Any) -> str:
    found = hashlib.sha256()
    for name, value in sorted(estimator.network_.parameters.items()):
        found.update(name.encode() + value.tobytes())
    return found.hexdigest()


def process(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def ends_its_worker_once(file: str) -> str:
    """As a machine that is taken away in the middle of its work."""
    try:
        Path(file).touch(exist_ok=False)
    except FileExistsError:
        return "done"
    os._exit(1)


def main(folder: str) -> None:
    # A free port of this machine alone: without an address, the cluster would ask for port 8787.
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0",
            local_directory=folder,
        ) as cluster,
        Client(cluster, timeout=30),
        joblib.parallel_config(backend="dask"),
    ):  # fmt: skip
        found = results(None)
        pids = {str(i): (0.2,) for i in range(4)}
        found["processes"] = [o.result for o in run_jobs(process, pids, n_jobs=None, on_outcome=None).values()]
        once = {"file": (str(Path(folder) / "once"),)}
        found["a worker died"] = [
            o.result for o in run_jobs(ends_its_worker_once, once, n_jobs=None, on_outcome=None).values()
        ]
    print(json.dumps({**found, "own process": os.getpid()}))


if __name__ == "__main__":
    main(sys.argv[1])
