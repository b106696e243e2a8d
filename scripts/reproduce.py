"""Train the walk-throughs' recipes over several seeds and write docs/reproduction.md.

Each run's figures are appended to docs/reproduction.jsonl, from which the page is made; a (recipe, seed, engine) that is there
already is not run again.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from elman import load_recipe, train

DOCS = Path(__file__).resolve().parents[1] / "docs"
RECORDS = DOCS / "reproduction.jsonl"
LONG = "time-machine"

# recipe: (the figure's name in the result, what the walk-through or a plain loop of it gives)
EXPECTED = {
    "classify-sums": ("whole_accuracy", "0.94 training accuracy in a plain PyTorch loop"),
    "sine-online": ("train_loss", "summed epoch loss from about 2.9 to below 0.1"),
    "sine-window": ("train_loss", "first epoch 101,185.6, and 50,591.0 on the validation records"),
    "sine-to-cosine": ("train_loss", "mean squared error of the last ten steps about 0.01"),
    "time-machine-scratch": ("train_perplexity", "1.0 published, 1.03 in a plain PyTorch loop"),
    "time-machine-scratch-random": ("train_perplexity", "1.5 published"),
    "time-machine": ("train_perplexity", "1.3 published, 1.27 in a plain PyTorch loop"),
    "time-machine-gru-scratch": ("train_perplexity", "1.1 published"),
    "time-machine-gru": ("train_perplexity", "1.0 published"),
    "time-machine-lstm-scratch": ("train_perplexity", "1.3 published"),
    "time-machine-lstm": ("train_perplexity", "1.1 published"),
    "time-machine-lstm-two-layers": ("train_perplexity", "1.0 published"),
    "time-machine-bidirectional": ("train_perplexity", "1.1 published"),
}


def run(name: str, seed: int, engine: str) -> dict[str, Any]:
    """One training's figures."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "run"
        result = train(load_recipe(name).with_parameters(seed=seed, engine=engine), place)
        first = json.loads((place / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[0])
    figures = {k: v for k, v in result["metrics"].items() if isinstance(v, int | float)}
    return {
        "recipe": name,
        "seed": seed,
        "engine": result["engine"],
        "machine": f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}",
        "training_seconds": result["training_seconds"],
        "first": {k: v for k, v in first.items() if k.startswith(("train_", "validation_"))},
        "last": figures,
        "baselines": result["baselines"],
        "sample": result["metrics"].get("sample"),
    }


def records() -> list[dict[str, Any]]:
    """Every run recorded so far."""
    if not RECORDS.exists():
        return []
    return [json.loads(line) for line in RECORDS.read_text(encoding="utf-8").splitlines()]


def page(found: Sequence[dict[str, Any]]) -> str:
    """docs/reproduction.md."""
    parts = [(DOCS / "reproduction-intro.md").read_text(encoding="utf-8").rstrip()]
    for name, (figure, expected) in EXPECTED.items():
        mine = [r for r in found if r["recipe"] == name]
        if mine:
            parts.append("\n".join(section(name, figure, expected, mine)))
    return "\n\n".join(parts) + "\n"


def section(name: str, figure: str, expected: str, mine: Sequence[dict[str, Any]]) -> Iterable[str]:
    """A recipe's part of the page."""
    yield f"## `{name}`\n"
    yield f"Expected: {expected}. Engine: {', '.join(sorted({r['engine'] for r in mine}))}; {mine[0]['machine']}.\n"
    shown = [k for k in mine[0]["last"] if k.startswith(("train_", "validation_", "test_", "whole_"))]
    shown = [k for k in shown if not k.endswith(("_byte", "validation_bits_per_character"))]
    rivals = list(mine[0]["baselines"])
    header = ["seed", f"first {figure}" if figure in mine[0]["first"] else "first train_loss", *shown]
    header += [f"{rival} {figure.replace('train_', 'validation_')}" for rival in rivals if name.startswith(LONG)]
    yield "| " + " | ".join(header) + " |"
    yield "|" + "---|" * len(header)
    for r in sorted(mine, key=lambda r: (r["engine"], r["seed"])):
        first = r["first"].get(figure, r["first"]["train_loss"])
        cells = [str(r["seed"]), text(first), *(text(r["last"][k]) for k in shown)]
        key = figure.replace("train_", "validation_")
        cells += [text(next(iter(r["baselines"].values()))[key]) for _ in rivals if name.startswith(LONG)]
        yield "| " + " | ".join(cells) + " |"
    values = [r["last"][figure] for r in mine]
    yield f"\nMedian of {figure} over {len(mine)} seed{'s' * (len(mine) > 1)}: **{text(statistics.median(values))}**."
    if mine[0]["sample"]:
        yield (
            "\nSample (seed "
            + str(mine[0]["seed"])
            + "):\n\n"
            + "\n".join(f"> {s}" for s in mine[0]["sample"].split("\n"))
        )


def text(value: float) -> str:
    return f"{value:,.4g}" if abs(value) < 9999.5 else f"{value:,.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", default=list(EXPECTED), help="recipes to run, all by default")
    parser.add_argument(
        "--seeds",
        type=int,
        default=None,
        help="how many; by default 40 for sine-online, 10 for short recipes, 3 for long ones",
    )
    parser.add_argument("--engine", default="auto")
    options = parser.parse_args()
    known = {(r["recipe"], r["seed"]) for r in records()}
    for name in options.recipes:
        for seed in range(options.seeds or (3 if name.startswith(LONG) else 40 if name == "sine-online" else 10)):
            if (name, seed) in known:
                continue
            found = run(name, seed, options.engine)
            with RECORDS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(found) + "\n")
            print(name, seed, found["last"], flush=True)
    (DOCS / "reproduction.md").write_text(page(records()), encoding="utf-8")


if __name__ == "__main__":
    main()
