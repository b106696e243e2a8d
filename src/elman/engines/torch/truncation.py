"""Truncated backpropagation for layers that know nothing of it: sequences cut into windows, the state detached between them.

The gradient stops after every `backprop_steps` steps counted from each sequence's own end, so windows are counted from there;
the first window of a sequence is what is left over. Within a window, rows stand at its beginning and may be shorter.
Shapes: N sequences, T steps, W windows, B steps in a window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elman.files import Array


@dataclass(frozen=True)
class Windows:
    """How one direction walks through a batch.

    Attributes:
        taken: (W, N, B), which step of a sequence stands where.
        steps: (W, N), how many of them exist.
        cut: (W, N), whether the state that a window starts from is detached.
        back: (N, T), where in the W * B steps of all windows each step stands.
    """

    taken: Array
    steps: Array
    cut: Array
    back: Array


def windows_of(count: int, steps: int, lengths: Array | None, reverse: bool, backprop_steps: int | None) -> Windows:
    """Cut sequences into windows; one for all where nothing is cut.

    Args:
        count: N.
        steps: T.
        lengths: (N,), how many steps of each sequence exist; None for all.
        reverse: Whether the direction goes from the end.
        backprop_steps: After how many steps the gradient stops; None for never.

    >>> windows_of(1, 5, None, False, 2).taken.tolist()
    [[[0, 1]], [[1, 2]], [[3, 4]]]
    >>> windows_of(1, 5, None, False, 2).steps.tolist()
    [[1], [2], [2]]
    """
    ends = np.full(count, steps) if lengths is None else lengths
    size = min(backprop_steps or steps, steps)
    number = max(1, -(-int(ends.max()) // size))
    later = size * (number - np.arange(number))[:, None]  # how far before a sequence's end a window starts
    starts = ends - later
    begin = np.maximum(starts, 0)
    existing = np.maximum(ends - later + size, 0) - begin
    cut = starts >= 0 if backprop_steps == size else np.zeros(starts.shape, bool)
    walked = begin[..., None] + np.arange(size)
    taken = ends[:, None] - 1 - walked if reverse else walked
    t = np.arange(steps)
    place = ends[:, None] - 1 - t if reverse else np.broadcast_to(t, (count, steps))
    window = np.clip(number - 1 - (ends[:, None] - 1 - place) // size, 0, number - 1)
    back = window * size + place - begin[window, np.arange(count)[:, None]]
    return Windows(np.clip(taken, 0, steps - 1), existing, cut, np.clip(back, 0, number * size - 1))
