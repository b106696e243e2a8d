"""The made-up sequences of the seeds: sums to classify, sines to continue, a cosine to read off a sine."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from elman.errors import UsageError
from elman.files import FloatArray, IntArray


def sums(
    num_samples: int = 1000,
    seq_length: int = 10,
    input_size: int = 1,
    seed: int | np.random.Generator = 0,
) -> tuple[npt.NDArray[np.float32], IntArray]:
    """Sequences of U[0, 1) and whether their sum is above its expectation, T D / 2 (seed 000).

    The seed's text leaves the rule open (all its labels are zero); with this one the classes are balanced and the Bayes accuracy
    is 1.

    Args:
        num_samples: N.
        seq_length: T.
        input_size: D.
        seed: of NumPy's default generator, or a generator.

    Returns:
        (X, y): (N, T, D) float32, and (N,) int64, 0 or 1.

    >>> X, y = sums(4, 3, 2)
    >>> X.shape, y.shape
    ((4, 3, 2), (4,))
    """
    _check_sizes(num_samples=num_samples, seq_length=seq_length, input_size=input_size)
    generator = np.random.default_rng(seed)
    values = generator.random((num_samples, seq_length, input_size), dtype=np.float32)
    above = values.sum(axis=(1, 2), dtype=np.float64) > seq_length * input_size / 2
    return values, above.astype(np.int64)


def sine_next(points: int = 20, start: float = 2.0, stop: float = 10.0) -> tuple[FloatArray, FloatArray]:
    """A sine and the same one step later (seed 001), taken at `points` + 1 equal steps.

    Args:
        points: T.
        start: of the first place, in radians.
        stop: of the last place, in radians.

    Returns:
        (x, y): (1, T, 1) each.
    """
    _check_sizes(points=points)
    wave = np.sin(np.linspace(start, stop, points + 1))
    return wave[None, :-1, None], wave[None, 1:, None]


def sine_windows(total: int = 200, window: int = 50, validation: int = 50) -> tuple[FloatArray, FloatArray]:
    """Windows of sin(0), sin(1) ... sin(total - 1), each with the value that follows (seed 002).

    Step t of a record is a vector that is zero except x_t at position t, so that the input weights depend on the position.

    Args:
        total: values of the sine.
        window: T, and D.
        validation: how many of the last records are the validation part; they are only counted here, the caller cuts them off.

    Returns:
        (X, y): (total - window, window, window) and (total - window, 1).
    """
    _check_sizes(total=total, window=window)
    records = total - window
    if records < 1 or not 0 <= validation < records:
        raise UsageError(
            "`total` - `window` records must be more than `validation`, which is at least 0; "
            f"got total {total}, window {window}, validation {validation}"
        )
    wave = np.sin(np.arange(total, dtype=np.float64))
    x = np.zeros((records, window, window))
    diagonal = np.arange(window)
    x[:, diagonal, diagonal] = np.lib.stride_tricks.sliding_window_view(wave, window)[:records]
    return x, wave[window:, None].copy()


def sine_to_cosine(pieces: int = 300, points: int = 10) -> tuple[FloatArray, FloatArray]:
    """A sine and its cosine, in pieces of half a turn (seed 003).

    Args:
        pieces: of half a turn.
        points: in a piece: piece s is linspace(s pi, (s + 1) pi), both ends included, so the last of one piece is the first of the
            next, as in the seed.

    Returns:
        (x, y): (1, pieces * points, 1) each.
    """
    _check_sizes(pieces=pieces, points=points)
    starts = np.arange(pieces, dtype=np.float64)[:, None] * np.pi
    angles = (starts + np.linspace(0.0, np.pi, points)[None, :]).reshape(1, -1, 1)
    return np.sin(angles), np.cos(angles)


def _check_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1:
            raise UsageError(f"`{name}` must be a whole number of at least 1; got {size!r}")
