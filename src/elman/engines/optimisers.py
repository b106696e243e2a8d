"""The optimisers, on arrays by name, with PyTorch's formulas.

Sources: torch.optim's documented algorithms; Adam: D. Kingma, J. Ba (2015), arXiv 1412.6980; AdamW: I. Loshchilov,
F. Hutter (2019), arXiv 1711.05101; RMSprop: G. Hinton's lecture notes (2012); momentum in PyTorch's form v = mu v + g.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from elman.engines.options import Optimiser
from elman.files import Array

MEMORIES = {
    "sgd": (),
    "adam": ("exp_avg", "exp_avg_sq"),
    "adamw": ("exp_avg", "exp_avg_sq"),
    "rmsprop": ("square_avg",),
}


def memory_names(optimiser: Optimiser) -> tuple[str, ...]:
    """What the optimiser remembers for each parameter."""
    names = MEMORIES[optimiser.kind]
    return (*names, "momentum_buffer") if optimiser.momentum and optimiser.kind in ("sgd", "rmsprop") else names


def fresh_memory(optimiser: Optimiser, parameters: Mapping[str, Array]) -> dict[str, Array]:
    """All memories at zero, by `memory.parameter`."""
    return {f"{m}.{name}": np.zeros_like(p) for m in memory_names(optimiser) for name, p in parameters.items()}


def clip(optimiser: Optimiser, gradients: dict[str, Array]) -> float:
    """Cut entries by value, then scale by the global norm, in place.

    Args:
        optimiser: Says where to clip.
        gradients: By the parameters' names; changed.

    Returns:
        Their joint Euclidean norm before any clipping.
    """
    norm = _global_norm(gradients)
    if optimiser.clip_value is not None:
        for g in gradients.values():
            np.clip(g, -optimiser.clip_value, optimiser.clip_value, out=g)
    if optimiser.clip_norm is not None:
        clipped = norm if optimiser.clip_value is None else _global_norm(gradients)
        factor = min(1.0, optimiser.clip_norm / (clipped + 1e-6))
        for g in gradients.values():
            g *= factor
    return norm


def _global_norm(gradients: Mapping[str, Array]) -> float:
    return float(np.sqrt(sum(float(np.sum(np.square(g, dtype=np.float64))) for g in gradients.values())))


def update(
    optimiser: Optimiser,
    learning_rate: float,
    updates: int,
    parameters: Mapping[str, Array],
    gradients: Mapping[str, Array],
    memory: dict[str, Array],
) -> None:
    """Update every parameter once, in place.

    Args:
        optimiser: How gradients become updates.
        learning_rate: The step size now.
        updates: How many were made before this one.
        parameters: By name; changed.
        gradients: By the parameters' names.
        memory: What `fresh_memory` gave and earlier updates changed; changed.
    """
    for name, p in parameters.items():
        g = gradients[name]
        if optimiser.kind == "adamw":
            p *= 1 - learning_rate * optimiser.weight_decay
        elif optimiser.weight_decay:
            g = g + optimiser.weight_decay * p
        if optimiser.kind == "sgd":
            p -= learning_rate * _momentum(optimiser, name, g, memory)
        elif optimiser.kind == "rmsprop":
            square = memory[f"square_avg.{name}"]
            square *= optimiser.alpha
            square += (1 - optimiser.alpha) * g * g
            p -= learning_rate * _momentum(optimiser, name, g / (np.sqrt(square) + optimiser.eps), memory)
        else:
            p -= _adam_step(optimiser, learning_rate, updates + 1, name, g, memory)


def _momentum(optimiser: Optimiser, name: str, g: Array, memory: dict[str, Array]) -> Array:
    if not optimiser.momentum:
        return g
    buffer = memory[f"momentum_buffer.{name}"]
    buffer *= optimiser.momentum
    buffer += g
    return g + optimiser.momentum * buffer if optimiser.nesterov else buffer


def _adam_step(
    optimiser: Optimiser, learning_rate: float, t: int, name: str, g: Array, memory: dict[str, Array]
) -> Array:
    beta1, beta2 = optimiser.betas
    mean, square = memory[f"exp_avg.{name}"], memory[f"exp_avg_sq.{name}"]
    mean += (1 - beta1) * (g - mean)
    square *= beta2
    square += (1 - beta2) * g * g
    root = np.sqrt(square) / np.sqrt(1 - beta2**t)
    step: Array = (learning_rate / (1 - beta1**t)) * mean / (root + optimiser.eps)
    return step
