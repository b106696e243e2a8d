"""python -m benchmarks [GROUP ...] [--full] [--threads N] [--samples N] [--json FILE [--go-on]]

Groups: peak, seeds, streams, layers, inside, memory; all of them where none is named. Prints a table a group and, for layers and
for those inside PyTorch, the geometric means. `--full` runs the whole grid of layers (an hour); without it a corner of it. JAX and
ONNX Runtime take part where they are installed; $ELMAN_RIVALS_PYTHON may name another interpreter that has them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from itertools import product
from math import exp, log
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, Result
from benchmarks.registry import CELLS, cases

FEW = 2
"""So many disturbed samples of seven leave a median that can be trusted."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("groups", nargs="*")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--only", default="", help="run cases whose name contains this")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--samples", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.05, help="of each sample")
    parser.add_argument("--patience", type=float, default=20.0, help="seconds to wait for a quiet machine, a case")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--go-on", action="store_true", help="keep what --json FILE already has undisturbed")
    wanted = parser.parse_args()
    bench = Bench(wanted.threads, wanted.samples, wanted.seconds, wanted.patience)
    results: list[Result] = []
    kept = _read(wanted.json) if wanted.go_on else {}
    group = ""
    print(f"{_machine()}; {wanted.threads} threads, load {os.getloadavg()[0]:.1f}", flush=True)
    try:
        for case in cases(wanted.groups, full=wanted.full):
            if wanted.only not in case.name:
                continue
            if case.group != group:
                group = case.group
                print(f"\n## {group}", flush=True)
            if (case.group, case.name) in kept:
                results.append(Result(case, **kept[case.group, case.name]))
            else:
                results.append(bench.weigh(case) if group == "memory" else bench.run(case))
            print(weight(results[-1]) if group == "memory" else line(results[-1], _peak(results)), flush=True)
            if wanted.json:
                _write(wanted.json, bench, results)
    finally:
        bench.stop()
    _means(results)
    print("\n" + "; ".join(bench.versions()))


def _read(path: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """What the file has of each group's cases of which few samples were disturbed."""
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    found = {
        (row["group"], row["case"]): {key: row[key] for key in ("seconds", "memory", "difference", "disturbed")}
        for row in rows
    }
    return {name: row for name, row in found.items() if row["disturbed"] <= FEW}


def _write(path: Path, bench: Bench, results: list[Result]) -> None:
    rows = [{"case": r.case.name, "group": r.case.group, "params": r.case.params, "seconds": r.seconds,
             "difference": r.difference, "memory": r.memory, "disturbed": r.disturbed} for r in results]  # fmt: skip
    path.write_text(json.dumps({"machine": _machine(), "versions": bench.versions(), "rows": rows}, indent=1))


def line(result: Result, peak: float) -> str:
    """One result: ours, each rival and how many times as long it takes, and our share of the peak."""
    case = result.case
    parts = [f"{case.name:34s}" if case.group == "inside" else f"{case.name:28s}"]
    first, *rivals = result.seconds
    parts.append(f"{first} {_time(result.median(first) / case.per):>9s}/{case.unit} ±{result.spread(first):4.0%}")
    for rival in rivals:
        parts.append(f"{rival} {_time(result.median(rival) / case.per):>9s} x{result.ratio(rival):7.2f}")
    if case.flops:
        rate = case.flops / result.median(first) / 1e9
        parts.append(f"{rate:6.1f} GFLOP/s" + (f" {rate / peak:4.0%} of peak" if peak else ""))
    if case.group == "seeds" and case.unit == "token":
        parts.append(f"{case.per / result.median(first):,.0f} tokens/s")
    if result.disturbed:
        parts.append(f"({result.disturbed} of {len(result.seconds[first])} samples disturbed)")
    return "  ".join(parts)


def weight(result: Result) -> str:
    """One result: what each contender's process held before it ran the case, and how much more it needed."""
    parts = [f"{result.case.name:28s}"]
    parts += [f"{name} {rest:5.0f} + {grown:6.1f} MB" for name, (rest, grown) in result.memory.items()]
    return "  ".join(parts)


def _peak(results: list[Result]) -> float:
    return max(
        (r.case.flops / r.median(n) / 1e9 for r in results if r.case.group == "peak" for n in r.seconds), default=0
    )


def _means(results: list[Result]) -> None:
    """Geometric means of the ratios to torch.nn, by cell and mode, and the slowest case of each."""
    kinds = [(group, rival, form) for group, rival in (("layers", "torch"), ("inside", "torch.nn"))
             for form in ((None,) if group == "layers" else ("padded", "packed", "busy"))]  # fmt: skip
    for (group, rival, form), cell, mode in product(kinds, CELLS, ("train", "forward")):
        found = [r for r in results if r.case.group == group and rival in r.seconds and r.case.params.get("form") == form
                 and (r.case.params["cell"], r.case.params["mode"]) == (cell, mode)]  # fmt: skip
        if found:
            mean = exp(sum(log(r.ratio(rival)) for r in found) / len(found))
            worst = min(found, key=lambda r: r.ratio(rival))
            below = sum(r.ratio(rival) < 1 for r in found)
            what = f"{group} {form} {cell} {mode}" if form else f"{cell} {mode}"
            print(f"{what}: {mean:.2f} times torch.nn in the geometric mean of {len(found)}; least "
                  f"{worst.ratio(rival):.2f} ({worst.case.name}); {below} slower")  # fmt: skip


def _time(seconds: float) -> str:
    for scale, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def _machine() -> str:
    model = platform.processor() or platform.machine()
    try:
        names = [
            row.split(":")[1].strip() for row in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in row
        ]
        model = names[0] if names else model
    except OSError:
        pass
    return f"{model}, {os.cpu_count()} processors, {platform.system()}, Python {sys.version.split()[0]}"


if __name__ == "__main__":
    main()
