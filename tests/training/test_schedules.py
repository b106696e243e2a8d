"""Learning rates over the epochs, and the bookkeeping behind early stopping."""

from __future__ import annotations

import math

import pytest
import torch
from tests.closeness import assert_close

from elman.errors import UsageError
from elman.training.schedules import Schedule, best_epoch, parse_schedule, plateaus, stopping_loss


def rates(text: str, epochs: int, warmup: int = 0) -> list[float]:
    schedule = parse_schedule(text, warmup)
    return [schedule.rate(0.5, e, epochs, []) for e in range(epochs)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("constant", [0.5] * 6),
        ("linear", [0.5, 0.5 * 5 / 6, 0.5 * 4 / 6, 0.25, 0.5 * 2 / 6, 0.5 / 6]),
        ("step(2, 0.1)", [0.5, 0.5, 0.05, 0.05, 0.005, 0.005]),
        (" exponential( 0.5 ) ", [0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625]),
        ("cosine", [0.25 * (1 + math.cos(math.pi * e / 6)) for e in range(6)]),
    ],
)
def test_rates(text: str, wanted: list[float]) -> None:
    assert_close(rates(text, 6), wanted)


@pytest.mark.parametrize(
    ("text", "make"),
    [
        ("step(3, 0.5)", lambda o: torch.optim.lr_scheduler.StepLR(o, 3, 0.5)),
        ("exponential(0.9)", lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.9)),
        ("cosine", lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 10)),
        ("linear", lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.0, 10)),
    ],
)
def test_rates_are_torchs(text: str, make: object) -> None:
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    scheduler = make(optimiser)  # type: ignore[operator]
    wanted = []
    for _ in range(10):
        wanted.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    assert_close(rates(text, 10), wanted)


def test_warmup_climbs_linearly_and_then_leaves_the_schedule_alone() -> None:
    assert_close(rates("constant", 5, warmup=3), [0.125, 0.25, 0.375, 0.5, 0.5])
    assert_close(rates("exponential(0.5)", 3, warmup=1), [0.25, 0.25, 0.125])


def records(*losses: float, key: str = "validation_loss") -> list[dict[str, float]]:
    return [{"train_loss": 9.0 - i, key: loss} for i, loss in enumerate(losses)]


def test_plateau_lowers_the_rate_after_so_many_epochs_without_a_new_best() -> None:
    schedule = parse_schedule("plateau(2, 0.1)")
    history = records(3.0, 2.0, 2.0, 2.5, 1.0, 1.5, 1.5, 1.5, 1.5)
    found = [schedule.rate(1.0, e, 20, history[:e]) for e in range(len(history) + 1)]
    assert_close(found, [1.0] * 4 + [0.1] * 3 + [0.01] * 2 + [0.001])


@pytest.mark.parametrize(
    ("losses", "patience", "count"),
    [([], 1, 0), ([1.0], 1, 0), ([1.0, 1.0], 1, 1), ([1.0, 1.0, 1.0], 1, 2), ([1, 2, 3, 4], 2, 1)],
)
def test_plateaus(losses: list[float], patience: int, count: int) -> None:
    assert plateaus(records(*losses), patience) == count


def test_the_validation_loss_decides_where_there_is_one() -> None:
    assert stopping_loss({"train_loss": 1.0, "validation_loss": 2.0}) == 2.0
    assert stopping_loss({"train_loss": 1.0}) == 1.0
    assert stopping_loss({"train_loss": 1.0, "validation_loss": float("nan")}) == math.inf


def test_the_earliest_of_equal_epochs_is_best() -> None:
    assert best_epoch(records(3.0, 1.0, 2.0, 1.0)) == 1
    assert best_epoch(records(float("nan"), 5.0)) == 1
    assert best_epoch(records(3.0, 2.0, key="other")) == 1  # by the training loss


@pytest.mark.parametrize(
    "text", ["cosin", "step", "step(2)", "step(0.5, 0.1)", "step(2, 0.1, 3)", "constant(1)", "exponential(-1)",
             "exponential(0)", "plateau(0, 0.5)", "plateau(x, 0.5)", "step(2, nan)", "step(1e400, 1)", "", "linear)"],
)  # fmt: skip
def test_mistakes(text: str) -> None:
    with pytest.raises(UsageError, match=r"`schedule` must be constant, cosine, linear, step\(every, factor\).*; got"):
        parse_schedule(text)


def test_warmup_below_zero() -> None:
    with pytest.raises(UsageError, match="`warmup` must be at least 0 epochs; got -1"):
        parse_schedule("constant", -1)
    assert Schedule() == parse_schedule("constant")
