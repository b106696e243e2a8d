"""The reference engine: NumPy, float64 by default, written to be read and to be checked against.

A network is run layer by layer; each layer and direction is a walk through time (`recurrence.py`). Going backward visits
the same layers from the top. Shapes: N, T, D, H, L, O as in `contract.py`; inside, time comes first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np

from elman.cells import State
from elman.engines import checks
from elman.engines.contract import Engine, Stream
from elman.engines.dropout import dropout_mask
from elman.engines.forward_stream import ForwardStream
from elman.engines.losses import counted_positions, evaluate_loss
from elman.engines.optimisers import clip, fresh_memory, update
from elman.engines.options import Loss, Optimiser
from elman.engines.pieces import Batch, Pieces
from elman.engines.reference import recurrence
from elman.engines.reference.recurrence import SavedSteps, Times, Weights
from elman.engines.results import Evaluation, Gradients, LayerTrace, Steps, Trace
from elman.errors import UsageError
from elman.files import Array
from elman.network import Network, check_parameters


@dataclass(frozen=True)
class ForwardPass:
    """One forward pass, and what the backward pass and the trace need of it.

    Attributes:
        outputs: (N, T, O), or (N, O).
        state: The last state.
        layer_inputs: By layer, what went in, (T, N, D) or tokens (T, N).
        saved: By layer and direction, what each step saved.
        times: By layer and direction, which steps exist and in which order.
        masks: By layer, the dropout mask of its outputs, or None.
        top: What the head read.
    """

    outputs: Array
    state: State
    layer_inputs: list[Array]
    saved: list[SavedSteps]
    times: list[Times]
    masks: list[Array | None]
    top: Array


@final
class ReferenceEngine(Engine):
    """The contract in plain NumPy. See `Engine` for what the arguments mean; dtype None means float64."""

    name = "reference"

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
        dtype = dtype or "float64"
        checks.check_engine(network, loss, optimiser, backprop_steps, dtype)
        self.network, self.loss, self.optimiser = network, loss, optimiser
        self.backprop_steps, self.seed, self.dtype = backprop_steps, seed, np.dtype(dtype)
        self.learning_rate = optimiser.learning_rate if optimiser else 0.0
        self.updates = 0
        self._cell = network.recurrence
        self.load_parameters(network.parameters)
        self._memory = fresh_memory(optimiser, self._parameters) if optimiser else {}

    def forward(self, inputs: Array, state: State | None = None, lengths: Array | None = None) -> tuple[Array, State]:
        run = self._run(*self._checked(inputs, state, lengths), train=False)
        return run.outputs, run.state

    def evaluate(self, batch: Batch, state: State | None = None) -> Evaluation:
        inputs, first, lengths = self._checked(batch.inputs, state, batch.lengths)
        targets = checks.check_targets(self.network, self.loss, batch.targets, *inputs.shape[:2])
        run = self._run(inputs, first, lengths, train=False)
        value = evaluate_loss(self._loss(), run.outputs, targets, self._counted(inputs, lengths))
        return Evaluation(value.value, value.weight, value.correct, value.scored, run.state)

    def gradients(self, batch: Batch, state: State | None = None, *, train: bool = True) -> Gradients:
        inputs, first, lengths = self._checked(batch.inputs, state, batch.lengths)
        targets = checks.check_targets(self.network, self.loss, batch.targets, *inputs.shape[:2])
        return self._gradients(inputs, targets, first, lengths, train)

    def train_steps(self, pieces: Pieces, state: State | None = None) -> Steps:
        if self.optimiser is None:
            raise UsageError("this engine was made without `optimiser`; give one to train")
        rows: list[tuple[float, float, float, int, int]] = []
        for index, fresh in enumerate(checks.check_fresh(pieces.fresh, len(pieces.inputs))):
            batch = pieces[index]
            inputs, first, lengths = self._checked(batch.inputs, None if fresh else state, batch.lengths)
            targets = checks.check_targets(self.network, self.loss, batch.targets, *inputs.shape[:2])
            d = self._gradients(inputs, targets, first, lengths, train=True)
            norm = clip(self.optimiser, d.parameters)
            rows.append((d.loss, d.weight, norm, d.correct, d.scored))
            state = d.state
            if not np.isfinite(d.loss + norm):
                break
            update(self.optimiser, self.learning_rate, self.updates, self._parameters, d.parameters, self._memory)
            self.updates += 1
        losses, weights, norms, correct, scored = (np.array(column) for column in zip(*rows, strict=True))
        assert state is not None
        return Steps(losses, weights, norms, correct, scored, state)

    def trace(self, inputs: Array, state: State | None = None) -> Trace:
        run = self._run(*self._checked(inputs, state, None), train=False)
        layers: dict[str, LayerTrace] = {}
        for name, saved, times in zip(self.network.layer_names(), run.saved, run.times, strict=True):
            order = list(times.forward())
            after = {now: saved.before[later] for now, later in pairwise(order)}
            row = len(layers)
            after[order[-1]] = tuple(s[row] for s in run.state)
            states = {
                key: np.stack([after[t][i] for t in range(times.steps)], axis=1)
                for i, key in enumerate(self._cell.state_names)
            }
            gates = [self._cell.gates_of(step) for step in saved.by_cell]
            layers[name] = LayerTrace(states, {key: np.stack([g[key] for g in gates], axis=1) for key in gates[0]})
        return Trace(run.outputs, layers)

    def stream(self, sessions: int = 1) -> Stream:
        return ForwardStream(self, sessions)

    def parameters(self) -> dict[str, Array]:
        return {name: p.copy() for name, p in self._parameters.items()}

    def load_parameters(self, parameters: Mapping[str, Array]) -> None:
        checked = check_parameters(self.network, parameters)
        self._parameters = {name: p.astype(self.dtype) for name, p in checked.items()}

    def optimiser_state(self) -> dict[str, Array]:
        return {name: m.copy() for name, m in self._memory.items()}

    def load_optimiser_state(self, state: Mapping[str, Array], updates: int) -> None:
        if set(state) != set(self._memory):
            raise UsageError(f"`state` must hold {sorted(self._memory)}; got {sorted(state)}")
        self._memory = {name: np.array(m, dtype=self.dtype) for name, m in state.items()}
        self.updates = updates

    def _checked(self, inputs: Array, state: State | None, lengths: Array | None) -> tuple[Array, State, Array | None]:
        inputs = checks.check_inputs(self.network, inputs)
        if not self.network.tokens:
            inputs = inputs.astype(self.dtype, copy=False)
        lengths = checks.check_lengths(lengths, *inputs.shape[:2])
        return inputs, checks.check_state(self.network, state, len(inputs), self.dtype), lengths

    def _loss(self) -> Loss:
        assert self.loss is not None
        return self.loss

    def _weights(self, name: str) -> Weights:
        p = self._parameters
        return Weights(
            p[f"weight_ih_{name}"], p[f"weight_hh_{name}"], p.get(f"bias_ih_{name}"), p.get(f"bias_hh_{name}")
        )

    def _run(self, inputs: Array, state: State, lengths: Array | None, *, train: bool) -> ForwardPass:
        """Forward through every layer, saving what the backward pass and the trace need."""
        network = self.network
        x = np.ascontiguousarray(np.swapaxes(inputs, 0, 1))
        if network.inputs == "embedding":
            x = self._parameters["embedding.weight"][x]
        steps, count = x.shape[:2]
        times = [recurrence.times_of(steps, count, lengths, r) for r in (False, True)][: network.directions]
        layer_inputs, saved, last, masks = [], [], [], []
        for layer in range(network.num_layers):
            sides = []
            for side in range(network.directions):
                row = layer * network.directions + side
                weights = self._weights(network.layer_names()[row])
                outputs, final, saved_row = recurrence.forward(
                    self._cell, x, tuple(s[row] for s in state), weights, times[side]
                )
                sides.append(outputs)
                last.append(final)
                saved.append(saved_row)
            layer_inputs.append(x)
            x = sides[0] if len(sides) == 1 else np.concatenate(sides, axis=2)
            mask = self._mask(layer, x) if train else None
            masks.append(mask)
            x = x if mask is None else x * mask
        final_state = tuple(np.stack(arrays) for arrays in zip(*last, strict=True))
        top = self._head_inputs(x, final_state)
        outputs = top @ self._parameters["head.weight"].T
        if network.head_bias:
            outputs = outputs + self._parameters["head.bias"]
        if network.head == "every" and lengths is not None:
            outputs = np.where(self._counted(inputs, lengths)[..., None], outputs, 0)
        return ForwardPass(outputs, final_state, layer_inputs, saved, times * network.num_layers, masks, top)

    def _mask(self, layer: int, x: Array) -> Array | None:
        """The dropout mask (T, N, H * directions) of a layer that has another above it."""
        if not self.network.dropout or layer == self.network.num_layers - 1:
            return None
        shape = (x.shape[1], x.shape[0], x.shape[2])
        mask = dropout_mask(self.seed, self.updates, layer, shape, self.network.dropout)
        return np.swapaxes(mask, 0, 1).astype(self.dtype)

    def _head_inputs(self, x: Array, final_state: State) -> Array:
        """What the head reads: (N, T, F) for every step, or (N, F) from the last states of the top layer."""
        if self.network.head == "every":
            return np.ascontiguousarray(np.swapaxes(x, 0, 1))
        return np.concatenate(list(final_state[0][-self.network.directions :]), axis=1)

    def _counted(self, inputs: Array, lengths: Array | None) -> Array:
        return counted_positions(self.network, inputs.shape[0], inputs.shape[1], lengths)

    def _gradients(self, inputs: Array, targets: Array, state: State, lengths: Array | None, train: bool) -> Gradients:
        network = self.network
        run = self._run(inputs, state, lengths, train=train)
        value = evaluate_loss(self._loss(), run.outputs, targets, self._counted(inputs, lengths))
        d_out = value.gradient.reshape(-1, network.output_size)
        d_parameters = {"head.weight": d_out.T @ run.top.reshape(len(d_out), -1)}
        if network.head_bias:
            d_parameters["head.bias"] = recurrence.row_sum(d_out)
        d_top = (d_out @ self._parameters["head.weight"]).reshape(run.top.shape)
        d_x, d_last = self._into_top_layer(d_top, run)
        d_first: list[State] = [()] * len(run.saved)
        for layer in reversed(range(network.num_layers)):
            mask = run.masks[layer]
            d_x = d_x if mask is None else d_x * mask
            sides = np.split(d_x, network.directions, axis=2)
            d_below: Array = np.zeros(0)
            for side, d_side in enumerate(sides):
                row = layer * network.directions + side
                name = network.layer_names()[row]
                back = recurrence.backward(
                    self._cell, run.layer_inputs[layer], d_side, d_last[row], self._weights(name), run.times[row],
                    run.saved[row], self.backprop_steps,
                )  # fmt: skip
                d_first[row] = back.state
                d_parameters |= _named(name, back.weights)
                if back.inputs is not None:
                    d_below = d_below + back.inputs if side else back.inputs
            d_x = d_below
        if network.inputs == "embedding":
            d_parameters["embedding.weight"] = recurrence.sum_by_token(
                np.swapaxes(inputs, 0, 1), d_x, network.input_size
            )
        return Gradients(
            loss=value.value,
            weight=value.weight,
            correct=value.correct,
            scored=value.scored,
            outputs=run.outputs,
            parameters={key: d_parameters[key] for key in network.shapes()},
            inputs=None if network.tokens else np.swapaxes(d_x, 0, 1),
            initial_state=tuple(np.stack(arrays) for arrays in zip(*d_first, strict=True)),
            state=run.state,
        )

    def _into_top_layer(self, d_top: Array, run: ForwardPass) -> tuple[Array, list[State]]:
        """Hand the head's gradient to the top layer: to its outputs, or to its last states."""
        count, hidden = run.state[0].shape[1:]
        zero = tuple(np.zeros((count, hidden), self.dtype) for _ in run.state)
        d_last = [zero for _ in run.saved]
        if self.network.head == "every":
            return np.ascontiguousarray(np.swapaxes(d_top, 0, 1)), d_last
        for side, d_h in enumerate(np.split(d_top, self.network.directions, axis=1)):
            d_last[side - self.network.directions] = (d_h, *zero[1:])
        steps = len(run.layer_inputs[0])
        return np.zeros((steps, count, hidden * self.network.directions), self.dtype), d_last


def _named(name: str, weights: Weights) -> dict[str, Array]:
    """A layer's weight gradients under the names of its parameters."""
    named = {f"weight_ih_{name}": weights.ih, f"weight_hh_{name}": weights.hh}
    if weights.bias_ih is not None and weights.bias_hh is not None:
        named |= {f"bias_ih_{name}": weights.bias_ih, f"bias_hh_{name}": weights.bias_hh}
    return named
