"""NumPy: the machine's product of matrices, and seed 002's own loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.contenders import problems

Made = tuple[Callable[[], object], Callable[[], dict[str, Any] | None]]


def start(threads: int) -> str:
    return f"numpy {np.__version__}"


def make(kind: str, params: dict[str, Any]) -> Made:
    return _gemm(params) if kind == "gemm" else _seed002()


def _gemm(p: dict[str, Any]) -> Made:
    a, b = np.random.default_rng(0).standard_normal((2, p["size"], p["size"])).astype(np.float32)
    return lambda: a @ b, lambda: None


def _seed002() -> Made:
    """The walk-through's structure: for each record a loop over 50 steps, then a truncated backward loop of 5 for the
    last step's output, on (100, 1) columns; the true gradient in place of its mistaken one, at the same cost."""
    x, y = problems.windows()
    generator = np.random.default_rng(0)
    u, v, w = generator.random((100, 50)), generator.random((1, 100)), generator.random((100, 100))

    def sigmoid(a: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-a))

    def epoch() -> None:
        nonlocal u, v, w
        for record in range(100):
            steps, h = [], np.zeros((100, 1))
            for t in range(50):
                x_t = x[record, t].reshape(50, 1)
                steps.append((h, x_t))
                h = sigmoid(u @ x_t + w @ h)
            error = v @ h - y[record]
            d_v = error @ h.T
            d_u, d_w = np.zeros_like(u), np.zeros_like(w)
            d_h = v.T @ error
            for before, x_t in reversed(steps[-5:]):
                d_a = d_h * h * (1 - h)
                d_u += d_a @ x_t.T
                d_w += d_a @ before.T
                d_h = w.T @ d_a
                h = before
            for gradient in (d_u, d_v, d_w):
                np.clip(gradient, -10, 10, out=gradient)
            u, v, w = u - 1e-4 * d_u, v - 1e-4 * d_v, w - 1e-4 * d_w

    return epoch, lambda: None
