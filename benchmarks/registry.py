"""The cases: each a question, the contenders that answer it, and the sizes that go in.

Shapes: N sequences, T steps, D features, H hidden units. D = H in the layer grid.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

CELLS = ("rnn", "gru", "lstm")


@dataclass(frozen=True)
class Case:
    """group: what it belongs to. kind: the function of a contender that makes it. name: unique. params: its sizes.
    contenders: ours first. unit: what the time is divided by (`per` of them in a run). flops: floating-point
    operations of a run in its products, 0 where that says nothing. target: how many times the rival's speed."""

    group: str
    kind: str
    name: str
    params: dict[str, Any]
    contenders: tuple[str, ...]
    unit: str = "call"
    per: float = 1.0
    flops: float = 0.0
    target: float | None = None


def layer_flops(cell: str, n: int, t: int, h: int, d: int, train: bool) -> float:
    """Two operations a multiply-add; training is three products of the forward size."""
    gates = {"rnn": 1, "gru": 3, "lstm": 4}[cell]
    return 2.0 * n * t * gates * h * (h + d) * (3 if train else 1)


def layer_grid(*, full: bool) -> list[Case]:
    """How does a layer compare with torch.nn's and with JAX's scan, forward alone and with its gradient?"""
    hiddens = (8, 32, 64, 100, 128, 256, 512, 1024) if full else (8, 64, 256, 1024)
    counts = (1, 8, 32, 64, 256) if full else (1, 32)
    lengths = (10, 35, 100, 1000) if full else (35,)
    cases = []
    for cell in CELLS:
        for h in hiddens:
            for n in counts:
                for t in lengths:
                    for train in (True, False):
                        flops = layer_flops(cell, n, t, h, h, train)
                        if flops > 1.5e11 or n * t * h > 2.6e7:  # beyond reason: seconds a call, or gigabytes
                            continue
                        mode = "train" if train else "forward"
                        params = {"cell": cell, "H": h, "N": n, "T": t, "D": h, "mode": mode}
                        contenders = ("elman", "torch") + (("jax",) if h in (8, 64, 256) and t == 35 else ())
                        target = 1.5 if cell == "lstm" else 4.0
                        name = f"{cell} {mode} H{h} N{n} T{t}"
                        cases.append(Case("layers", "layer", name, params, contenders, "call", 1, flops, target))
    return cases


def inside_torch(*, full: bool) -> list[Case]:
    """How does a layer of elman.nn compare with torch.nn's in one PyTorch process, padded and packed, down to a single step?

    Packed lengths are spread evenly from half of T to T. `busy`: each call comes right after an operation of PyTorch's that uses
    all its threads, whose waiting takes processors from ours; that operation is part of both times.
    """
    sizes = (
        (8, 1, 1),
        (64, 1, 1),
        (64, 32, 1),
        (256, 32, 1),
        (8, 1, 35),
        (64, 1, 35),
        (64, 32, 35),
        (256, 1, 35),
        (256, 32, 35),
    )
    more = (
        (8, 32, 1),
        (1024, 1, 1),
        (1024, 32, 1),
        (8, 32, 35),
        (1024, 1, 35),
        (1024, 32, 35),
        (64, 32, 1000),
        (128, 64, 100),
    )
    cases = []
    for cell in CELLS:
        for h, n, t in (*sizes, *more) if full else sizes:
            for mode in ("train", "forward"):
                forms = (
                    ["padded"] + (["packed"] if n > 1 and t > 1 else []) + (["busy"] if t > 1 and h in (8, 64) else [])
                )
                for form in forms:
                    params = {"cell": cell, "H": h, "N": n, "T": t, "D": h, "mode": mode, "form": form}
                    share = 0.75 if form == "packed" else 1.0
                    flops = 0.0 if form == "busy" else share * layer_flops(cell, n, t, h, h, mode == "train")
                    name = f"{cell} {mode} H{h} N{n} T{t} {form}"
                    target = 1.5 if cell == "lstm" else 4.0
                    cases.append(
                        Case("inside", "layer", name, params, ("elman.nn", "torch.nn"), "call", 1, flops, target)
                    )
    return cases


def streams() -> list[Case]:
    """How long does one step take from Python?"""
    return [
        Case("streams", "stream", f"stream {cell} H{h} D{d}", {"cell": cell, "H": h, "D": d}, ("elman", "torch", "onnx"),
             "step", 1000, 0.0, 30.0)
        for cell in CELLS
        for h, d in ((8, 1), (64, 1), (64, 64), (256, 64))
    ]  # fmt: skip


def seeds() -> list[Case]:
    """How long does each seed's training take beside its own loop? A run is an epoch, or what is said in `unit`."""
    loops = ("elman", "torch", "jax")
    return [
        Case("seeds", "seed000", "seed 000, an epoch", {}, loops, "update", 32, 0, 30),
        Case("seeds", "seed001", "seed 001, an epoch", {}, loops, "update", 20, 0, 300),
        Case("seeds", "seed002", "seed 002, an epoch", {}, ("elman", "numpy", "lean"), "record", 100, 0, 40),
        Case("seeds", "seed003", "seed 003, all steps", {}, loops, "update", 300, 0, 100),
        Case("seeds", "seed004", "seed 004 scratch (H 512)", {"H": 512, "scratch": True, "cell": "rnn"}, loops, "token",
             8 * 32 * 35, 8 * 32 * 35 * 2.0 * 3 * 512 * (512 + 28), 2),
        Case("seeds", "seed004", "seed 004 concise (H 256)", {"H": 256, "scratch": False, "cell": "rnn"}, loops, "token",
             8 * 32 * 35, 8 * 32 * 35 * 2.0 * 3 * 256 * (256 + 28), 2),
        Case("seeds", "seed004", "seed 004 GRU (H 256)", {"H": 256, "scratch": False, "cell": "gru"}, ("elman", "torch"),
             "token", 8 * 32 * 35, 8 * 32 * 35 * 2.0 * 3 * 256 * (3 * 256 + 28)),
        Case("seeds", "seed004", "seed 004 LSTM (H 256)", {"H": 256, "scratch": False, "cell": "lstm"}, ("elman", "torch"),
             "token", 8 * 32 * 35, 8 * 32 * 35 * 2.0 * 3 * 256 * (4 * 256 + 28)),
    ]  # fmt: skip


def memory() -> list[Case]:
    """How much memory does training take: a layer's forward and backward pass, and the language model's epoch?"""
    sizes = ((64, 32, 35), (256, 32, 100), (256, 32, 1000), (1024, 32, 35))
    layers = [
        Case("memory", "layer", f"{cell} train H{h} N{n} T{t}",
             {"cell": cell, "H": h, "N": n, "T": t, "D": h, "mode": "train"}, ("elman", "torch", "jax"))
        for cell in CELLS
        for h, n, t in sizes
    ]  # fmt: skip
    return layers + [
        replace(case, group="memory", contenders=("elman", "torch")) for case in seeds() if case.kind == "seed004"
    ]


def peak() -> list[Case]:
    """What is this machine's own float32 peak? The best of the libraries' products of two (2048, 2048) matrices."""
    return [
        Case("peak", "gemm", "product of 2048 x 2048", {"size": 2048}, ("numpy", "torch"), "call", 1, 2.0 * 2048**3)
    ]


def cases(groups: list[str], *, full: bool) -> list[Case]:
    """All cases of these groups (`peak`, `seeds`, `streams`, `layers`, `inside`, `memory`), none named meaning all."""
    known = {
        "peak": peak(),
        "seeds": seeds(),
        "streams": streams(),
        "layers": layer_grid(full=full),
        "inside": inside_torch(full=full),
        "memory": memory(),
    }
    unknown = set(groups) - set(known)
    if unknown:
        raise SystemExit(f"no such group: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return [case for group, found in known.items() if not groups or group in groups for case in found]
