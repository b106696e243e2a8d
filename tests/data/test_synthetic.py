"""The seeds' sources against the seeds' own loops."""

from __future__ import annotations

import numpy as np
import pytest

from elman.data.synthetic import sine_next, sine_to_cosine, sine_windows, sums
from elman.errors import UsageError


def test_sums():
    X, y = sums(500, 7, 3, seed=1)
    assert (X.shape, X.dtype, y.shape, y.dtype) == ((500, 7, 3), np.float32, (500,), np.int64)
    assert X.min() >= 0
    assert X.max() < 1
    np.testing.assert_array_equal(y, [int(one.astype(float).sum() > 10.5) for one in X])
    assert 0.4 < y.mean() < 0.6


def test_sums_follow_the_seed_or_the_generator():
    first, again, other = sums(seed=3)[0], sums(seed=np.random.default_rng(3))[0], sums(seed=4)[0]
    assert first.shape == (1000, 10, 1)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_sine_next_is_seed_001():
    data = np.sin(np.linspace(2, 10, 21))
    x, y = sine_next()
    assert x.shape == y.shape == (1, 20, 1)
    np.testing.assert_array_equal(x.ravel(), data[:-1])
    np.testing.assert_array_equal(y.ravel(), data[1:])


def test_sine_windows_are_seed_002():
    wave = np.array([np.sin(k) for k in range(200)])
    X, y = sine_windows()
    assert (X.shape, y.shape) == ((150, 50, 50), (150, 1))
    for record in (0, 99, 100, 149):
        for t in (0, 1, 49):
            new_input = np.zeros(50)
            new_input[t] = wave[record + t]
            np.testing.assert_array_equal(X[record, t], new_input)
        assert y[record, 0] == wave[record + 50]


def test_sine_to_cosine_is_seed_003():
    x, y = sine_to_cosine()
    assert x.shape == y.shape == (1, 3000, 1)
    for s in (0, 1, 299):
        steps = np.linspace(s * np.pi, (s + 1) * np.pi, 10)
        np.testing.assert_allclose(x[0, 10 * s : 10 * s + 10, 0], np.sin(steps), atol=1e-12)
        np.testing.assert_allclose(y[0, 10 * s : 10 * s + 10, 0], np.cos(steps), atol=1e-12)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sums(num_samples=0), "`num_samples` must be a whole number of at least 1; got 0"),
        (lambda: sums(seq_length=2.5), "`seq_length` must be a whole number of at least 1; got 2.5"),
        (lambda: sine_next(points=True), "`points` must be a whole number"),
        (lambda: sine_windows(total=50), "got total 50, window 50, validation 50"),
        (lambda: sine_windows(validation=150), "must be more than `validation`"),
        (lambda: sine_to_cosine(pieces=-1), "`pieces` must be a whole number"),
    ],
)
def test_refused_sizes(call, words):
    with pytest.raises(UsageError) as raised:
        call()
    assert words in str(raised.value)
