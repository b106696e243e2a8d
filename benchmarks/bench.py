"""Runs cases: starts the contenders, compares their numbers, then times them in turn, and keeps what was found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.registry import Case

TOLERANCE = 2e-4
"""Largest difference between float32 contenders, as a share of the largest entry: sums of some thousand products, through up
to a thousand steps."""

TOGETHER = {"elman.nn": "inside", "torch.nn": "inside"}
"""Contenders that share a process, and its name."""

QUIET = 0.15
"""A sample counts as disturbed when other programs used more than this share of the processors meanwhile."""


@dataclass
class Contender:
    """One process that takes part."""

    name: str
    process: subprocess.Popen[str]
    versions: str

    @classmethod
    def start(cls, name: str, threads: int, beside: Contender | None = None) -> Contender | None:
        """None where its libraries are not installed. $ELMAN_RIVALS_PYTHON may name an interpreter that has them."""
        if beside is not None:
            return cls(name, beside.process, "")
        python = os.environ.get("ELMAN_RIVALS_PYTHON", sys.executable) if name in ("jax", "onnx") else sys.executable
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
        module = TOGETHER.get(name, name)
        process = subprocess.Popen([python, "-m", "benchmarks.worker", module, str(threads)], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)  # fmt: skip
        assert process.stdout is not None
        hello = process.stdout.readline()
        return cls(name, process, json.loads(hello)["versions"]) if hello else None

    def order(self, **order: Any) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps({**order, "name": self.name}) + "\n")
        self.process.stdin.flush()
        reply = self.process.stdout.readline()
        if not reply:
            raise RuntimeError(f"{self.name} died at {order}")
        found: dict[str, Any] = json.loads(reply)
        return found

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


@dataclass
class Result:
    """What was found: seconds of each contender's samples; how many of them were disturbed, patience being at an end;
    the largest difference between the contenders' numbers; and, for memory, the most that each contender's process held in
    MB before the case and how much that grew with it."""

    case: Case
    seconds: dict[str, list[float]] = field(default_factory=dict)
    memory: dict[str, tuple[float, float]] = field(default_factory=dict)
    difference: float = 0.0
    disturbed: int = 0

    def median(self, name: str) -> float:
        return median(self.seconds[name])

    def spread(self, name: str) -> float:
        """Half the range of the middle half, as a share of the median."""
        ordered = sorted(self.seconds[name])
        quarter = len(ordered) // 4
        return (ordered[-1 - quarter] - ordered[quarter]) / 2 / self.median(name)

    def ratio(self, rival: str) -> float:
        return self.median(rival) / self.median(self.case.contenders[0])


class Bench:
    """Contenders by name, started when first needed."""

    def __init__(self, threads: int, samples: int, seconds: float, patience: float) -> None:
        self.threads, self.samples, self.seconds, self.patience = threads, samples, seconds, patience
        self.contenders: dict[str, Contender | None] = {}

    def versions(self) -> list[str]:
        return [c.versions for c in self.contenders.values() if c and c.versions]

    def run(self, case: Case) -> Result:
        """Make the case everywhere, compare the answers, then time it in turns."""
        here = [c for name in case.contenders if (c := self._contender(name))]
        result = Result(case, {c.name: [] for c in here})
        with tempfile.TemporaryDirectory() as folder:
            answers = {}
            for c in here:
                path = Path(folder, f"{c.name}.npz")
                if c.order(do="make", kind=case.kind, params=case.params, answer=str(path))["answered"]:
                    answers[c.name] = dict(np.load(path))
        result.difference = _compare(case, answers)
        for c in here:
            c.order(do="time", seconds=0)
        deadline = time.perf_counter() + self.patience
        while len(result.seconds[here[0].name]) < self.samples:
            _wait_for_quiet(deadline)
            before, busy = time.perf_counter(), _busy()
            round_ = {c.name: self._rested(c) for c in here}
            if _others(before, busy) > QUIET:
                if time.perf_counter() < deadline:
                    continue
                result.disturbed += 1
            for name, seconds in round_.items():
                result.seconds[name].append(seconds)
        return result

    def weigh(self, case: Case) -> Result:
        """The memory of one run of the case, in processes that did nothing before."""
        result = Result(case)
        with tempfile.TemporaryDirectory() as folder:
            for name in case.contenders:
                if c := Contender.start(name, self.threads):
                    answer = str(Path(folder, "answer.npz"))
                    rest = c.order(do="make", kind=case.kind, params=case.params, answer=answer)["rest_mb"]
                    result.memory[name] = rest, c.order(do="time", seconds=0)["most_mb"] - rest
                    c.stop()
        return result

    def stop(self) -> None:
        for c in self.contenders.values():
            if c:
                c.stop()

    def _rested(self, contender: Contender) -> float:
        time.sleep(0.005)  # the rival's threads spin for some milliseconds after their work: let them sleep first
        found: float = contender.order(do="time", seconds=self.seconds)["seconds"]
        return found

    def _contender(self, name: str) -> Contender | None:
        if name not in self.contenders:
            there = (
                c for other, c in self.contenders.items() if name in TOGETHER and TOGETHER.get(other) == TOGETHER[name]
            )
            self.contenders[name] = Contender.start(name, self.threads, next(there, None))
        return self.contenders[name]


def _compare(case: Case, answers: dict[str, dict[str, Any]]) -> float:
    """The largest difference between ours and any rival's; a RuntimeError where it is too large."""
    if len(answers) < 2:
        return 0.0
    first, *rivals = answers
    worst = 0.0
    for rival in rivals:
        for name, expected in answers[rival].items():
            ours = answers[first][name]
            if not np.isfinite(ours).all():
                raise RuntimeError(f"{case.name}: `{name}` is not finite")
            scale = float(np.abs(expected).max()) or 1.0  # of what is all zeros, nothing but zeros is right
            worst = max(worst, float(np.abs(ours - expected).max()) / scale)
    if not worst < TOLERANCE:
        raise RuntimeError(f"{case.name}: differs from {rivals} by {worst:.2g}; nothing is timed before that is right")
    return worst


def _wait_for_quiet(deadline: float) -> None:
    """Until other programs leave the processors alone, or the deadline."""
    while True:
        since, busy = time.perf_counter(), _busy()
        time.sleep(0.06)
        if _others(since, busy) < QUIET or time.perf_counter() > deadline:
            return
        time.sleep(0.3)


def _busy() -> tuple[float, float]:
    """Seconds that all processors, and that our processes, have worked; zeros where there is no /proc."""
    try:
        fields = [int(x) for x in Path("/proc/stat").read_text().splitlines()[0].split()[1:8]]
    except OSError:
        return 0.0, 0.0
    tick = os.sysconf("SC_CLK_TCK")
    everyone = (sum(fields) - fields[3] - fields[4]) / tick
    ours = sum(os.times()[:4])
    for child in Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split():
        stat = Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()
        ours += (int(stat[11]) + int(stat[12])) / tick
    return everyone, ours


def _others(since: float, before: tuple[float, float]) -> float:
    """The share of the processors that other programs used since then; 0 for times too short to tell."""
    passed = time.perf_counter() - since
    if passed < 0.05:
        return 0.0
    everyone, ours = _busy()
    return max(0.0, (everyone - before[0]) - (ours - before[1])) / passed / (os.cpu_count() or 1)
