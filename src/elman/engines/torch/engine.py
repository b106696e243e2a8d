"""The torch engine: the contract on PyTorch's layers and autograd, for any device, float32 by default.

In several processes (see `processes.py`), each works on its share of the rows of a batch. Losses are weighed by what counts in the
whole batch, so that the loss, the gradient and the update are those of one process, to rounding.
Shapes: N, T, D, H, L, O, P as in `contract.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from elman.cells import State
from elman.engines import checks, processes
from elman.engines.contract import Engine, Stream
from elman.engines.forward_stream import ForwardStream
from elman.engines.optimisers import memory_names
from elman.engines.options import Loss, Optimiser
from elman.engines.pieces import Batch, Pieces
from elman.engines.reference.engine import ReferenceEngine
from elman.engines.results import Evaluation, Gradients, Steps, Trace
from elman.engines.torch.device import own_device, within_memory
from elman.engines.torch.dropout import dropout_mask
from elman.engines.torch.layers import TorchLayers, TorchState
from elman.engines.torch.losses import loss_total
from elman.engines.torch.optimisers import TorchOptimiser, clip
from elman.engines.torch.shares import Share, Shares, array_of, arrays_of
from elman.errors import UsageError
from elman.files import Array
from elman.network import Network, check_parameters

PRECISIONS = ("float32", "bfloat16")


@final
class TorchEngine(Engine):
    """The contract in PyTorch. See `Engine` for the arguments that are not here; dtype None means float32.

    Args:
        device: Where PyTorch computes, e.g. `cpu`, `cuda`, `cuda:1`; arrays come and go as NumPy's all the same.
        precision: `float32` computes in `dtype`; `bfloat16` runs the layers under torch.autocast, while parameters, losses,
            the optimiser and the gates of a trace stay in float32.
    """

    name = "torch"

    def __init__(
        self,
        network: Network,
        loss: Loss | None = None,
        optimiser: Optimiser | None = None,
        *,
        backprop_steps: int | None = None,
        dtype: str | None = None,
        seed: int = 0,
        device: str = "cpu",
        precision: str = "float32",
    ) -> None:
        dtype = dtype or "float32"
        checks.check_engine(network, loss, optimiser, backprop_steps, dtype)
        if precision not in PRECISIONS:
            raise UsageError(f"`precision` must be one of {', '.join(PRECISIONS)}; got {precision!r}")
        if precision == "bfloat16" and dtype != "float32":
            raise UsageError(f"`precision` bfloat16 goes with dtype='float32'; got {dtype!r}")
        self.network, self.loss, self.optimiser = network, loss, optimiser
        self.backprop_steps, self.seed, self.dtype = backprop_steps, seed, np.dtype(dtype)
        self.processes = processes.current()
        self._dtype: torch.dtype = getattr(torch, dtype)
        self.device = own_device(device, self._dtype, self.processes)
        if precision == "bfloat16" and not torch.amp.is_autocast_available(self.device.type):
            raise UsageError(f"`precision` bfloat16 is not offered by PyTorch on {self.device}; take float32")
        self._shares = Shares(network, loss, self._dtype, self.device, self.processes)
        self.learning_rate = optimiser.learning_rate if optimiser else 0.0
        self.updates = 0
        with torch.device("meta"):  # no random numbers are drawn for weights that are replaced at once
            layers = TorchLayers(network, backprop_steps=backprop_steps, mixed=precision == "bfloat16")
        self._layers = layers.to(self._dtype).to_empty(device=self.device)
        self._parameters = self._layers.named()
        self._parallel: torch.nn.Module | None = None
        self.load_parameters(network.parameters)
        self._optimiser = TorchOptimiser(optimiser, self._parameters) if optimiser else None

    def forward(self, inputs: Array, state: State | None = None, lengths: Array | None = None) -> tuple[Array, State]:
        inputs = checks.check_inputs(self.network, inputs)
        lengths = checks.check_lengths(lengths, *inputs.shape[:2])
        first = checks.check_state(self.network, state, len(inputs), self.dtype)
        with self._computing(), torch.no_grad():
            outputs, last = self._layers(self._shares.inputs(inputs), self._shares.on_device(first), lengths, _no_mask)
            return array_of(outputs), arrays_of(last)

    def evaluate(self, batch: Batch, state: State | None = None) -> Evaluation:
        share, first = self._share(batch, state)
        with self._computing(), torch.no_grad():
            outputs, last = self._layers(share.inputs, first, share.lengths, _no_mask)
            total, correct = self._figures(share, *loss_total(self._loss(), outputs, share.targets, share.counted))
            whole = self._shares.whole_state(last, len(batch.inputs))
        return Evaluation(total * share.scale, share.weight, correct, share.scored, whole)

    def gradients(self, batch: Batch, state: State | None = None, *, train: bool = True) -> Gradients:
        share, first = self._share(batch, state, whole=True)
        dense = [] if self.network.tokens else [share.inputs.requires_grad_()]
        leaves = [*dense, *(s.requires_grad_() for s in first), *self._parameters.values()]
        with self._computing():
            mask = self._masks(share) if train else _no_mask
            outputs, last = self._layers(share.inputs, first, share.lengths, mask)
            total, correct = loss_total(self._loss(), outputs, share.targets, share.counted)
            d_leaves = torch.autograd.grad(total * share.scale, leaves, allow_unused=True, materialize_grads=True)
        d_inputs, d_state = d_leaves[: len(dense)], d_leaves[len(dense) : len(dense) + len(first)]
        d_parameters = d_leaves[len(dense) + len(first) :]
        return Gradients(
            loss=float(total.detach()) * share.scale,
            weight=share.weight,
            correct=int(correct),
            scored=share.scored,
            outputs=array_of(outputs),
            parameters={name: array_of(d) for name, d in zip(self._parameters, d_parameters, strict=True)},
            inputs=array_of(d_inputs[0]) if dense else None,
            initial_state=arrays_of(d_state),
            state=arrays_of(last),
        )

    def train_steps(self, pieces: Pieces, state: State | None = None) -> Steps:
        if self._optimiser is None:
            raise UsageError("this engine was made without `optimiser`; give one to train")
        pieces, state = checks.check_pieces(self.network, self.loss, pieces, state, self.dtype)
        count = pieces.inputs.shape[1]
        rows: list[tuple[float, float, float, int, int]] = []
        with self._computing():
            at_first, carried = self._shares.first_state(state, count), None
            for index, fresh in enumerate(pieces.fresh):
                share = self._shares.of(pieces[index])
                first = self._shares.first_state(None, count) if fresh else carried or at_first
                figures, carried = self._backward(share, first)
                norm = clip(self._optimiser.options, self._parameters.values())
                rows.append((figures[0] * share.scale, share.weight, norm, figures[1], share.scored))
                if not np.isfinite(rows[-1][0] + norm):
                    break
                self._optimiser.step(self.learning_rate)
                self.updates += 1
            assert carried is not None
            last = self._shares.whole_state(carried, count)
        losses, weights, norms, correct, scored = (np.array(column) for column in zip(*rows, strict=True))
        return Steps(losses, weights, norms, correct, scored, last)

    def trace(self, inputs: Array, state: State | None = None) -> Trace:
        """Trace as the contract says.

        PyTorch's layers do not show their gates, so the reference engine walks through this engine's parameters; outputs and
        last states are the forward pass's own.
        """
        outputs, last = self.forward(inputs, state)
        twin = ReferenceEngine(self.network.with_parameters(self.parameters()), dtype=str(self.dtype))
        layers = twin.trace(inputs, state).layers
        for row, (name, layer) in enumerate(layers.items()):
            for states, final_state in zip(layer.states.values(), last, strict=True):
                states[:, 0 if name.endswith("reverse") else -1] = final_state[row]
        return Trace(outputs, layers)

    def stream(self, sessions: int = 1) -> Stream:
        return ForwardStream(self, sessions)

    def parameters(self) -> dict[str, Array]:
        return {name: array_of(p) for name, p in self._parameters.items()}

    def load_parameters(self, parameters: Mapping[str, Array]) -> None:
        checked = check_parameters(self.network, parameters)
        with torch.no_grad():
            for name, p in self._parameters.items():
                p.copy_(torch.from_numpy(np.array(checked[name], dtype=self.dtype)))

    def optimiser_state(self) -> dict[str, Array]:
        return self._optimiser.memory() if self._optimiser else {}

    def load_optimiser_state(self, state: Mapping[str, Array], updates: int) -> None:
        memories = memory_names(self.optimiser) if self.optimiser else ()
        names = [f"{memory}.{name}" for memory in memories for name in self.network.shapes()]
        if set(state) != set(names):
            raise UsageError(f"`state` must hold {sorted(names)}; got {sorted(state)}")
        if self._optimiser is not None:
            self._optimiser.load(state, updates)
        self.updates = updates

    def _backward(self, share: Share, first: TorchState) -> tuple[tuple[float, int], TorchState]:
        """Gradients of the whole batch into the parameters; its summed loss and right classes, and this share's last state."""
        assert self._optimiser is not None
        self._optimiser.forget_gradients()
        if self._parallel is None:
            self._parallel = self.processes.parallel(self._layers)
        with self.processes.reporting_lost_process():
            outputs, last = self._parallel(share.inputs, first, share.lengths, self._masks(share))
        total, correct = loss_total(self._loss(), outputs, share.targets, share.counted)
        # Gradients are averaged over the processes; their sum is what we need.
        objective = total * (share.scale * self.processes.count)
        with self.processes.reporting_lost_process():
            objective.backward()
        return self._figures(share, total, correct), tuple(s.detach() for s in last)

    def _figures(self, share: Share, total: Tensor, correct: Tensor) -> tuple[float, int]:
        """The summed loss and the number of right classes of the whole batch."""
        mine = torch.stack((total.detach(), correct.to(total.dtype)))
        loss, right = self.processes.total(mine.cpu().double().numpy()).tolist()
        return loss, int(right)

    def _share(self, batch: Batch, state: State | None, *, whole: bool = False) -> tuple[Share, TorchState]:
        """A batch and its first state, checked, on the device; this process's rows of them, or all."""
        inputs = checks.check_inputs(self.network, batch.inputs)
        lengths = checks.check_lengths(batch.lengths, *inputs.shape[:2])
        first = checks.check_state(self.network, state, len(inputs), self.dtype)
        targets = checks.check_targets(self.network, self.loss, batch.targets, *inputs.shape[:2])
        checked = Batch(inputs, targets, lengths)
        if whole:
            return self._shares.of(checked, slice(0, len(inputs))), self._shares.on_device(first)
        return self._shares.of(checked), self._shares.first_state(first, len(inputs))

    def _masks(self, share: Share) -> Any:
        """The dropout masks of this update, by layer; those of the rows that these are in the whole batch."""

        def mask(layer: int) -> Tensor | None:
            if not self.network.dropout:
                return None
            count, steps = share.inputs.shape[:2]
            shape = (count, steps, self.network.hidden_size * self.network.directions)
            return dropout_mask(
                self.seed, self.updates, layer, shape, self.network.dropout, first=share.first, dtype=self._dtype,
                device=self.device,
            )  # fmt: skip

        return mask

    def _loss(self) -> Loss:
        assert self.loss is not None
        return self.loss

    @contextlib.contextmanager
    def _computing(self) -> Iterator[None]:
        """float32 that is float32 (cuDNN takes TF32 unasked), and plain words where memory ends."""
        cudnn = torch.backends.cudnn
        exact: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
        if self.device.type == "cuda":
            exact = cudnn.flags(
                enabled=True, benchmark=cudnn.benchmark, deterministic=cudnn.deterministic, allow_tf32=False
            )
        with within_memory(self.device), exact:
            yield


def _no_mask(layer: int) -> None:
    return None
