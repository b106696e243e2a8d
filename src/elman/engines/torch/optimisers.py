"""torch.optim's optimisers under Elman's names, and clipping as `optimisers.py` does it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import final

import numpy as np
import torch
from torch import Tensor, nn, optim

from elman.engines.optimisers import memory_names
from elman.engines.options import Optimiser
from elman.files import Array


@final
class TorchOptimiser:
    """One of torch.optim's; what it remembers is read and written as `memory.parameter`.

    Args:
        options: Which one.
        parameters: What it updates, by name.
    """

    def __init__(self, options: Optimiser, parameters: Mapping[str, nn.Parameter]) -> None:
        self.options, self._parameters = options, dict(parameters)
        self._made = _make(options, self._parameters.values())
        self.load(
            {f"{m}.{name}": np.zeros(p.shape) for m in memory_names(options) for name, p in parameters.items()}, 0
        )

    def step(self, learning_rate: float) -> None:
        """One update from the parameters' gradients."""
        for group in self._made.param_groups:
            group["lr"] = learning_rate
        self._made.step()

    def forget_gradients(self) -> None:
        self._made.zero_grad()

    def memory(self) -> dict[str, Array]:
        """A copy of all that is remembered."""
        return {
            f"{m}.{name}": self._made.state[p][m].detach().cpu().numpy().copy()
            for m in memory_names(self.options)
            for name, p in self._parameters.items()
        }

    def load(self, memory: Mapping[str, Array], updates: int) -> None:
        """Take back what `memory` gave, and the number of updates made by then."""
        for name, p in self._parameters.items():
            state = {m: _like(memory[f"{m}.{name}"], p) for m in memory_names(self.options)}
            self._made.state[p] = {"step": torch.tensor(float(updates), dtype=torch.float32), **state}


def _make(o: Optimiser, parameters: Iterable[nn.Parameter]) -> optim.Optimizer:
    lr, decay = o.learning_rate, o.weight_decay
    if o.kind == "sgd":
        return optim.SGD(parameters, lr, momentum=o.momentum, nesterov=o.nesterov, weight_decay=decay)
    if o.kind == "rmsprop":
        return optim.RMSprop(parameters, lr, alpha=o.alpha, eps=o.eps, weight_decay=decay, momentum=o.momentum)
    kind = optim.AdamW if o.kind == "adamw" else optim.Adam
    return kind(parameters, lr, betas=o.betas, eps=o.eps, weight_decay=decay)


def _like(array: Array, p: Tensor) -> Tensor:
    return torch.tensor(np.ascontiguousarray(array), dtype=p.dtype, device=p.device)


@torch.no_grad()
def clip(optimiser: Optimiser, parameters: Iterable[Tensor]) -> float:
    """Cut gradient entries by value, then scale by the global norm, in place.

    Args:
        optimiser: Says where to clip.
        parameters: Whose gradients are clipped.

    Returns:
        Their joint Euclidean norm before any clipping.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = _global_norm(gradients)
    if optimiser.clip_value is not None:
        for g in gradients:
            g.clamp_(-optimiser.clip_value, optimiser.clip_value)
    if optimiser.clip_norm is not None:
        clipped = norm if optimiser.clip_value is None else _global_norm(gradients)
        factor = min(1.0, optimiser.clip_norm / (clipped + 1e-6))
        for g in gradients:
            g.mul_(factor)
    return norm


def _global_norm(gradients: Iterable[Tensor]) -> float:
    """Euclidean, over all entries together; squares are added in float64 where the device has it."""
    squares = [
        g.to(torch.float32 if g.device.type == "mps" else torch.float64).square().sum() for g in gradients
    ]  # fmt: skip
    return float(torch.stack(squares).sum().sqrt())
