"""What every engine does.

Shapes: N sequences in a batch, T steps, D input features, H hidden units, L layers, O outputs, P pieces, S sessions.
Arrays are batch-first. A state is a tuple of (L * directions, N, H) arrays: (h,) for `elman` and `gru`, (h, c) for
`lstm`. State is a value: it goes in and comes out, and no engine keeps one. None means zero state, on the same path.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from elman.cells import State
from elman.engines.options import Loss, Optimiser
from elman.engines.pieces import Batch, Pieces
from elman.engines.processes import ALONE, Processes
from elman.engines.results import Evaluation, Gradients, Steps, Trace
from elman.engines.state_bytes import state_from_bytes, state_to_bytes
from elman.files import Array
from elman.network import Network


class Stream(ABC):
    """S independent sequences, stepped together; the state is readable and writable between steps."""

    engine: Engine

    def save_state(self) -> bytes:
        """The state now, as bytes that name the network they belong to."""
        return state_to_bytes(self.engine.network, self.engine.parameters(), self.state)

    def load_state(self, data: bytes) -> None:
        """Take up a state that `save_state` gave.

        Args:
            data: The bytes, from a stream of the same network with as many sessions.

        Raises:
            DataError: The bytes are damaged, or another network's.
        """
        self.state = state_from_bytes(self.engine.network, self.engine.parameters(), data)

    @abstractmethod
    def step(self, x: Any) -> Array:
        """Make one step.

        Args:
            x: (S, D) numbers or (S,) tokens; for one session also (D,), or a number.

        Returns:
            The outputs (S, O), or (O,) where `x` came without its sessions axis.
        """

    @abstractmethod
    def step_many(self, xs: Any) -> Array:
        """Make many steps.

        Args:
            xs: (S, T, D) numbers or (S, T) tokens; for one session also without the first axis.

        Returns:
            The outputs (S, T, O), or (T, O) where `xs` came without its sessions axis.
        """

    @property
    @abstractmethod
    def state(self) -> State:
        """A copy of the state now, arrays (L, S, H)."""

    @state.setter
    @abstractmethod
    def state(self, value: State | None) -> None:
        """Take this state, or zero state for None."""


class Engine(ABC):
    """One network, one loss and one optimiser, computed.

    Args:
        network: The description and its parameters, which the engine copies.
        loss: What is minimised; needed to train and to evaluate.
        optimiser: How gradients become updates; needed to train.
        backprop_steps: How many steps gradients go back in time, None for all: counted from the end of each sequence,
            the gradient is cut after every so many steps.
        dtype: `float32` or `float64`; None for the engine's own default.
        seed: Of the dropout masks.

    Attributes:
        name: What `make_engine` calls it.
        learning_rate: The optimiser's at first; may be changed between steps.
        updates: How many were made since the start of training.
        processes: Those that train this network together: this one alone, but for the torch engine under torchrun.
    """

    name: str
    dtype: np.dtype[Any]
    network: Network
    loss: Loss | None
    learning_rate: float
    updates: int
    processes: Processes = ALONE

    @abstractmethod
    def __init__(
        self,
        network: Network,
        loss: Loss | None = None,
        optimiser: Optimiser | None = None,
        *,
        backprop_steps: int | None = None,
        dtype: str | None = None,
        seed: int = 0,
    ) -> None: ...

    @abstractmethod
    def forward(self, inputs: Array, state: State | None = None, lengths: Array | None = None) -> tuple[Array, State]:
        """Compute outputs and last state, without dropout; nothing is kept.

        Args:
            inputs: (N, T, D) numbers, or (N, T) tokens.
            state: Before the first step; None for zeros.
            lengths: (N,), how many steps of each sequence exist; None for all.

        Returns:
            Outputs (N, T, O), zero at steps beyond a sequence's length, or (N, O) where the head reads the last step;
            and the state after each sequence's last existing step.
        """

    @abstractmethod
    def gradients(self, batch: Batch, state: State | None = None, *, train: bool = True) -> Gradients:
        """Compute the loss and every gradient.

        Args:
            batch: Inputs, targets and lengths.
            state: Before the first step; None for zeros.
            train: Whether dropout between layers is on.
        """

    def train_step(self, batch: Batch, state: State | None = None) -> Steps:
        """Go forward and backward, clip and update, once.

        Args:
            batch: Inputs, targets and lengths.
            state: Before the first step; None for zeros.

        Returns:
            The outcome of one step: each array has one entry.
        """
        return self.train_steps(Pieces.of_one(batch, fresh=state is None), state)

    @abstractmethod
    def train_steps(self, pieces: Pieces, state: State | None = None) -> Steps:
        """Make a training step with each piece in turn; one that is not fresh goes on from the state before it.

        Args:
            pieces: P batches of one shape.
            state: That the first piece goes on from, where it is not fresh.
        """

    @abstractmethod
    def evaluate(self, batch: Batch, state: State | None = None) -> Evaluation:
        """Compute the loss and the last state, without dropout or gradients.

        Args:
            batch: Inputs, targets and lengths.
            state: Before the first step; None for zeros.
        """

    @abstractmethod
    def trace(self, inputs: Array, state: State | None = None) -> Trace:
        """Compute every state and gate of every step and layer.

        Args:
            inputs: (N, T, D) numbers, or (N, T) tokens.
            state: Before the first step; None for zeros.
        """

    @abstractmethod
    def stream(self, sessions: int = 1) -> Stream:
        """An object that steps `sessions` independent sequences, from zero state."""

    @abstractmethod
    def parameters(self) -> dict[str, Array]:
        """A copy of every parameter by name."""

    @abstractmethod
    def load_parameters(self, parameters: Mapping[str, Array]) -> None:
        """Take these values; every name must be there, with its shape."""

    @abstractmethod
    def optimiser_state(self) -> dict[str, Array]:
        """A copy of all that the optimiser remembers, by name, e.g. `exp_avg.weight_ih_l0`."""

    @abstractmethod
    def load_optimiser_state(self, state: Mapping[str, Array], updates: int) -> None:
        """Take back what `optimiser_state` gave.

        Args:
            state: Every memory by name.
            updates: How many were made by then.

        Raises:
            UsageError: Names are missing, or are another optimiser's.
        """
