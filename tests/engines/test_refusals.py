"""What an engine refuses, and that the message names the argument, the rule, what came and what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
from tests.engines.cases import case, network

from elman.engines import ENGINES, Batch, Engine, Loss, Optimiser, Pieces, make_engine
from elman.errors import UsageError
from elman.network import Network

X = np.zeros((4, 7, 3))
Y = np.zeros((4, 7, 2))
H = np.zeros((1, 4, 5))

INPUTS: dict[str, tuple[str, Callable[[Engine], Any], str]] = {
    "two axes": ("dense", lambda e: e.forward(X[0]), r"`inputs` must have shape \(N, T, 3\); got \(7, 3\)$"),
    "other features": (
        "dense",
        lambda e: e.forward(X[..., :2]),
        r"`inputs` must have shape \(N, T, 3\); got \(4, 7, 2\)$",
    ),
    "features first": (
        "dense",
        lambda e: e.forward(X.transpose(0, 2, 1)),
        r"got \(4, 3, 7\); features seem to come before time, pass x.transpose\(0, 2, 1\)",
    ),
    "no sequence": ("dense", lambda e: e.forward(X[:0]), r"at least one sequence of one step; got shape \(0, 7, 3\)"),
    "no step": ("dense", lambda e: e.forward(X[:, :0]), r"at least one sequence of one step; got shape \(4, 0, 3\)"),
    "float tokens": (
        "one_hot",
        lambda e: e.forward(np.zeros((4, 7))),
        r"`inputs` must be \(N, T\) token numbers \(integers\) .* inputs='one_hot'; got shape \(4, 7\), dtype float64",
    ),
    "dense for tokens": ("embedding", lambda e: e.forward(X.astype(int)), r"`inputs` must be .* got shape \(4, 7, 3\)"),
    "token too large": ("one_hot", lambda e: e.forward(np.array([[0, 6]])), "tokens from 0 to 5; got 0 to 6"),
    "token below zero": ("embedding", lambda e: e.forward(np.array([[-1, 2]])), "tokens from 0 to 5; got -1 to 2"),
    "bare state": ("dense", lambda e: e.forward(X, cast(Any, H)), r"`state` must be a tuple \(h,\) .* got \(1, 4, 5\)"),
    "state of another batch": (
        "dense",
        lambda e: e.forward(X, (H[:, :3],)),
        r"\(L \* directions, N, H\) = \(1, 4, 5\); got \(\(1, 3, 5\),\)",
    ),
    "two states": ("dense", lambda e: e.forward(X, (H, H)), r"got \(\(1, 4, 5\), \(1, 4, 5\)\)"),
    "lengths too few": (
        "dense",
        lambda e: e.forward(X, None, np.ones(3, int)),
        r"`lengths` must be \(4,\) whole .* \(3,\)",
    ),
    "lengths of floats": ("dense", lambda e: e.forward(X, None, np.ones(4)), "`lengths` must be .* dtype float64"),
    "lengths too long": (
        "dense",
        lambda e: e.forward(X, None, np.array([1, 2, 3, 8])),
        "`lengths` must lie from 0 to T = 7; got 1 to 8",
    ),
    "lengths below zero": (
        "dense",
        lambda e: e.forward(X, None, np.array([-1, 2, 3, 7])),
        "from 0 to T = 7; got -1 to 7",
    ),
    "targets of another shape": (
        "dense",
        lambda e: e.gradients(Batch(X, Y[:, :, :1])),
        r"`targets` must have shape \(4, 7, 2\); got \(4, 7, 1\)",
    ),
    "targets checked by evaluate": ("dense", lambda e: e.evaluate(Batch(X, Y[:1])), r"`targets` must have shape"),
    "targets checked in training": ("dense", lambda e: e.train_step(Batch(X, Y[:1])), r"`targets` must have shape"),
    "no optimiser": (
        "dense",
        lambda e: make_engine(e.name, e.network, Loss()).train_step(Batch(X, Y)),
        "made without `optimiser`; give one to train",
    ),
    "no loss": ("dense", lambda e: make_engine(e.name, e.network).evaluate(Batch(X, Y)), "made without `loss`"),
    "other memories": (
        "dense",
        lambda e: e.load_optimiser_state({"exp_avg.head.bias": np.zeros(2)}, 1),
        r"`state` must hold \['exp_avg.bias_hh_l0'.*; got \['exp_avg.head.bias'\]",
    ),
    "parameters missing": (
        "dense",
        lambda e: e.load_parameters({"head.bias": np.zeros(3), "extra": np.zeros(1)}),
        r"`weight_ih_l0` is missing.*`extra` is not a parameter.*`head.bias` must have shape \(2,\); got \(3,\)",
    ),
}


@pytest.mark.parametrize("name", INPUTS)
def test_what_goes_in(engine_name: str, name: str) -> None:
    inputs, action, match = INPUTS[name]
    sizes: dict[str, Any] = {} if inputs == "dense" else {"input_size": 6}
    engine = case("gru", inputs=inputs, **sizes).engine(engine_name, optimiser=Optimiser())
    before = engine.parameters()
    with pytest.raises(UsageError, match=match):
        action(engine)
    assert engine.updates == 0
    assert all((engine.parameters()[key] == value).all() for key, value in before.items())


@pytest.mark.parametrize(
    ("targets", "match"),
    [
        (np.zeros((4, 7)), r"`targets` must be class numbers \(integers\) of shape \(4, 7\); got .* dtype float64"),
        (np.zeros((4, 7, 1), int), r"of shape \(4, 7\); got shape \(4, 7, 1\)"),
        (np.full((4, 7), 3), "`targets` must hold classes from 0 to 2; got 3 to 3"),
        (np.full((4, 7), -1), "classes from 0 to 2; got -1 to -1"),
    ],
)
def test_classes(engine_name: str, targets: Any, match: str) -> None:
    engine = make_engine(engine_name, network("gru", output_size=3), Loss(kind="cross_entropy"))
    with pytest.raises(UsageError, match=match):
        engine.gradients(Batch(X, targets))
    ignored = np.full((4, 7), -100)
    ignored[0, 0] = 2
    assert engine.gradients(Batch(X, ignored)).scored == 1


LOSSES: list[tuple[dict[str, Any], str]] = [
    ({"kind": "msee"}, "`loss` must be one of mse, half_mse, .*; got 'msee'"),
    ({"reduction": "max"}, "`reduction` must be mean or sum; got 'max'"),
    ({"kind": "huber", "delta": 0.0}, "`delta` must be above 0; got 0.0"),
    ({"kind": "quantile"}, r"`quantiles` must be numbers between 0 and 1; got \(\)"),
    ({"kind": "quantile", "quantiles": (0.5, 1.0)}, r"`quantiles` must be numbers between 0 and 1; got \(0.5, 1.0\)"),
    ({"kind": "quantile", "quantiles": (0.1, 0.5, 0.9)}, "`output_size` must be a multiple of 3 .* quantile .*; got 2"),
    ({"kind": "cross_entropy", "class_weights": (1.0,)}, "`class_weights` must hold 2 numbers; got 1"),
    ({"kind": "x", "reduction": "y"}, "`loss` must.*; `reduction` must"),
]


@pytest.mark.parametrize(("options", "match"), LOSSES)
def test_losses(engine_name: str, options: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        make_engine(engine_name, network("gru"), Loss(**options))


OPTIMISERS: list[tuple[dict[str, Any], str]] = [
    ({"kind": "sdg"}, "`optimiser` must be one of sgd, adam, adamw, rmsprop; got 'sdg'"),
    ({"learning_rate": -1.0}, "`learning_rate` must be a finite number of at least 0; got -1.0"),
    ({"learning_rate": float("nan")}, "`learning_rate` must be a finite number"),
    ({"weight_decay": float("inf")}, "`weight_decay` must be a finite number"),
    ({"clip_norm": 0.0}, "`clip_norm` must be above 0, or None for no clipping; got 0.0"),
    ({"clip_value": -2.0}, "`clip_value` must be above 0, or None for no clipping; got -2.0"),
    ({"kind": "sgd", "nesterov": True}, "`nesterov` needs optimiser='sgd' and `momentum` above 0"),
    ({"kind": "rmsprop", "momentum": 0.9, "nesterov": True}, "`nesterov` needs optimiser='sgd'"),
    ({"kind": "adam", "momentum": 0.9}, "`momentum` is for sgd and rmsprop; adam has `betas`"),
    ({"betas": (0.9, 1.0)}, r"`betas` and `alpha` must be at least 0 and below 1; got \(0.9, 1.0\), 0.99"),
    ({"kind": "x", "clip_norm": -1.0}, "`optimiser` must.*; `clip_norm` must"),
]


@pytest.mark.parametrize(("options", "match"), OPTIMISERS)
def test_optimisers(engine_name: str, options: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        make_engine(engine_name, network("gru"), Loss(), Optimiser(**options))


def test_engines(engine_name: str) -> None:
    with pytest.raises(UsageError, match=r"`engine` must be one of auto, native, reference, torch; got 'refrence'"):
        make_engine("refrence", network("gru"))
    bare = Network(input_size=1, hidden_size=2, output_size=1)
    with pytest.raises(UsageError, match=r"`network` has no parameters yet; call `network.initialise\(seed\)`"):
        make_engine(engine_name, bare)
    with pytest.raises(UsageError, match="`backprop_steps` must be at least 1, or None for all steps; got 0"):
        make_engine(engine_name, network("gru"), backprop_steps=0)
    with pytest.raises(UsageError, match="`dtype` must be float32 or float64; got 'float16'"):
        make_engine(engine_name, network("gru"), dtype="float16")
    assert make_engine(engine_name, network("gru")).name == engine_name
    assert make_engine("auto", network("gru")).name in ENGINES


@pytest.mark.parametrize(("pieces", "fresh"), [(0, 0), (2, 3), (2, 1)])
def test_every_piece_says_whether_it_starts_fresh(engine_name: str, pieces: int, fresh: int) -> None:
    made = make_engine(engine_name, network("gru"), Loss(), Optimiser())
    x, y = np.zeros((pieces, 4, 7, made.network.input_size)), np.zeros((pieces, 4, 7, made.network.output_size))
    with pytest.raises(
        UsageError, match=rf"`fresh` must hold a truth value .* at least one; got \({fresh},\) for {pieces}"
    ):
        made.train_steps(Pieces(x, y, None, np.ones(fresh, bool)))
    assert made.updates == 0


def test_pieces_count_their_tokens_and_are_cut_as_views() -> None:
    inputs = np.zeros((5, 4, 7, 3))
    fresh = np.array([True, False, False, True, False])
    pieces = Pieces(inputs, np.zeros((5, 4)), np.arange(20).reshape(5, 4) % 8, fresh)
    assert len(pieces) == 5
    assert Pieces(inputs, np.zeros((5, 4)), None, fresh).tokens == 5 * 4 * 7
    assert pieces.tokens == int((np.arange(20) % 8).sum())
    part = pieces.part(1, 3)
    assert len(part) == 2
    assert part.fresh.tolist() == [False, False]
    assert np.shares_memory(part.inputs, inputs)
    assert part.lengths is not None
    assert part[1].lengths is not None
    assert part[1].lengths.tolist() == [0, 1, 2, 3]
    assert len(pieces.part(3, 99)) == 2


@pytest.mark.parametrize("name", ENGINES)
def test_an_unknown_cell_is_no_other_cell(name: str) -> None:
    """Behind the network's own check too."""
    made = network("lstm")
    object.__setattr__(made, "cell", "vanilla")
    with pytest.raises(UsageError, match="`cell` must be one of elman, gru, lstm; got 'vanilla'"):
        make_engine(name, made)
