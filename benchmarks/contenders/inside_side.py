"""Layers inside PyTorch: elman.nn and torch.nn in one process, with PyTorch's threads alive and as many threads each.

Packed inputs are packed outside the time, as a program packs a batch once for all its layers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.utils.rnn import pack_padded_sequence

import elman.nn
from benchmarks.contenders import problems
from elman.native import _core

LIBRARIES = {"elman.nn": elman.nn, "torch.nn": torch.nn}
NAMES = {"rnn": "RNN", "gru": "GRU", "lstm": "LSTM"}
Made = tuple[Callable[[], object], Callable[[], dict[str, Any] | None]]


def start(threads: int) -> str:
    torch.set_num_threads(threads)
    _core.set_threads(threads)
    return f"elman.nn, {_core.isa()}, in torch {torch.__version__}, {threads} threads"


def make(kind: str, params: dict[str, Any]) -> Made:
    given = problems.layer(params)
    layer = getattr(LIBRARIES[params["contender"]], NAMES[params["cell"]])(params["D"], params["H"])
    with torch.no_grad():
        for parameter, name in zip(layer.parameters(), ("weight_ih", "weight_hh", "bias_ih", "bias_hh"), strict=True):
            parameter.copy_(torch.from_numpy(given[name]))
    train, form = params["mode"] == "train", params["form"]
    x, dy = torch.from_numpy(given["x"]), torch.from_numpy(given["dy"])
    inputs: Any = x
    if form == "packed":
        count, steps = params["N"], params["T"]
        lengths = torch.linspace(steps, (steps + 1) // 2, count).round().long()
        inputs, dy = pack_padded_sequence(x, lengths), pack_padded_sequence(dy, lengths).data
    leaf = inputs.data if form == "packed" else inputs
    leaf.requires_grad_(train)
    busywork = torch.zeros(1 << 17)

    def run() -> torch.Tensor:
        if form == "busy":
            busywork.add_(1.0)  # in parallel: its threads wait for more when the layer begins
        if not train:
            with torch.inference_mode():
                return outputs_of(layer(inputs))
        layer.zero_grad()
        leaf.grad = None
        outputs = outputs_of(layer(inputs))
        outputs.backward(dy)
        return outputs

    def answer() -> dict[str, Any]:
        found = {"outputs": run().detach().numpy()}
        if train:
            found |= {f"d_{name}": p.grad.numpy() for name, p in layer.named_parameters() if p.grad is not None}
            found["d_x"] = leaf.grad.numpy()
        return found

    return run, answer


def outputs_of(found: Any) -> torch.Tensor:
    outputs = found[0]
    data: torch.Tensor = outputs if isinstance(outputs, torch.Tensor) else outputs.data
    return data
