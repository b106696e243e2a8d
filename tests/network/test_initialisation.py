"""Initialisation: PyTorch's default ranges, initialisers by name, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from tests.closeness import assert_all_same_bits, assert_close
from tests.network.networks import make
from torch import nn

from elman.errors import UsageError


def test_initialisation_is_a_function_of_the_seed() -> None:
    made = make(num_layers=2)
    assert_all_same_bits(made.initialise(3).parameters, made.initialise(3).parameters)
    other = made.initialise(4).parameters
    for name, p in made.initialise(3).parameters.items():
        assert p.dtype == np.float64
        assert (p != other[name]).all()
    assert made.parameters == {}  # a network is not changed by making another from it


def test_a_seed_below_zero_is_refused() -> None:
    with pytest.raises(UsageError, match="`seed` must be at least 0; got -1"):
        make().initialise(-1)


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_default_ranges_are_torchs(cell: str) -> None:
    """Uniform within 1 / sqrt(H), the head's within 1 / sqrt(its inputs), a standard normal embedding."""
    made = make(cell=cell, input_size=50, hidden_size=64, output_size=40, bidirectional=True, num_layers=2,
                inputs="embedding", embedding_size=30).initialise(0)  # fmt: skip
    head = nn.Linear(128, 40)
    for name, p in made.parameters.items():
        if name == "embedding.weight":
            assert abs(p.std() - 1) < 0.05
            assert abs(p).max() > 2.5
            continue
        bound = (128 if name.startswith("head") else 64) ** -0.5
        assert np.abs(p).max() <= bound
        assert abs(p.std() - bound / math.sqrt(3)) < 5 * bound / math.sqrt(p.size)
        assert abs(p.mean()) < 5 * bound / math.sqrt(3 * p.size)
    assert head.weight.abs().max() <= 128**-0.5
    twin = nn.GRU(30, 64).get_parameter("weight_hh_l0").detach()
    assert 0.99 / 8 < twin.abs().max() <= 1 / 8


def draw(text: str, name: str = "weight_hh_l0", **options: Any) -> np.ndarray:
    return make(hidden_size=40, **options).initialise(1, {name: text}).parameters[name]


@pytest.mark.parametrize(
    ("text", "mean", "spread", "low", "high"),
    [
        ("normal(0.5, 2)", 0.5, 2.0, -np.inf, np.inf),
        (" normal( -1e-1 ,.01 ) ", -0.1, 0.01, -np.inf, np.inf),
        ("uniform(-1, 3)", 1.0, 4 / math.sqrt(12), -1.0, 3.0),
        ("torch", 0.0, 2 / math.sqrt(40 * 12), -(40**-0.5), 40**-0.5),
    ],
)
def test_random_initialisers(text: str, mean: float, spread: float, low: float, high: float) -> None:
    p = draw(text)
    assert abs(p.mean() - mean) < 5 * spread / math.sqrt(p.size)
    assert abs(p.std() / spread - 1) < 0.1
    assert p.min() >= low
    assert p.max() <= high


def test_fixed_initialisers() -> None:
    assert (draw("zero") == 0).all()
    assert (draw("constant(0.25)") == 0.25).all()


@pytest.mark.parametrize("gain", ["", "(1)", "(0.5)"])
@pytest.mark.parametrize("name", ["weight_hh_l0", "weight_ih_l0", "head.weight"])
def test_orthogonal_blocks(gain: str, name: str) -> None:
    """Each gate's block has orthonormal rows (or columns, where it is taller than wide), times the gain."""
    size = float(gain.strip("()") or 1)
    p = draw(f"orthogonal{gain}", name, cell="lstm")
    blocks = np.split(p, 1 if name == "head.weight" else 4)
    for block in blocks:
        product = block @ block.T if block.shape[0] <= block.shape[1] else block.T @ block
        assert_close(product, size**2 * np.eye(len(product)))
    assert len(blocks) == 1 or (blocks[0] != blocks[1]).any()


def test_the_longest_key_wins() -> None:
    p = make().initialise(
        0, {"": "zero", "weight": "constant(1)", "weight_hh": "constant(2)", "head.bias": "constant(3)"}
    )
    values = {name: value.flat[0] for name, value in p.parameters.items()}
    assert values == {
        "weight_ih_l0": 1, "weight_hh_l0": 2, "bias_ih_l0": 0, "bias_hh_l0": 0, "head.weight": 0, "head.bias": 3,
    }  # fmt: skip


def test_forget_gate() -> None:
    made = make(cell="lstm", num_layers=2, bidirectional=True)
    p = made.initialise(0, {"forget_gate": "constant(1.5)"}).parameters
    plain = made.initialise(0).parameters
    for name in made.layer_names():
        for kind, value in (("ih", 1.5), ("hh", 0.0)):
            bias = p[f"bias_{kind}_{name}"]
            assert (bias[5:10] == value).all()
            assert (np.delete(bias, slice(5, 10)) == np.delete(plain[f"bias_{kind}_{name}"], slice(5, 10))).all()
        assert (p[f"weight_hh_{name}"] == plain[f"weight_hh_{name}"]).all()


@pytest.mark.parametrize(
    ("options", "scheme", "match"),
    [
        ({}, {"wieght": "zero"}, "`initialisation` key 'wieght' fits no parameter; parameters are weight_ih_l0, .*forget_gate"),
        ({}, {"weight": "nromal(0, 1)"}, r"initialiser 'nromal\(0, 1\)' is not known; use torch, zero, constant\(c\), uniform"),
        ({}, {"weight": "normal(0)"}, r"initialiser 'normal\(0\)' is not known"),
        ({}, {"weight": "normal(0, x)"}, r"initialiser 'normal\(0, x\)' is not known"),
        ({}, {"weight": "normal(0, nan)"}, "is not known"),
        ({}, {"weight": "zero(1)"}, "is not known"),
        ({}, {"": "orthogonal"}, "`orthogonal` is for matrices; give biases another initialiser, e.g. bias = 'zero'"),
        ({}, {"forget_gate": "constant(1)"}, "`forget_gate` sets the forget gate bias of an `lstm` .*got cell='gru'"),
        ({"cell": "lstm", "bias": False}, {"forget_gate": "constant(1)"}, "`forget_gate` .* bias=False"),
        ({"cell": "lstm"}, {"forget_gate": "normal(0, 1)"}, r"`forget_gate` .* as constant\(c\); got 'normal"),
    ],
)  # fmt: skip
def test_scheme_mistakes(options: dict[str, Any], scheme: dict[str, str], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        make(**options).initialise(0, scheme)


def test_a_scheme_is_not_used_up() -> None:
    scheme = {"": "zero", "forget_gate": "constant(1)"}
    make(cell="lstm").initialise(0, scheme)
    assert scheme == {"": "zero", "forget_gate": "constant(1)"}
