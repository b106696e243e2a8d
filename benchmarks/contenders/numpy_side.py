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
    return _gemm(params) if kind == "gemm" else seed002(lean=False)


def _gemm(p: dict[str, Any]) -> Made:
    a, b = np.random.default_rng(0).standard_normal((2, p["size"], p["size"])).astype(np.float32)
    return lambda: a @ b, lambda: None


def _sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def seed002(*, lean: bool) -> Made:
    """An epoch of the training loop on (100, 1) columns.

    The well-known code behind the text goes back from every one of the 50 steps, up to 5 steps each, though only the last
    step's output counts; it also forms its products wrongly, which costs the same and is put right here. The lean loop is
    what the true gradient needs: back from the last step alone.
    """
    x, y = problems.windows()
    generator = np.random.default_rng(0)
    u, v, w = generator.random((100, 50)), generator.random((1, 100)), generator.random((100, 100))

    def epoch() -> None:
        for record in range(100):
            steps, h, out = [], np.zeros((100, 1)), np.zeros((1, 1))
            for t in range(50):
                x_t = np.zeros((50, 1))
                x_t[t] = x[record, t, t]
                after = _sigmoid(w @ h + u @ x_t)
                if not lean or t == 49:
                    out = v @ after
                steps.append((after, h, x_t))
                h = after
            d_out = out - y[record]
            d_u, d_v, d_w = np.zeros_like(u), np.zeros_like(v), np.zeros_like(w)
            for t in range(49 if lean else 0, 50):
                d_v += d_out @ steps[t][0].T
                d_h = v.T @ d_out
                for after, before, x_t in reversed(steps[max(0, t - 4) : t + 1]):
                    d_a = d_h * after * (1 - after)
                    d_w += d_a @ before.T
                    d_u += d_a @ x_t.T
                    d_h = w.T @ d_a
            for gradient in (d_u, d_v, d_w):
                np.clip(gradient, -10, 10, out=gradient)
            for parameter, gradient in ((u, d_u), (v, d_v), (w, d_w)):
                parameter -= 1e-4 * gradient

    return epoch, lambda: None
