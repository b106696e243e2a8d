"""The kinds of layers, by what torch.nn calls the `mode` of one."""

from __future__ import annotations

from typing import NamedTuple


class Mode(NamedTuple):
    """What sets one kind of layer apart.

    Attributes:
        core_cell: The name of its cell in the C++ core.
        gate_names: Its gates in PyTorch's order; none for a plain RNN.
        state_names: `h`, and `c` of an LSTM.
    """

    core_cell: str
    gate_names: tuple[str, ...] = ()
    state_names: tuple[str, ...] = ("h",)

    @property
    def gates(self) -> int:
        """G: how many blocks of H rows the weights have."""
        return len(self.gate_names) or 1


MODES = {
    "RNN_TANH": Mode("elman_tanh"),
    "RNN_RELU": Mode("elman_relu"),
    "RNN_SIGMOID": Mode("elman_sigmoid"),
    "GRU": Mode("gru", ("r", "z", "n")),
    "LSTM": Mode("lstm", ("i", "f", "g", "o"), ("h", "c")),
}
