"""The engines: one contract, and what computes it."""

from __future__ import annotations

from elman.engines.contract import (
    LOSSES,
    OPTIMISERS,
    Batch,
    Engine,
    Evaluation,
    Gradients,
    LayerTrace,
    Loss,
    Optimiser,
    Pieces,
    Steps,
    Stream,
    Trace,
)
from elman.errors import UsageError
from elman.network import Network

ENGINES = ("reference",)

__all__ = [
    "ENGINES", "LOSSES", "OPTIMISERS", "Batch", "Engine", "Evaluation", "Gradients", "LayerTrace", "Loss", "Optimiser", "Pieces",
    "Steps", "Stream", "Trace", "make_engine",
]  # fmt: skip


def make_engine(
    name: str,
    network: Network,
    loss: Loss | None = None,
    optimiser: Optimiser | None = None,
    *,
    backprop_steps: int | None = None,
    dtype: str | None = None,
    seed: int = 0,
) -> Engine:
    """The engine called `name`; `auto` takes the fastest one here. The other arguments are those of `Engine`."""
    if name not in ("auto", *ENGINES):
        raise UsageError(f"`engine` must be one of auto, {', '.join(ENGINES)}; got {name!r}")
    from elman.engines.reference import ReferenceEngine

    return ReferenceEngine(network, loss, optimiser, backprop_steps=backprop_steps, dtype=dtype, seed=seed)
