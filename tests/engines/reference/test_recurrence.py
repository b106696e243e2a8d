"""The walk through time beside a plain loop over one sequence, for every cell, direction and length."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.closeness import assert_close, assert_same_bits

from elman.cells import CELL_NAMES, State, make_cell
from elman.engines.reference.recurrence import Weights, forward, project, row_sum, sum_by_token, times_of

Array = NDArray[Any]
T, N, D, H = 6, 4, 3, 5
LENGTHS = np.array([6, 1, 0, 4])


def weights_of(cell: str, random: np.random.Generator, bias: bool = True) -> Weights:
    rows = make_cell(cell).gates * H
    biases = [random.standard_normal(rows) if bias else None for _ in range(2)]
    return Weights(random.standard_normal((rows, D)), random.standard_normal((rows, H)), *biases)


def one_by_one(cell: str, x: Array, first: State, weights: Weights, reverse: bool) -> tuple[Array, State]:
    """Outputs (T, H) and last state of one sequence x (T, D), step by step."""
    state, outputs = tuple(s[None] for s in first), np.zeros((len(x), H))
    for t in reversed(range(len(x))) if reverse else range(len(x)):
        state, _ = make_cell(cell).step(project(x[t][None, None], weights)[0], state, weights.hh, weights.bias_hh)
        outputs[t] = state[0][0]
    return outputs, tuple(s[0] for s in state)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "ragged"])
@pytest.mark.parametrize("cell", CELL_NAMES)
def test_a_batch_is_its_sequences(cell: str, lengths: Array | None, reverse: bool, bias: bool) -> None:
    random = np.random.default_rng(0)
    weights = weights_of(cell, random, bias)
    x = random.standard_normal((T, N, D))
    first = tuple(random.standard_normal((N, H)) for _ in make_cell(cell).state_names)
    outputs, last, _ = forward(make_cell(cell), x, first, weights, times_of(T, N, lengths, reverse))
    for n, end in enumerate(np.full(N, T) if lengths is None else lengths):
        own = tuple(s[n] for s in first)
        wanted, wanted_last = one_by_one(cell, x[:end, n], own, weights, reverse)
        if end:
            assert_close(outputs[:end, n], wanted)
        np.testing.assert_array_equal(outputs[end:, n], 0)
        for actual, expected in zip(last, wanted_last, strict=True):
            assert_close(actual[n], expected)


def test_times_say_which_steps_are_left() -> None:
    forwards, backwards = (times_of(3, 2, np.array([3, 1]), reverse) for reverse in (False, True))
    assert list(forwards.forward()) == list(backwards.backward()) == [0, 1, 2]
    assert list(forwards.backward()) == list(backwards.forward()) == [2, 1, 0]
    assert forwards.alive is not None and forwards.alive[..., 0].T.tolist() == [[True] * 3, [True, False, False]]
    assert forwards.remaining.T.tolist() == [[3, 2, 1], [1, 0, -1]]
    assert backwards.remaining.T.tolist() == [[1, 2, 3], [1, 0, 0]]
    assert times_of(3, 2, None, False).alive is None


def test_tokens_pick_columns_of_the_input_weights() -> None:
    random = np.random.default_rng(1)
    weights, tokens = weights_of("gru", random), random.integers(0, D, (T, N))
    assert_close(project(tokens, weights), project(np.eye(D)[tokens], weights))


def test_sums_by_token() -> None:
    random = np.random.default_rng(2)
    tokens, d = random.integers(0, 7, (T, N)), random.standard_normal((T, N, H))
    tokens[tokens == 3] = 2  # a token that never comes
    sums = sum_by_token(tokens, d, 7)
    assert_close(sums, np.eye(7)[tokens.ravel()].T @ d.reshape(-1, H))
    np.testing.assert_array_equal(sums[3], 0)


def test_sums_of_rows_are_exact_in_single_precision() -> None:
    """Added up one after the other in float32, ones would vanish beside 2^24."""
    d = np.ones((1001, 2), np.float32)
    d[0] = 2.0**24
    assert_same_bits(row_sum(d), np.full(2, 2.0**24 + 1000, np.float32))
