"""One recurrent layer in one direction: forward through time, and backpropagation through time.

Everything here is time-major: x (T, N, D), outputs (T, N, H). Cells compute a step; this file walks over them.
With T steps and G gates, going backward costs three products of the forward size: one in the loop for the state, and after
it one each for the recurrent weights, the input weights and the inputs, over all T * N rows at once.

Source: P. Werbos, "Backpropagation Through Time" (1990); truncation as in R. Williams and J. Peng (1990).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from elman.cells import Cell, State
from elman.files import Array


@dataclass(frozen=True)
class Weights:
    """A layer's parameters, or their gradients.

    Attributes:
        ih: (G*H, D).
        hh: (G*H, H).
        bias_ih: (G*H,), or None.
        bias_hh: (G*H,), or None.
    """

    ih: Array
    hh: Array
    bias_ih: Array | None
    bias_hh: Array | None


@dataclass(frozen=True)
class SavedSteps:
    """What the backward pass needs of each step.

    Attributes:
        by_cell: What the cell saved.
        before: The state before the step.
    """

    by_cell: list[State]
    before: list[State]


@dataclass(frozen=True)
class LayerGradients:
    """Gradients of all that went into a layer.

    Attributes:
        inputs: (T, N, D), or None for tokens.
        state: Of the first state.
        weights: Of the parameters.
    """

    inputs: Array | None
    state: State
    weights: Weights


@dataclass(frozen=True)
class Times:
    """Which steps exist, and in which order a direction visits them.

    Attributes:
        steps: T.
        reverse: Whether the direction goes from the end.
        alive: (T, N, 1) booleans; None when all steps exist.
        remaining: (T, N), how many of its steps a sequence still has at step t, t included, in the direction of the walk; 0
            or less where it has ended.
    """

    steps: int
    reverse: bool
    alive: Array | None
    remaining: Array

    def forward(self) -> Iterator[int]:
        return iter(range(self.steps - 1, -1, -1) if self.reverse else range(self.steps))

    def backward(self) -> Iterator[int]:
        return iter(range(self.steps) if self.reverse else range(self.steps - 1, -1, -1))


def times_of(steps: int, count: int, lengths: Array | None, reverse: bool) -> Times:
    """The Times of `count` sequences of `lengths` steps, or of `steps` steps for None."""
    t = np.arange(steps)[:, None]
    ends = np.full(count, steps) if lengths is None else lengths
    remaining = np.where(t < ends, t + 1, 0) if reverse else ends - t
    return Times(steps, reverse, None if lengths is None else (t < ends)[..., None], remaining)


def project(x: Array, weights: Weights) -> Array:
    """W_ih x + b_ih for all steps in one product; tokens (T, N) pick columns of W_ih instead."""
    product = weights.ih.T[x] if x.ndim == 2 else x @ weights.ih.T
    return product if weights.bias_ih is None else product + weights.bias_ih


def forward(cell: Cell, x: Array, state: State, weights: Weights, times: Times) -> tuple[Array, State, SavedSteps]:
    """Walk a layer forward through time.

    Args:
        cell: Computes a step.
        x: (T, N, D), or tokens (T, N).
        state: Before the first step of the walk, arrays (N, H).
        weights: The layer's.
        times: Which steps exist, and in which order.

    Returns:
        Outputs (T, N, H), zero where a sequence has ended; the state after each sequence's last step of the walk; and what
        `backward` needs.
    """
    projected = project(x, weights)
    outputs = np.empty((*x.shape[:2], weights.hh.shape[1]), projected.dtype)
    saved: list[State] = [()] * times.steps
    before: list[State] = [()] * times.steps
    for t in times.forward():
        before[t] = state
        after, saved[t] = cell.step(projected[t], state, weights.hh, weights.bias_hh)
        if times.alive is None:
            outputs[t] = after[0]
            state = after
        else:
            outputs[t] = np.where(times.alive[t], after[0], 0)
            state = tuple(np.where(times.alive[t], a, b) for a, b in zip(after, state, strict=True))
    return outputs, state, SavedSteps(saved, before)


def backward(
    cell: Cell,
    x: Array,
    d_outputs: Array,
    d_state: State,
    weights: Weights,
    times: Times,
    saved: SavedSteps,
    backprop_steps: int | None,
) -> LayerGradients:
    """Walk back through time, from the gradients of what came out to those of all that went in.

    Args:
        cell: Computes the derivative of a step.
        x: What went into `forward`.
        d_outputs: Gradient of the outputs, (T, N, H).
        d_state: Gradient of the last state.
        weights: As for `forward`.
        times: As for `forward`.
        saved: What it saved.
        backprop_steps: The gradient stops flowing to earlier states after every so many steps, counted from a sequence's
            end; None for never.
    """
    shape = (*x.shape[:2], weights.hh.shape[0])
    d_projected, d_recurrent = np.zeros(shape, d_outputs.dtype), np.zeros(shape, d_outputs.dtype)
    for t in times.backward():
        step = cell.step_backward((d_outputs[t] + d_state[0], *d_state[1:]), saved.by_cell[t], weights.hh)
        if times.alive is None:
            d_projected[t], d_recurrent[t], d_state = step
        else:
            alive = times.alive[t]
            np.copyto(d_projected[t], step.projected, where=alive)
            np.copyto(d_recurrent[t], step.recurrent, where=alive)
            d_state = tuple(np.where(alive, a, b) for a, b in zip(step.state, d_state, strict=True))
        if backprop_steps is not None:
            cut = (times.remaining[t] > 0) & (times.remaining[t] % backprop_steps == 0)
            d_state = tuple(np.where(cut[:, None], 0, d).astype(d.dtype, copy=False) for d in d_state)
    h_before = np.stack([state[0] for state in saved.before])
    gradients = Weights(
        ih=_token_sum(x, d_projected, weights.ih.shape) if x.ndim == 2 else _outer_sum(d_projected, x),
        hh=_outer_sum(d_recurrent, h_before),
        bias_ih=None if weights.bias_ih is None else row_sum(d_projected),
        bias_hh=None if weights.bias_hh is None else row_sum(d_recurrent),
    )
    return LayerGradients(None if x.ndim == 2 else d_projected @ weights.ih, d_state, gradients)


def row_sum(d: Array) -> Array:
    """Sum over all axes but the last, in float64: NumPy adds rows one after the other, which costs float32 its last digits."""
    total: Array = d.reshape(-1, d.shape[-1]).sum(axis=0, dtype=np.float64).astype(d.dtype)
    return total


def _outer_sum(d: Array, x: Array) -> Array:
    """Sum over steps and sequences of d x^T: (T, N, A) and (T, N, B) give (A, B)."""
    product: Array = d.reshape(-1, d.shape[-1]).T @ x.reshape(-1, x.shape[-1])
    return product


def _token_sum(tokens: Array, d: Array, shape: tuple[int, ...]) -> Array:
    """The same for one-hot x: each row of d is added to its token's column. Returns (G*H, V)."""
    return sum_by_token(tokens, d, shape[1]).T.copy()


def sum_by_token(tokens: Array, d: Array, vocabulary: int) -> Array:
    """Rows of d (T, N, A) summed by token (T, N): (V, A)."""
    flat = tokens.ravel()
    order = np.argsort(flat, kind="stable")
    tokens_there, starts = np.unique(flat[order], return_index=True)
    sums = np.zeros((vocabulary, d.shape[-1]), d.dtype)
    sums[tokens_there] = np.add.reduceat(d.reshape(-1, d.shape[-1])[order], starts, axis=0)
    return sums
