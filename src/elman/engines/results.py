"""What comes out of an engine: losses, gradients, the outcome of training steps, traces.

Shapes: N sequences in a batch, T steps, D input features, H hidden units, O outputs, P pieces.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from elman.cells import State
from elman.files import Array


class Gradients(NamedTuple):
    """The loss of a batch and all its derivatives.

    Attributes:
        loss: The number minimised.
        weight: How much it weighs in a mean over batches.
        correct: Positions whose largest output is the target class.
        scored: Positions that count.
        outputs: The network's.
        parameters: d loss / d parameter by the parameter's name.
        inputs: d loss / d inputs, (N, T, D); None for tokens.
        initial_state: d loss / d the state that went in.
        state: The state that came out.
    """

    loss: float
    weight: float
    correct: int
    scored: int
    outputs: Array
    parameters: dict[str, Array]
    inputs: Array | None
    initial_state: State
    state: State


class Evaluation(NamedTuple):
    """What `Gradients` says of a batch, without the gradients."""

    loss: float
    weight: float
    correct: int
    scored: int
    state: State


class Steps(NamedTuple):
    """What P training steps did. Where a loss or a gradient norm is not finite, the arrays end with that piece and its
    update was not made.

    Attributes:
        losses: (P,) float64.
        weights: (P,) float64, how much each loss weighs in a mean over batches.
        gradient_norms: (P,) float64, before clipping.
        correct: (P,), positions whose largest output is the target class.
        scored: (P,), positions that count.
        state: The one that the last piece ended with.
    """

    losses: Array
    weights: Array
    gradient_norms: Array
    correct: Array
    scored: Array
    state: State

    def part(self, start: int, stop: int) -> Steps:
        """Steps `start` to `stop` (not included), as views, with the same last state."""
        names = ("losses", "weights", "gradient_norms", "correct", "scored")
        return self._replace(**{name: getattr(self, name)[start:stop] for name in names})

    @property
    def finite(self) -> bool:
        """Whether every loss and gradient norm is a finite number."""
        return bool(np.isfinite(self.losses).all() and np.isfinite(self.gradient_norms).all())


@dataclass(frozen=True)
class LayerTrace:
    """One layer in one direction, at every step: states and gates by name, each (N, T, H)."""

    states: dict[str, Array]
    gates: dict[str, Array]


@dataclass(frozen=True)
class Trace:
    """Every state and gate of every step.

    Attributes:
        outputs: (N, T, O), or (N, O) where the head reads the last step.
        layers: A LayerTrace for `l0`, `l0_reverse`, `l1`, ...
    """

    outputs: Array
    layers: dict[str, LayerTrace] = field(default_factory=dict)
