"""What the commands print: text for people, or exactly one JSON document on standard output."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from elman.errors import DataError, ElmanError, ProcessError
from elman.measures import number_text


def note(text: str) -> None:
    """A line on standard error."""
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def plain_warnings() -> Iterator[None]:
    """Say warnings that are meant for the user as a plain line, without the place in the code that they come from."""
    shown = warnings.showwarning

    def as_a_line(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
    ) -> None:
        if not issubclass(category, UserWarning):
            shown(message, category, filename, lineno, file, line)
        elif leads():
            note(f"elman: {message}")

    warnings.showwarning = as_a_line
    try:
        yield
    finally:
        warnings.showwarning = shown


def leads() -> bool:
    """Whether this process is the one that prints: where torchrun started several, the first."""
    return os.environ.get("WORLD_SIZE", "1") == "1" or os.environ.get("RANK", "0") == "0"


def failed(error: ElmanError, *, as_json: bool) -> None:
    """An error on standard error, and as JSON on standard output where that was asked for.

    Of several processes the first speaks for all; the others add what they alone may have met: bad data, a lost process.
    """
    if not leads():
        if isinstance(error, DataError | ProcessError):
            note(f"elman, process {os.environ['RANK']}: {error}")
        return
    note(f"elman: {error}")
    if as_json:
        error_document(error)


def error_document(error: ElmanError) -> None:
    """An error as JSON on standard output."""
    _document({"error": str(error), "kind": type(error).__name__, "exit_code": error.exit_code})


def recipes(documents: Sequence[tuple[str, dict[str, Any]]], *, as_json: bool) -> None:
    """Built-in recipes, a line each."""
    if as_json:
        _document([{"name": n, "task": d["task"], "title": d["title"], "summary": d["summary"]} for n, d in documents])
        return
    width = max(len(name) for name, _ in documents)
    for name, document in documents:
        print(f"{name:<{width}}  {document['task']:<14}  {document['title']}")


def series_progress(verb: str, seconds: float = 2.0) -> Callable[[Any, int, int], None]:
    """A function that prints which of many series is fitted or tested, on standard error: one every `seconds`, failures always."""
    shown_at = -math.inf

    def on_outcome(outcome: Any, count: int, total: int) -> None:
        nonlocal shown_at
        due = time.monotonic() - shown_at >= seconds or count == total
        if outcome.error is not None:
            note(f"series {count}/{total}  {outcome.name} not {verb}: {outcome.error}")
        elif due:
            note(f"series {count}/{total} {verb}  {outcome.name}")
            shown_at = time.monotonic()

    return on_outcome


def trained(result: dict[str, Any], *, as_json: bool) -> None:
    """What a training came to."""
    if as_json:
        _document(result)
        return
    metrics = {k: v for k, v in result["metrics"].items() if isinstance(v, int | float)}
    for name, value in metrics.items():
        print(f"{name:<24} {number_text(value)}")
    for name, values in result["baselines"].items():
        shared = "  ".join(f"{k} {number_text(v)}" for k, v in values.items() if k in metrics)
        print(f"beside {name:<17} {shared}")
    if "sample" in result["metrics"]:
        print(f"\n{result['metrics']['sample']}\n")
    if "models" in result:
        models = result["models"]
        print(
            f"{models['fitted']} models, {models['tested']} tested; a naive method is as good in {len(models['beaten'])}"
        )
    print(f"done in {result['seconds']:.1f} s; report: {Path(result['run']) / 'report.html'}")


def evaluation(run: str, recipe: Any, data: str | None, assessment: Any, *, as_json: bool) -> None:
    """Metrics of a model on data, beside the baselines."""
    if as_json:
        _document({"run": run, "data": data, "metrics": assessment.metrics, "baselines": assessment.baselines})
        return
    for name, value in assessment.metrics.items():
        print(f"{name:<24} {number_text(value)}")
    for name, values in assessment.baselines.items():
        print(
            f"beside {name:<17} "
            + "  ".join(f"{k} {number_text(v)}" for k, v in values.items() if k in assessment.metrics)
        )
    for text in assessment.notes:
        note(text)


def predictions(header: Sequence[str], rows: Sequence[Sequence[Any]], out: Path | None, *, as_json: bool) -> None:
    """Predictions as CSV into a file or on standard output, or as JSON."""
    from elman.files import write_atomically
    from elman.runs.csv_text import csv_text

    if out is not None:
        write_atomically(out, csv_text(header, rows))
        note(f"{len(rows)} rows written to {out}")
    if as_json:
        _document({"out": None if out is None else str(out), "columns": list(header), "rows": [list(r) for r in rows]})
    elif out is None:
        print(csv_text(header, rows), end="")


def generated(run: str, prompt: str, text: str, *, as_json: bool) -> None:
    """A prompt and how it went on."""
    if as_json:
        _document({"run": run, "prompt": prompt, "text": text})
    else:
        print(prompt + text)


def runs(
    summaries: Sequence[Any], rows: Callable[[Sequence[Any]], tuple[list[str], list[list[str]]]], *, as_json: bool
) -> None:
    """A table comparing runs."""
    if as_json:
        _document([asdict(summary) for summary in summaries])
        return
    header, lines = rows(summaries)
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in header:
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    for line in lines:
        table.add_row(*line)
    # Into a file or a pipe, the table is as wide as it needs to be.
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table if lines else "no runs here yet")


def _document(value: Any) -> None:
    from elman.files import json_text, plain

    print(json_text(plain(value), indent=2))
