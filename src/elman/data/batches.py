"""How data are cut into the pieces that training works through, epoch after epoch.

Shapes: N sequences in a batch, T steps, D features, O outputs, P pieces. The order of an epoch is a function of the seed and
the epoch's number alone, so a run that resumes in the middle of any epoch needs no generator's state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import final

import numpy as np

from elman.data.windows import WindowsOf
from elman.engines import Pieces
from elman.errors import DataError, UsageError
from elman.files import Array

CHUNK = 1 << 20
"""Input numbers gathered at a time, about 8 MB in float64."""


class Batches(ABC):
    """A source of epochs. `epoch(e)` gives the pieces of epoch e (from 0), grouped where shapes allow."""

    @abstractmethod
    def epoch(self, number: int) -> Iterator[Pieces]:
        """The pieces of an epoch, in order."""

    @property
    @abstractmethod
    def updates(self) -> int:
        """How many pieces an epoch has (at most, where that differs between epochs)."""


def _generator(seed: int, epoch: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, epoch]))


@final
class SequenceBatches(Batches):
    """Mini-batches of whole sequences, each batch cut in time into pieces of `steps`.

    A batch of sequences of unequal length is trimmed to its longest.

    Args:
        inputs: (count, T, D) numbers or (count, T) tokens.
        targets: (count, T, ...) for an answer at every step, or (count, ...) for one a sequence.
        lengths: steps of each sequence, (count,); None where all have T.
        batch_size: N, sequences in a batch; the last batch of an epoch may be smaller.
        shuffle: draw the sequences in a new order each epoch.
        steps: length of a piece; None for whole sequences, which one target a sequence needs.
        carry: whether a piece goes on from the state of the piece before it, or starts from zero.
        aligned: whether there is a target at every step.
        dtype: of the numbers that come out; tokens and classes stay.
        seed: of the order.

    Raises:
        DataError: there are not as many targets as inputs.
        UsageError: `batch_size` or `steps` cannot be.
    """

    def __init__(
        self,
        inputs: Array | WindowsOf,
        targets: Array | WindowsOf,
        lengths: Array | None = None,
        *,
        batch_size: int = 32,
        shuffle: bool = True,
        steps: int | None = None,
        carry: bool = False,
        aligned: bool = True,
        dtype: str = "float64",
        seed: int = 0,
    ) -> None:
        if len(inputs) != len(targets):
            raise DataError(f"`X` holds {len(inputs)} sequences and `y` {len(targets)}; they must be as many")
        if batch_size < 1:
            raise UsageError(f"`batch_size` must be at least 1; got {batch_size!r}")
        if steps is not None and (steps < 1 or not aligned):
            raise UsageError(
                f"`steps` must be at least 1; got {steps!r}" if aligned else "`steps` needs an answer at every step"
            )
        self._inputs, self._targets, self._lengths = _with_dtype(inputs, dtype), _with_dtype(targets, dtype), lengths
        self._batch_size, self._shuffle, self._seed = min(batch_size, len(inputs)), shuffle, seed
        self._steps, self._carry, self._aligned = steps, carry, aligned
        self._every_epoch: list[Pieces] | None = None

    @property
    def updates(self) -> int:
        groups = range(0, len(self._inputs), self._batch_size)
        if self._steps is None:
            return len(groups)
        longest = [self._inputs.shape[1]] * len(groups)
        if self._lengths is not None and not self._shuffle:
            longest = [int(self._lengths[first : first + self._batch_size].max()) for first in groups]
        return sum(-(-steps // self._steps) for steps in longest)

    def epoch(self, number: int) -> Iterator[Pieces]:
        if self._shuffle or np.prod(self._inputs.shape) > CHUNK:
            return self._pieces(number)
        if self._every_epoch is None:  # small, and the same in every epoch
            self._every_epoch = list(self._pieces(number))
        return iter(self._every_epoch)

    def _pieces(self, number: int) -> Iterator[Pieces]:
        count, size = len(self._inputs), self._batch_size
        order = _generator(self._seed, number).permutation(count) if self._shuffle else np.arange(count)
        whole = count // size
        per_chunk = max(1, CHUNK // max(1, size * int(np.prod(self._inputs.shape[1:]))))
        if self._lengths is not None:
            per_chunk = 1
        for first in range(0, whole, per_chunk):
            last = min(whole, first + per_chunk)
            yield from self._cut(order[first * size : last * size].reshape(last - first, size))
        if count % size:
            yield from self._cut(order[whole * size :][None])

    def _cut(self, index: Array) -> Iterator[Pieces]:
        """Groups (G, N) of sequence numbers, as pieces in time."""
        inputs, targets = self._inputs[index], self._targets[index]
        lengths = None if self._lengths is None else self._lengths[index]
        if lengths is not None:
            longest = int(lengths.max())
            inputs = inputs[:, :, :longest]
            targets = targets[:, :, :longest] if self._aligned else targets
            if (lengths == longest).all():
                lengths = None
        total = inputs.shape[2]
        steps = self._steps or total
        if total % steps == 0 and lengths is None:
            yield _split_time(inputs, targets, steps, self._carry, self._aligned)
            return
        for group in range(len(index)):
            for start in range(0, total, steps):
                part = slice(start, start + steps)
                left = None if lengths is None else np.clip(lengths[group : group + 1] - start, 0, steps)
                y = targets[group : group + 1, :, part] if self._aligned else targets[group : group + 1]
                fresh = np.array([start == 0 or not self._carry])
                yield Pieces(inputs[group : group + 1, :, part], y, left, fresh)


def _with_dtype(values: Array | WindowsOf, dtype: str) -> Array | WindowsOf:
    """Floating-point numbers as `dtype`; anything else as it is."""
    return values.astype(dtype, copy=False) if values.dtype.kind == "f" else values


def _split_time(inputs: Array, targets: Array, steps: int, carry: bool, aligned: bool) -> Pieces:
    """(G, N, T, ...) to pieces (G * T / steps, N, steps, ...), group by group."""
    groups, count, total = inputs.shape[:3]
    parts = total // steps

    def split(a: Array) -> Array:
        shaped = a.reshape(groups, count, parts, steps, *a.shape[3:])
        return np.ascontiguousarray(np.moveaxis(shaped, 2, 1)).reshape(groups * parts, count, steps, *a.shape[3:])

    fresh = np.tile(np.arange(parts) == 0, groups) if carry else np.ones(groups * parts, bool)
    return Pieces(split(inputs), split(targets) if aligned else targets, None, fresh)


@final
class SharedEpochs(Batches):
    """Epochs of so many pieces each, taken one after the other from other batches that are passed through again and again.

    The state goes on from one epoch to the next.

    Args:
        batches: where the pieces come from.
        updates: pieces in an epoch.

    Raises:
        UsageError: `updates` is below 1.
    """

    def __init__(self, batches: Batches, updates: int) -> None:
        if updates < 1:
            raise UsageError(f"`updates_per_epoch` must be at least 1; got {updates!r}")
        self._batches, self._updates = batches, updates

    @property
    def updates(self) -> int:
        return self._updates

    def epoch(self, number: int) -> Iterator[Pieces]:
        round_, skip = divmod(number * self._updates, self._batches.updates)
        wanted = self._updates
        while wanted:
            for pieces in self._batches.epoch(round_):
                taken = pieces.part(skip, skip + wanted)
                skip = max(0, skip - len(pieces))
                wanted -= len(taken)
                if len(taken):
                    yield taken
                if not wanted:
                    return
            round_ += 1


@final
class TextBatches(Batches):
    """Pieces of one long token sequence, the next token being the target of each.

    Source: the two ways of reading a corpus in A. Zhang et al., "Dive into Deep Learning", section 8.3.

    Args:
        tokens: (count,) integers.
        batch_size: N.
        steps: T.
        sampling: `sequential` cuts the text into N rows that are read side by side in pieces of T steps, the state carried from
            piece to piece; `random` draws pieces of T steps in random order, each from zero state.
        fixed_offset: start every epoch at the first token, instead of at a random offset of at most T tokens (sequential) or below
            T (random), so that pieces differ between epochs.
        seed: of the offsets and the order.

    Raises:
        DataError: the text is shorter than one batch.
        UsageError: an argument cannot be.
    """

    def __init__(
        self,
        tokens: Array,
        *,
        batch_size: int = 32,
        steps: int = 35,
        sampling: str = "sequential",
        fixed_offset: bool = False,
        seed: int = 0,
    ) -> None:
        if sampling not in ("sequential", "random"):
            raise UsageError(f"`sampling` must be sequential or random; got {sampling!r}")
        if batch_size < 1 or steps < 1:
            raise UsageError(f"`batch_size` and `steps` must be at least 1; got {batch_size!r} and {steps!r}")
        self._needs = batch_size * steps + 1 + (0 if fixed_offset else steps)
        if len(tokens) < self._needs:
            raise DataError(
                f"the text has {len(tokens)} tokens, fewer than the {self._needs} that batches of {batch_size} x {steps} "
                "need; make `batch_size` or `steps` smaller, or bring a longer text"
            )
        self._tokens, self._batch_size, self._steps = tokens, batch_size, steps
        self._sampling, self._fixed, self._seed = sampling, fixed_offset, seed

    @property
    def updates(self) -> int:
        return (len(self._tokens) - 1) // (self._batch_size * self._steps)

    def epoch(self, number: int) -> Iterator[Pieces]:
        generator = _generator(self._seed, number)
        inputs, targets = self._random(generator) if self._sampling == "random" else self._sequential(generator)
        fresh = np.full(len(inputs), self._sampling == "random")
        fresh[0] = True
        yield Pieces(inputs, targets, None, fresh)

    def _sequential(self, generator: np.random.Generator) -> tuple[Array, Array]:
        offset = 0 if self._fixed else int(generator.integers(0, self._steps + 1))
        columns = (len(self._tokens) - offset - 1) // self._batch_size // self._steps * self._steps
        width = (len(self._tokens) - offset - 1) // self._batch_size

        def rows(start: int) -> Array:
            flat = self._tokens[start : start + width * self._batch_size].reshape(self._batch_size, width)
            cut = flat[:, :columns].reshape(self._batch_size, -1, self._steps)
            return np.ascontiguousarray(np.swapaxes(cut, 0, 1))

        return rows(offset), rows(offset + 1)

    def _random(self, generator: np.random.Generator) -> tuple[Array, Array]:
        offset = 0 if self._fixed else int(generator.integers(0, self._steps))
        count = (len(self._tokens) - offset - 1) // self._steps // self._batch_size * self._batch_size
        starts = generator.permutation((len(self._tokens) - offset - 1) // self._steps)[:count] * self._steps + offset
        index = starts.reshape(-1, self._batch_size, 1) + np.arange(self._steps)
        return self._tokens[index], self._tokens[index + 1]
