"""The gated recurrent unit, in the form whose reset gate acts after the product (torch.nn.GRU, cuDNN).

    r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
    z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
    u = W_hn h + b_hn
    n = tanh(W_in x + b_in + r * u)
    h' = (1 - z) * n + z * h

Backward, from dh':

    dn = dh' (1 - z),  dz = dh' (h - n),  da_n = dn (1 - n^2),  dr = da_n u
    da_z = dz z (1 - z),  da_r = dr r (1 - r),  du = da_n r
    dh = dh' z + [da_r, da_z, du] W_hh

so the input side receives [da_r, da_z, da_n] and the recurrent side [da_r, da_z, du].

Source: K. Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder" (2014), arXiv 1406.1078; the reset
after the product is the first version's variant, chosen here because PyTorch's weights then fit without change.
"""

from __future__ import annotations

from typing import ClassVar, final

import numpy as np

from elman.cells.cell import Cell, State, StepGradients, recurrent_product, sigmoid
from elman.files import Array


@final
class GRUCell(Cell):
    """Gated recurrent unit, reset after the product; gates in the order r, z, n (G = 3)."""

    name: ClassVar[str] = "gru"
    gate_names: ClassVar[tuple[str, ...]] = ("r", "z", "n")
    state_names: ClassVar[tuple[str, ...]] = ("h",)
    nonlinearities: ClassVar[tuple[str, ...]] = ("tanh",)

    def step(self, projected: Array, state: State, weight_hh: Array, bias_hh: Array | None) -> tuple[State, State]:
        (h,) = state
        size = h.shape[-1]
        recurrent = recurrent_product(h, weight_hh, bias_hh)
        gates = sigmoid(projected[:, : 2 * size] + recurrent[:, : 2 * size])
        r, z = gates[:, :size], gates[:, size:]
        u = recurrent[:, 2 * size :]
        n = np.tanh(projected[:, 2 * size :] + r * u)
        h_next = (1 - z) * n + z * h
        return (h_next,), (r, z, n, u, h)

    def step_backward(self, d_state: State, saved: State, weight_hh: Array) -> StepGradients:
        r, z, n, u, h = saved
        (dh,) = d_state
        da_n = dh * (1 - z) * (1 - n * n)
        da_z = dh * (h - n) * z * (1 - z)
        da_r = da_n * u * r * (1 - r)
        projected = np.concatenate((da_r, da_z, da_n), axis=1)
        recurrent = np.concatenate((da_r, da_z, da_n * r), axis=1)
        return StepGradients(projected, recurrent, (dh * z + recurrent @ weight_hh,))

    def gates_of(self, saved: State) -> dict[str, Array]:
        return {"r": saved[0], "z": saved[1], "n": saved[2]}
