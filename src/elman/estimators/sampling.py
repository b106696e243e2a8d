"""Choosing the next token from a network's outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from elman.errors import UsageError
from elman.files import Array


@final
@dataclass(frozen=True, kw_only=True)
class Sampler:
    """How a token is drawn.

    Args:
        temperature: 0 takes the most probable token, 1 draws from the network's own probabilities, more is wilder.
        top_k: draw from the k most probable tokens only; None for all.
        top_p: draw from the fewest tokens whose probabilities reach p; None for all.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        problems = []
        if not (np.isfinite(self.temperature) and self.temperature >= 0):
            problems.append(f"`temperature` must be a finite number of at least 0; got {self.temperature!r}")
        if self.top_k is not None and self.top_k < 1:
            problems.append(f"`top_k` must be at least 1; got {self.top_k!r}")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            problems.append(f"`top_p` must be above 0 and at most 1; got {self.top_p!r}")
        if problems:
            raise UsageError("; ".join(problems))

    def probabilities(self, logits: Array) -> Array:
        """What a token is drawn with: logits (V,) to probabilities (V,). For temperature 0, all on the largest."""
        logits = np.asarray(logits, dtype=np.float64)
        if self.temperature == 0:
            return np.asarray(np.eye(len(logits))[logits.argmax()])
        with np.errstate(over="ignore"):  # a tiny temperature sends all but the largest to zero
            p = np.exp((logits - logits.max()) / self.temperature)
        p /= p.sum()
        order = np.argsort(-logits, kind="stable")
        keep = len(p) if self.top_k is None else min(self.top_k, len(p))
        if self.top_p is not None:
            keep = min(keep, int(np.searchsorted(np.cumsum(p[order]), self.top_p - 1e-12)) + 1)
        p[order[keep:]] = 0
        normalised: Array = p / p.sum()
        return normalised

    def draw(self, logits: Array, generator: np.random.Generator) -> int:
        """A token number."""
        if self.temperature == 0:
            return int(np.argmax(logits))
        p = self.probabilities(logits)
        return int(np.searchsorted(np.cumsum(p), generator.random(), side="right").clip(0, np.flatnonzero(p)[-1]))
