"""Batches and pieces: how they are counted, cut and made."""

from __future__ import annotations

import numpy as np
import pytest

from elman.engines import Batch, Pieces

INPUTS = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
TARGETS = np.arange(2 * 3 * 4).reshape(2, 3, 4)
LENGTHS = np.array([[4, 1, 0], [2, 2, 3]])


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "ragged"])
def test_a_part_is_its_batches(lengths: np.ndarray | None) -> None:
    pieces = Pieces(INPUTS, TARGETS, lengths, np.array([True, False]))
    part = pieces.part(1, 2)
    assert (len(pieces), len(part), part.fresh.tolist()) == (2, 1, [False])
    for mine, whole in zip(part[0], pieces[1], strict=True):
        assert (mine is None) == (whole is None)
        if mine is not None and whole is not None:
            np.testing.assert_array_equal(mine, whole)
            assert np.shares_memory(mine, whole)


def test_tokens_are_steps_without_padding() -> None:
    assert Pieces(INPUTS, TARGETS, None, np.array([True, False])).tokens == 24
    assert Pieces(INPUTS, TARGETS, LENGTHS, np.array([True, False])).tokens == 12


@pytest.mark.parametrize("fresh", [True, False])
def test_a_batch_is_one_piece(fresh: bool) -> None:
    batch = Batch(INPUTS[0], TARGETS[0], LENGTHS[0])
    pieces = Pieces.of_one(batch, fresh=fresh)
    assert (len(pieces), pieces.fresh.tolist()) == (1, [fresh])
    for mine, whole in zip(pieces[0], batch, strict=True):
        np.testing.assert_array_equal(mine, whole)
    assert Pieces.of_one(Batch(INPUTS[0], TARGETS[0]), fresh=fresh).lengths is None
