"""python -m benchmarks.grid FILE

The layers in a `--json` file as tables for docs/performance.md: a table a cell and mode, H downward, N across. In each place, how
many times as long as ours torch.nn takes, for T 10, 35, 100 and 1000; for training, in brackets, our share of the peak at the T
where it is largest. A dash stands for a size beyond reason, a star for a measurement that other programs disturbed.
"""

from __future__ import annotations

import json
import sys
from math import exp, log
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.registry import CELLS, cases

LENGTHS = (10, 35, 100, 1000)


def main() -> None:
    rows = json.loads(Path(sys.argv[1]).read_text())["rows"]
    flops = {(case.group, case.name): case.flops for case in cases(["layers", "peak"], full=True)}
    peak = max(
        (
            flops["peak", row["case"]] / median(seconds) / 1e9
            for row in rows
            if row["group"] == "peak"
            for seconds in row["seconds"].values()
        ),
        default=0.0,
    )
    layers = [row for row in rows if row["group"] == "layers"]
    for cell in CELLS:
        for mode in ("train", "forward"):
            mine = [row for row in layers if (row["params"]["cell"], row["params"]["mode"]) == (cell, mode)]
            if mine:
                print(
                    table(cell, mode, mine, {name: f for (group, name), f in flops.items() if group == "layers"}, peak)
                )


def table(cell: str, mode: str, rows: list[dict[str, Any]], flops: dict[str, float], peak: float) -> str:
    """One cell and mode."""
    at = {(row["params"]["H"], row["params"]["N"], row["params"]["T"]): row for row in rows}
    hiddens, counts = sorted({h for h, _, _ in at}), sorted({n for _, n, _ in at})
    ratios = [ratio(row) for row in rows]
    mean = exp(sum(map(log, ratios)) / len(ratios))
    lines = [
        f"### {cell}, {'forward and backward' if mode == 'train' else 'forward'}\n",
        f"{len(rows)} sizes: {mean:.1f} times in the geometric mean, {min(ratios):.2f} at the least, {sum(r < 1 for r in ratios)} "
        f"slower, {sum(r < 0.95 for r in ratios)} of them by more than 5 %.\n",
        "| H | " + " | ".join(f"N {n}" for n in counts) + " |",
        "|---" * (len(counts) + 1) + "|",
    ]
    for h in hiddens:
        places = []
        for n in counts:
            here = [at.get((h, n, t)) for t in LENGTHS]
            text = " ".join("–" if row is None else shown(row) for row in here)
            if mode == "train" and peak:
                share = max(
                    (flops[r["case"]] / median(r["seconds"]["elman"]) / 1e9 / peak for r in here if r), default=0.0
                )
                text += f" ({share:.0%})"
            places.append(text)
        lines.append(f"| {h} | " + " | ".join(places) + " |")
    return "\n".join([*lines, ""])


def ratio(row: dict[str, Any]) -> float:
    return median(row["seconds"]["torch"]) / median(row["seconds"]["elman"])


def shown(row: dict[str, Any]) -> str:
    r = ratio(row)
    return (f"{r:.0f}" if r >= 9.5 else f"{r:.1f}" if r >= 1.95 else f"{r:.2f}") + "*" * (row["disturbed"] > 2)


if __name__ == "__main__":
    main()
