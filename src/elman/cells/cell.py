"""What a recurrent cell is: one step of the recurrence, and its derivative.

Shapes: N sequences, H hidden units, G gates. A state is a tuple of (N, H) arrays, one for each of `state_names`.
Gates lie side by side along the last axis, in PyTorch's order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

import numpy as np

from elman.files import Array

State = tuple[Array, ...]


class StepGradients(NamedTuple):
    """Gradients of all that went into a step.

    Attributes:
        projected: (N, G*H), of the input projection W_ih x + b_ih.
        recurrent: (N, G*H), of the recurrent projection W_hh h + b_hh.
        state: Of the state before the step.
    """

    projected: Array
    recurrent: Array
    state: State


class Cell(ABC):
    """One recurrence: `step` forward, `step_backward` for its exact derivative.

    A cell holds no weights and no state; both come in as arguments and new values go out.

    Attributes:
        name: What a network calls it.
        gate_names: In the order of the weights' blocks of rows.
        state_names: Of the arrays of a state; the first is what the layer above sees.
        nonlinearities: What a network may choose; `tanh` alone where there is no choice.
    """

    name: ClassVar[str]
    gate_names: ClassVar[tuple[str, ...]]
    state_names: ClassVar[tuple[str, ...]]
    nonlinearities: ClassVar[tuple[str, ...]]

    @property
    def gates(self) -> int:
        """G: how many blocks of H rows the weights have."""
        return len(self.gate_names)

    @abstractmethod
    def step(self, projected: Array, state: State, weight_hh: Array, bias_hh: Array | None) -> tuple[State, State]:
        """Make one step forward.

        Args:
            projected: W_ih x_t + b_ih, (N, G*H).
            state: Before the step, arrays (N, H).
            weight_hh: (G*H, H).
            bias_hh: (G*H,), or None for none.

        Returns:
            The state after the step, and what `step_backward` needs.
        """

    @abstractmethod
    def step_backward(self, d_state: State, saved: State, weight_hh: Array) -> StepGradients:
        """Compute the derivative of `step`.

        Args:
            d_state: Gradient of the state after the step, arrays (N, H).
            saved: What `step` returned for this.
            weight_hh: As for `step`.

        Returns:
            Gradients of what went in.
        """

    @abstractmethod
    def gates_of(self, saved: State) -> dict[str, Array]:
        """The gates of a step by name, each (N, H), from what `step` saved."""


def recurrent_product(h: Array, weight_hh: Array, bias_hh: Array | None) -> Array:
    """W_hh h + b_hh for a batch: (N, H) and (G*H, H) give (N, G*H)."""
    product: Array = h @ weight_hh.T
    return product if bias_hh is None else product + bias_hh


def sigmoid(a: Array) -> Array:
    """1 / (1 + exp(-a)), exact in both tails and without overflow."""
    e = np.exp(-np.abs(a))
    result: Array = np.where(a >= 0, 1.0, e).astype(a.dtype, copy=False) / (1.0 + e)
    return result
