"""Dropout masks that depend on nothing but their place, so that every engine draws the same ones.

Element k (in C order) of the mask of a layer in an update is not dropped where the k-th output of a SplitMix64 generator, seeded
from (seed, update, layer), lies below the keep probability. No generator state exists, so a resumed run needs none.

Source: G. Steele, D. Lea, C. Flood, "Fast Splittable Pseudorandom Number Generators" (2014), its mix64variant13.
"""

from __future__ import annotations

import numpy as np

from elman.files import Array

GAMMA = np.uint64(0x9E3779B97F4A7C15)


def mix(z: Array) -> Array:
    """SplitMix64's output function, elementwise on uint64."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Array = z ^ (z >> np.uint64(31))
    return mixed


def mask_start(seed: int, update: int, layer: int) -> Array:
    """Where the generator of a layer's mask starts, (1,) uint64."""
    key = np.array([seed, update, layer], dtype=np.uint64)
    return mix(mix(mix(key[:1] + GAMMA) + key[1:2] + GAMMA) + key[2:] + GAMMA)


def dropout_mask(seed: int, update: int, layer: int, shape: tuple[int, ...], dropout: float) -> Array:
    """Draw what a layer's outputs are multiplied with.

    Args:
        seed: The engine's.
        update: How many updates were made before.
        layer: The one whose outputs are masked, from 0.
        shape: (N, T, H * directions).
        dropout: The share that is dropped, at least 0 and below 1.

    Returns:
        float64 of this shape: 0 where dropped, else 1 / (1 - dropout).
    """
    counts = np.arange(1, int(np.prod(shape)) + 1, dtype=np.uint64)
    uniform = (mix(mask_start(seed, update, layer) + counts * GAMMA) >> np.uint64(40)).astype(np.float64) * 2.0**-24
    return np.where(uniform < 1.0 - dropout, 1.0 / (1.0 - dropout), 0.0).reshape(shape)
