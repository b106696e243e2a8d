"""Looking inside layers: every state and gate of every step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from elman.errors import UsageError
from elman.nn import running
from elman.nn.arguments import in_torch_form, parse_arguments, raise_torch_error
from elman.nn.normalisation import row_ends
from elman.nn.recurrence import RowTrace


@dataclass(frozen=True)
class LayerTrace:
    """One layer in one direction; each array is like the outputs, with H features.

    Attributes:
        states: `h`, and `c` of an LSTM, after each step.
        gates: `r`, `z`, `n` of a GRU; `i`, `f`, `g`, `o` of an LSTM; none of an RNN.
    """

    states: dict[str, Tensor]
    gates: dict[str, Tensor]


@dataclass(frozen=True)
class Trace:
    """Every state and gate of every step.

    Attributes:
        outputs: As `forward` gives them.
        state: The last one, as `forward` gives it.
        layers: A LayerTrace for `l0`, `l0_reverse`, `l1`, ...
    """

    outputs: Tensor
    state: Any
    layers: dict[str, LayerTrace]


def trace(layers: Any, sequences: Tensor, hx: Any) -> Trace:
    """A forward pass by the plain recurrence that records everything."""
    if isinstance(sequences, PackedSequence):
        raise UsageError("`input` must be a tensor to be traced; got a PackedSequence; pad it with pad_packed_sequence")
    if layers.proj_size:
        raise UsageError(
            f"`proj_size` must be 0 to be traced; got {layers.proj_size}; trace layers without projections"
        )
    arguments = parse_arguments(layers, sequences, hx)
    if arguments is None:
        raise_torch_error(layers, sequences, hx)
    layers.check_input(arguments.x, None)
    rows: list[RowTrace] = []
    outputs, *last = running.by_loop(layers, arguments, rows)
    shown, state = in_torch_form(layers, arguments, outputs, last)

    def like_outputs(by_name: dict[str, Tensor]) -> dict[str, Tensor]:
        turned = {name: t.transpose(0, 1) if layers.batch_first else t for name, t in by_name.items()}
        return (
            {name: t.squeeze(0 if layers.batch_first else 1) for name, t in turned.items()}
            if arguments.single
            else turned
        )

    named = zip((end[1:] for end in row_ends(layers)), rows, strict=True)
    return Trace(shown, state, {name: LayerTrace(like_outputs(r.states), like_outputs(r.gates)) for name, r in named})
