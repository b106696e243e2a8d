"""The simple recurrent cell.

    h_t = f(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh),   f = tanh, relu or the logistic sigmoid

Its derivative needs only the output, because each f' can be written in terms of f:

    tanh' = 1 - h^2        relu' = [h > 0]        sigmoid' = h (1 - h)
    da_t = dh_t * f'       dh_{t-1} = W_hh^T da_t

Source: J. L. Elman, "Finding Structure in Time", Cognitive Science 14 (1990), with the context units of its figure 2
as h_{t-1}. The two biases follow torch.nn.RNN, whose parameters this cell shares; sigmoid is not in torch.nn.RNN.
"""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from elman.cells.cell import Cell, State, StepGradients, recurrent_product, sigmoid
from elman.files import Array


@final
class ElmanCell(Cell):
    """h_t = f(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh); one block of rows in each weight (G = 1)."""

    name: ClassVar[str] = "elman"
    gate_names: ClassVar[tuple[str, ...]] = ("h",)
    state_names: ClassVar[tuple[str, ...]] = ("h",)
    nonlinearities: ClassVar[tuple[str, ...]] = ("tanh", "relu", "sigmoid")

    def __init__(self, nonlinearity: str = "tanh") -> None:
        self.nonlinearity = nonlinearity

    def step(self, projected: Array, state: State, weight_hh: Array, bias_hh: Array | None) -> tuple[State, State]:
        h = self._activate(projected + recurrent_product(state[0], weight_hh, bias_hh))
        return (h,), (h,)

    def step_backward(self, d_state: State, saved: State, weight_hh: Array) -> StepGradients:
        da = d_state[0] * self._slope(saved[0])
        return StepGradients(da, da, (da @ weight_hh,))

    def gates_of(self, saved: State) -> dict[str, Array]:
        return {}

    def _activate(self, a: Array) -> Array:
        if self.nonlinearity == "tanh":
            return np.tanh(a)
        return np.maximum(a, 0) if self.nonlinearity == "relu" else sigmoid(a)

    def _slope(self, h: Array) -> Array:
        """f'(a) from h = f(a)."""
        if self.nonlinearity == "tanh":
            return 1 - h * h
        return (h > 0).astype(h.dtype) if self.nonlinearity == "relu" else h * (1 - h)
