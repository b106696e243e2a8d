"""The inputs that all contenders get: the same numbers for the same case, from NumPy alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
GATES = {"rnn": 1, "gru": 3, "lstm": 4}


def layer(p: dict[str, Any]) -> dict[str, Array]:
    """Weights in PyTorch's layout, inputs (T, N, D) and the gradient of the outputs (T, N, H), float32."""
    generator = np.random.default_rng(0)
    h, d, gates = p["H"], p["D"], GATES[p["cell"]]

    def uniform(*shape: int) -> Array:
        return generator.uniform(-(h**-0.5), h**-0.5, shape).astype(np.float32)

    return {
        "weight_ih": uniform(gates * h, d),
        "weight_hh": uniform(gates * h, h),
        "bias_ih": uniform(gates * h),
        "bias_hh": uniform(gates * h),
        "x": generator.standard_normal((p["T"], p["N"], d)).astype(np.float32),
        "dy": generator.standard_normal((p["T"], p["N"], h)).astype(np.float32),
    }


def sums() -> tuple[Array, Array]:
    """Seed 000: 1000 sequences of 10 numbers, and whether each sum is above its expectation."""
    x = np.random.default_rng(0).random((1024, 10, 1)).astype(np.float32)
    return x, (x.sum(axis=(1, 2)) > 5).astype(np.int64)


def sine() -> Array:
    """Seed 001: 21 points of a sine."""
    return np.sin(np.linspace(2, 10, 21)).astype(np.float32)


def windows() -> tuple[Array, Array]:
    """Seed 002: 100 records, inputs (100, 50, 50) with x_t at position t of step t, and the value that follows."""
    wave = np.sin(np.arange(200))
    x = np.zeros((100, 50, 50), np.float32)
    for record in range(100):
        x[record, np.arange(50), np.arange(50)] = wave[record : record + 50]
    return x, wave[50:150].astype(np.float32)


def cosine() -> tuple[Array, Array]:
    """Seed 003: 300 pieces of 10 points each of a sine and of a cosine, (300, 10)."""
    points = np.stack([np.linspace(s * np.pi, (s + 1) * np.pi, 10) for s in range(300)])
    return np.sin(points).astype(np.float32), np.cos(points).astype(np.float32)


def tokens() -> tuple[Array, Array]:
    """Seed 004: 8 batches of 32 x 35 of 28 tokens. What they say does not matter to the time."""
    generator = np.random.default_rng(0)
    return generator.integers(0, 28, (8, 32, 35)), generator.integers(0, 28, (8, 32, 35))
