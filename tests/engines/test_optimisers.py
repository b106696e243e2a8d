"""Ten steps of each optimiser, and clipping, against torch.optim and torch.nn.utils, through the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import torch
from tests.closeness import assert_all_close, assert_all_same_bits, assert_close
from tests.engines.cases import LOSSES, Case, case
from torch import Tensor, optim

from elman.engines import Optimiser
from elman.engines.optimisers import clip

Make = Callable[[Iterable[Tensor]], optim.Optimizer]

OPTIMISERS: dict[str, tuple[Optimiser, Make]] = {
    "sgd": (Optimiser(kind="sgd", learning_rate=0.1), lambda p: optim.SGD(p, lr=0.1)),
    "momentum": (
        Optimiser(kind="sgd", learning_rate=0.05, momentum=0.9),
        lambda p: optim.SGD(p, lr=0.05, momentum=0.9),
    ),
    "nesterov": (
        Optimiser(kind="sgd", learning_rate=0.05, momentum=0.8, nesterov=True),
        lambda p: optim.SGD(p, lr=0.05, momentum=0.8, nesterov=True),
    ),
    "sgd decay": (
        Optimiser(kind="sgd", learning_rate=0.05, momentum=0.8, weight_decay=0.1),
        lambda p: optim.SGD(p, lr=0.05, momentum=0.8, weight_decay=0.1),
    ),
    "adam": (Optimiser(kind="adam", learning_rate=0.03), lambda p: optim.Adam(p, lr=0.03)),
    "adam options": (
        Optimiser(kind="adam", learning_rate=0.03, betas=(0.7, 0.9), eps=1e-3, weight_decay=0.1),
        lambda p: optim.Adam(p, lr=0.03, betas=(0.7, 0.9), eps=1e-3, weight_decay=0.1),
    ),
    "adamw": (
        Optimiser(kind="adamw", learning_rate=0.03, weight_decay=0.2),
        lambda p: optim.AdamW(p, lr=0.03, weight_decay=0.2),
    ),
    "rmsprop": (Optimiser(kind="rmsprop", learning_rate=0.01), lambda p: optim.RMSprop(p, lr=0.01)),
    "rmsprop options": (
        Optimiser(kind="rmsprop", learning_rate=0.01, alpha=0.8, eps=1e-3, momentum=0.7, weight_decay=0.1),
        lambda p: optim.RMSprop(p, lr=0.01, alpha=0.8, eps=1e-3, momentum=0.7, weight_decay=0.1),
    ),
}
STEPS = 10


def train_both(
    given: Case, engine_name: str, ours: Optimiser, theirs: Make, clipped: Callable[[list[Tensor]], Any] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters after some steps of the engine, and after as many of torch.optim with the engine's own gradients."""
    engine = given.engine(engine_name, optimiser=ours)
    twin = given.engine(engine_name)
    leaves = {name: torch.tensor(p, requires_grad=True) for name, p in given.network.parameters.items()}
    optimiser = theirs(leaves.values())
    for step in range(STEPS):
        twin.load_parameters({name: leaf.detach().numpy() for name, leaf in leaves.items()})
        for name, gradient in twin.gradients(given.batch, given.state).parameters.items():
            leaves[name].grad = torch.tensor(gradient)
        if clipped is not None:
            clipped(list(leaves.values()))
        optimiser.step()
        engine.train_step(given.batch, given.state)
        assert engine.updates == step + 1
    return engine.parameters(), {name: leaf.detach().numpy() for name, leaf in leaves.items()}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_ten_steps(engine_name: str, name: str) -> None:
    given = case("gru", num_layers=2)
    found, wanted = train_both(given, engine_name, *OPTIMISERS[name])
    assert_all_close(found, wanted, "float64 trained")
    moved = {n: np.abs(wanted[n] - p).max() for n, p in given.network.parameters.items()}
    assert min(moved.values()) > 1e-4


def test_clipping_by_norm(engine_name: str) -> None:
    given = case("lstm", LOSSES["mse sum"])
    ours = Optimiser(kind="sgd", learning_rate=0.1, clip_norm=0.5)
    found, wanted = train_both(
        given, engine_name, ours, lambda p: optim.SGD(p, lr=0.1), lambda p: torch.nn.utils.clip_grad_norm_(p, 0.5)
    )
    assert_all_close(found, wanted, "float64 trained")


def test_clipping_by_value(engine_name: str) -> None:
    given = case("lstm", LOSSES["mse sum"])
    ours = Optimiser(kind="sgd", learning_rate=0.1, clip_value=0.05)
    found, wanted = train_both(
        given, engine_name, ours, lambda p: optim.SGD(p, lr=0.1), lambda p: torch.nn.utils.clip_grad_value_(p, 0.05)
    )
    assert_all_close(found, wanted, "float64 trained")


def test_clipping_by_both_cuts_values_first(engine_name: str) -> None:
    given = case("lstm", LOSSES["mse sum"])
    ours = Optimiser(kind="sgd", learning_rate=0.1, clip_value=0.5, clip_norm=0.7)

    def both(p: list[Tensor]) -> None:
        torch.nn.utils.clip_grad_value_(p, 0.5)
        torch.nn.utils.clip_grad_norm_(p, 0.7)

    found, wanted = train_both(given, engine_name, ours, lambda p: optim.SGD(p, lr=0.1), both)
    assert_all_close(found, wanted, "float64 trained")


@pytest.mark.parametrize("clip_norm", [1e-3, 1e3])
def test_the_norm_that_is_told_is_the_one_before_clipping(engine_name: str, clip_norm: float) -> None:
    given = case("gru")
    plain = given.engine(engine_name).gradients(given.batch, given.state).parameters
    norm = np.sqrt(sum(float(np.sum(g**2)) for g in plain.values()))
    engine = given.engine(engine_name, optimiser=Optimiser(kind="sgd", clip_norm=clip_norm, clip_value=10.0))
    steps = engine.train_step(given.batch, given.state)
    assert_close(steps.gradient_norms, np.array([norm]))


def test_clip_scales_to_the_norm_and_leaves_small_gradients_alone() -> None:
    big = {"a": np.array([3.0]), "b": np.array([4.0])}
    assert clip(Optimiser(clip_norm=1.0), big) == 5.0
    assert_close(np.array([big["a"][0], big["b"][0]]), np.array([3.0, 4.0]) / (5 + 1e-6))
    small = {"a": np.array([0.3]), "b": np.array([0.4])}
    assert clip(Optimiser(clip_norm=1.0), small) == 0.5
    assert (small["a"][0], small["b"][0]) == (0.3, 0.4)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_optimiser_state_read_and_written_goes_on_with_the_same_bits(engine_name: str, dtype: str, name: str) -> None:
    given = case("gru")
    optimiser = OPTIMISERS[name][0]
    straight = given.engine(engine_name, optimiser=optimiser, dtype=dtype)
    for _ in range(3):
        straight.train_step(given.batch)
    again = given.engine(engine_name, optimiser=optimiser, dtype=dtype)
    again.load_parameters(straight.parameters())
    again.load_optimiser_state(straight.optimiser_state(), straight.updates)
    for engine in (straight, again):
        engine.train_step(given.batch)
    assert again.updates == straight.updates == 4
    assert_all_same_bits(again.parameters(), straight.parameters())
    if straight.optimiser_state():
        assert_all_same_bits(again.optimiser_state(), straight.optimiser_state())


def test_what_is_read_is_a_copy(engine_name: str) -> None:
    given = case("gru")
    engine = given.engine(engine_name, optimiser=Optimiser(momentum=0.9, kind="sgd"))
    engine.train_step(given.batch)
    before = engine.parameters(), engine.optimiser_state()
    for arrays in (engine.parameters(), engine.optimiser_state()):
        for value in arrays.values():
            value += 1
    assert_all_same_bits(engine.parameters(), before[0])
    assert_all_same_bits(engine.optimiser_state(), before[1])
    kept = {name: p.copy() for name, p in given.network.parameters.items()}
    engine.train_step(given.batch)
    assert_all_same_bits(given.network.parameters, kept)


def test_the_learning_rate_may_change_between_steps(engine_name: str) -> None:
    given = case("gru")
    engine = given.engine(engine_name, optimiser=Optimiser(kind="sgd", learning_rate=0.1))
    gradient = engine.gradients(given.batch).parameters
    before = engine.parameters()
    engine.learning_rate = 0.025
    engine.train_step(given.batch)
    after = engine.parameters()
    assert_all_close({n: before[n] - after[n] for n in before}, {n: 0.025 * g for n, g in gradient.items()})
