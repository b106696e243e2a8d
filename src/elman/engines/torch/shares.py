"""This process's share of the work: its rows of a batch and of a state, on its device.

Shapes: N sequences, T steps, D input features, H hidden units, L layers, as in `contract.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from elman.cells import State
from elman.engines.losses import counted_positions, loss_weight
from elman.engines.options import Loss
from elman.engines.pieces import Batch
from elman.engines.processes import Processes
from elman.engines.torch.layers import TorchState
from elman.files import Array
from elman.network import Network


@dataclass(frozen=True)
class Share:
    """Rows of a batch, on the device, and what the whole batch counts.

    Attributes:
        first: The number of the first row.
        inputs: Of these rows.
        targets: Of these rows.
        counted: Which of their positions the loss counts, (N, T) or (N,).
        lengths: Of these rows, on the host.
        weight: Of the whole batch.
        scored: Positions of the whole batch that count.
        scale: What the summed loss is multiplied with.
    """

    first: int
    inputs: Tensor
    targets: Tensor
    counted: Tensor
    lengths: Array | None
    weight: float
    scored: int
    scale: float


@final
class Shares:
    """How the batches of a network are shared out among processes, each with a device.

    A process without any rows takes the first one, which then does not count: its gradients are zero, and it keeps step.

    Args:
        network: What is trained.
        loss: What is minimised.
        dtype: The engine's.
        device: This process's.
        processes: Among whom batches are shared out.
    """

    def __init__(
        self, network: Network, loss: Loss | None, dtype: torch.dtype, device: torch.device, processes: Processes
    ) -> None:
        self._network, self._loss, self._processes = network, loss, processes
        self._dtype, self._device = dtype, device

    def of(self, batch: Batch, rows: slice | None = None) -> Share:
        """These rows of a batch, by default this process's own."""
        loss = self._loss
        assert loss is not None
        classes = loss.kind == "cross_entropy"
        count, steps = batch.inputs.shape[:2]
        counted = counted_positions(self._network, count, steps, batch.lengths)
        weight = loss_weight(loss, batch.targets, counted)
        divisor = weight if loss.reduction == "mean" else 1.0
        own = rows or self._processes.rows(count)
        there = _at_least_one(own)
        targets = torch.int64 if classes else self._dtype
        return Share(
            first=own.start,
            inputs=self.inputs(batch.inputs[there]),
            targets=self._tensor(batch.targets[there], targets),
            counted=self._tensor(counted[there] & (own.stop > own.start), torch.bool),
            lengths=None if batch.lengths is None else batch.lengths[there],
            weight=weight,
            scored=int((counted & (batch.targets != loss.ignore_index) if classes else counted).sum()),
            scale=1.0 / divisor if divisor else 0.0,
        )

    def first_state(self, state: State | None, count: int) -> TorchState:
        """This process's rows of the state of `count` rows; zeros for None."""
        there = _at_least_one(self._processes.rows(count))
        if state is not None:
            return self.on_device(tuple(s[:, there] for s in state))
        layers, hidden = self._network.state_shape
        shape = (layers, there.stop - there.start, hidden)
        names = self._network.recurrence.state_names
        return tuple(torch.zeros(shape, dtype=self._dtype, device=self._device) for _ in names)

    def whole_state(self, last: TorchState, count: int) -> State:
        """The state of all `count` rows, from this process's own and the others'."""
        own = self._processes.rows(count)
        return self._processes.whole_state(arrays_of(s[:, : own.stop - own.start] for s in last), count)

    def inputs(self, inputs: Array) -> Tensor:
        """Inputs on the device: numbers in the engine's type, or tokens."""
        return self._tensor(inputs, torch.int64 if self._network.tokens else self._dtype)

    def on_device(self, state: State) -> TorchState:
        return tuple(self._tensor(s, self._dtype) for s in state)

    def _tensor(self, array: Array, dtype: torch.dtype) -> Tensor:
        """A copy on the device; of any array, also one that PyTorch would not take as it is."""
        copied: Any = np.array(array, dtype=str(dtype).removeprefix("torch."), order="C")
        return torch.from_numpy(copied).to(self._device)


def _at_least_one(rows: slice) -> slice:
    return rows if rows.stop > rows.start else slice(0, 1)


def array_of(tensor: Tensor) -> Array:
    """A copy on the host."""
    array: Array = tensor.detach().cpu().numpy().copy()
    return array


def arrays_of(tensors: Iterable[Tensor]) -> State:
    """Copies on the host."""
    return tuple(array_of(t) for t in tensors)
