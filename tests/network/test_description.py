"""The network's description: PyTorch's names and shapes, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.network.networks import make
from torch import nn

from elman.errors import UsageError


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_names_and_shapes_are_torchs(cell: str, num_layers: int, bidirectional: bool, bias: bool) -> None:
    """In PyTorch's own order, so that a state_dict goes either way without renaming."""
    made = make(cell=cell, num_layers=num_layers, bidirectional=bidirectional, bias=bias, head_bias=bias)
    kind = {"elman": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell]
    layer = kind(3, 5, num_layers, bias=bias, bidirectional=bidirectional)
    head = nn.Linear(10 if bidirectional else 5, 2, bias=bias)
    wanted = {name: tuple(p.shape) for name, p in layer.state_dict().items()}
    wanted |= {f"head.{name}": tuple(p.shape) for name, p in head.state_dict().items()}
    assert list(made.shapes().items()) == list(wanted.items())
    assert {name: p.shape for name, p in made.initialise(0).parameters.items()} == wanted


def test_embedding_comes_first_and_feeds_the_first_layer() -> None:
    made = make(inputs="embedding", input_size=9, embedding_size=4, cell="lstm")
    assert list(made.shapes().items())[:2] == [("embedding.weight", (9, 4)), ("weight_ih_l0", (20, 4))]
    assert nn.Embedding(9, 4).weight.shape == (9, 4)
    assert make(inputs="one_hot", input_size=9).shapes()["weight_ih_l0"] == (15, 9)


def test_rows_of_a_state() -> None:
    made = make(num_layers=2, bidirectional=True)
    assert made.layer_names() == ["l0", "l0_reverse", "l1", "l1_reverse"]
    assert made.state_shape == (4, 5)
    assert [made.layer_input_size(layer) for layer in (0, 1)] == [3, 10]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"cell": "rnn"}, "`cell` must be one of elman, gru, lstm; got 'rnn'"),
        ({"inputs": "onehot"}, "`inputs` must be one of dense, one_hot, embedding; got 'onehot'"),
        ({"head": "first"}, "`head` must be one of every, last; got 'first'"),
        ({"hidden_size": 0}, "`hidden_size` must be a whole number of at least 1; got 0"),
        ({"num_layers": 2.0}, "`num_layers` must be a whole number of at least 1; got 2.0"),
        ({"output_size": True}, "`output_size` must be a whole number of at least 1; got True"),
        ({"nonlinearity": "relu"}, "`nonlinearity` of cell 'gru' must be one of tanh; got 'relu'"),
        ({"cell": "elman", "nonlinearity": "selu"}, "of cell 'elman' must be one of tanh, relu, sigmoid; got 'selu'"),
        ({"dropout": 1.0}, "`dropout` must be at least 0 and below 1; got 1.0"),
        ({"dropout": float("nan")}, "`dropout` must be at least 0 and below 1; got nan"),
        ({"inputs": "embedding"}, "`embedding_size` must be at least 1 with inputs='embedding'; got 0"),
        ({"cell": "x", "head": "y", "input_size": -1}, "`cell` must .*; `head` must .*; `input_size` must"),
    ],
)
def test_descriptions_that_cannot_be(options: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        make(**options)


def test_parameters_are_checked_by_name_and_shape_and_copied() -> None:
    made = make()
    p = made.initialise(0).parameters
    held = made.with_parameters(p)
    p["head.bias"][0] = 99.0
    assert held.parameters["head.bias"][0] != 99.0
    wrong = {**p, "head.weight": np.zeros((5, 2)), "extra": np.zeros(1)}
    del wrong["bias_hh_l0"]
    with pytest.raises(UsageError) as caught:
        made.with_parameters(wrong)
    assert str(caught.value) == (
        "parameters do not fit the network: `bias_hh_l0` is missing; `extra` is not a parameter of this network; "
        "`head.weight` must have shape (2, 5); got (5, 2)"
    )
