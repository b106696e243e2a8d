"""Small trainings that use much of what there is: carried state, dropout, momentum, validation, several pieces an epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from elman.data.batches import Batches, SequenceBatches, TextBatches
from elman.engines import Engine, Loss, Optimiser, make_engine
from elman.network import Network
from elman.training import Training, parse_schedule

VOLATILE = ("seconds", "tokens_per_second")
"""What a record says of the clock, and so may differ from run to run."""


class Plan:
    """An engine, its batches and how to train, made anew at each call of `make`."""

    def __init__(self, engine: Engine, batches: Batches, validation: Batches | None, training: Training) -> None:
        self.engine, self.batches, self.validation, self.training = engine, batches, validation, training


def carried(engine_name: str = "reference", **changes: Any) -> Plan:
    """Regression of two ragged sequences a batch in carried pieces, with dropout, momentum, early stopping and decay."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal((7, 6, 2))
    y = np.cumsum(x, axis=1)[..., :1] / 3
    lengths = np.array([6, 4, 6, 1, 5, 6, 2])
    network = Network(cell="lstm", input_size=2, hidden_size=3, output_size=1, num_layers=2, dropout=0.3).initialise(1)
    optimiser = Optimiser(kind="rmsprop", learning_rate=0.02, momentum=0.5, clip_norm=1.0)
    engine = make_engine(engine_name, network, Loss(), optimiser, backprop_steps=2, seed=4)
    batches = SequenceBatches(x[:5], y[:5], lengths[:5], batch_size=2, steps=2, carry=True, seed=5)
    validation = SequenceBatches(x[5:], y[5:], lengths[5:], batch_size=8, shuffle=False)
    settings = {"epochs": 3, "patience": 2, "schedule": parse_schedule("exponential(0.7)", 1), **changes}
    return Plan(engine, batches, validation, Training(**settings))


def text(engine_name: str = "reference", **changes: Any) -> Plan:
    """A tiny language model with carried state, Adam, and losses measured before each epoch."""
    tokens = np.random.default_rng(0).integers(0, 5, 90)
    network = Network(cell="gru", input_size=5, hidden_size=4, output_size=5, inputs="embedding", embedding_size=3)
    engine = make_engine(engine_name, network.initialise(2), Loss(kind="cross_entropy"), Optimiser(learning_rate=0.05))
    batches = TextBatches(tokens, batch_size=3, steps=4, seed=6)
    validation = TextBatches(tokens[:40], batch_size=2, steps=4, fixed_offset=True)
    settings = {"epochs": 4, "score_first": True, "measures": ("accuracy", "perplexity"), **changes}
    return Plan(engine, batches, validation, Training(**settings))


def together(engine_name: str = "reference", **changes: Any) -> Plan:
    """Nothing happens between its epochs, so several of them go into one call of the engine."""
    x = np.random.default_rng(0).standard_normal((4, 6, 2))
    network = Network(cell="gru", input_size=2, hidden_size=3, output_size=1).initialise(1)
    optimiser = Optimiser(kind="sgd", learning_rate=0.05, momentum=0.5)
    engine = make_engine(engine_name, network, Loss(), optimiser)
    batches = SequenceBatches(x, np.cumsum(x, axis=1)[..., :1] / 3, batch_size=2, steps=3, carry=True, shuffle=False)
    return Plan(engine, batches, None, Training(**{"epochs": 5, **changes}))


def validated(engine_name: str = "reference", **changes: Any) -> Plan:
    """The same with a validation loss, which is measured between its epochs."""
    plan = together(engine_name, **{"epochs": 4, **changes})
    x = np.random.default_rng(1).standard_normal((3, 5, 2))
    plan.validation = SequenceBatches(x, np.cumsum(x, axis=1)[..., :1] / 3, shuffle=False)
    return plan


PLANS: dict[str, Callable[..., Plan]] = {"carried": carried, "text": text, "together": together, "validated": validated}


def lasting(history: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records without what the clock says."""
    return [{k: v for k, v in record.items() if k not in VOLATILE} for record in history]
