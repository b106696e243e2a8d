"""What a training writes into its run folder at its end: model, pictures, report and result."""

from __future__ import annotations

from typing import Any

from elman.files import write_atomically
from elman.measures import number_text
from elman.recipes.recipe import Recipe
from elman.recipes.tasks import Assessment, Model, Picture, Task
from elman.runs import plots
from elman.runs.csv_text import csv_text
from elman.runs.report import write_report
from elman.runs.run import Run


def write_run_files(
    run: Run, recipe: Recipe, task: Task, model: Model, assessment: Assessment, seconds: float
) -> dict[str, Any]:
    """Write all that a finished run holds; the result comes last, as it says that the run is finished.

    Args:
        run: the folder.
        recipe: that was trained.
        task: of the recipe.
        model: the fitted estimator, or what stands for many.
        assessment: what the task said of it.
        seconds: the whole command took.

    Returns:
        What `result.json` holds.
    """
    run.remove_result()
    model.save(run.model_path)
    result = _result(run, recipe, task, model, assessment, seconds)
    if assessment.sample is not None:
        write_atomically(run.sample_path, assessment.sample + "\n")
    if assessment.forecasts:
        write_atomically(run.forecasts_path, csv_text(assessment.forecast_header, assessment.forecasts))
    pictures = [*assessment.pictures, *task.curves(model)]
    run.plots_path.mkdir(exist_ok=True)
    for picture in pictures:
        plots.save(picture.figure, run.plots_path / f"{picture.name}.png")
    _write_report(run, recipe, task, model, assessment, pictures, result)
    return run.write_result(result)


def _result(
    run: Run, recipe: Recipe, task: Task, model: Model, assessment: Assessment, seconds: float
) -> dict[str, Any]:
    network = task.example(model).network_
    metrics: dict[str, Any] = {**task.training_metrics(model), **assessment.metrics}
    if assessment.sample is not None:
        metrics["sample"] = assessment.sample
    return {
        "run": str(run.folder),
        "recipe": recipe.name,
        "task": recipe.task,
        "engine": task.example(model).engine_name,
        "seconds": round(seconds, 3),
        **task.training_facts(model),
        "metrics": metrics,
        "baselines": assessment.baselines,
        "network": {"cell": network.cell, "hidden_size": network.hidden_size, "num_layers": network.num_layers},
        **assessment.result,
    }


def _write_report(
    run: Run,
    recipe: Recipe,
    task: Task,
    model: Model,
    assessment: Assessment,
    pictures: list[Picture],
    result: dict[str, Any],
) -> None:
    metrics = [
        (name.replace("_", " "), number_text(v)) for name, v in result["metrics"].items() if isinstance(v, int | float)
    ]
    write_report(
        run, title=recipe.title, summary=recipe.summary, facts=task.report_facts(model, result), metrics=metrics,
        tables=assessment.tables, plots=[(f"{p.name}.png", p.caption) for p in pictures], sample=assessment.sample,
        sample_prompt=assessment.sample_prompt, notes=assessment.notes, result=result,
    )  # fmt: skip
