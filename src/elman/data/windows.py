"""Windows over a series, as views: nothing is copied until a batch is gathered.

Shapes: T steps of the series, C columns, W windows.
"""

from __future__ import annotations

import numpy as np

from elman.cells import Array
from elman.errors import DataError, UsageError


def windows(series: Array, size: int, *, stride: int = 1) -> Array:
    """Every window of `size` steps: (T, C) gives a read-only view (W, size, C), W = (T - size) // stride + 1.

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
