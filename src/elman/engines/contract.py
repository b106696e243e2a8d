"""What every engine does, and the values that go in and come out.

Shapes: N sequences in a batch, T steps, D input features, H hidden units, L layers, O outputs, P pieces.
Arrays are batch-first. A state is a tuple of (L * directions, N, H) arrays: (h,) for `elman` and `gru`, (h, c) for
`lstm`. State is a value: it goes in and comes out, and no engine keeps one. None means zero state, on the same path.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from elman.cells import Array, State
from elman.engines.processes import ALONE, Processes
from elman.network import Network

LOSSES = ("mse", "half_mse", "mae", "huber", "cross_entropy", "quantile", "gaussian")
OPTIMISERS = ("sgd", "adam", "adamw", "rmsprop")


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What is minimised.

    kind: `mse` (y - p)^2; `half_mse` (y - p)^2 / 2; `mae` |y - p|; `huber` quadratic within `delta`, linear outside
        (torch.nn.HuberLoss); `cross_entropy` of logits against class numbers; `quantile` pinball loss, outputs
        (..., O * Q) holding the Q quantiles of an output side by side; `gaussian` negative log likelihood without its
        constant, outputs (..., 2 * O) holding O means, then O numbers whose softplus is the variance.
    reduction: `mean` over every counted element (for classes: weighted by `class_weights`), or `sum`.
    class_weights: a weight a class, or None for equal weights. ignore_index: positions with this class do not count.
    """

    kind: str = "mse"
    reduction: str = "mean"
    delta: float = 1.0
    quantiles: tuple[float, ...] = ()
    class_weights: tuple[float, ...] | None = None
    ignore_index: int = -100

    def outputs_per_target(self) -> int:
        """How many network outputs one target number needs."""
        if self.kind == "quantile":
            return len(self.quantiles)
        return 2 if self.kind == "gaussian" else 1


@dataclass(frozen=True, kw_only=True)
class Optimiser:
    """How gradients become updates; formulas and defaults are PyTorch's.

    kind: `sgd`, `adam`, `adamw` or `rmsprop`. learning_rate: the step size before any schedule.
    clip_value: each gradient entry is first cut to [-clip_value, clip_value]. clip_norm: then all are scaled down so
    that their joint Euclidean norm is at most clip_norm (torch.nn.utils.clip_grad_norm_, its 1e-6 included).
    """

    kind: str = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    alpha: float = 0.99
    clip_value: float | None = None
    clip_norm: float | None = None


class Batch(NamedTuple):
    """One piece of work: inputs (N, T, D) floats or (N, T) token numbers; targets as the loss wants them: (N, T, O) or
    (N, O) numbers, (N, T) or (N,) classes; lengths (N,) counts the steps that exist, None for all T."""

    inputs: Array
    targets: Array
    lengths: Array | None = None


@dataclass(frozen=True)
class Pieces:
    """P batches of one shape, stacked, to be trained on one after the other.

    inputs (P, N, T, ...), targets (P, N, ...), lengths (P, N) or None. fresh (P,): True where a piece starts from
    zero state, False where it goes on from the state that the piece before it ended with.
    """

    inputs: Array
    targets: Array
    lengths: Array | None
    fresh: Array

    def __len__(self) -> int:
        return len(self.fresh)

    def __getitem__(self, index: int) -> Batch:
        return Batch(self.inputs[index], self.targets[index], None if self.lengths is None else self.lengths[index])

    def part(self, start: int, stop: int) -> Pieces:
        """Pieces `start` to `stop` (not included), as views."""
        lengths = None if self.lengths is None else self.lengths[start:stop]
        return Pieces(self.inputs[start:stop], self.targets[start:stop], lengths, self.fresh[start:stop])

    @property
    def tokens(self) -> int:
        """How many steps there are in all, padding not counted."""
        if self.lengths is None:
            return int(np.prod(self.inputs.shape[:3]))
        return int(self.lengths.sum())


class Gradients(NamedTuple):
    """What `gradients` found.

    loss: the number minimised. weight: how much it weighs in a mean over batches. correct, scored: positions whose
    largest output is the target class, of how many that count. outputs: the network's. parameters: d loss / d parameter
    by name. inputs: d loss / d inputs (N, T, D), None for tokens. initial_state: gradient of the state that went in.
    state: the one that came out.
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
    """What `gradients` says of a batch without the gradients."""

    loss: float
    weight: float
    correct: int
    scored: int
    state: State


@dataclass(frozen=True)
class Steps:
    """What P training steps did: losses, weights and gradient norms (before clipping), each (P,) float64; correct and
    scored, (P,) counts; and the last state.

    Where a loss or a gradient norm is not finite, the arrays end with that piece and its update was not made.
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
        return replace(self, **{name: getattr(self, name)[start:stop] for name in names})

    @property
    def finite(self) -> bool:
        """Whether every loss and gradient norm is a finite number."""
        return bool(np.isfinite(self.losses).all() and np.isfinite(self.gradient_norms).all())


@dataclass(frozen=True)
class LayerTrace:
    """One layer and direction, every step: states and gates by name, each (N, T, H)."""

    states: dict[str, Array]
    gates: dict[str, Array]


@dataclass(frozen=True)
class Trace:
    """Every state and gate of every step: outputs (N, T, O) or (N, O), and a LayerTrace for `l0`, `l0_reverse`, ..."""

    outputs: Array
    layers: dict[str, LayerTrace] = field(default_factory=dict)


class Stream(ABC):
    """S independent sequences, stepped together; the state is readable and writable between steps."""

    engine: Engine

    def save_state(self) -> bytes:
        """The state now, as bytes that name the network they belong to."""
        from elman.engines.state_file import state_to_bytes

        return state_to_bytes(self.engine.network, self.engine.parameters(), self.state)

    def load_state(self, data: bytes) -> None:
        """Take up a state that `save_state` gave. Raises DataError for damaged bytes or another network's state."""
        from elman.engines.state_file import state_from_bytes

        self.state = state_from_bytes(self.engine.network, self.engine.parameters(), data)

    @abstractmethod
    def step(self, x: Any) -> Array:
        """One step: x (S, D), or (S,) tokens; for one session also (D,) or a number. Returns (S, O), or (O,) likewise."""

    @abstractmethod
    def step_many(self, xs: Any) -> Array:
        """Many steps: xs (S, T, D) or (S, T) tokens, or (T, D) for one session. Returns (S, T, O), or (T, O)."""

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

    network: the description and its parameters, which the engine copies. loss: needed to train. optimiser: needed to
    train. backprop_steps: how many steps gradients go back in time, None for all: counted from the end of each
    sequence, the gradient is cut after every `backprop_steps` steps. dtype: `float32` or `float64`, None for the
    engine's own default. seed: of the dropout masks.

    `learning_rate` may be changed between steps; `updates` counts the updates made since the start of training.
    `processes` are those that train this network together: this one alone, but for the torch engine under torchrun.
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
        """Outputs and final state, without dropout; nothing is kept.

        Outputs are (N, T, O), zero at steps beyond a sequence's length; or (N, O) where the head reads the last step.
        The final state is the one after each sequence's last valid step.
        """

    @abstractmethod
    def gradients(self, batch: Batch, state: State | None = None, *, train: bool = True) -> Gradients:
        """Loss and every gradient. `train` switches the dropout between layers on."""

    @abstractmethod
    def train_step(self, batch: Batch, state: State | None = None) -> Steps:
        """Forward, backward, clip and update, once."""

    @abstractmethod
    def train_steps(self, pieces: Pieces, state: State | None = None) -> Steps:
        """`train_step` for each piece in turn; a piece that is not fresh goes on from the state before it."""

    @abstractmethod
    def evaluate(self, batch: Batch, state: State | None = None) -> Evaluation:
        """Loss, its weight, correct and scored positions and final state, without dropout or gradients."""

    @abstractmethod
    def trace(self, inputs: Array, state: State | None = None) -> Trace:
        """Every state and gate of every step and layer."""

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
        """Take back what `optimiser_state` gave, and the number of updates made by then."""
