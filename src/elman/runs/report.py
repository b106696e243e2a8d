"""The report of a run: one HTML file without scripts or outside parts, to be read, sent and printed.

It opens with what was trained, the number that speaks for it in plain words and beside its rivals, and the picture; then come the
other pictures, the numbers, sample text, how to use the model, the recipe and the environment. Light and dark follow the reader's
system; pictures stay on light cards.
"""

from __future__ import annotations

import base64
import html
import importlib.metadata
import os
import platform
import re
import shlex
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from elman.errors import RunError
from elman.files import run_errors, write_atomically
from elman.measures import (
    finite,
    headline_measure,
    higher_is_better,
    is_share,
    meaning_of,
    title_of,
    value_text,
    values_of,
)
from elman.runs.plots import DPI
from elman.runs.run import Run
from elman.tasks import TASKS

Pairs = Sequence[tuple[str, str]]
CSS_PIXELS_AN_INCH = 100  # pictures are shown so large, or smaller where the window is narrower
WIDE = 800  # CSS pixels; a wider picture takes the whole width of the page
NUMERIC = re.compile(r"^[<>±+\-−]?\s*[\d.,]+(e[+-]?\d+)?\s*(%|s|ms|k|M)?$|^[–—]$")
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True)
class ReportTable:
    """A table of the report: texts only.

    Attributes:
        title: above it.
        header: names of the columns.
        rows: a text for each column.
        note: below it.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True)
class Headline:
    """The number that speaks for the run.

    Attributes:
        label: names it.
        value: its text.
        meaning: says it in plain words.
        rivals: bars beside it: (name, text, length from 0 to 1, whether it is this network).
    """

    label: str
    value: str
    meaning: str
    rivals: Sequence[tuple[str, str, float, bool]] = field(default=())


def headline_of(result: Mapping[str, Any], history: Sequence[Mapping[str, Any]] = ()) -> Headline | None:
    """The headline of a result, None where it has no finite number.

    Args:
        result: the content of `result.json`: `task`, `metrics`, and `baselines` by name where there are any.
        history: the records of `metrics.jsonl`; without baselines, the first epoch's value stands in for one.
    """
    metrics, baselines = result.get("metrics") or {}, result.get("baselines") or {}
    task = str(result.get("task", ""))
    measure, train, held_out = headline_measure(metrics, task)
    value = train if held_out is None else held_out
    if value is None:
        return None
    data = TASKS[task].judged_on if task in TASKS else "held-out data"
    ours = "this network" if held_out is None else f"this network, {data}"
    numbers = [(ours, value, True)]
    if held_out is not None and train is not None:
        numbers.append(("this network, training data", train, False))
    rivals = [(name, _same_kind(values, measure, held_out)) for name, values in baselines.items()]
    known = [(name, rival) for name, rival in rivals if rival is not None]
    numbers += [(name, rival, False) for name, rival in known]
    if not known:
        numbers += _first_epoch(history, measure, held_out)
    meaning = " ".join(
        part
        for part in (_meaning(measure, value, held_out), _source(held_out, data), _verdict(measure, value, known))
        if part
    )
    name = title_of(measure)
    label = f"{name} on {'training data' if held_out is None else 'the backtest' if data == 'backtest' else data}"
    return Headline(label, value_text(measure, value), meaning, _bars(measure, numbers))


def write_report(
    run: Run,
    *,
    title: str,
    summary: str,
    facts: Pairs,
    metrics: Pairs,
    tables: Sequence[ReportTable] = (),
    plots: Sequence[tuple[str, str]] | None = None,
    sample: str | None = None,
    sample_prompt: str | None = None,
    notes: Sequence[str] = (),
    headline: Headline | None = None,
    result: Mapping[str, Any] | None = None,
) -> None:
    """Write `report.html` into the run, atomically.

    Args:
        run: its `recipe.toml`, `metrics.jsonl`, `result.json` and `plots/` are read.
        title: what was trained, in a few words.
        summary: the same in a sentence or two.
        facts: (name, value) of the network and the training, shown below the headline.
        metrics: (name, value) of every number worth showing.
        tables: further tables, such as the backtest beside its baselines.
        plots: (file in `plots/`, caption) in the order wanted, the first one on the first screen; None takes all files by name.
        sample: generated text.
        sample_prompt: what that goes on from.
        notes: what a reader should know before trusting the numbers, a sentence or two each.
        headline: the number that speaks for the run; None makes one from `result`.
        result: what `result.json` holds or will hold; None reads it, where it is there.

    Raises:
        RunError: a picture or the recipe cannot be read, or the report cannot be written.
    """
    if result is None:
        result = run.result() if run.result_path.is_file() else {}
    if headline is None:
        headline = headline_of(result, run.metrics())
    if plots is None:
        plots = [
            (path.name, path.stem.replace("-", " ").replace("_", " ")) for path in sorted(run.plots_path.glob("*.png"))
        ]
    figures = [
        _figure(run.plots_path / file, caption, is_first=not index) for index, (file, caption) in enumerate(plots)
    ]
    task = str(result.get("task", ""))
    sections = [
        _hero(title, summary, headline, figures[0] if figures else "", facts),
        _section("Before you trust it", "notes", _notes(notes)),
        _section("Pictures", "pictures", f'<div class="figures">{"".join(figures[1:])}</div>' if figures[1:] else ""),
        _section("Numbers", "numbers", _numbers(metrics, tables)),
        _section("Sample", "sample", _sample(sample, sample_prompt)),
        _section("Use it", "use", _commands(run, task, sample_prompt)),
        _section("Recipe", "recipe", _recipe(run)),
        _section("Environment", "environment", _pairs(_environment(), "facts")),
    ]
    write_atomically(run.report_path, _page(title, "\n".join(section for section in sections if section)))


# The headline -------------------------------------------------------------------------------------------------------------------


def _same_kind(values: Any, measure: str, held_out: float | None) -> float | None:
    """A baseline's value of `measure` on the same kind of data as the network's."""
    train, other = values_of(values, measure) if isinstance(values, Mapping) else (None, None)
    return other if held_out is not None or train is None else train


def _first_epoch(
    history: Sequence[Mapping[str, Any]], measure: str, held_out: float | None
) -> list[tuple[str, float, bool]]:
    if len(history) < 2:
        return []
    key = f"train_{measure}" if held_out is None else f"validation_{measure}"
    first = finite(history[0].get(key))
    return [] if first is None else [("in the first epoch", first, False)]


def _meaning(measure: str, value: float, held_out: float | None) -> str:
    which = "that it was trained on" if held_out is None else "that it had not seen"
    return meaning_of(measure, value, which)


def _source(held_out: float | None, data: str) -> str:
    if held_out is None:
        return "Measured on the training data: it says what was learnt, not how the network does on new data."
    return "" if data == "backtest" else "Measured on data that it was not trained on."


def _verdict(measure: str, value: float, known: Sequence[tuple[str, float]]) -> str:
    """How the network stands to the best baseline."""
    if not known:
        return ""
    higher = higher_is_better(measure)
    name, rival = max(known, key=lambda pair: pair[1] if higher else -pair[1])
    if value == rival:
        return f"The same as the best baseline, {name}."
    better = (value > rival) == higher
    if is_share(measure):
        size = f"{100 * abs(value - rival):.1f} points"
    elif rival:
        size = f"{100 * abs(value - rival) / abs(rival):.0f} %"
    else:
        size = value_text(measure, abs(value - rival))
    return f"{'Better' if better else 'Worse'} than the best baseline, {name}, by {size}."


def _bars(measure: str, numbers: Sequence[tuple[str, float, bool]]) -> list[tuple[str, str, float, bool]]:
    """Bars in proportion to the values; none for a single number or for negative ones."""
    top = 1.0 if is_share(measure) else max(value for _, value, _ in numbers)
    if len(numbers) < 2 or top <= 0 or any(value < 0 for _, value, _ in numbers):
        return []
    return [(name, value_text(measure, value), min(1.0, value / top), ours) for name, value, ours in numbers]


# Parts of the page --------------------------------------------------------------------------------------------------------------


def _text(value: object) -> str:
    """`value` escaped for HTML, attributes included; control characters and half surrogates become marks."""
    clean = CONTROL.sub("\ufffd", str(value)).encode("utf-8", "replace").decode("utf-8")
    return html.escape(clean, quote=True)


def _section(title: str, name: str, body: str) -> str:
    if not body:
        return ""
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{title}</h2>\n{body}\n</section>'


def _hero(title: str, summary: str, headline: Headline | None, figure: str, facts: Pairs) -> str:
    number = _headline(headline) if headline else ""
    first_screen = f'<div class="hero">{number}{figure}</div>' if number or figure else ""
    return (
        f'<header><p class="mark">Elman · training report</p>\n<h1>{_text(title)}</h1>\n'
        f'<p class="summary">{_text(summary)}</p></header>\n{first_screen}\n{_pairs(facts, "facts")}'
    )


def _headline(headline: Headline) -> str:
    bars = "".join(
        f'<li{" class=ours" if ours else ""}><span class="name">{_text(name)}</span><span class="value">{_text(value)}</span>'
        f'<span class="track" aria-hidden="true"><span class="bar" style="width:{100 * length:.1f}%"></span></span></li>'
        for name, value, length, ours in headline.rivals
    )
    return (
        f'<div class="headline"><p class="label">{_text(headline.label)}</p><p class="number">{_text(headline.value)}</p>'
        f"<p>{_text(headline.meaning)}</p>{f'<ul>{bars}</ul>' if bars else ''}</div>"
    )


def _figure(path: Path, caption: str, *, is_first: bool) -> str:
    """A picture as data within the page, at its own size or narrower."""
    with run_errors("read", path):
        data = path.read_bytes()
    if data[:8] != b"\x89PNG\r\n\x1a\n" or len(data) < 24:
        raise RunError(f"{path}: not a PNG picture, or a torn one. Draw it again, or leave it out of `plots`.")
    width, height = (round(size * CSS_PIXELS_AN_INCH / DPI) for size in struct.unpack(">II", data[16:24]))
    kind = ' class="wide"' if width > WIDE and not is_first else ""
    source = base64.b64encode(data).decode("ascii")
    return (
        f'<figure{kind}><div class="picture"><img style="--natural:{width}px;--least:{round(0.75 * width)}px" width="{width}" height="{height}" alt="{_text(caption)}" src="data:image/png;base64,{source}"></div>'
        f"<figcaption>{_text(caption)}</figcaption></figure>\n"
    )


def _pairs(pairs: Pairs, kind: str) -> str:
    items = "".join(f"<div><dt>{_text(name)}</dt><dd>{_text(value)}</dd></div>" for name, value in pairs)
    return f'<dl class="{kind}">{items}</dl>' if items else ""


def _numbers(metrics: Pairs, tables: Sequence[ReportTable]) -> str:
    every = [ReportTable("", ["measure", "value"], [list(pair) for pair in metrics])] if metrics else []
    return "\n".join(_table(table) for table in [*every, *tables])


def _table(table: ReportTable) -> str:
    width = len(table.header)
    numeric = [
        all(NUMERIC.match(row[column].strip()) for row in table.rows if column < len(row) and row[column].strip())
        for column in range(width)
    ]
    numeric[0] = False

    def cell(tag: str, column: int, value: str, scope: str = "") -> str:
        kind = ' class="n"' if column < width and numeric[column] else ""
        return f"<{tag}{scope}{kind}>{_text(value)}</{tag}>"

    head = "".join(cell("th", column, name, ' scope="col"') for column, name in enumerate(table.header))
    body = "".join(
        "<tr>"
        + "".join(
            cell("td", column, value) if column else cell("th", column, value, ' scope="row"')
            for column, value in enumerate(row)
        )
        + "</tr>\n"
        for row in table.rows
    )
    caption = f"<caption>{_text(table.title)}</caption>" if table.title else ""
    note = f'<p class="note">{_text(table.note)}</p>' if table.note else ""
    name = _text(table.title or "Numbers")
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{name}"><table>{caption}<thead><tr>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>{note}"
    )


def _sample(sample: str | None, prompt: str | None) -> str:
    if sample is None:
        return ""
    prompt = prompt or ""
    rest = sample.removeprefix(prompt)
    bold = f"<b>{_text(prompt)}</b>" if prompt else ""
    note = '<p class="note">Bold: the prompt. The rest is the network\'s.</p>' if prompt else ""
    return f'<blockquote dir="auto">{bold}{_text(rest)}</blockquote>{note}'


def _notes(notes: Sequence[str]) -> str:
    items = "".join(f"<li>{_text(note)}</li>" for note in notes)
    return f'<ul class="notes">{items}</ul>' if items else ""


def _commands(run: Run, task: str, prompt: str | None) -> str:
    folder, recipe = shlex.quote(str(run.folder)), shlex.quote(str(run.recipe_path))
    commands = [("Train it again, with the same numbers", f"elman train {recipe} --out ANOTHER-FOLDER")]
    if task in TASKS and TASKS[task].writes_text:
        commands.append(("Let it write", f"elman generate {folder} --prompt {shlex.quote(prompt or 'the ')}"))
        commands.append(("Judge it on another text", f"elman evaluate {folder} TEXT"))
    else:
        commands.append(("Use it on new data", f"elman predict {folder} DATA --out predictions.csv"))
        commands.append(("Judge it on new data", f"elman evaluate {folder} DATA"))
    commands.append(("See it beside other runs", f"elman runs {shlex.quote(str(run.folder.parent))}"))
    return "".join(
        f"<p class=do>{_text(what)}</p><pre><code>{_text(command)}</code></pre>\n" for what, command in commands
    )


def _recipe(run: Run) -> str:
    text = run.recipe_text()
    lines = len(text.strip().splitlines())
    return f"<details><summary>The complete recipe, {lines} lines of TOML</summary><pre><code>{_text(text.strip())}</code></pre></details>"


def _environment() -> list[tuple[str, str]]:
    versions = [("Python", platform.python_version())]
    for name in ("elman", "numpy", "torch"):
        try:
            versions.append((name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            continue
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count() or '?'} processors"
    return [*versions, ("machine", machine), ("written", datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"))]


def _page(title: str, body: str) -> str:
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" content="light dark">\n'
        f'<title>{_text(title)} · Elman</title>\n<link rel="icon" href="data:,">\n<style>{STYLE}</style>\n</head>\n'
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


STYLE = """
:root { color-scheme: light dark;
  --paper: #fbfbf9; --card: #ffffff; --ink: #1f2933; --muted: #5f6b7a; --line: #e1e5ea; --accent: #0072b2; --bar: #c3ccd6;
  --code: #f2f4f6; --picture: #fdfdfc; --warn: #d55e00; }
@media screen and (prefers-color-scheme: dark) { :root {
  --paper: #14181d; --card: #1b2027; --ink: #e6eaee; --muted: #9aa6b2; --line: #2e363f; --accent: #5cb3e6; --bar: #46515d;
  --code: #20262e; --picture: #fdfdfc; --warn: #f0925a; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 17px/1.55 system-ui, -apple-system, "Segoe UI", Roboto,
  "Noto Sans", "Helvetica Neue", sans-serif; }
main { max-width: 1160px; margin: 0 auto; padding: clamp(20px, 4vw, 56px) clamp(16px, 4vw, 40px) 72px; }
h1, h2 { font-family: "Iowan Old Style", "Palatino Linotype", Palatino, "Book Antiqua", Georgia, "DejaVu Serif", serif; line-height: 1.2;
  text-wrap: balance; overflow-wrap: anywhere; }
h1 { font-size: clamp(1.75rem, 1.2rem + 2.4vw, 2.7rem); margin: 0 0 .35em; font-weight: 600; letter-spacing: -.01em; }
h2 { font-size: 1.4rem; margin: 0 0 .8em; font-weight: 600; }
p { margin: 0 0 .8em; }
section { margin-top: 3rem; padding-top: 2rem; border-top: 1px solid var(--line); }
.mark { color: var(--accent); font-size: .82rem; letter-spacing: .04em; font-weight: 600; margin-bottom: .6em; }
.summary { font-size: 1.1rem; color: var(--muted); max-width: 44em; margin-bottom: 1.6em; }
.hero { display: grid; gap: 20px; align-items: stretch; }
@media (min-width: 900px) { .hero { grid-template-columns: minmax(300px, 5fr) minmax(0, 8fr); } .hero > :only-child { grid-column: 1 / -1; } }
.headline { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 24px 26px; }
.headline p { margin-bottom: .7em; }
.headline .label { color: var(--muted); font-size: .95rem; margin: 0; }
.headline .label::first-letter { text-transform: uppercase; }
.headline .number { font-size: clamp(2.7rem, 2rem + 3vw, 4rem); font-weight: 650; line-height: 1.1; letter-spacing: -.02em;
  color: var(--accent); margin: .06em 0 .25em; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.headline ul { list-style: none; margin: 1.1em 0 0; padding: 0; }
.headline li { display: grid; grid-template-columns: 1fr auto; column-gap: 12px; margin-top: .65em; font-size: .92rem; color: var(--muted); }
.headline .ours { color: var(--ink); font-weight: 600; }
.headline .value { font-variant-numeric: tabular-nums; }
.track { grid-column: 1 / -1; height: 7px; border-radius: 4px; background: var(--code); overflow: hidden; }
.bar { display: block; height: 100%; min-width: 2px; border-radius: 4px; background: var(--bar); }
.ours .bar { background: var(--accent); }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(132px, 1fr)); gap: 14px 24px; margin: 26px 0 0; }
.facts dt { color: var(--muted); font-size: .85rem; }
.facts dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 0; min-width: 0; }
figure img { display: block; width: 100%; height: auto; background: var(--picture); border: 1px solid var(--line); border-radius: 12px;
  padding: 6px; }
figcaption { color: var(--muted); font-size: .92rem; margin-top: .5em; max-width: 48em; }
.figures { display: grid; gap: 28px; align-items: start; }
.figures img { max-width: var(--natural); }
.picture { overflow-x: auto; }
@media screen and (max-width: 700px) { .wide img { min-width: var(--least); } }
@media (min-width: 1000px) { .figures { grid-template-columns: 1fr 1fr; } .figures .wide, .figures > :only-child { grid-column: 1 / -1; } }
.scroll { overflow-x: auto; margin: 0 0 .6em; }
.scroll + .scroll, .note + .scroll { margin-top: 1.8em; }
table { border-collapse: collapse; min-width: min(100%, 420px); font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 0 0 .5em; }
th, td { text-align: left; padding: .42em 1.5em .42em 0; border-bottom: 1px solid var(--line); vertical-align: baseline; }
thead th { color: var(--muted); font-weight: 500; font-size: .88rem; }
tbody th { font-weight: 500; }
.n { text-align: right; padding: .42em 0 .42em 1.5em; white-space: nowrap; }
.note { color: var(--muted); font-size: .92rem; max-width: 48em; }
.notes { margin: 0; padding: 0; list-style: none; max-width: 50em; }
.notes li { border-left: 3px solid var(--warn); padding: .1em 0 .1em 1em; margin-bottom: .9em; }
blockquote { margin: 0 0 .6em; padding: 20px 24px; background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  font-family: "Iowan Old Style", "Palatino Linotype", Palatino, Georgia, "DejaVu Serif", serif; font-size: 1.12rem; line-height: 1.6;
  white-space: pre-wrap; overflow-wrap: anywhere; max-width: 46em; }
blockquote b { color: var(--accent); }
.do { margin: 0 0 .25em; }
pre { margin: 0 0 1.2em; padding: 12px 16px; background: var(--code); border-radius: 9px; overflow-x: auto; font-size: .88rem;
  line-height: 1.5; }
code { font-family: ui-monospace, "SF Mono", "Cascadia Mono", Consolas, "DejaVu Sans Mono", monospace; }
@media (max-width: 700px) { .do + pre { white-space: pre-wrap; overflow-wrap: anywhere; } }
summary { cursor: pointer; color: var(--accent); }
details pre { margin-top: 1em; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; border-radius: 4px; }
@media print {
  html { font-size: 11pt; }
  body { font-size: 10.5pt; background: #fff; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .hero { grid-template-columns: 2fr 3fr; }
  .figures { grid-template-columns: 1fr 1fr; }
  .figures .wide, .figures > :only-child { grid-column: 1 / -1; }
  main { max-width: none; padding: 0; }
  section { margin-top: 1.4rem; padding-top: 1rem; }
  figure, .headline, table, blockquote { break-inside: avoid; }
  h2 { break-after: avoid; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  .scroll { overflow: visible; }
  details::details-content { content-visibility: visible; block-size: auto; }
}
@page { margin: 16mm; }
"""
