"""A recipe trained into a run folder: the one path that every training takes."""

from __future__ import annotations

import contextlib
import csv
import io
import signal
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, final

import numpy as np

from elman.errors import DataError, ElmanError, InterruptedTraining, NonFiniteError
from elman.estimators import Estimator, Watch, load
from elman.recipes import sources
from elman.recipes.recipe import Recipe, load_recipe
from elman.recipes.tasks import TASKS, Assessment, Picture, forecast_header, number, training_metrics
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


def train(recipe: Recipe, folder: Path, *, resume: bool = False, observers: Sequence[Observer] = ()) -> dict[str, Any]:
    """Train the recipe, leave a whole run in `folder`, and return what `result.json` holds.

    resume: go on with the run that is there. Raises what reading the data, fitting and writing raise; a folder that was made for a
    training which could not start is removed again. Ctrl-C and SIGTERM raise InterruptedTraining from the moment that there is
    a run to resume.
    """
    began = time.perf_counter()
    data = sources.load(recipe.task, recipe.source, recipe.source_options, recipe.parameters.get("seed", 0))
    recipe = recipe.with_inputs(getattr(data, "inputs", None))
    estimator = recipe.estimator()
    run = Run.create(folder, recipe.text(), resume=resume)
    watch = Watch(observers=[Recorder(run, recipe), *observers], checkpoint=run.checkpoint_path, resume=resume)
    with _resumable(run), naming(recipe.source_options.get("path")):
        try:
            # The training loop stops at what is not finite, and says so.
            with np.errstate(over="ignore", invalid="ignore"):
                TASKS[recipe.task].fit(estimator, data, watch)
        except (InterruptedTraining, NonFiniteError):
            raise
        except ElmanError:
            if not resume:
                _remove_unstarted(run)
            raise
        assessment = TASKS[recipe.task].assess(estimator, data, recipe)
        return _finish(run, recipe, estimator, assessment, time.perf_counter() - began)


def open_run(folder: str | Path) -> tuple[Run, Recipe, Estimator]:
    """A finished run: its folder, its recipe and its model."""
    run = Run.open(folder)
    return run, load_recipe(str(run.recipe_path)), load(run.model_path)


def evaluate(recipe: Recipe, estimator: Estimator, path: str | None) -> Assessment:
    """Metrics and baselines of a trained model on the file at `path`, or on what its recipe sets aside."""
    with naming(path, "Bring a file like the one it was trained on"):
        return TASKS[recipe.task].evaluate(estimator, recipe, path)


def predict(recipe: Recipe, estimator: Estimator, path: str) -> tuple[list[str], list[Sequence[Any]]]:
    """A trained model's answers for the file at `path`: a header and rows."""
    with naming(path, "Bring a file like the one it was trained on"):
        return TASKS[recipe.task].predict(estimator, recipe, path)


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


def _finish(run: Run, recipe: Recipe, estimator: Estimator, assessment: Assessment, seconds: float) -> dict[str, Any]:
    """Write model, pictures, report and, last, the result."""
    estimator.save(run.model_path)
    network = estimator.network_
    result: dict[str, Any] = {
        "run": str(run.folder),
        "recipe": recipe.name,
        "task": recipe.task,
        "engine": estimator._engine.name,
        "seconds": round(seconds, 3),
        "training_seconds": round(estimator.seconds_, 4),
        "epochs": len(estimator.history_),
        "metrics": {**training_metrics(estimator), **assessment.metrics},
        "baselines": assessment.baselines,
        "network": {"cell": network.cell, "hidden_size": network.hidden_size, "num_layers": network.num_layers},
    }
    if assessment.sample is not None:
        result["metrics"]["sample"] = assessment.sample
        write_atomically(run.sample_path, assessment.sample + "\n")
    if assessment.forecasts:
        names = recipe.source_options["target"].split(",")
        write_atomically(run.folder / "forecasts.csv", table_text(forecast_header(names), assessment.forecasts))
    pictures = [*assessment.pictures, *_curves(estimator)]
    run.plots_path.mkdir(exist_ok=True)
    for picture in pictures:
        plots.save(picture.figure, run.plots_path / f"{picture.name}.png")
    _write_report(run, recipe, estimator, assessment, pictures, result)
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
        (
            "epochs",
            f"{len(estimator.history_)}" + (f", best {estimator.best_epoch_ + 1}" if estimator.patience else ""),
        ),
        ("training", f"{estimator.seconds_:.2f} s on the {result['engine']} engine"),
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
