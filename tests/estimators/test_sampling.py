"""Choosing the next token: temperature, top-k, top-p, and draws that follow the probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.closeness import assert_close

from elman.errors import UsageError
from elman.estimators.sampling import Sampler

P = np.array([0.1, 0.4, 0.2, 0.3])
LOGITS = np.log(P) + 5.0
ANY = arrays(np.float64, st.integers(1, 12), elements=st.floats(-50, 50))


def test_plain_probabilities_are_the_softmax() -> None:
    assert_close(Sampler().probabilities(LOGITS), P)


@pytest.mark.parametrize("temperature", [0.25, 0.5, 2.0, 100.0])
def test_temperature_is_a_power(temperature: float) -> None:
    powered = P ** (1 / temperature)
    assert_close(Sampler(temperature=temperature).probabilities(LOGITS), powered / powered.sum())


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"temperature": 0.0}, [1]),
        ({"top_k": 1}, [1]),
        ({"top_k": 3}, [1, 2, 3]),
        ({"top_k": 99}, [0, 1, 2, 3]),
        ({"top_p": 0.39}, [1]),
        ({"top_p": 0.4}, [1]),
        ({"top_p": 0.41}, [1, 3]),
        ({"top_p": 0.7}, [1, 3]),
        ({"top_p": 0.71}, [1, 2, 3]),
        ({"top_p": 1.0}, [0, 1, 2, 3]),
        ({"top_k": 2, "top_p": 0.95}, [1, 3]),
        ({"top_k": 3, "top_p": 0.5}, [1, 3]),
    ],
)
def test_what_is_kept_and_how(options: dict[str, Any], kept: list[int]) -> None:
    wanted = np.where(np.isin(np.arange(4), kept), P, 0)
    if options.get("temperature") == 0:
        wanted = (wanted > 0).astype(float)
    assert_close(Sampler(**options).probabilities(LOGITS), wanted / wanted.sum())


@given(
    logits=ANY, temperature=st.sampled_from([0.0, 5e-324, 1e-300, 1e-3, 0.7, 1.0, 30.0, 1e300]),
    top_k=st.none() | st.integers(1, 5), top_p=st.none() | st.floats(0.01, 1), seed=st.integers(0, 99),
)  # fmt: skip
def test_a_draw_is_always_one_that_can_be(
    logits: np.ndarray, temperature: float, top_k: int | None, top_p: float | None, seed: int
) -> None:
    sampler = Sampler(temperature=temperature, top_k=top_k, top_p=top_p)
    p = sampler.probabilities(logits)
    assert (p >= 0).all()
    assert abs(p.sum() - 1) < 1e-12
    assert p[logits.argmax()] == p.max()
    assert top_k is None or (p > 0).sum() <= top_k
    assert p[sampler.draw(logits, np.random.default_rng(seed))] > 0


def test_ties_are_settled_the_same_way_every_time() -> None:
    assert Sampler(top_k=2).probabilities(np.zeros(5)).tolist() == [0.5, 0.5, 0, 0, 0]
    assert Sampler(temperature=0).probabilities(np.zeros(5)).tolist() == [1, 0, 0, 0, 0]
    assert Sampler(temperature=0).draw(np.zeros(5), np.random.default_rng(0)) == 0


def test_impossible_tokens_are_never_drawn() -> None:
    logits = np.array([-np.inf, 0.0, -np.inf, 1.0, -np.inf])
    generator = np.random.default_rng(0)
    assert {Sampler().draw(logits, generator) for _ in range(200)} == {1, 3}


def test_draws_follow_the_probabilities() -> None:
    generator = np.random.default_rng(0)
    counts = np.bincount([Sampler().draw(LOGITS, generator) for _ in range(4000)], minlength=4)
    assert (np.abs(counts / 4000 - P) < 5 * np.sqrt(P * (1 - P) / 4000)).all()  # 5 standard errors, the seed is fixed


def test_draws_are_a_function_of_the_generator() -> None:
    def draws(seed: int) -> list[int]:
        generator = np.random.default_rng(seed)
        return [Sampler(temperature=1.3).draw(LOGITS, generator) for _ in range(30)]

    assert draws(1) == draws(1) != draws(2)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"temperature": -0.1}, "`temperature` must be a finite number of at least 0; got -0.1"),
        ({"temperature": float("inf")}, "`temperature` must be a finite number"),
        ({"top_k": 0}, "`top_k` must be at least 1; got 0"),
        ({"top_p": 0.0}, "`top_p` must be above 0 and at most 1; got 0.0"),
        ({"top_p": 1.5}, "`top_p` must be above 0 and at most 1; got 1.5"),
        ({"temperature": -1.0, "top_k": 0}, "`temperature` must.*; `top_k` must"),
    ],
)
def test_mistakes(options: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        Sampler(**options)
