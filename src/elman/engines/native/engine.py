"""The native engine: the contract on C++ kernels, float32 by default. The default engine on a CPU.

Python checks what comes in and gives names to what comes out; everything between is one call into `elman.native._core`,
which works without the interpreter lock. `train_steps` runs all its pieces in a single such call. Results are the same
bits for any number of threads (ELMAN_NUM_THREADS, OMP_NUM_THREADS) and from run to run; ELMAN_ISA forces a lower
instruction set. Shapes: N, T, D, H, L, O, P as in `contract.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import final

import numpy as np

from elman.cells import State
from elman.engines import checks
from elman.engines.contract import Engine, Stream
from elman.engines.native.core import core_engine
from elman.engines.native.stream import NativeStream
from elman.engines.optimisers import memory_names
from elman.engines.options import Loss, Optimiser
from elman.engines.pieces import Batch, Pieces
from elman.engines.results import Evaluation, Gradients, LayerTrace, Steps, Trace
from elman.errors import UsageError
from elman.files import Array
from elman.native import _core
from elman.network import Network, check_parameters


@final
class NativeEngine(Engine):
    """The contract on the C++ kernels. See `Engine` for what the arguments mean; dtype None means float32."""

    name = "native"

    def __init__(
        self,
        network: Network,
        loss: Loss | None = None,
        optimiser: Optimiser | None = None,
        *,
        backprop_steps: int | None = None,
        dtype: str | None = None,
        seed: int = 0,
    ) -> None:
        dtype = dtype or "float32"
        checks.check_engine(network, loss, optimiser, backprop_steps, dtype)
        self.network, self.loss, self.optimiser = network, loss, optimiser
        self.backprop_steps, self.seed, self.dtype = backprop_steps, seed, np.dtype(dtype)
        self._core = core_engine(network, loss, optimiser, backprop_steps=backprop_steps, dtype=self.dtype, seed=seed)
        self._core.learning_rate = optimiser.learning_rate if optimiser else 0.0
        self.load_parameters(network.parameters)

    @property
    def learning_rate(self) -> float:
        return float(self._core.learning_rate)

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._core.learning_rate = value

    @property
    def updates(self) -> int:
        return int(self._core.updates)

    @updates.setter
    def updates(self, value: int) -> None:
        self._core.updates = value

    def forward(self, inputs: Array, state: State | None = None, lengths: Array | None = None) -> tuple[Array, State]:
        inputs, first, lengths = self._checked(inputs, state, lengths)
        return self._core.forward(inputs, first, lengths)

    def evaluate(self, batch: Batch, state: State | None = None) -> Evaluation:
        inputs, first, lengths = self._checked(batch.inputs, state, batch.lengths)
        value = self._core.evaluate(inputs, self._targets(batch.targets, inputs), first, lengths)
        return Evaluation(value.loss, value.weight, value.correct, value.scored, value.state)

    def gradients(self, batch: Batch, state: State | None = None, *, train: bool = True) -> Gradients:
        inputs, first, lengths = self._checked(batch.inputs, state, batch.lengths)
        d = self._core.gradients(inputs, self._targets(batch.targets, inputs), first, lengths, drop=train)
        return Gradients(
            loss=d.loss,
            weight=d.weight,
            correct=d.correct,
            scored=d.scored,
            outputs=d.outputs,
            parameters=self._by_name(d.parameters),
            inputs=d.inputs,
            initial_state=d.initial_state,
            state=d.state,
        )

    def train_steps(self, pieces: Pieces, state: State | None = None) -> Steps:
        if self.optimiser is None:
            raise UsageError("this engine was made without `optimiser`; give one to train")
        trained = self._core.train(pieces.inputs, pieces.targets, pieces.lengths, pieces.fresh, state)
        if trained is None:  # something is not as the core takes it: say what, or convert it
            pieces, state = checks.check_pieces(self.network, self.loss, pieces, state, self.dtype)
            trained = self._core.train(pieces.inputs, pieces.targets, pieces.lengths, pieces.fresh, state)
            assert trained is not None  # the core takes what `check_pieces` gives
        steps = Steps(
            trained.losses,
            trained.weights,
            trained.gradient_norms,
            trained.correct,
            trained.scored,
            trained.state,
        )
        return steps if trained.pieces == len(trained.losses) else steps.part(0, trained.pieces)

    def trace(self, inputs: Array, state: State | None = None) -> Trace:
        inputs, first, _ = self._checked(inputs, state, None)
        outputs, rows = self._core.trace(inputs, first)
        layers = zip(self.network.layer_names(), rows, strict=True)
        return Trace(outputs, {name: LayerTrace(states, gates) for name, (states, gates) in layers})

    def stream(self, sessions: int = 1) -> Stream:
        return NativeStream(self, self._core, sessions)

    def parameters(self) -> dict[str, Array]:
        block = np.empty(self._core.size, self.dtype)
        self._core.copy_parameters(block)
        return {name: p.copy() for name, p in self._by_name(block).items()}

    def load_parameters(self, parameters: Mapping[str, Array]) -> None:
        checked = check_parameters(self.network, parameters)
        self._core.load_parameters(self._block(checked))

    def optimiser_state(self) -> dict[str, Array]:
        state: dict[str, Array] = {}
        for memory in self._memory_names():
            block = np.empty(self._core.size, self.dtype)
            self._core.copy_memory(_core.OptimiserMemory[memory], block)
            state |= {f"{memory}.{name}": m.copy() for name, m in self._by_name(block).items()}
        return state

    def load_optimiser_state(self, state: Mapping[str, Array], updates: int) -> None:
        names = [f"{memory}.{name}" for memory in self._memory_names() for name in self.network.shapes()]
        if set(state) != set(names):
            raise UsageError(f"`state` must hold {sorted(names)}; got {sorted(state)}")
        for memory in self._memory_names():
            block = self._block({name: state[f"{memory}.{name}"] for name in self.network.shapes()})
            self._core.load_memory(_core.OptimiserMemory[memory], block)
        self.updates = updates

    def _memory_names(self) -> tuple[str, ...]:
        return memory_names(self.optimiser) if self.optimiser else ()

    def _checked(
        self, inputs: Array, state: State | None, lengths: Array | None
    ) -> tuple[Array, State | None, Array | None]:
        """What goes into a pass, in C order and in the engine's own types."""
        inputs = checks.check_inputs(self.network, inputs)
        inputs = np.ascontiguousarray(inputs, np.int64 if self.network.tokens else self.dtype)
        lengths = checks.check_lengths(lengths, *inputs.shape[:2])
        if state is not None:
            state = checks.check_state(self.network, state, len(inputs), self.dtype)
            state = tuple(np.ascontiguousarray(s) for s in state)
        return inputs, state, None if lengths is None else np.ascontiguousarray(lengths)

    def _targets(self, targets: Array, inputs: Array) -> Array:
        checked = checks.check_targets(self.network, self.loss, targets, *inputs.shape[:2])
        classes = self.loss is not None and self.loss.kind == "cross_entropy"
        return np.ascontiguousarray(checked, np.int64 if classes else self.dtype)

    def _block(self, arrays: Mapping[str, Array]) -> Array:
        """Arrays by name, one after the other in the network's order."""
        return np.concatenate([np.asarray(arrays[name], self.dtype).ravel() for name in self.network.shapes()])

    def _by_name(self, block: Array) -> dict[str, Array]:
        """Views into a block, by name."""
        views, start = {}, 0
        for name, shape in self.network.shapes().items():
            size = int(np.prod(shape))
            views[name] = block[start : start + size].reshape(shape)
            start += size
        return views
