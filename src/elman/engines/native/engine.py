"""The native engine: the contract on C++ kernels, float32 by default. The default engine on a CPU.

Python checks what comes in and gives names to what comes out; everything between is one call into `elman.native._core`,
which works without the interpreter lock. `train_steps` runs all its pieces in a single such call. Results are the same
bits for any number of threads (ELMAN_NUM_THREADS, OMP_NUM_THREADS) and from run to run; ELMAN_ISA forces a lower instruction set.
Shapes: N, T, D, H, L, O, P as in `contract.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np

from elman.cells import State
from elman.engines import checks
from elman.engines.contract import Engine, Stream
from elman.engines.optimisers import memory_names
from elman.engines.options import LOSSES, OPTIMISERS, Loss, Optimiser
from elman.engines.pieces import Batch, Pieces
from elman.engines.results import Evaluation, Gradients, LayerTrace, Steps, Trace
from elman.errors import UsageError
from elman.files import Array
from elman.native import _core
from elman.network import HEADS, INPUTS, Network, check_parameters

# Numbers that stand for names in the core; the order is that of the enumerations in native/*.h.
_CELLS = {("elman", "tanh"): 0, ("elman", "relu"): 1, ("elman", "sigmoid"): 2, ("gru", "tanh"): 3, ("lstm", "tanh"): 4}
_MEMORIES = {"exp_avg": 0, "exp_avg_sq": 1, "square_avg": 1, "momentum_buffer": 2}
_GATE_SLOTS = {"elman": {}, "gru": {"r": 1, "z": 2, "n": 0}, "lstm": {"i": 0, "f": 1, "g": 2, "o": 3}}
_H, _C = -1, -2


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
        self._core = _make_core(network, loss, optimiser, backprop_steps or 0, self.dtype, seed)
        self._core.learning_rate = optimiser.learning_rate if optimiser else 0.0
        self._two_states = network.cell == "lstm"
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
        outputs, last = self._new_outputs(inputs), self._new_state(len(inputs))
        self._core.forward(inputs, lengths, *_pair(first), outputs, *_pair(last))
        return outputs, last

    def evaluate(self, batch: Batch, state: State | None = None) -> Evaluation:
        inputs, first, lengths = self._checked(batch.inputs, state, batch.lengths)
        targets = self._targets(batch.targets, inputs)
        last = self._new_state(len(inputs))
        value, weight, correct, scored = self._core.evaluate(inputs, targets, lengths, *_pair(first), *_pair(last))
        return Evaluation(value, weight, correct, scored, last)

    def gradients(self, batch: Batch, state: State | None = None, *, train: bool = True) -> Gradients:
        inputs, first, lengths = self._checked(batch.inputs, state, batch.lengths)
        targets = self._targets(batch.targets, inputs)
        outputs, block = self._new_outputs(inputs), np.empty(self._core.size, self.dtype)
        d_inputs = None if self.network.tokens else np.empty(inputs.shape, self.dtype)
        d_first, last = self._new_state(len(inputs)), self._new_state(len(inputs))
        value, weight, correct, scored = self._core.gradients(
            inputs, targets, lengths, *_pair(first), train, outputs, block, d_inputs, *_pair(d_first), *_pair(last)
        )
        return Gradients(value, weight, correct, scored, outputs, self._named(block), d_inputs, d_first, last)

    def train_steps(self, pieces: Pieces, state: State | None = None) -> Steps:
        if self.optimiser is None:
            raise UsageError("this engine was made without `optimiser`; give one to train")
        done = self._core.train(pieces.inputs, pieces.targets, pieces.lengths, pieces.fresh, state)
        if done is None:  # something is not as the core takes it: say what, or convert it
            pieces, state = checks.check_pieces(self.network, self.loss, pieces, state, self.dtype)
            done = self._core.train(pieces.inputs, pieces.targets, pieces.lengths, pieces.fresh, state)
        count, losses, weights, norms, correct, scored, last = done
        if count < len(losses):
            return Steps(losses[:count], weights[:count], norms[:count], correct[:count], scored[:count], last)
        return Steps(losses, weights, norms, correct, scored, last)

    def trace(self, inputs: Array, state: State | None = None) -> Trace:
        inputs, first, _ = self._checked(inputs, state, None)
        outputs, last = self._new_outputs(inputs), self._new_state(len(inputs))
        self._core.forward(inputs, None, *_pair(first), outputs, *_pair(last), keep=True)
        layers = {}
        for row, name in enumerate(self.network.layer_names()):
            states = {key: self._traced(inputs, row, _H if key == "h" else _C) for key in self._state_names}
            gates = {key: self._traced(inputs, row, slot) for key, slot in _GATE_SLOTS[self.network.cell].items()}
            layers[name] = LayerTrace(states, gates)
        return Trace(outputs, layers)

    def stream(self, sessions: int = 1) -> Stream:
        return NativeStream(self, sessions)

    def parameters(self) -> dict[str, Array]:
        block = np.empty(self._core.size, self.dtype)
        self._core.copy_parameters(block)
        return {name: p.copy() for name, p in self._named(block).items()}

    def load_parameters(self, parameters: Mapping[str, Array]) -> None:
        checked = check_parameters(self.network, parameters)
        self._core.load_parameters(self._block(checked))

    def optimiser_state(self) -> dict[str, Array]:
        found: dict[str, Array] = {}
        for memory in self._memory_names():
            block = np.empty(self._core.size, self.dtype)
            self._core.copy_memory(_MEMORIES[memory], block)
            found |= {f"{memory}.{name}": m.copy() for name, m in self._named(block).items()}
        return found

    def load_optimiser_state(self, state: Mapping[str, Array], updates: int) -> None:
        names = [f"{memory}.{name}" for memory in self._memory_names() for name in self.network.shapes()]
        if set(state) != set(names):
            raise UsageError(f"`state` must hold {sorted(names)}; got {sorted(state)}")
        for memory in self._memory_names():
            block = self._block({name: state[f"{memory}.{name}"] for name in self.network.shapes()})
            self._core.load_memory(_MEMORIES[memory], block)
        self.updates = updates

    @property
    def _state_names(self) -> tuple[str, ...]:
        return ("h", "c") if self._two_states else ("h",)

    def _memory_names(self) -> tuple[str, ...]:
        return memory_names(self.optimiser) if self.optimiser else ()

    def _checked(
        self, inputs: Array, state: State | None, lengths: Array | None
    ) -> tuple[Array, State | None, Array | None]:
        inputs = checks.check_inputs(self.network, inputs)
        inputs = np.ascontiguousarray(inputs, np.int64 if self.network.tokens else self.dtype)
        lengths = checks.check_lengths(lengths, *inputs.shape[:2])
        if state is not None:
            state = checks.check_state(self.network, state, len(inputs), self.dtype)
            state = tuple(np.ascontiguousarray(s) for s in state)
        return inputs, state, None if lengths is None else np.ascontiguousarray(lengths)

    def _targets(self, targets: Array, inputs: Array) -> Array:
        checked = checks.check_targets(self.network, self.loss, targets, *inputs.shape[:2])
        return np.ascontiguousarray(checked, np.int64 if self._class_targets else self.dtype)

    @property
    def _class_targets(self) -> bool:
        return self.loss is not None and self.loss.kind == "cross_entropy"

    def _new_outputs(self, inputs: Array) -> Array:
        size = self.network.output_size
        shape = (len(inputs), size) if self.network.head == "last" else (*inputs.shape[:2], size)
        return np.empty(shape, self.dtype)

    def _new_state(self, count: int) -> State:
        rows, hidden = self.network.state_shape
        return tuple(np.empty((rows, count, hidden), self.dtype) for _ in self._state_names)

    def _traced(self, inputs: Array, row: int, slot: int) -> Array:
        found = np.empty((*inputs.shape[:2], self.network.hidden_size), self.dtype)
        self._core.copy_trace(row, slot, found)
        return found

    def _block(self, arrays: Mapping[str, Array]) -> Array:
        """Arrays by name, one after the other in the network's order."""
        return np.concatenate([np.asarray(arrays[name], self.dtype).ravel() for name in self.network.shapes()])

    def _named(self, block: Array) -> dict[str, Array]:
        """Views into a block, by name."""
        named, start = {}, 0
        for name, shape in self.network.shapes().items():
            size = int(np.prod(shape))
            named[name] = block[start : start + size].reshape(shape)
            start += size
        return named


def _make_core(
    network: Network,
    loss: Loss | None,
    optimiser: Optimiser | None,
    backprop_steps: int,
    dtype: np.dtype,
    seed: int,
) -> Any:
    """The core's engine for a network, its choices turned into the core's numbers."""
    made = _core.Engine32 if dtype == np.float32 else _core.Engine64
    return made(
        cell=_CELLS[network.cell, network.nonlinearity],
        input_size=network.input_size,
        hidden_size=network.hidden_size,
        output_size=network.output_size,
        num_layers=network.num_layers,
        bidirectional=network.bidirectional,
        bias=network.bias,
        head_bias=network.head_bias,
        inputs=INPUTS.index(network.inputs),
        embedding_size=network.embedding_size,
        head_last=network.head == HEADS[1],
        dropout=network.dropout,
        loss=None if loss is None else _loss_values(loss),
        optimiser=None if optimiser is None else _optimiser_values(optimiser),
        backprop_steps=backprop_steps,
        seed=int(seed) % 2**64,
    )


def _loss_values(loss: Loss) -> tuple[int, bool, float, list[float], list[float], int]:
    weights = [] if loss.class_weights is None else list(loss.class_weights)
    mean = loss.reduction == "mean"
    return LOSSES.index(loss.kind), mean, loss.delta, list(loss.quantiles), weights, loss.ignore_index


def _optimiser_values(o: Optimiser) -> tuple[int, float, float, float, float, float, float, bool, float, float]:
    clips = (o.clip_value or 0.0, o.clip_norm or 0.0)
    return (OPTIMISERS.index(o.kind), o.momentum, o.weight_decay, *o.betas, o.eps, o.alpha, o.nesterov, *clips)


def _pair(state: State | None) -> tuple[Array | None, Array | None]:
    """h and c, None where there is none."""
    if state is None:
        return None, None
    return state[0], state[1] if len(state) == 2 else None


@final
class NativeStream(Stream):
    """Steps in one call of the core, which allocates nothing but the array that it returns.

    `step` returns a new array each time, safe to keep; with `out` it writes there instead and returns `out`. Arrays of
    the engine's dtype (int64 for tokens), and for single numbers Python's own, are taken as they are; anything else is
    converted first. The parameters are the engine's: a stream goes on with new ones where the engine has trained.
    """

    engine: NativeEngine

    def __init__(self, engine: NativeEngine, sessions: int) -> None:
        network = engine.network
        checks.check_stream(network, sessions)
        self.engine, self._network, self._sessions = engine, network, sessions
        made = _core.Stepper32 if engine.dtype == np.float32 else _core.Stepper64
        self._stepper = made(engine._core, sessions)
        self._step = self._stepper.step

    def step(self, x: Any, out: Array | None = None) -> Array:
        done: Array | None = self._step(x, out)
        return self._step_converted(x, out) if done is None else done

    def step_many(self, xs: Any) -> Array:
        tokens = self._network.tokens
        batched = np.ndim(xs) == (2 if tokens else 3)
        steps = np.shape(xs)[1 if batched else 0]
        tail = () if tokens else (self._network.input_size,)
        xs, single = self._shaped(xs, (self._sessions, steps, *tail))
        outputs = np.empty((self._sessions, steps, self._network.output_size), self.engine.dtype)
        self._stepper.step_many(xs, outputs)
        return outputs[0] if single else outputs

    @property
    def state(self) -> State:
        state = self.engine._new_state(self._sessions)
        self._stepper.get_state(state[0], state[1] if len(state) == 2 else None)
        return state

    @state.setter
    def state(self, value: State | None) -> None:
        checked = checks.check_state(self._network, value, self._sessions, self.engine.dtype)
        self._stepper.set_state(*_pair(tuple(np.ascontiguousarray(s) for s in checked)))

    def _step_converted(self, x: Any, out: Array | None) -> Array:
        """A step for an x that the core does not take as it is."""
        network = self._network
        wanted = (self._sessions,) if network.tokens else (self._sessions, network.input_size)
        x, single = self._shaped(x, wanted)
        shape: tuple[int, ...] = (network.output_size,) if single else (self._sessions, network.output_size)
        fits = out is not None and isinstance(out, np.ndarray) and out.shape == shape and out.dtype == self.engine.dtype
        if out is not None and not (fits and out.flags.c_contiguous and out.flags.writeable):
            came = f"{np.shape(out)}, {getattr(out, 'dtype', type(out).__name__)}"
            raise UsageError(f"`out` must be a writable C-contiguous array {shape} of {self.engine.dtype}; got {came}")
        done = self._step(x.reshape(wanted[1:]) if single and wanted[1:] else x, out)
        assert done is not None  # the core takes what `_shaped` gives
        return done[0] if single and not wanted[1:] and out is None else done

    def _shaped(self, x: Any, wanted: tuple[int, ...]) -> tuple[Array, bool]:
        """x as the core takes it, in the wanted shape, and whether it came without its sessions axis."""
        x = np.asarray(x)
        single = self._sessions == 1 and (x.shape == wanted[1:] or (x.ndim == 0 and wanted == (1, 1)))
        if x.shape != wanted and not single:
            raise UsageError(f"`x` must have shape {wanted}; got {x.shape}")
        x = x.reshape(wanted)
        if self._network.tokens:
            checks.check_inputs(self._network, x if x.ndim == 2 else x[:, None])
            return np.ascontiguousarray(x, np.int64), single
        return np.ascontiguousarray(x, self.engine.dtype), single
