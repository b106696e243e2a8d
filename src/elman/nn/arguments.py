"""The arguments of a layer's call, brought into one form, and its results in the form that torch.nn would give them."""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from elman.nn.modes import MODES

Layers = Any
"""RNN, GRU or LSTM of `layers.py`."""


class Arguments(NamedTuple):
    """The arguments of a call in one form.

    Attributes:
        x: (T, N, D), (N, T, D) or packed (M, D).
        sizes: (T,), how many sequences have each step, where x is packed; else None.
        sequences: N.
        states: () for zeros, (h,) or (h, c), sorted as x is.
        order: The permutation that sorted a packed batch, or None.
        back: The one that undoes it.
        single: Whether x was one sequence without its axis N.
    """

    x: Tensor
    sizes: Tensor | None
    sequences: int
    states: tuple[Tensor, ...]
    order: Tensor | None
    back: Tensor | None
    single: bool

    @property
    def packed(self) -> bool:
        return self.sizes is not None


def parse_arguments(layers: Layers, sequences: Tensor | PackedSequence, hx: Any) -> Arguments | None:
    """The arguments of `forward` in one form, or None where torch.nn has an error to raise."""
    order = back = sizes = None
    single = False
    if isinstance(sequences, PackedSequence):
        x, sizes, order, back = sequences
        if x.dim() != 2 or x.shape[-1] != layers.input_size or sizes.numel() == 0:
            return None
        count = int(sizes[0])
    else:
        x = sequences
        dims = x.dim()
        if dims not in (2, 3) or x.shape[-1] != layers.input_size:
            return None
        if dims == 2:
            single = True
            x = x.unsqueeze(0 if layers.batch_first else 1)
        shape = x.shape
        count, steps = (shape[0], shape[1]) if layers.batch_first else (shape[1], shape[0])
        if steps == 0:
            return None
    if hx is None:
        return Arguments(x, sizes, count, (), order, back, single)
    state_names = MODES[layers.mode].state_names
    states = tuple(hx) if len(state_names) > 1 and isinstance(hx, (tuple, list)) else (hx,)
    if len(states) != len(state_names) or not all(isinstance(s, Tensor) for s in states):
        return None
    if single:
        if any(s.dim() != 2 for s in states):
            return None
        states = tuple(s.unsqueeze(1) for s in states)
    rows = layers.num_layers * (2 if layers.bidirectional else 1)
    sizes_of_states = (layers.proj_size or layers.hidden_size, layers.hidden_size)
    if any(s.shape != (rows, count, size) for s, size in zip(states, sizes_of_states, strict=False)):
        return None
    if order is not None:
        states = tuple(s.index_select(1, order) for s in states)
    return Arguments(x, sizes, count, states, order, back, single)


def in_torch_form(layers: Layers, arguments: Arguments, outputs: Tensor, last: list[Tensor]) -> tuple[Any, Any]:
    """Outputs and last states as torch.nn would return them for these arguments."""
    shown: Any = outputs
    if arguments.sizes is not None:
        shown = PackedSequence(outputs, arguments.sizes, arguments.order, arguments.back)
        if arguments.back is not None:
            last = [s.index_select(1, arguments.back) for s in last]
    elif arguments.single:
        shown, last = outputs.squeeze(0 if layers.batch_first else 1), [s.squeeze(1) for s in last]
    return shown, tuple(last) if len(last) > 1 else last[0]


def raise_torch_error(layers: Layers, sequences: Tensor | PackedSequence, hx: Any) -> NoReturn:
    """Raise PyTorch's own error for what `parse_arguments` could not take."""
    try:
        layers.plain_forward(sequences, hx)
    except AssertionError:  # PyTorch meets a mode that it does not know only after all other checks but this one
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN") from None
    raise TypeError("the arguments of these layers must be those of torch.nn's; got others that PyTorch takes")
