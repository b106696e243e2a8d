"""The engines: one contract, and what computes it."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

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
from elman.engines.processes import current
from elman.errors import MissingExtraError, UsageError
from elman.network import Network

if TYPE_CHECKING:
    from elman.engines.torch_engine import TorchEngine

ENGINES = ("native", "reference", "torch")

__all__ = [
    "ENGINES", "LOSSES", "OPTIMISERS", "Batch", "Engine", "Evaluation", "Gradients", "LayerTrace", "Loss", "Optimiser", "Pieces",
    "Steps", "Stream", "Trace", "dtype_of", "make_engine",
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
    device: str = "cpu",
    precision: str = "float32",
) -> Engine:
    """The engine called `name`; `auto` takes the fastest one here: `native`, or `reference` where it was not built.

    device, precision: for `torch` alone, see `TorchEngine`; the others compute on the CPU and in `dtype`. The other
    arguments are those of `Engine`. Raises UsageError for an unknown name and MissingExtraError for an engine that this
    installation lacks.
    """
    if name not in ("auto", *ENGINES):
        raise UsageError(f"`engine` must be one of auto, {', '.join(ENGINES)}; got {name!r}")
    if name == "torch":
        kind = _torch()
        return kind(
            network, loss, optimiser, backprop_steps=backprop_steps, dtype=dtype, seed=seed, device=device,
            precision=precision,
        )  # fmt: skip
    if device != "cpu":
        raise UsageError(f"`device` {device!r} needs engine='torch'; got engine={name!r}, which computes on the CPU")
    if precision != "float32":
        raise UsageError(f"`precision` {precision!r} needs engine='torch'; got engine={name!r}, which has `dtype` alone")
    if current().count > 1:
        raise UsageError(f"only the torch engine trains in several processes; got engine={name!r}")
    other = _reference if name == "reference" else _native
    return other(name)(network, loss, optimiser, backprop_steps=backprop_steps, dtype=dtype, seed=seed)


def dtype_of(name: str, dtype: str | None) -> str:
    """The dtype that the engine called `name` computes in: `dtype`, or its own default for None."""
    if dtype is not None or name not in ("auto", *ENGINES):
        return dtype or "float64"
    if name == "torch":
        return "float32"
    return "float64" if (_reference if name == "reference" else _native)(name).name == "reference" else "float32"


def _torch() -> type[TorchEngine]:
    """The torch engine, which alone imports PyTorch."""
    try:
        from elman.engines.torch_engine import TorchEngine
    except ImportError as error:
        raise MissingExtraError(
            f"the torch engine needs PyTorch, which cannot be imported here ({error}); pip install 'elman[torch]', "
            "or use native"
        ) from error
    return TorchEngine


def _reference(name: str) -> type[Engine]:
    from elman.engines.reference import ReferenceEngine

    return ReferenceEngine


def _native(name: str) -> type[Engine]:
    """The native engine; for `auto`, the reference engine and a warning where the native one was not built."""
    try:
        from elman.engines.native import NativeEngine
    except ImportError as error:
        how = "install a C++ compiler and install Elman again (`pip install --force-reinstall --no-deps .`)"
        if name == "native":
            raise MissingExtraError(
                f"the native engine was not built here ({error}); {how}, or use reference"
            ) from error
        warnings.warn(f"Elman runs without its fast native engine, on the reference engine; {how}", stacklevel=4)
        return _reference(name)
    return NativeEngine
