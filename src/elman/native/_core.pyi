"""The C++ core; see native/bindings.cpp. Arrays must be C-contiguous, of the class's dtype, counts and tokens int64."""

from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

class Engine32:
    """One network in float32: parameters, loss, optimiser, and all that the engine contract asks for."""

    learning_rate: float
    updates: int
    def __init__(
        self,
        *,
        cell: int,
        input_size: int,
        hidden_size: int,
        output_size: int,
        num_layers: int,
        bidirectional: bool,
        bias: bool,
        head_bias: bool,
        inputs: int,
        embedding_size: int,
        head_last: bool,
        dropout: float,
        loss: tuple[int, bool, float, list[float], list[float], int] | None,
        optimiser: tuple[int, float, float, float, float, float, float, bool, float, float] | None,
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
    def load_memory(self, which: int, block: Array) -> None: ...
    def copy_memory(self, which: int, block: Array) -> None: ...
    def forward(
        self,
        inputs: Array,
        lengths: Array | None,
        h: Array | None,
        c: Array | None,
        outputs: Array,
        last_h: Array,
        last_c: Array | None,
        keep: bool = False,
    ) -> None: ...
    def copy_trace(self, row: int, slot: int, out: Array) -> None: ...
    def evaluate(
        self,
        inputs: Array,
        targets: Array,
        lengths: Array | None,
        h: Array | None,
        c: Array | None,
        last_h: Array,
        last_c: Array | None,
    ) -> tuple[float, float, int, int]: ...
    def gradients(
        self,
        inputs: Array,
        targets: Array,
        lengths: Array | None,
        h: Array | None,
        c: Array | None,
        drop: bool,
        outputs: Array,
        d_parameters: Array,
        d_inputs: Array | None,
        d_h: Array,
        d_c: Array | None,
        last_h: Array,
        last_c: Array | None,
    ) -> tuple[float, float, int, int]: ...
    def train(
        self, inputs: Array, targets: Array, lengths: Array | None, fresh: Array, state: tuple[Array, ...] | None
    ) -> tuple[int, Array, Array, Array, Array, Array, tuple[Array, ...]] | None:
        """Pieces worked on, losses, weights, norms, correct, scored, last state; None where an array is not as it must
        be, and nothing was done."""

class Engine64(Engine32):
    """The same in float64."""

class Stepper32:
    """A stream of S sessions."""

    def __init__(self, engine: Engine32, sessions: int) -> None: ...
    def step(self, x: Any, out: Array | None, /) -> Array | None:
        """The outputs; None where x or out is not as it must be, and nothing was done."""
    def step_many(self, xs: Array, out: Array) -> None: ...
    def get_state(self, h: Array, c: Array | None) -> None: ...
    def set_state(self, h: Array | None, c: Array | None) -> None: ...

class Stepper64(Stepper32): ...

class Layers32:
    """Recurrent layers without a head, on time-major (T, N, D) arrays."""

    def __init__(
        self,
        *,
        cell: int,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bidirectional: bool = False,
        bias: bool = True,
    ) -> None: ...
    @property
    def size(self) -> int:
        """How many parameters there are."""
    def load_parameters(self, block: Array) -> None: ...
    def forward(
        self,
        x: Array,
        h: Array | None,
        c: Array | None,
        outputs: Array,
        last_h: Array,
        last_c: Array | None,
        keep: bool,
    ) -> None: ...
    def backward(
        self,
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

    def __init__(
        self, cell: int, input_size: int, hidden_size: int, num_layers: int, bidirectional: bool, bias: bool, /
    ) -> None: ...
    def kept_size(self, steps: int, count: int, masks: bool, /) -> int:
        """How many numbers a pass keeps for its backward pass."""
    def forward(
        self,
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
        kept: int,
        threads: int,
        /,
    ) -> None: ...
    def backward(
        self,
        weights: list[int],
        x: int,
        x_step: int,
        x_sequence: int,
        steps: int,
        count: int,
        sizes: int,
        packed_rows: int,
        masks: int,
        kept: int,
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
        /,
    ) -> None: ...

class LayerCalls64(LayerCalls32): ...

def activate32(cell: int, x: Array, out: Array) -> None:
    """tanh, relu or sigmoid (0, 1, 2) of a vector, for tests."""

def activate64(cell: int, x: Array, out: Array) -> None:
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
