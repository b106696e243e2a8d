"""Trainings for one process or several: `python -m tests.engines.torch.trainings FILE` writes what each ends with.

Batches of 3 rows and of 1 are split among 2 processes unevenly, and so that one has nothing.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from elman.data.batches import Batches, SequenceBatches, TextBatches
from elman.engines import Loss, Optimiser, joined, make_engine
from elman.network import Network
from elman.training import Training, train

Array = NDArray[Any]


def classification(batch_size: int, backprop_steps: int | None = None) -> dict[str, Array]:
    """Sequences of unequal length, some of no step at all in a piece; class weights; clipping; validation."""
    generator = np.random.default_rng(0)
    x, lengths = generator.standard_normal((10, 6, 2)), np.array([6, 1, 4, 2, 6, 3, 5, 6, 1, 2])
    y = (x[:, 0, 0] > 0).astype(int)
    network = Network(cell="lstm", input_size=2, hidden_size=3, output_size=2, head="last", bidirectional=True)
    loss = Loss(kind="cross_entropy", class_weights=(0.5, 2.0))
    optimiser = Optimiser(learning_rate=0.05, clip_norm=0.2)
    batches = SequenceBatches(x[:7], y[:7], lengths[:7], batch_size=batch_size, aligned=False, seed=3)
    valid = SequenceBatches(x[7:], y[7:], lengths[7:], batch_size=8, shuffle=False, aligned=False)
    return _trained(network, loss, optimiser, batches, valid, backprop_steps, measures=("accuracy",))


def language(sampling: str) -> dict[str, Array]:
    """A language model with carried state, two layers and dropout between them."""
    tokens = np.random.default_rng(1).integers(0, 5, 200)
    network = Network(
        cell="gru", input_size=5, hidden_size=4, output_size=5, inputs="embedding", embedding_size=3, num_layers=2,
        dropout=0.4,
    )  # fmt: skip
    batches = TextBatches(tokens, batch_size=3, steps=7, sampling=sampling, seed=6)
    optimiser = Optimiser(kind="sgd", learning_rate=0.5, momentum=0.5, clip_value=0.1)
    return _trained(network, Loss(kind="cross_entropy"), optimiser, batches, None, None, measures=("perplexity",))


def sums(head: str) -> dict[str, Array]:
    """A loss that is summed, on sequences in carried pieces that end at different steps."""
    x = np.random.default_rng(2).standard_normal((5, 6, 2))
    lengths = np.array([6, 1, 4, 2, 5])
    network = Network(cell="elman", nonlinearity="sigmoid", input_size=2, hidden_size=3, output_size=1, head=head)
    batches = SequenceBatches(
        x, np.cumsum(x, axis=1)[..., :1], lengths, batch_size=3, steps=2, carry=True, shuffle=False
    )
    optimiser = Optimiser(kind="rmsprop", learning_rate=0.02)
    return _trained(network, Loss(kind="half_mse", reduction="sum"), optimiser, batches, None, 3)


TRAININGS = {
    "classification in threes": lambda: classification(3),
    "classification one by one": lambda: classification(1),
    "classification, truncated": lambda: classification(4, 2),
    "language, carried": lambda: language("sequential"),
    "language, random": lambda: language("random"),
    "a sum, in pieces": lambda: sums("every"),
}


def _trained(
    network: Network, loss: Loss, optimiser: Optimiser, batches: Batches, valid: Batches | None,
    backprop_steps: int | None, **options: Any,
) -> dict[str, Array]:  # fmt: skip
    engine = make_engine(
        "torch", network.initialise(1), loss, optimiser, backprop_steps=backprop_steps, dtype="float64", seed=4
    )
    done = train(engine, batches, Training(epochs=3, **options), validation=valid)
    assert done.state is not None
    names = [name for name in done.history[0] if "second" not in name]
    return {
        **done.parameters,
        **engine.optimiser_state(),
        **{f"state.{i}": s for i, s in enumerate(done.state)},
        **{f"history.{name}": np.array([float(record[name]) for record in done.history]) for name in names},
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    with joined("torch") as processes:
        found = {f"{name}/{key}": v for name, make in TRAININGS.items() for key, v in make().items()}
        np.savez(f"{sys.argv[1]}.{processes.rank}.npz", **found)
