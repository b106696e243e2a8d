"""Windows over a series: what they hold, and that nothing is copied."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data.windows import WindowsOf, windows
from elman.errors import DataError, UsageError


def series(steps: int, columns: int, start: float = 0.0) -> np.ndarray:
    return start + np.arange(float(steps * columns)).reshape(steps, columns)


@given(steps=st.integers(1, 20), columns=st.integers(1, 3), size=st.integers(1, 20), stride=st.integers(1, 5))
def test_each_window_is_a_slice_and_a_view(steps: int, columns: int, size: int, stride: int) -> None:
    y = series(steps, columns)
    if size > steps:
        with pytest.raises(
            DataError, match=f"the series has {steps} steps, fewer than the {size} that one window needs"
        ):
            windows(y, size, stride=stride)
        return
    found = windows(y, size, stride=stride)
    assert found.shape == ((steps - size) // stride + 1, size, columns)
    for i, window in enumerate(found):
        assert (window == y[i * stride : i * stride + size]).all()
    assert np.shares_memory(found, y)
    assert not found.flags.writeable


@pytest.mark.parametrize("options", [{"size": 0}, {"size": 2, "stride": 0}])
def test_sizes_below_one(options: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="`size` and `stride` must be at least 1"):
        windows(series(5, 1), **options)


@pytest.mark.parametrize("flat", [False, True])
def test_windows_of_several_series_never_cross_from_one_to_the_next(flat: bool) -> None:
    parts = [series(6, 2), series(4, 2, 100.0), series(9, 2, 1000.0)]
    starts = [np.array([0, 3]), np.array([1]), np.array([2, 6, 4])]
    found = WindowsOf(parts, starts, 3, flat=flat)
    wanted = [parts[k][s : s + 3] for k in range(3) for s in starts[k]]
    assert len(found) == 6
    assert found.shape == ((6, 6) if flat else (6, 3, 2))
    index = np.array([[5, 0, 2], [1, 4, 3]])
    gathered = found[index]
    assert gathered.shape == ((2, 3, 6) if flat else (2, 3, 3, 2))
    for place, number in np.ndenumerate(index):
        assert (gathered[place] == (wanted[number].ravel() if flat else wanted[number])).all()


def test_one_series_is_not_copied_until_windows_are_gathered() -> None:
    y = series(8, 1)
    found = WindowsOf([y], [np.arange(6)], 3)
    y[2] = -1.0
    assert found[np.array([0, 2])][:, :, 0].tolist() == [[0.0, 1.0, -1.0], [-1.0, 3.0, 4.0]]
    gathered = found[np.array([0])]
    gathered[:] = 7.0
    assert y[0] == 0.0
