"""A recipe trained into a run folder: the one path that every training takes."""

from __future__ import annotations

import contextlib
import csv
import io
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, final

import numpy as np

from elman.engines import joined
from elman.engines.processes import Processes, rank_and_count
from elman.errors import DataError, ElmanError, InterruptedTraining, NonFiniteError, ProcessError, UsageError
from elman.estimators import Estimator, PerSeries, Watch, load
from elman.estimators.jobs import Told
from elman.recipes import sources
from elman.recipes.recipe import Recipe, load_recipe
from elman.recipes.tasks import (
    TASKS,
    Assessment,
    PerSeriesTask,
    Picture,
    Task,
    forecast_header,
    number,
    training_metrics,
)
from elman.runs import plots
from elman.runs.report import write_report
from elman.runs.run import Run, to_json, write_atomically
from elman.training import Observer


@final
class Recorder(Observer):
    """Writes an epoch's record into the run as soon as it is over, and the recipe when training begins or goes on: a resumed
    training may have been given more epochs."""

    def __init__(self, run: Run, recipe: Recipe) -> None:
        self._run, self._recipe = run, recipe

    def begin(self, epochs: int, updates: int, history: Sequence[dict[str, Any]]) -> None:
        self._run.truncate_metrics(len(history))
        if self._run.recipe_text() != self._recipe.text():
            write_atomically(self._run.recipe_path, self._recipe.text())

    def step(self, epoch: int, updates: int, loss: float) -> None:
        pass

    def epoch(self, record: dict[str, Any]) -> None:
        self._run.append_metrics(record)

    def end(self, reason: str) -> None:
        pass


def train(
    recipe: Recipe, folder: Path, *, resume: bool = False, observers: Sequence[Observer] = (), jobs: int | None = None,
    told: Callable[[str], Told] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Train the recipe, leave a whole run in `folder`, and return what `result.json` holds.

    resume: go on with the run that is there. jobs: series trained at a time, of a recipe with a model for each. told: for such
    a recipe, gives what hears of each series that is `fitted` or `tested`; `observers` are told nothing of those.

    Raises what reading the data, fitting and writing raise; a folder that was made for a training which could not start is removed
    again. Ctrl-C and SIGTERM raise InterruptedTraining from the moment that there is a run to resume.

    In processes that torchrun started, all train together, the first alone watches and writes, and each returns the same.
    """
    if recipe.per_series and rank_and_count()[1] > 1:
        raise UsageError(
            "a model for each series is trained by `jobs` side by side; start it once, without torchrun, and give --jobs"
        )
    whole = recipe.estimator()
    with joined(whole.engine, whole.device) as processes:
        return _train(recipe, folder, resume, observers, jobs, told, processes)


def _train(
    recipe: Recipe, folder: Path, resume: bool, observers: Sequence[Observer], jobs: int | None,
    told: Callable[[str], Told] | None, processes: Processes,
) -> dict[str, Any]:  # fmt: skip
    began = time.perf_counter()
    if jobs is not None and not recipe.per_series:
        raise UsageError(
            "`jobs` trains models of many series side by side; ask for one a series (data.per_series = true)"
        )
    data = sources.load(recipe.task, recipe.source, recipe.source_options, recipe.parameters.get("seed", 0))
    recipe = recipe.with_inputs(getattr(data, "inputs", None))
    task = task_of(recipe, told)
    estimator: Any = recipe.estimator()
    if recipe.per_series:
        estimator = PerSeries(forecaster=estimator, n_jobs=jobs)
    run = processes.lead(lambda: Run.create(folder, recipe.text(), resume=resume))
    watching = [Recorder(run, recipe), *observers] if processes.leads else []
    watch = Watch(observers=watching, checkpoint=run.checkpoint_path, resume=resume)
    with _resumable(run), naming(recipe.source_options.get("path")):
        try:
            # The training loop stops at what is not finite, and says so.
            with np.errstate(over="ignore", invalid="ignore"):
                task.fit(estimator, data, watch)
        except (InterruptedTraining, NonFiniteError, ProcessError):
            raise
        except ElmanError:
            if not resume and processes.leads:
                _remove_unstarted(run)
            raise
        assessment = task.assess(estimator, data, recipe)
        seconds = time.perf_counter() - began
        return processes.lead(lambda: _finish(run, recipe, estimator, assessment, seconds))


def task_of(recipe: Recipe, told: Callable[[str], Told] | None = None) -> Task:
    """What the recipe's task does."""
    return PerSeriesTask(told) if recipe.per_series else TASKS[recipe.task]


def open_run(
    folder: str | Path, *, engine: str | None = None, device: str | None = None
) -> tuple[Run, Recipe, Estimator | PerSeries]:
    """A finished run: its folder, its recipe and its model, or its models. engine, device: to compute with, instead of its own."""
    run = Run.open(folder)
    recipe = load_recipe(str(run.recipe_path))
    changes = {name: value for name, value in (("engine", engine), ("device", device)) if value is not None}
    opened = PerSeries.load if recipe.per_series else load
    return run, recipe, opened(run.model_path, **changes)


def evaluate(recipe: Recipe, estimator: Estimator | PerSeries, path: str | None) -> Assessment:
    """Metrics and baselines of a trained model on the file at `path`, or on what its recipe sets aside."""
    with naming(path, "Bring a file like the one it was trained on"):
        return task_of(recipe).evaluate(estimator, recipe, path)


def predict(recipe: Recipe, estimator: Estimator | PerSeries, path: str) -> tuple[list[str], list[Sequence[Any]]]:
    """A trained model's answers for the file at `path`: a header and rows."""
    with naming(path, "Bring a file like the one it was trained on"):
        return task_of(recipe).predict(estimator, recipe, path)


@contextlib.contextmanager
def naming(path: str | None, next_step: str = "") -> Iterator[None]:
    """Name the file in complaints about data that do not name it themselves, and a next step."""
    try:
        yield
    except DataError as error:
        if path is None or path in str(error):
            raise
        told = str(error).removesuffix(".")
        raise DataError(f"{path}: {told}. {next_step}" if next_step else f"{path}: {told}") from error


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


def table_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as CSV."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


def _remove_unstarted(run: Run) -> None:
    """Take away a folder in which nothing but its recipe came to be."""
    if not run.metrics_path.exists() and not run.checkpoint_path.exists():
        run.recipe_path.unlink(missing_ok=True)
        if not any(run.folder.iterdir()):
            run.folder.rmdir()


def _finish(
    run: Run, recipe: Recipe, estimator: Estimator | PerSeries, assessment: Assessment, seconds: float
) -> dict[str, Any]:  # fmt: skip
    """Write model, pictures, report and, last, the result."""
    estimator.save(run.model_path)
    # Models of many series have one network description in common: the first stands for all.
    model = next(iter(estimator.models_.values())) if isinstance(estimator, PerSeries) else estimator
    network = model.network_
    result: dict[str, Any] = {
        "run": str(run.folder),
        "recipe": recipe.name,
        "task": recipe.task,
        "engine": model._engine.name,
        "seconds": round(seconds, 3),
        "training_seconds": round(model.seconds_, 4),
        "epochs": len(model.history_),
        "metrics": {**training_metrics(estimator), **assessment.metrics},
        "baselines": assessment.baselines,
        "network": {"cell": network.cell, "hidden_size": network.hidden_size, "num_layers": network.num_layers},
        **assessment.result,
    }
    if assessment.sample is not None:
        result["metrics"]["sample"] = assessment.sample
        write_atomically(run.sample_path, assessment.sample + "\n")
    if assessment.forecasts:
        names = recipe.source_options["target"].split(",")
        write_atomically(run.folder / "forecasts.csv", table_text(forecast_header(names), assessment.forecasts))
    pictures = [*assessment.pictures, *([] if recipe.per_series else _curves(model))]
    run.plots_path.mkdir(exist_ok=True)
    for picture in pictures:
        plots.save(picture.figure, run.plots_path / f"{picture.name}.png")
    _write_report(run, recipe, model, assessment, pictures, result)
    run.write_result(result)
    return dict(to_json(result))


def _curves(estimator: Estimator) -> list[Picture]:
    history = estimator.history_
    found = [Picture("loss", plots.loss_curves(history), "Loss by epoch.")]
    for measure in estimator.measures:
        found.append(Picture(measure, plots.measure_curves(history, measure), f"{measure.capitalize()} by epoch."))
    return found


def _write_report(
    run: Run,
    recipe: Recipe,
    estimator: Estimator,
    assessment: Assessment,
    pictures: Sequence[Picture],
    result: dict[str, Any],
) -> None:
    network = estimator.network_
    weights = sum(p.size for p in network.parameters.values())
    cell = network.cell.upper() if network.cell != "elman" else f"Elman ({network.nonlinearity})"
    facts = [
        (
            "network",
            f"{cell}, {network.num_layers} x {network.hidden_size} units" + (", bidirectional" * network.bidirectional),
        ),
        ("parameters", f"{weights:,}"),
        *([("models", f"{result['models']['fitted']}, one for each series")] if recipe.per_series else []),
        (
            "epochs",
            f"{result['epochs']}"
            + (f", best {estimator.best_epoch_ + 1}" if estimator.patience and not recipe.per_series else ""),
        ),
        ("training", f"{result['training_seconds']:.2f} s on the {result['engine']} engine"),
        ("seed", str(estimator.seed)),
    ]
    metrics = [
        (name.replace("_", " "), number(v)) for name, v in result["metrics"].items() if isinstance(v, int | float)
    ]
    write_report(
        run, title=recipe.title, summary=recipe.summary, facts=facts, metrics=metrics, tables=assessment.tables,
        plots=[(f"{p.name}.png", p.caption) for p in pictures], sample=assessment.sample,
        sample_prompt=assessment.sample_prompt, notes=assessment.notes, result=result,
    )  # fmt: skip
