"""The `elman` command.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a missing extra, 5 bad data. Results go to standard output, progress and errors to
standard error.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from elman.cli import output

INTERRUPTED = 130
"""What typer exits with after Ctrl-C, without a word."""

app = typer.Typer(
    name="elman",
    help="Recurrent networks for sequence data: train, judge, predict.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Out = Annotated[Path | None, typer.Option("--out", help="Folder of the run; by default runs/NAME.", show_default=False)]
Seed = Annotated[
    int | None, typer.Option("--seed", min=0, help="Seed of weights, order and splits.", show_default=False)
]
Engine = Annotated[str | None, typer.Option("--engine", help="auto, or an engine's name.", show_default=False)]
Device = Annotated[
    str | None, typer.Option("--device", help="Where the torch engine computes, e.g. cuda.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON document.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change a key of the recipe, e.g. training.epochs=50.", show_default=False
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs", help="Series trained at a time, with a model per series; -1 for one a core.", show_default=False
    ),
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]


@app.callback(invoke_without_command=True)
def elman(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """The command without a subcommand."""
    if version:
        from elman.version import VERSION

        print(VERSION)
        raise typer.Exit


@app.command("recipes")
def recipes_command(json: Json = False) -> None:
    """List the built-in recipes."""
    from elman.recipes import builtin_document, builtin_names

    output.recipes([(name, builtin_document(name)) for name in builtin_names()], as_json=json)


@app.command()
def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A built-in recipe (see `elman recipes`) or a TOML file.")
    ],
    engine: Engine = None,
    device: Device = None,
    seed: Seed = None,
    out: Out = None,
    set_: Set = None,
    jobs: Jobs = None,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Train a recipe and leave a run folder with model, pictures and report."""
    from elman.recipes import load_recipe

    _train(load_recipe(recipe, set_ or ()), engine, device, seed, out, resume, json, jobs)


@app.command()
def evaluate(
    run: RunFolder,
    data: Annotated[
        str | None, typer.Argument(metavar="[DATA]", help="A file; without one, what the recipe sets aside.")
    ] = None,
    engine: Engine = None,
    device: Device = None,
    json: Json = False,
) -> None:
    """Judge a trained model on a file, or on what its recipe sets aside."""
    from elman.recipes import evaluate as judge
    from elman.recipes import open_run

    opened, recipe, estimator = open_run(run, engine=engine, device=device)
    output.evaluation(str(opened.folder), recipe, data, judge(recipe, estimator, data), as_json=json)


@app.command()
def predict(
    run: RunFolder,
    data: Annotated[str, typer.Argument(metavar="DATA", help="A file like those the model was trained on.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="A CSV file to write; standard output without.", show_default=False)
    ] = None,
    engine: Engine = None,
    device: Device = None,
    json: Json = False,
) -> None:
    """Answer for a file: labels, values or forecasts, as CSV."""
    from elman.recipes import open_run
    from elman.recipes import predict as answer

    _, recipe, estimator = open_run(run, engine=engine, device=device)
    output.predictions(*answer(recipe, estimator, data), out, as_json=json)


@app.command()
def generate(
    run: RunFolder,
    prompt: Annotated[str, typer.Option("--prompt", help="The beginning of the text.")],
    length: Annotated[int, typer.Option("--length", help="Tokens to write.")] = 200,
    temperature: Annotated[
        float, typer.Option("--temperature", help="0 takes the most probable token, 1 draws freely.")
    ] = 0.7,
    top_k: Annotated[
        int | None, typer.Option("--top-k", help="Draw from the k most probable.", show_default=False)
    ] = None,
    top_p: Annotated[
        float | None, typer.Option("--top-p", help="Draw from the most probable that reach p.", show_default=False)
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, help="Seed of the draws; new ones each time without.", show_default=False),
    ] = None,
    stop: Annotated[str | None, typer.Option("--stop", help="End after this text.", show_default=False)] = None,
    engine: Engine = None,
    device: Device = None,
    json: Json = False,
) -> None:
    """Let a trained language model write on."""
    from elman.errors import UsageError
    from elman.estimators import LanguageModel
    from elman.recipes import open_run

    _, recipe, estimator = open_run(run, engine=engine, device=device)
    if not isinstance(estimator, LanguageModel):
        raise UsageError(f"{run} holds a model for {recipe.task}; `generate` needs one for language")
    text = estimator.generate(prompt, length, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed, stop=stop)
    output.generated(str(run), prompt, text, as_json=json)


@app.command()
def forecast(
    table: Annotated[str, typer.Argument(metavar="CSV", help="A .csv, .tsv or .parquet file.")],
    target: Annotated[str, typer.Option("--target", help="Column to forecast; several separated by commas.")],
    horizon: Annotated[int, typer.Option("--horizon", help="Steps ahead.")],
    time: Annotated[str | None, typer.Option("--time", help="Column of times.", show_default=False)] = None,
    series: Annotated[
        str | None, typer.Option("--series", help="Column that names the series.", show_default=False)
    ] = None,
    per_series: Annotated[
        bool, typer.Option("--per-series", help="A model for each series, instead of one for all.")
    ] = False,
    jobs: Jobs = None,
    engine: Engine = None,
    device: Device = None,
    seed: Seed = None,
    out: Out = None,
    set_: Set = None,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Fit, backtest, forecast and plot the series of a table in one go."""
    from elman.recipes import forecast_recipe

    recipe = forecast_recipe(
        table, target=target, horizon=horizon, time=time, series=series, per_series=per_series, settings=set_ or ()
    )
    _train(recipe, engine, device, seed, out, resume, json, jobs)


@app.command()
def classify(
    train_file: Annotated[
        str, typer.Argument(metavar="TRAIN", help="A .ts file, or a table with --series and --label.")
    ],
    test_file: Annotated[str, typer.Argument(metavar="TEST", help="The like, to test on.")],
    label: Annotated[
        str | None, typer.Option("--label", help="Column of labels, in a table.", show_default=False)
    ] = None,
    series: Annotated[
        str | None, typer.Option("--series", help="Column that tells sequences apart, in a table.", show_default=False)
    ] = None,
    engine: Engine = None,
    device: Device = None,
    seed: Seed = None,
    out: Out = None,
    set_: Set = None,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Fit a classifier, score it on the test file and draw its confusion matrix in one go."""
    from elman.recipes import classify_recipe

    recipe = classify_recipe(train_file, test_file, label=label, series=series, settings=set_ or ())
    _train(recipe, engine, device, seed, out, resume, json)


@app.command()
def runs(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Folder of runs.")] = Path("runs"), json: Json = False
) -> None:
    """Compare the runs in a folder."""
    from elman.runs import rows, runs_in

    output.runs(runs_in(folder), rows, as_json=json)


def _train(
    recipe: Any, engine: str | None, device: str | None, seed: int | None, out: Path | None, resume: bool, json: bool,
    jobs: int | None = None,
) -> None:  # fmt: skip
    from elman.recipes import train as train_recipe
    from elman.runs import default_folder
    from elman.training import make_progress

    recipe = recipe.with_parameters(engine=engine, device=device, seed=seed)
    folder = out or default_folder(recipe.name)
    result = train_recipe(
        recipe, folder, resume=resume, callbacks=[make_progress()], jobs=jobs, on_series=output.series_progress
    )
    if output.leads():
        output.trained(result, as_json=json)


def main() -> None:
    """Run the command; every error Elman raises on purpose becomes a message and its exit code."""
    from elman.errors import ElmanError, UsageError

    try:
        with output.plain_warnings():
            app(prog_name="elman")
    except ElmanError as error:
        output.failed(error, as_json="--json" in sys.argv)
        sys.exit(error.exit_code)
    except SystemExit as end:
        if end.code == UsageError.exit_code and "--json" in sys.argv and output.leads():
            # The parser has said what on standard error.
            output.error_document(UsageError("wrong usage; see standard error"))
        if end.code != INTERRUPTED:
            raise
        output.note("elman: stopped")
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
