"""A network as a PyTorch module: embedding, recurrent layers and head, with the engine's own dropout, lengths and truncation.

The recurrent layers are `elman.nn`'s, chosen in `make_layers` alone: the native kernels on a CPU, and PyTorch's own, which is a
GPU's cuDNN, anywhere else. One module holds all layers where nothing comes between them; a module a layer where dropout does; a
module a layer and direction where gradients are truncated in time. Shapes: N, T, D, H, L, O as in `contract.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from elman.engines.torch.truncation import windows_of
from elman.errors import UsageError
from elman.files import Array
from elman.network import Network
from elman.nn import GRU, LSTM, RNN

TorchState = tuple[Tensor, ...]


LAYERS: dict[str, Any] = {"elman": RNN, "gru": GRU, "lstm": LSTM}
"""The layers of each cell. Here, and only here, it is chosen who computes them."""


def make_layers(network: Network, input_size: int, num_layers: int, bidirectional: bool) -> nn.Module:
    """Make recurrent layers of the network's cell.

    Args:
        network: What cell, how many hidden units, and whether there are biases.
        input_size: Features that go in.
        num_layers: How many layers.
        bidirectional: Whether in both directions.

    Raises:
        UsageError: There is no such cell, or none in PyTorch.
    """
    cell = network.recurrence
    if cell.name not in LAYERS:
        raise UsageError(f"`cell` {cell.name!r} has no layers in the torch engine; take engine='reference'")
    more = {"nonlinearity": network.nonlinearity} if len(cell.nonlinearities) > 1 else {}
    made: nn.Module = LAYERS[cell.name](
        input_size, network.hidden_size, num_layers, bias=network.bias, batch_first=True, bidirectional=bidirectional,
        **more,
    )  # fmt: skip
    return made


@final
class TorchLayers(nn.Module):
    """The network's layers; `named` gives every parameter by the network's own name for it.

    Args:
        network: What is computed.
        backprop_steps: As the engine's.
        mixed: Whether the layers compute in bfloat16 under torch.autocast.
    """

    def __init__(self, network: Network, *, backprop_steps: int | None = None, mixed: bool = False) -> None:
        super().__init__()
        self.network, self.backprop_steps, self.mixed = network, backprop_steps, mixed
        self.apart = backprop_steps is not None
        between = self.apart or (network.dropout > 0 and network.num_layers > 1)
        self.firsts = range(network.num_layers) if between else range(1)
        if network.inputs == "embedding":
            self.embedding = nn.Embedding(network.input_size, network.embedding_size)
        sides = network.directions if self.apart else 1
        self.layers = nn.ModuleList(
            make_layers(
                network,
                network.layer_input_size(first),
                1 if between else network.num_layers,
                network.bidirectional and not self.apart,
            )
            for first in self.firsts
            for _ in range(sides)
        )
        self.head = nn.Linear(network.hidden_size * network.directions, network.output_size, bias=network.head_bias)

    def named(self) -> dict[str, nn.Parameter]:
        """Every parameter by the network's name, in the network's order."""
        by_name = dict(self._recurrent())
        by_name |= {name: p for name, p in self.named_parameters() if not name.startswith("layers.")}
        return {name: by_name[name] for name in self.network.shapes()}

    def _recurrent(self) -> Iterator[tuple[str, nn.Parameter]]:
        for number, module in enumerate(self.layers):
            first, side = divmod(number, self.network.directions) if self.apart else (number, 0)
            for name, p in module.named_parameters():
                kind, _, rest = name.rpartition("_l")
                layer, _, reverse = rest.partition("_")
                yield f"{kind}_l{first + int(layer)}{'_reverse' if reverse or side else ''}", p

    def forward(
        self, inputs: Tensor, state: TorchState, lengths: Array | None, mask: Callable[[int], Tensor | None]
    ) -> tuple[Tensor, TorchState]:
        """Compute outputs and last state, in the parameters' own type.

        Args:
            inputs: (N, T, D), or (N, T) tokens.
            state: The first state, arrays (L * directions, N, H).
            lengths: (N,), on the host; None for T.
            mask: What the outputs of a layer, by its number, are multiplied with on their way up; None for nothing.
        """
        mixed = torch.autocast(inputs.device.type, torch.bfloat16) if self.mixed else contextlib.nullcontext()
        with mixed:
            outputs, last = self._through(self._read(inputs), state, lengths, mask)
        dtype = state[0].dtype
        outputs = outputs.to(dtype)
        if self.network.head == "every" and lengths is not None:
            outputs = torch.where(_exists(lengths, inputs)[..., None], outputs, 0.0)
        return outputs, tuple(s.to(dtype) for s in last)

    def _read(self, inputs: Tensor) -> Tensor:
        if self.network.inputs == "embedding":
            embedded: Tensor = self.embedding(inputs)
            return embedded
        if self.network.inputs == "one_hot":
            return functional.one_hot(inputs, self.network.input_size).to(self.head.weight.dtype)
        return inputs

    def _through(
        self, x: Tensor, state: TorchState, lengths: Array | None, mask: Callable[[int], Tensor | None]
    ) -> tuple[Tensor, TorchState]:
        network, finals = self.network, []
        rows = [first * network.directions for first in self.firsts]
        for level, (row, end) in enumerate(pairwise([*rows, network.state_shape[0]])):
            if level:
                dropped = mask(level - 1)
                x = x if dropped is None else x * dropped
            below = tuple(s[row:end] for s in state)
            x, last = self._both_apart(level, x, below, lengths) if self.apart else run(
                self.layers[level], x, below, lengths
            )  # fmt: skip
            finals.append(last)
        last = tuple(torch.cat(parts) for parts in zip(*finals, strict=True))
        top = torch.cat(tuple(last[0][-network.directions :]), 1) if network.head == "last" else x
        return self.head(top), last

    def _both_apart(self, layer: int, x: Tensor, state: TorchState, lengths: Array | None) -> tuple[Tensor, TorchState]:
        """One layer, each direction by itself."""
        sides, finals = [], []
        for side in range(self.network.directions):
            module = self.layers[layer * self.network.directions + side]
            y, last = self._windowed(module, x, tuple(s[side : side + 1] for s in state), lengths, reverse=bool(side))
            sides.append(y)
            finals.append(last)
        return torch.cat(sides, 2), tuple(torch.cat(parts) for parts in zip(*finals, strict=True))

    def _windowed(
        self, module: nn.Module, x: Tensor, state: TorchState, lengths: Array | None, *, reverse: bool
    ) -> tuple[Tensor, TorchState]:
        """One layer in one direction, the gradient of the state cut where a window says so."""
        windows = windows_of(x.shape[0], x.shape[1], lengths, reverse, self.backprop_steps)
        parts = []
        for taken, steps, cut in zip(windows.taken, windows.steps, windows.cut, strict=True):
            if cut.any():
                detached = _on(cut, x)[:, None]
                state = tuple(torch.where(detached, s.detach(), s) for s in state)
            whole = bool((steps == taken.shape[1]).all())
            y, state = run(module, _picked(x, taken), state, None if whole else steps)
            parts.append(y)
        y = _picked(torch.cat(parts, 1), windows.back)
        return (y if lengths is None else torch.where(_exists(lengths, x)[..., None], y, 0.0)), state


def run(module: nn.Module, x: Tensor, state: TorchState, lengths: Array | None) -> tuple[Tensor, TorchState]:
    """Call layers as torch.nn has them.

    A sequence of no steps, which packing does not allow, makes one, and its state is put back.

    Args:
        module: The layers.
        x: (N, T, D).
        state: Arrays (rows, N, H).
        lengths: (N,), how many steps of each sequence exist; None for all.

    Returns:
        Outputs (N, T, F), and the last state.
    """
    states = tuple(s.contiguous() for s in state)
    hx = states if len(states) > 1 else states[0]
    if lengths is None:
        y, last = module(x, hx)
        return y, last if isinstance(last, tuple) else (last,)
    there = torch.from_numpy(np.maximum(lengths, 1))
    packed, last = module(pack_padded_sequence(x, there, batch_first=True, enforce_sorted=False), hx)
    y, _ = pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
    last = last if isinstance(last, tuple) else (last,)
    if not lengths.all():
        empty = _on(lengths == 0, x)[:, None]
        last = tuple(torch.where(empty, before, after) for before, after in zip(state, last, strict=True))
    return y, last


def _picked(x: Tensor, steps: Array) -> Tensor:
    """Row by row the steps (N, B) of x (N, T, F): (N, B, F)."""
    return x.gather(1, _on(steps, x)[..., None].expand(-1, -1, x.shape[2]))


def _exists(lengths: Array, like: Tensor) -> Tensor:
    """(N, T) booleans on the device of `like` (N, T, ...): which steps are not padding."""
    return _on(np.arange(like.shape[1]) < lengths[:, None], like)


def _on(array: Array, like: Tensor) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(like.device)
