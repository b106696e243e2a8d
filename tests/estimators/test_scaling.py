"""Scaling padded sequences, and scalers worked into a network's weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.closeness import assert_all_same_bits, assert_close

from elman.data.scalers import make_scaler
from elman.data.sequences import as_sequences
from elman.engines import make_engine
from elman.estimators.scaling import fit_scaler, folded, scaled
from elman.network import Network

RAGGED = [np.arange(8.0).reshape(4, 2) + 5, np.array([[100.0, -3.0]])]


def test_padding_is_neither_measured_nor_scaled() -> None:
    sequences = as_sequences(RAGGED)
    scaler = fit_scaler(make_scaler("standard"), sequences)
    steps = np.concatenate(RAGGED)
    assert scaler.shift is not None
    assert_close(scaler.shift, steps.mean(axis=0))
    found = scaled(scaler, sequences)
    assert not found.values[1, 1:].any()
    assert_close(np.concatenate(found.unpadded()), (steps - steps.mean(axis=0)) / steps.std(axis=0))
    assert sequences.values[1, 0, 0] == 100.0


@pytest.mark.parametrize(
    "options", [{}, {"bias": False, "head_bias": False}, {"bidirectional": True, "num_layers": 2}], ids=str
)
@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_folded_weights_take_and_give_original_units(cell: str, options: dict[str, Any]) -> None:
    generator = np.random.default_rng(0)
    x, y = generator.normal(50, 9, (3, 6, 2)), generator.normal(-7, 0.01, (40, 3))
    network = Network(cell=cell, input_size=2, hidden_size=4, output_size=3, **options).initialise(0)
    inputs, targets = make_scaler("minmax").fit(x.reshape(-1, 2)), make_scaler("standard").fit(y)
    by_hand = targets.inverse(make_engine("reference", network).forward(inputs.transform(x))[0])
    assert_close(make_engine("reference", folded(network, inputs, targets)).forward(x)[0], by_hand)
    half = make_engine("reference", folded(network, inputs)).forward(x)[0]
    assert_close(half, make_engine("reference", network).forward(inputs.transform(x))[0])


def test_scalers_that_change_nothing_leave_the_network_alone() -> None:
    network = Network(input_size=2, hidden_size=4, output_size=3, bias=False).initialise(0)
    none = make_scaler("none").fit(np.ones((3, 2)))
    found = folded(network, none, make_scaler("none").fit(np.ones((3, 3))))
    assert not found.bias
    assert_all_same_bits(found.parameters, network.parameters)
