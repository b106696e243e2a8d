"""What the core calls things: its enums carry the names that Elman's own options have."""

from __future__ import annotations

import numpy as np

from elman.engines.options import Loss, Optimiser
from elman.errors import UsageError
from elman.native import _core
from elman.network import Network


def core_engine(
    network: Network,
    loss: Loss | None,
    optimiser: Optimiser | None,
    *,
    backprop_steps: int | None,
    dtype: np.dtype,
    seed: int,
) -> _core.Engine32:
    """The core's engine for a network that was checked before; its parameters are zero.

    Raises:
        UsageError: The core has no kernels for the network's cell.
    """
    made = _core.Engine32 if dtype == np.float32 else _core.Engine64
    return made(
        core_shape(network),
        loss=None if loss is None else core_loss(loss),
        optimiser=None if optimiser is None else core_optimiser(optimiser),
        backprop_steps=backprop_steps or 0,
        seed=int(seed) % 2**64,
    )


def core_shape(network: Network) -> _core.Shape:
    """The network's description, without its parameters."""
    return _core.Shape(
        cell=core_cell(network),
        input_size=network.input_size,
        hidden_size=network.hidden_size,
        output_size=network.output_size,
        num_layers=network.num_layers,
        bidirectional=network.bidirectional,
        bias=network.bias,
        head_bias=network.head_bias,
        inputs=_core.Inputs[network.inputs],
        embedding_size=network.embedding_size,
        head=_core.HeadSteps[network.head],
        dropout=network.dropout,
    )


def core_cell(network: Network) -> _core.Cell:
    """The core's cell; where one has several nonlinearities, each is a cell there, as in `elman_tanh`."""
    cell = network.recurrence
    name = f"{cell.name}_{network.nonlinearity}" if len(cell.nonlinearities) > 1 else cell.name
    if name not in _core.Cell.__members__:
        raise UsageError(f"`cell` {network.cell!r} has no kernels in the native engine; take engine='reference'")
    return _core.Cell[name]


def core_loss(loss: Loss) -> _core.LossOptions:
    """The same loss."""
    return _core.LossOptions(
        kind=_core.LossKind[loss.kind],
        mean=loss.reduction == "mean",
        delta=loss.delta,
        quantiles=list(loss.quantiles),
        class_weights=list(loss.class_weights or ()),
        ignore_index=loss.ignore_index,
    )


def core_optimiser(optimiser: Optimiser) -> _core.OptimiserOptions:
    """The same optimiser, but for its learning rate."""
    return _core.OptimiserOptions(
        kind=_core.OptimiserKind[optimiser.kind],
        momentum=optimiser.momentum,
        weight_decay=optimiser.weight_decay,
        beta1=optimiser.betas[0],
        beta2=optimiser.betas[1],
        eps=optimiser.eps,
        alpha=optimiser.alpha,
        nesterov=optimiser.nesterov,
        clip_value=optimiser.clip_value or 0.0,
        clip_norm=optimiser.clip_norm or 0.0,
    )
