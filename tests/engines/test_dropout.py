"""Dropout masks: pinned, so that every engine and every later version draws the same ones."""

from __future__ import annotations

import numpy as np
import pytest
from tests.closeness import assert_same_bits

from elman.engines.dropout import dropout_mask, mix

MASK_64 = (1 << 64) - 1


def splitmix(z: int) -> int:
    """SplitMix64's output function in whole numbers of Python."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK_64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK_64
    return z ^ (z >> 31)


def test_mix_is_splitmix64() -> None:
    """The first outputs for seed 1234567 that the generator's authors publish."""
    gamma = 0x9E3779B97F4A7C15
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    seeds = np.array([(1234567 + k * gamma) & MASK_64 for k in range(1, 6)], dtype=np.uint64)
    assert mix(seeds).tolist() == published
    assert [splitmix(int(s)) for s in seeds] == published


@pytest.mark.parametrize("seed", [0, 1, 2**40])
@pytest.mark.parametrize("update", [0, 7])
@pytest.mark.parametrize("layer", [0, 2])
def test_the_rule_in_whole_numbers(seed: int, update: int, layer: int) -> None:
    gamma = 0x9E3779B97F4A7C15
    start = splitmix((seed + gamma) & MASK_64)
    start = splitmix((start + update + gamma) & MASK_64)
    start = splitmix((start + layer + gamma) & MASK_64)
    kept = [splitmix((start + k * gamma) & MASK_64) >> 40 < 0.75 * 2**24 for k in range(1, 25)]
    mask = dropout_mask(seed, update, layer, (2, 3, 4), 0.25)
    assert_same_bits(mask, np.where(np.reshape(kept, (2, 3, 4)), 1 / 0.75, 0.0))


def test_first_values() -> None:
    drawn = {key: (dropout_mask(*key, (1, 4, 6), 0.5) > 0).astype(int).ravel().tolist() for key in PINNED}
    assert drawn == PINNED


PINNED = {
    (0, 0, 0): [1, 1, 0, 0, 1, 0, 1, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 1, 1, 1, 0, 0, 0, 1],
    (0, 0, 1): [1, 0, 0, 1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 1],
    (0, 1, 0): [0, 0, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 1, 0, 1, 0, 1, 1, 1, 1, 1],
    (1, 0, 0): [0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 0],
}


@pytest.mark.parametrize("dropout", [0.0, 0.1, 0.5, 0.9])
def test_keep_rate_and_scale(dropout: float) -> None:
    mask = dropout_mask(3, 5, 1, (20, 50, 100), dropout)
    keep = 1 - dropout
    assert set(np.unique(mask)) <= {0.0, 1 / keep}
    assert abs((mask > 0).mean() - keep) <= 5 * np.sqrt(
        keep * dropout / mask.size
    )  # 5 standard errors, the seed is fixed
    assert abs(mask.mean() - 1) <= 5 * np.sqrt(dropout / keep / mask.size)


def test_every_place_has_its_own_draw() -> None:
    whole = dropout_mask(3, 5, 1, (4, 6, 8), 0.5)
    assert_same_bits(dropout_mask(3, 5, 1, (4, 6, 8), 0.5), whole)
    assert_same_bits(dropout_mask(3, 5, 1, (2, 6, 8), 0.5), whole[:2])  # the first sequences of a larger batch
    for other in ((4, 5, 1), (3, 6, 1), (3, 5, 2)):
        differing = (dropout_mask(*other, (4, 6, 8), 0.5) != whole).mean()
        assert 0.3 < differing < 0.7
