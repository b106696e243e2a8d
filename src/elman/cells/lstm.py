"""The long short-term memory cell with a forget gate.

    i = sigmoid(W_ii x + b_ii + W_hi h + b_hi)        f = sigmoid(W_if x + b_if + W_hf h + b_hf)
    g = tanh(W_ig x + b_ig + W_hg h + b_hg)           o = sigmoid(W_io x + b_io + W_ho h + b_ho)
    c' = f * c + i * g                                h' = o * tanh(c')

Backward, from dh' and dc', with q = tanh(c'):

    do = dh' q,  dc = dc' + dh' o (1 - q^2),  di = dc g,  df = dc c,  dg = dc i
    da_i = di i (1 - i),  da_f = df f (1 - f),  da_g = dg (1 - g^2),  da_o = do o (1 - o)
    dh = [da_i, da_f, da_g, da_o] W_hh,  dc_prev = dc f

Source: S. Hochreiter and J. Schmidhuber, "Long Short-Term Memory" (1997); the forget gate from F. Gers et al.,
"Learning to Forget" (2000). No peepholes. Gates and biases as torch.nn.LSTM has them.
"""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from elman.cells.cell import Cell, State, StepGradients, recurrent_product, sigmoid
from elman.files import Array


@final
class LSTMCell(Cell):
    """Long short-term memory; gates in the order i, f, g, o (G = 4), states h and c."""

    name: ClassVar[str] = "lstm"
    gate_names: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")
    state_names: ClassVar[tuple[str, ...]] = ("h", "c")
    nonlinearities: ClassVar[tuple[str, ...]] = ("tanh",)

    def step(self, projected: Array, state: State, weight_hh: Array, bias_hh: Array | None) -> tuple[State, State]:
        h, c = state
        a_i, a_f, a_g, a_o = np.split(projected + recurrent_product(h, weight_hh, bias_hh), 4, axis=1)
        i, f, g, o = sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)
        c_next = f * c + i * g
        q = np.tanh(c_next)
        return (o * q, c_next), (i, f, g, o, c, q)

    def step_backward(self, d_state: State, saved: State, weight_hh: Array) -> StepGradients:
        i, f, g, o, c, q = saved
        dh, dc_next = d_state
        dc = dc_next + dh * o * (1 - q * q)
        da = np.concatenate(
            (dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g), dh * q * o * (1 - o)), axis=1
        )
        return StepGradients(da, da, (da @ weight_hh, dc * f))

    def gates_of(self, saved: State) -> dict[str, Array]:
        return dict(zip(self.gate_names, saved, strict=False))
