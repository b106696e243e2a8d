"""The C++ core; see native/bindings/. Arrays must be C-contiguous, of the class's dtype, counts and tokens int64.

A state is (h,), or (h, c) where the cell has c, of (L * R, N, H) arrays; None for zeros.
"""

from enum import Enum
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]
State = tuple[Array, ...]

class Cell(Enum):
    """Cells with kernels of their own; an elman cell's name ends in its nonlinearity. Made from native/cells/list.h."""

    elman_tanh = ...
    elman_relu = ...
    elman_sigmoid = ...
    gru = ...
    lstm = ...

class Inputs(Enum):
    dense = ...
    one_hot = ...
    embedding = ...

class HeadSteps(Enum):
    every = ...
    last = ...

class LossKind(Enum):
    mse = ...
    half_mse = ...
    mae = ...
    huber = ...
    cross_entropy = ...
    quantile = ...
    gaussian = ...

class OptimiserKind(Enum):
    sgd = ...
    adam = ...
    adamw = ...
    rmsprop = ...

class OptimiserMemory(Enum):
    exp_avg = ...
    exp_avg_sq = ...
    square_avg = ...
    momentum_buffer = ...

class Shape:
    """What a network is, as elman.network.Network has it."""

    def __init__(
        self,
        *,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        output_size: int = 0,
        num_layers: int = 1,
        bidirectional: bool = False,
        bias: bool = True,
        head_bias: bool = True,
        inputs: Inputs = Inputs.dense,
        embedding_size: int = 0,
        head: HeadSteps = HeadSteps.every,
        dropout: float = 0.0,
    ) -> None: ...

class LossOptions:
    """What elman.engines.Loss is."""

    def __init__(
        self,
        *,
        kind: LossKind,
        mean: bool,
        delta: float,
        quantiles: list[float],
        class_weights: list[float],
        ignore_index: int,
    ) -> None: ...

class OptimiserOptions:
    """What elman.engines.Optimiser is; clips are 0 for none."""

    def __init__(
        self,
        *,
        kind: OptimiserKind,
        momentum: float,
        weight_decay: float,
        beta1: float,
        beta2: float,
        eps: float,
        alpha: float,
        nesterov: bool,
        clip_value: float,
        clip_norm: float,
    ) -> None: ...

class Evaluation:
    loss: float
    weight: float
    correct: int
    scored: int
    state: State

class Gradients:
    loss: float
    weight: float
    correct: int
    scored: int
    outputs: Array
    parameters: Array
    inputs: Array | None
    initial_state: State
    state: State

class Training:
    """What training steps did; `pieces` were worked on: all, or up to the first whose loss or norm is not finite."""

    pieces: int
    losses: Array
    weights: Array
    gradient_norms: Array
    correct: Array
    scored: Array
    state: State

class Engine32:
    """One network in float32: parameters, loss, optimiser, and all that the engine contract asks for."""

    learning_rate: float
    updates: int
    def __init__(
        self,
        shape: Shape,
        *,
        loss: LossOptions | None,
        optimiser: OptimiserOptions | None,
        backprop_steps: int,
        seed: int,
    ) -> None: ...
    @property
    def size(self) -> int:
        """How many parameters there are."""
    @property
    def bytes(self) -> int:
        """Memory held for passes, in bytes."""
    @property
    def isa(self) -> str: ...
    def load_parameters(self, block: Array) -> None: ...
    def copy_parameters(self, block: Array) -> None: ...
    def load_memory(self, memory: OptimiserMemory, block: Array) -> None: ...
    def copy_memory(self, memory: OptimiserMemory, block: Array) -> None: ...
    def forward(self, inputs: Array, state: State | None, lengths: Array | None) -> tuple[Array, State]:
        """Outputs and last state."""
    def evaluate(self, inputs: Array, targets: Array, state: State | None, lengths: Array | None) -> Evaluation: ...
    def gradients(
        self, inputs: Array, targets: Array, state: State | None, lengths: Array | None, drop: bool
    ) -> Gradients: ...
    def train(
        self, inputs: Array, targets: Array, lengths: Array | None, fresh: Array, state: State | None
    ) -> Training | None:
        """None where an array is not as it must be; then nothing was computed."""
    def trace(
        self, inputs: Array, state: State | None
    ) -> tuple[Array, list[tuple[dict[str, Array], dict[str, Array]]]]:
        """The outputs; and for each row of a state, the states and the gates of every step by name."""

class Engine64(Engine32):
    """The same in float64."""

class Stream32:
    """A stream of S sessions."""

    def __init__(self, engine: Engine32, sessions: int) -> None: ...
    def step(self, x: Any, out: Array | None, /) -> Array | None:
        """The outputs; None where x or out is not as it must be, and nothing was computed."""
    def step_many(self, xs: Array) -> Array: ...
    def get_state(self) -> State: ...
    def set_state(self, state: State | None) -> None: ...

class Stream64(Stream32): ...

class Layers32:
    """Recurrent layers without a head, on time-major (T, N, D) arrays."""

    def __init__(self, shape: Shape) -> None: ...
    @property
    def size(self) -> int:
        """How many parameters there are."""
    def load_parameters(self, block: Array) -> None: ...
    def forward(
        self,
        *,
        x: Array,
        h: Array | None,
        c: Array | None,
        outputs: Array,
        last_h: Array,
        last_c: Array | None,
        save: bool,
    ) -> None: ...
    def backward(
        self,
        *,
        d_outputs: Array,
        d_last_h: Array | None,
        d_last_c: Array | None,
        d_block: Array,
        d_x: Array | None,
        d_h: Array | None,
        d_c: Array | None,
    ) -> None: ...

class Layers64(Layers32): ...

class LayerCalls32:
    """Recurrent layers on the caller's memory: addresses, and distances in numbers. Nothing is checked but what is counted."""

    def __init__(self, shape: Shape) -> None: ...
    def saved_size(self, steps: int, count: int, masks: bool) -> int:
        """How many numbers a pass saves for its backward pass."""
    def forward(
        self,
        *,
        weights: list[int],
        x: int,
        x_step: int,
        x_sequence: int,
        steps: int,
        count: int,
        sizes: int,
        packed_rows: int,
        h: int,
        c: int,
        masks: int,
        outputs: int,
        outputs_step: int,
        outputs_sequence: int,
        last_h: int,
        last_c: int,
        saved: int,
        threads: int,
    ) -> None: ...
    def backward(
        self,
        *,
        weights: list[int],
        x: int,
        x_step: int,
        x_sequence: int,
        steps: int,
        count: int,
        sizes: int,
        packed_rows: int,
        masks: int,
        saved: int,
        d_outputs: int,
        d_outputs_step: int,
        d_outputs_sequence: int,
        d_last_h: int,
        d_last_c: int,
        d_weights: list[int],
        d_x: int,
        d_x_step: int,
        d_x_sequence: int,
        d_h: int,
        d_c: int,
        threads: int,
    ) -> None: ...

class LayerCalls64(LayerCalls32): ...

def activate32(cell: Cell, x: Array, out: Array) -> None:
    """An elman cell's nonlinearity alone, for tests."""

def activate64(cell: Cell, x: Array, out: Array) -> None:
    """The same in float64."""

def threads() -> int:
    """How many threads a call may use."""

def set_threads(count: int) -> None:
    """Let calls use up to `count` threads."""

def set_openmp(start: int, end: int, number: int) -> None:
    """Let `LayerCalls` work on the threads of another library's OpenMP: the addresses of its GOMP_parallel_start,
    GOMP_parallel_end and omp_get_thread_num, or three times 0 for Elman's own threads."""

def isa() -> str:
    """The instruction set in use."""

def available_isas() -> list[str]:
    """The instruction sets this machine can use, the best first."""

def set_isa(name: str) -> None:
    """Use this instruction set in engines made from now on."""

def poison(on: bool) -> None:
    """Fill buffers with NaN before use, for tests."""
