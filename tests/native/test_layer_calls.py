"""Layers on the caller's memory give the bits of layers on their own; what is saved is only read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.closeness import assert_same_bits

from elman.native import _core

Array = NDArray[Any]
STEPS, COUNT, D, H = 6, 4, 5, 11
GATES = {"elman_tanh": 1, "elman_sigmoid": 1, "gru": 3, "lstm": 4}
PADDED = {"x_step": COUNT * D, "x_sequence": D, "steps": STEPS, "count": COUNT, "sizes": 0, "packed_rows": 0}
"""Where the inputs lie, and how many there are: (T, N, D), not packed."""


def shape(cell: str, num_layers: int = 1, bidirectional: bool = False) -> _core.Shape:
    return _core.Shape(
        cell=_core.Cell[cell], input_size=D, hidden_size=H, num_layers=num_layers, bidirectional=bidirectional
    )


def address(array: Array | None) -> int:
    return 0 if array is None else array.ctypes.data


def states(cell: str, rows: int, numbers: np.random.Generator | None = None) -> dict[str, Array | None]:
    """h, and c of an LSTM: random numbers, or NaN without."""
    size = (rows, COUNT, H)
    made = [np.full(size, np.nan) if numbers is None else numbers.standard_normal(size) for _ in range(2)]
    return {"h": made[0], "c": made[1] if cell == "lstm" else None}


def named(prefix: str, arrays: dict[str, Array | None]) -> dict[str, Any]:
    return {prefix + name: array for name, array in arrays.items()}


def addresses(prefix: str, arrays: dict[str, Array | None]) -> dict[str, int]:
    return {prefix + name: address(array) for name, array in arrays.items()}


def assert_same_states(actual: dict[str, Array | None], expected: dict[str, Array | None]) -> None:
    for name, wanted in expected.items():
        found = actual[name]
        assert (found is None) == (wanted is None)
        if found is not None and wanted is not None:
            assert_same_bits(found, wanted)


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", GATES)
def test_the_same_bits(cell: str, bidirectional: bool, num_layers: int) -> None:
    random = np.random.default_rng(0)
    directions = 2 if bidirectional else 1
    rows, width, g = num_layers * directions, H * directions, GATES[cell] * H
    shapes = [s for r in range(rows) for s in ((g, D if r < directions else width), (g, H), (g,), (g,))]
    weights = [random.standard_normal(s) for s in shapes]
    x, d_outputs = random.standard_normal((STEPS, COUNT, D)), random.standard_normal((STEPS, COUNT, width))
    first, d_last = states(cell, rows, random), states(cell, rows, random)

    own = _core.Layers64(shape(cell, num_layers, bidirectional))
    block = np.concatenate([w.ravel() for w in weights])
    own.load_parameters(block)
    outputs, last = np.empty((STEPS, COUNT, width)), states(cell, rows)
    own.forward(x=x, **first, outputs=outputs, **named("last_", last), save=True)
    d_block, d_x, d_first = np.empty_like(block), np.empty_like(x), states(cell, rows)
    own.backward(d_outputs=d_outputs, **named("d_last_", d_last), d_block=d_block, d_x=d_x, **named("d_", d_first))

    calls = _core.LayerCalls64(shape(cell, num_layers, bidirectional))
    saved = np.full(calls.saved_size(STEPS, COUNT, False), np.nan)
    inputs = {"weights": [address(w) for w in weights], "x": address(x), **PADDED}
    mine, mine_last = np.full_like(outputs, np.nan), states(cell, rows)
    calls.forward(
        **inputs, **addresses("", first), masks=0, outputs=address(mine), outputs_step=COUNT * width,
        outputs_sequence=width, **addresses("last_", mine_last), saved=address(saved), threads=2,
    )  # fmt: skip
    assert_same_bits(mine, outputs)
    assert_same_states(mine_last, last)
    assert not np.isnan(saved).any()
    before = saved.copy()
    for _ in range(2):
        to = [np.full(s, np.nan) for s in shapes]
        to_x, to_first = np.full_like(x, np.nan), states(cell, rows)
        calls.backward(
            **inputs, masks=0, saved=address(saved), d_outputs=address(d_outputs), d_outputs_step=COUNT * width,
            d_outputs_sequence=width, **addresses("d_last_", d_last), d_weights=[address(t) for t in to],
            d_x=address(to_x), d_x_step=COUNT * D, d_x_sequence=D, **addresses("d_", to_first), threads=2,
        )  # fmt: skip
        assert_same_bits(np.concatenate([t.ravel() for t in to]), d_block)
        assert_same_bits(to_x, d_x)
        assert_same_states(to_first, d_first)
        assert_same_bits(saved, before)


def test_gradients_that_nobody_needs_are_not_written() -> None:
    random = np.random.default_rng(1)
    weights = [random.standard_normal(s) for s in ((3 * H, D), (3 * H, H), (3 * H,), (3 * H,))]
    x, outputs, h = random.standard_normal((STEPS, COUNT, D)), np.empty((STEPS, COUNT, H)), np.empty((1, COUNT, H))
    calls = _core.LayerCalls64(shape("gru"))
    saved = np.empty(calls.saved_size(STEPS, COUNT, False))
    inputs = {"weights": [address(w) for w in weights], "x": address(x), **PADDED}
    calls.forward(
        **inputs, h=0, c=0, masks=0, outputs=address(outputs), outputs_step=COUNT * H, outputs_sequence=H,
        last_h=address(h), last_c=0, saved=address(saved), threads=1,
    )  # fmt: skip
    answers = []
    for needed in ([1, 1, 1, 1], [0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]):
        to = [np.full_like(w, np.nan) for w in weights]
        calls.backward(
            **inputs, masks=0, saved=address(saved), d_outputs=address(outputs), d_outputs_step=COUNT * H,
            d_outputs_sequence=H, d_last_h=0, d_last_c=0,
            d_weights=[address(t) if need else 0 for t, need in zip(to, needed, strict=True)],
            d_x=0, d_x_step=0, d_x_sequence=0, d_h=0, d_c=0, threads=1,
        )  # fmt: skip
        assert [not np.isnan(t).any() for t in to] == [bool(need) for need in needed]
        answers.append(to)
    for other in answers[1:]:
        for a, b in zip(other, answers[0], strict=True):
            if not np.isnan(a).any():
                assert_same_bits(a, b)


def test_wrong_counts_are_refused() -> None:
    calls = _core.LayerCalls64(shape("gru"))
    room = np.zeros(10000)
    rest = {
        "x": address(room), "h": 0, "c": 0, "masks": 0, "outputs": address(room), "last_h": address(room), "last_c": 0,
        "saved": 0, "threads": 1, "outputs_step": H, "outputs_sequence": H,
    }  # fmt: skip
    with pytest.raises(ValueError, match="`weights` must have an address for each parameter"):
        calls.forward(weights=[address(room)] * 3, **PADDED, **rest)
    for sizes, rows in (([4, 4], 7), ([3, 4], 7), ([4, 0], 4), ([2, 1], 3)):
        steps = np.array(sizes)
        packed = {
            "x_step": 0, "x_sequence": 0, "steps": len(sizes), "count": COUNT, "sizes": address(steps),
            "packed_rows": rows,
        }  # fmt: skip
        with pytest.raises(ValueError, match="`batch_sizes` must"):
            calls.forward(weights=[address(room)] * 4, **packed, **rest)
