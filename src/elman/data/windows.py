"""Windows over a series, as views: nothing is copied until a batch is gathered.

Shapes: T steps of the series, C columns, W windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np

from elman.errors import DataError, UsageError
from elman.files import Array


def windows(series: Array, size: int, *, stride: int = 1) -> Array:
    """Every window of a series.

    Args:
        series: (T, C).
        size: steps in a window.
        stride: steps from one window's begin to the next one's.

    Returns:
        A read-only view (W, size, C), W = (T - size) // stride + 1.

    Raises:
        DataError: the series is shorter than one window.
        UsageError: `size` or `stride` is below 1.

    >>> windows(np.arange(5.0)[:, None], 3)[:, :, 0]
    array([[0., 1., 2.],
           [1., 2., 3.],
           [2., 3., 4.]])
    """
    if size < 1 or stride < 1:
        raise UsageError(f"`size` and `stride` must be at least 1; got {size!r} and {stride!r}")
    if len(series) < size:
        raise DataError(
            f"the series has {len(series)} steps, fewer than the {size} that one window needs; "
            "make the window or the horizon shorter, or bring a longer series"
        )
    view = np.lib.stride_tricks.sliding_window_view(series, size, axis=0)
    return np.swapaxes(view, 1, 2)[::stride]


@final
class WindowsOf:
    """Windows of several series as one read-only array (W, size, C) that is gathered only where it is indexed.

    Supports `len`, `shape` and indexing with whole-number arrays of any shape.

    Args:
        series: arrays (T_i, C).
        starts: for each, the steps at which its windows begin.
        size: steps in a window.
        flat: be (W, size * C) instead.
    """

    def __init__(self, series: Sequence[Array], starts: Sequence[Array], size: int, *, flat: bool = False) -> None:
        offsets = np.cumsum([0, *(len(s) for s in series[:-1])])
        self._values = series[0] if len(series) == 1 else np.concatenate(list(series))
        self._starts = np.concatenate([s + offset for s, offset in zip(starts, offsets, strict=True)])
        self._size, self._flat = size, flat
        self._set_views()
        columns = self._values.shape[1]
        self.shape = (len(self._starts), size * columns) if flat else (len(self._starts), size, columns)

    def _set_views(self) -> None:
        """Every window of the values, to index into."""
        self._views, self.dtype = windows(self._values, self._size), self._values.dtype

    def astype(self, dtype: str, *, copy: bool = True) -> WindowsOf:
        """The same windows of the same series, as numbers of another type."""
        if not copy and self.dtype == np.dtype(dtype):
            return self
        other = object.__new__(WindowsOf)
        other.__dict__.update(self.__dict__)
        other._values = self._values.astype(dtype)
        other._set_views()
        return other

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: Array) -> Array:
        gathered: Array = self._views[self._starts[index]]
        return gathered.reshape(*np.shape(index), -1) if self._flat else gathered
