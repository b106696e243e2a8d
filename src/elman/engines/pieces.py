"""What goes into an engine to be trained on: a batch, and many batches of one shape.

Shapes: N sequences in a batch, T steps, D input features, O outputs, P pieces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from elman.files import Array


class Batch(NamedTuple):
    """One piece of work.

    Attributes:
        inputs: (N, T, D) numbers, or (N, T) tokens.
        targets: What the loss wants: (N, T, O) or (N, O) numbers, (N, T) or (N,) classes.
        lengths: (N,), how many steps of each sequence exist; None for all T.
    """

    inputs: Array
    targets: Array
    lengths: Array | None = None


@dataclass(frozen=True)
class Pieces:
    """P batches of one shape, stacked, to be trained on one after the other.

    Attributes:
        inputs: (P, N, T, ...).
        targets: (P, N, ...).
        lengths: (P, N), or None.
        fresh: (P,), True where a piece starts from zero state, False where it goes on from the state that the piece
            before it ended with.
    """

    inputs: Array
    targets: Array
    lengths: Array | None
    fresh: Array

    @classmethod
    def of_one(cls, batch: Batch, *, fresh: bool) -> Pieces:
        """A batch as the only piece."""
        return cls(
            np.asarray(batch.inputs)[None],
            np.asarray(batch.targets)[None],
            None if batch.lengths is None else np.asarray(batch.lengths)[None],
            np.array([fresh]),
        )

    def __len__(self) -> int:
        return len(self.fresh)

    def __getitem__(self, index: int) -> Batch:
        return Batch(self.inputs[index], self.targets[index], None if self.lengths is None else self.lengths[index])

    def part(self, start: int, stop: int) -> Pieces:
        """Pieces `start` to `stop` (not included), as views."""
        lengths = None if self.lengths is None else self.lengths[start:stop]
        return Pieces(self.inputs[start:stop], self.targets[start:stop], lengths, self.fresh[start:stop])

    @property
    def tokens(self) -> int:
        """How many steps there are in all, padding not counted."""
        if self.lengths is None:
            return int(np.prod(self.inputs.shape[:3]))
        return int(self.lengths.sum())
