"""Engines by name, and networks to and from PyTorch's modules; imports what is asked for and nothing else."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from elman.engines.contract import Engine
from elman.engines.options import Loss, Optimiser
from elman.engines.processes import current
from elman.errors import MissingExtraError, UsageError
from elman.network import Network

if TYPE_CHECKING:
    from elman.engines.torch.engine import TorchEngine
    from elman.engines.torch.module import RecurrentNetwork

ENGINES = ("native", "reference", "torch")


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
    """Make the engine called `name`.

    Args:
        name: One of `ENGINES`; or `auto`, the fastest one here: `native`, or `reference` where it was not built.
        network: What it computes, with parameters.
        loss: What is minimised; needed to train and to evaluate.
        optimiser: How gradients become updates; needed to train.
        backprop_steps: How many steps gradients go back in time; None for all.
        dtype: `float32` or `float64`; None for the engine's own default.
        seed: Of the dropout masks.
        device: Where `torch` computes, see `TorchEngine`; the others compute on the CPU.
        precision: What `torch` computes in, see `TorchEngine`; the others compute in `dtype`.

    Raises:
        UsageError: The name is unknown, or an argument is not for this engine.
        MissingExtraError: This installation lacks the engine.
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
        raise UsageError(
            f"`precision` {precision!r} needs engine='torch'; got engine={name!r}, which has `dtype` alone"
        )
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


def to_torch(network: Network) -> RecurrentNetwork:
    """The network as a plain PyTorch module; see `engines/torch/module.py`.

    Raises:
        MissingExtraError: PyTorch is not installed.
    """
    with _needing_torch("`to_torch`"):
        from elman.engines.torch import module as modules
    return modules.to_torch(network)


def from_torch(module: Any, head: Any = None, **options: Any) -> Network:
    """The network with a PyTorch module's weights; see `engines/torch/module.py` for the options.

    Raises:
        MissingExtraError: PyTorch is not installed.
    """
    with _needing_torch("`from_torch`"):
        from elman.engines.torch import module as modules
    return modules.from_torch(module, head, **options)


def _torch() -> type[TorchEngine]:
    """The torch engine, which alone imports PyTorch."""
    with _needing_torch("the torch engine", ", or use native"):
        from elman.engines.torch.engine import TorchEngine
    return TorchEngine


@contextlib.contextmanager
def _needing_torch(what: str, instead: str = "") -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise MissingExtraError(
            f"{what} needs PyTorch, which cannot be imported here ({error}): pip install 'elman[torch]'{instead}"
        ) from error


def _reference(name: str) -> type[Engine]:
    from elman.engines.reference.engine import ReferenceEngine

    return ReferenceEngine


def _native(name: str) -> type[Engine]:
    """The native engine; for `auto`, the reference engine and a warning where the native one was not built."""
    try:
        from elman.engines.native.engine import NativeEngine
    except ImportError as error:
        how = "install a C++ compiler and install Elman again (`pip install --force-reinstall --no-deps .`)"
        if name == "native":
            raise MissingExtraError(
                f"the native engine was not built here ({error}); {how}, or use reference"
            ) from error
        warnings.warn(f"Elman runs without its fast native engine, on the reference engine; {how}", stacklevel=4)
        return _reference(name)
    return NativeEngine
