"""Layers on the caller's memory give the bits of layers on their own; what is kept is only read."""

from __future__ import annotations

import numpy as np
import pytest
from tests.closeness import assert_same_bits

from elman.native import _core

STEPS, COUNT, D, H = 6, 4, 5, 11
GATES = {0: 1, 2: 1, 3: 3, 4: 4}


def address(array: np.ndarray | None) -> int:
    return 0 if array is None else array.ctypes.data


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("cell", GATES)
def test_the_same_bits(cell: int, bidirectional: bool, num_layers: int) -> None:
    random = np.random.default_rng(0)
    directions = 2 if bidirectional else 1
    rows, width, g = num_layers * directions, H * directions, GATES[cell] * H
    shapes = [s for r in range(rows) for s in ((g, D if r < directions else width), (g, H), (g,), (g,))]
    weights = [random.standard_normal(s) for s in shapes]
    x, d_outputs = random.standard_normal((STEPS, COUNT, D)), random.standard_normal((STEPS, COUNT, width))
    lstm = cell == 4

    def states(fill: bool) -> list[np.ndarray | None]:
        made = [random.standard_normal((rows, COUNT, H)) if fill else np.empty((rows, COUNT, H)) for _ in range(2)]
        return [made[0], made[1] if lstm else None]

    first, d_last = states(True), states(True)

    own = _core.Layers64(cell=cell, input_size=D, hidden_size=H, num_layers=num_layers, bidirectional=bidirectional)
    block = np.concatenate([w.ravel() for w in weights])
    own.load_parameters(block)
    outputs, last = np.empty((STEPS, COUNT, width)), states(False)
    own.forward(x, *first, outputs, *last, True)
    d_block, d_x, d_first = np.empty_like(block), np.empty_like(x), states(False)
    own.backward(d_outputs, *d_last, d_block, d_x, *d_first)

    calls = _core.LayerCalls64(cell, D, H, num_layers, bidirectional, True)
    kept = np.full(calls.kept_size(STEPS, COUNT, False), np.nan)
    places, at = [address(w) for w in weights], (COUNT * D, D, STEPS, COUNT, 0, 0)
    mine, mine_last = np.full_like(outputs, np.nan), states(False)
    calls.forward(places, address(x), *at, *map(address, first), 0, address(mine), COUNT * width, width,
                  *map(address, mine_last), address(kept), 2)  # fmt: skip
    assert_same_bits(mine, outputs)
    assert not np.isnan(kept).any()
    before = kept.copy()
    for _ in range(2):
        to = [np.full(s, np.nan) for s in shapes]
        to_x, to_first = np.full_like(x, np.nan), states(False)
        calls.backward(places, address(x), *at, 0, address(kept), address(d_outputs), COUNT * width, width,
                       *map(address, d_last), [address(t) for t in to], address(to_x), COUNT * D, D,
                       *map(address, to_first), 2)  # fmt: skip
        assert_same_bits(np.concatenate([t.ravel() for t in to]), d_block)
        assert_same_bits(to_x, d_x)
        for a, b in zip((*mine_last, *to_first), (*last, *d_first), strict=True):
            assert (a is None) == (b is None)
            if a is not None and b is not None:
                assert_same_bits(a, b)
        assert_same_bits(kept, before)


def test_what_is_not_wanted_is_not_written() -> None:
    random = np.random.default_rng(1)
    weights = [random.standard_normal(s) for s in ((3 * H, D), (3 * H, H), (3 * H,), (3 * H,))]
    x, outputs, h = random.standard_normal((STEPS, COUNT, D)), np.empty((STEPS, COUNT, H)), np.empty((1, COUNT, H))
    calls = _core.LayerCalls64(3, D, H, 1, False, True)
    kept = np.empty(calls.kept_size(STEPS, COUNT, False))
    places, at = [address(w) for w in weights], (COUNT * D, D, STEPS, COUNT, 0, 0)
    calls.forward(places, address(x), *at, 0, 0, 0, address(outputs), COUNT * H, H, address(h), 0, address(kept), 1)
    found = []
    for wanted in ([1, 1, 1, 1], [0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]):
        to = [np.full_like(w, np.nan) for w in weights]
        places_to = [address(t) if want else 0 for t, want in zip(to, wanted, strict=True)]
        calls.backward(places, address(x), *at, 0, address(kept), address(outputs), COUNT * H, H, 0, 0, places_to,
                       0, 0, 0, 0, 0, 1)  # fmt: skip
        assert [not np.isnan(t).any() for t in to] == [bool(w) for w in wanted]
        found.append(to)
    for other in found[1:]:
        for a, b in zip(other, found[0], strict=True):
            if not np.isnan(a).any():
                assert_same_bits(a, b)


def test_wrong_counts_are_refused() -> None:
    calls = _core.LayerCalls64(3, D, H, 1, False, True)
    room = np.zeros(10000)
    with pytest.raises(ValueError, match="`weights` must have an address for each parameter"):
        calls.forward([address(room)] * 3, address(room), D, D, 1, 1, 0, 0, 0, 0, 0, *[address(room), H, H] * 2, 1)
    for sizes, rows in (([4, 4], 7), ([3, 4], 7), ([4, 0], 4), ([2, 1], 3)):
        steps = np.array(sizes)
        with pytest.raises(ValueError, match="`batch_sizes` must"):
            calls.forward([address(room)] * 4, address(room), 0, 0, len(sizes), COUNT, address(steps), rows, 0, 0, 0,
                          address(room), 0, 0, address(room), 0, 0, 1)  # fmt: skip
