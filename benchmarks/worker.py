"""A contender in a process of its own: makes a case, answers with its numbers, and times it when told to.

One process a contender, because their thread pools would spin against each other in one; only `inside` holds two, of which that
is the question. Lines of JSON come in and go out.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def sample(run: Callable[[], object], seconds: float) -> float:
    """Seconds a run takes, as a mean over so many runs that they take `seconds` together."""
    started = time.perf_counter()
    count = 0
    while True:
        run()
        count += 1
        passed = time.perf_counter() - started
        if passed >= seconds:
            return passed / count


def most_memory() -> float:
    """The most memory that this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    module, threads = sys.argv[1], int(sys.argv[2])
    contender = importlib.import_module(f"benchmarks.contenders.{module}_side")
    versions = contender.start(threads)
    print(json.dumps({"versions": versions}), flush=True)
    runs: dict[str, Callable[[], object]] = {}
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        if order["do"] == "make":
            runs.pop(order["name"], None)
            before = most_memory()
            runs[order["name"]], answer = contender.make(order["kind"], {**order["params"], "contender": order["name"]})
            found = answer()
            if found is not None:
                np.savez(Path(order["answer"]), **found)
            print(json.dumps({"answered": found is not None, "rest_mb": before}), flush=True)
        elif order["do"] == "time":
            seconds = sample(runs[order["name"]], order["seconds"])
            print(json.dumps({"seconds": seconds, "most_mb": most_memory()}), flush=True)


if __name__ == "__main__":
    main()
