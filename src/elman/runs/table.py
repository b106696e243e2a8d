"""Runs side by side: what `elman runs` prints."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elman.errors import RunError
from elman.measures import ABSENT, finite, headline_measure, value_text
from elman.runs.run import METRICS, RECIPE, RESULT, Run

HEADER = ["run", "task", "cell", "engine", "epochs", "measure", "train", "held out", "time", "state"]


def in_time(seconds: float | None) -> str:
    """A duration as text: `0.42 s`, `12 s`, `3 min 05 s`, `2 h 07 min`."""
    if seconds is None:
        return ABSENT
    if seconds < 9.95:
        return f"{seconds:.2g} s" if seconds >= 0.01 else f"{1000 * seconds:.1f} ms"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


@dataclass(frozen=True)
class RunSummary:
    """A run in one line.

    Attributes:
        name: of its folder.
        folder: where it is.
        task: of its recipe.
        cell: of its network.
        engine: that trained it.
        epochs: made so far; None where nothing says.
        measure: the one that speaks for it; empty where there is none.
        train: its value on the training data.
        held_out: its value on data that the network was not trained on.
        seconds: the whole training took; None where it is not over.
        state: `done`, `unfinished` (no result yet: still training, or stopped; `--resume` goes on) or `broken`.
        problem: why it is broken; empty otherwise.
        modified: seconds since 1970 of the last change.
    """

    name: str
    folder: Path
    task: str
    cell: str
    engine: str
    epochs: int | None
    measure: str
    train: float | None
    held_out: float | None
    seconds: float | None
    state: str
    problem: str
    modified: float


def runs_in(folder: Path | str) -> list[RunSummary]:
    """The runs in a folder, the last changed first.

    A run that cannot be read is in the list with the state `broken`; folders that hold no run are left out.

    Args:
        folder: of runs, or a run itself.

    Raises:
        RunError: `folder` itself is missing or cannot be listed.
    """
    folder = Path(folder)
    if _looks_like_a_run(folder):
        return [_summary(Run(folder))]
    try:
        names = os.listdir(folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RunError(
            f"{folder}: cannot list the runs here ({reason}). Train one with `elman train RECIPE`, or name another folder."
        ) from error
    summaries = [_summary(Run(folder / name)) for name in names if _looks_like_a_run(folder / name)]
    return sorted(summaries, key=lambda summary: (-summary.modified, summary.name))


def rows(summaries: Iterable[RunSummary]) -> tuple[list[str], list[list[str]]]:
    """The table of these runs: its header, and a row of texts for each, in their order."""
    return list(HEADER), [_row(summary) for summary in summaries]


def _row(summary: RunSummary) -> list[str]:
    return [
        summary.name,
        summary.task or ABSENT,
        summary.cell or ABSENT,
        summary.engine or ABSENT,
        ABSENT if summary.epochs is None else str(summary.epochs),
        summary.measure or ABSENT,
        value_text(summary.measure, summary.train),
        value_text(summary.measure, summary.held_out),
        in_time(summary.seconds),
        summary.state if not summary.problem else f"{summary.state}: {summary.problem}",
    ]


def _looks_like_a_run(folder: Path) -> bool:
    return any(os.path.isfile(folder / name) for name in (RECIPE, RESULT, METRICS))


def _summary(run: Run) -> RunSummary:
    """The summary of any run, whatever state it is in."""
    recipe, recipe_problem = _recipe(run)
    network = _table(recipe, "network")
    document: dict[str, Any] = {}
    try:
        if run.has_result():
            document = run.result()
            Run.open(run.folder)
            state, problem = "done", ""
        else:
            document = _so_far(run)
            state, problem = "unfinished", ""
    except RunError:
        state, problem = "broken", _what_is_wrong(run)
    if recipe_problem:
        state, problem = "broken", recipe_problem
    network = network | _table(document, "network")
    task = str(document.get("task") or recipe.get("task") or "")
    measure, train, held_out = headline_measure(_table(document, "metrics"), task)
    epochs = document.get("epochs")
    return RunSummary(
        name=run.folder.resolve().name or str(run.folder),
        folder=run.folder,
        task=task,
        cell=str(network.get("cell") or ""),
        engine=str(document.get("engine") or recipe.get("engine") or ""),
        epochs=epochs if isinstance(epochs, int) else None,
        measure=measure,
        train=train,
        held_out=held_out,
        seconds=finite(document.get("seconds")),
        state=state,
        problem=problem,
        modified=_modified(run),
    )


def _table(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key)
    return dict(value) if isinstance(value, dict) else {}


def _recipe(run: Run) -> tuple[dict[str, Any], str]:
    """The recipe of a run and what is wrong with it, "" for nothing."""
    if not os.path.isfile(run.recipe_path):
        return {}, f"no {RECIPE}"
    try:
        return tomllib.loads(run.recipe_text()), ""
    except (RunError, tomllib.TOMLDecodeError):
        return {}, f"{RECIPE} cannot be read"


def _so_far(run: Run) -> dict[str, Any]:
    """What the metrics of an unfinished run say, in the shape of a result."""
    records = run.metrics()
    return {"epochs": len(records), "metrics": records[-1] if records else {}}


def _what_is_wrong(run: Run) -> str:
    if not run.has_result():
        return f"{METRICS} is damaged"
    try:
        run.result()
    except RunError:
        return f"{RESULT} is torn or was changed"
    return "model missing" if run.missing_model_files() else "model was changed"


def _modified(run: Run) -> float:
    """Seconds since 1970 of the last change to the run's own records."""
    times = []
    for path in (run.result_path, run.metrics_path, run.recipe_path):
        try:
            times.append(path.stat().st_mtime)
        except OSError:
            continue
    return max(times, default=0.0)
