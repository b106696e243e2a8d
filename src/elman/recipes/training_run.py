"""From a recipe to a run: load the data, fit, judge, and leave a run folder."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from elman.engines import joined
from elman.engines.processes import Processes, rank_and_count
from elman.errors import ElmanError, InterruptedTraining, NonFiniteError, ProcessError, UsageError
from elman.estimators import OnOutcome
from elman.recipes import sources
from elman.recipes.recipe import Recipe
from elman.recipes.recorder import Recorder
from elman.recipes.run_files import write_run_files
from elman.recipes.sources import naming_file
from elman.recipes.tasks import task_of
from elman.runs.run import Run
from elman.training import Callbacks


def train(
    recipe: Recipe, folder: str | Path, *, resume: bool = False, callbacks: Callbacks = (), jobs: int | None = None,
    on_series: Callable[[str], OnOutcome] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Train a recipe and leave a whole run in a folder.

    In processes that torchrun started, all train together: the first alone hears of it and writes, and each returns the same.

    Args:
        recipe: what to train on what.
        folder: of the run; made, with its parents.
        resume: go on with the run that is there.
        callbacks: `Callback` objects, or functions called with each epoch's record.
        jobs: series trained at a time, of a recipe with a model for each series.
        on_series: for such a recipe, called with `fitted` and with `tested`; what it returns is called with each series'
            outcome. `callbacks` hear of no single epochs then.

    Returns:
        What `result.json` holds.

    Raises:
        ElmanError: reading the data, fitting or writing failed. A folder that was made for a training which could not start
            is removed again.
        InterruptedTraining: Ctrl-C or SIGTERM arrived once there was a run to resume.
    """
    if recipe.per_series and rank_and_count()[1] > 1:
        raise UsageError(
            "a model for each series is trained by `jobs` side by side; start it once, without torchrun, and give --jobs"
        )
    options = recipe.estimator()
    with joined(options.engine, options.device) as processes:
        return _train(recipe, Path(folder), resume, callbacks, jobs, on_series, processes)


def _train(
    recipe: Recipe, folder: Path, resume: bool, callbacks: Callbacks, jobs: int | None,
    on_series: Callable[[str], OnOutcome] | None, processes: Processes,
) -> dict[str, Any]:  # fmt: skip
    began = time.perf_counter()
    task = task_of(recipe, on_series)
    model = task.make(recipe, jobs)
    data = sources.load(recipe.task, recipe.source, recipe.source_options, recipe.parameters.get("seed", 0))
    recipe = recipe.with_inputs(getattr(data, "inputs", None))
    run = processes.lead(lambda: Run.create(folder, recipe.text(), resume=resume))
    listening = [Recorder(run, recipe), *callbacks] if processes.leads else []
    with _resumable(run), naming_file(recipe.source_options.get("path")):
        try:
            # The training loop stops at what is not finite, and says so.
            with np.errstate(over="ignore", invalid="ignore"):
                task.fit(model, data, callbacks=listening, checkpoint=run.checkpoint_path, resume=resume)
        except (InterruptedTraining, NonFiniteError, ProcessError):
            raise
        except ElmanError:
            if not resume and processes.leads:
                _remove_unstarted(run)
            raise
        assessment = task.assess(model, data, recipe)
        seconds = time.perf_counter() - began
        return processes.lead(lambda: write_run_files(run, recipe, task, model, assessment, seconds))


@contextlib.contextmanager
def _resumable(run: Run) -> Iterator[None]:
    """Say how to go on after a Ctrl-C or SIGTERM that comes outside the training loop: in a backtest, a picture, the report."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, _as_interrupt) if main else None
    try:
        yield
    except KeyboardInterrupt as error:
        raise InterruptedTraining(
            f"stopped; what was trained is saved in {run.checkpoint_path}. Go on with --resume: `{run.resume_command}`"
        ) from error
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _remove_unstarted(run: Run) -> None:
    """Take away a folder in which nothing but its recipe came to be."""
    if not run.metrics_path.exists() and not run.checkpoint_path.exists():
        run.recipe_path.unlink(missing_ok=True)
        if not any(run.folder.iterdir()):
            run.folder.rmdir()
