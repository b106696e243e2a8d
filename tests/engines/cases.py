"""Networks and batches to test engines with: random weights, and N, T, D, H, L and O all different."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elman.engines import Batch, Engine, Loss, make_engine
from elman.network import Network

Array = NDArray[Any]
State = tuple[Array, ...]

N, T, D, H, O = 4, 7, 3, 5, 2  # noqa: E741 - the shape legend's letters

CELLS = ("elman-tanh", "elman-relu", "elman-sigmoid", "gru", "lstm")
TORCH_CELLS = ("elman-tanh", "elman-relu", "gru", "lstm")
LOSSES = {
    "mse": Loss(kind="mse"),
    "mse sum": Loss(kind="mse", reduction="sum"),
    "half_mse": Loss(kind="half_mse"),
    "half_mse sum": Loss(kind="half_mse", reduction="sum"),
    "mae": Loss(kind="mae"),
    "mae sum": Loss(kind="mae", reduction="sum"),
    "huber": Loss(kind="huber", delta=0.7),
    "huber sum": Loss(kind="huber", delta=0.3, reduction="sum"),
    "cross_entropy": Loss(kind="cross_entropy"),
    "cross_entropy sum": Loss(kind="cross_entropy", reduction="sum"),
    "cross_entropy weighted": Loss(kind="cross_entropy", class_weights=(0.5, 2.0, 1.25)),
    "cross_entropy weighted sum": Loss(kind="cross_entropy", class_weights=(0.5, 2.0, 1.25), reduction="sum"),
    "cross_entropy ignoring": Loss(kind="cross_entropy", ignore_index=1, class_weights=(0.5, 2.0, 1.25)),
    "quantile": Loss(kind="quantile", quantiles=(0.1, 0.5, 0.8)),
    "quantile sum": Loss(kind="quantile", quantiles=(0.1, 0.5, 0.8), reduction="sum"),
    "gaussian": Loss(kind="gaussian"),
    "gaussian sum": Loss(kind="gaussian", reduction="sum"),
}


def network(cell: str, seed: int = 0, **options: Any) -> Network:
    """A network of these options with normal(0, 0.6) weights; `elman-relu` and its like name the nonlinearity too."""
    kind, _, nonlinearity = cell.partition("-")
    options = {"input_size": D, "hidden_size": H, "output_size": O, **options}
    if options.get("inputs") == "embedding":
        options.setdefault("embedding_size", 6)
    made = Network(cell=kind, nonlinearity=nonlinearity or "tanh", **options)
    return made.initialise(seed, {"": "normal(0, 0.6)"})


@dataclass(frozen=True)
class Case:
    """What goes into a test: a network, a loss, a batch for it and a state to start from."""

    network: Network
    loss: Loss
    batch: Batch
    state: State

    def engine(self, name: str, **options: Any) -> Engine:
        return make_engine(name, self.network, self.loss, **{"dtype": "float64", **options})

    def with_parameter(self, name: str, value: Array) -> Case:
        return replace(self, network=self.network.with_parameters({**self.network.parameters, name: value}))


def case(
    cell: str, loss: Loss | None = None, *, lengths: bool = False, seed: int = 0, n: int = N, t: int = T, **options: Any
) -> Case:
    """A random case. Lengths include 1 and T; padding holds numbers that would be noticed."""
    loss = loss or LOSSES["mse"]
    if loss.kind == "cross_entropy":
        options.setdefault("output_size", 3)
    made = network(cell, seed, **{"output_size": O * loss.outputs_per_target(), **options})
    generator = np.random.default_rng(seed + 1)
    each = np.array([1, t, *generator.integers(1, t + 1, n)])[:n] if lengths else None
    if made.tokens:
        inputs: Array = generator.integers(0, made.input_size, (n, t))
    else:
        inputs = generator.standard_normal((n, t, made.input_size))
    lead = (n, t) if made.head == "every" else (n,)
    if loss.kind == "cross_entropy":
        targets: Array = generator.integers(0, made.output_size, lead)
    else:
        targets = generator.standard_normal((*lead, made.output_size // loss.outputs_per_target()))
    return Case(made, loss, Batch(inputs, targets, each), random_state(made, n, seed + 2))


def random_state(made: Network, n: int, seed: int = 0) -> State:
    generator = np.random.default_rng(seed)
    rows, hidden = made.state_shape
    return tuple(0.5 * generator.standard_normal((rows, n, hidden)) for _ in made.recurrence.state_names)


def exists(batch: Batch) -> Array:
    """(N, T) booleans: which steps are not padding."""
    n, t = batch.inputs.shape[:2]
    return np.arange(t) < (np.full(n, t) if batch.lengths is None else batch.lengths)[:, None]
