"""A stream gives the bits of the batch forward pass, in arrays that it never touches again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.closeness import assert_same_bits
from tests.engines.cases import CELLS, network

from elman.engines.native.engine import NativeEngine
from elman.engines.native.stream import NativeStream
from elman.errors import UsageError

Array = NDArray[Any]


def inputs(made: Any, sessions: int, steps: int, dtype: str) -> Array:
    generator = np.random.default_rng(4)
    if made.tokens:
        return generator.integers(0, made.input_size, (sessions, steps))
    return generator.standard_normal((sessions, steps, made.input_size)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["dense", "one_hot", "embedding"])
@pytest.mark.parametrize("sessions", [1, 2, 5])
@pytest.mark.parametrize("cell", CELLS)
def test_same_bits_as_forward(isa: str, cell: str, sessions: int, kind: str, dtype: str) -> None:
    made = network(cell, hidden_size=35, num_layers=2, inputs=kind, input_size=9, output_size=4)
    engine = NativeEngine(made, dtype=dtype)
    xs = inputs(made, sessions, 6, dtype)
    expected, last = engine.forward(xs)
    stream = engine.stream(sessions)
    for t in range(6):
        assert_same_bits(stream.step(np.ascontiguousarray(xs[:, t])), np.ascontiguousarray(expected[:, t]))
    for one, other in zip(stream.state, last, strict=True):
        assert_same_bits(one, other)
    stream.state = None
    assert_same_bits(stream.step_many(xs[:, :4]), np.ascontiguousarray(expected[:, :4]))
    assert_same_bits(stream.step_many(xs[:, 4:]), np.ascontiguousarray(expected[:, 4:]))


def test_state_is_a_value() -> None:
    engine = NativeEngine(network("lstm"), dtype="float64")
    stream = engine.stream()
    xs = inputs(engine.network, 1, 6, "float64")[0]
    stream.step_many(xs[:3])
    saved = stream.state
    first = stream.step_many(xs[3:])
    stream.state = saved
    assert_same_bits(stream.step_many(xs[3:]), first)


def test_returned_arrays_are_never_written_again() -> None:
    engine = NativeEngine(network("gru"))
    stream = engine.stream()
    x = np.ones(3, np.float32)
    first = stream.step(x)
    kept = first.copy()
    stream.step(x)
    assert_same_bits(first, kept)


def test_out() -> None:
    engine = NativeEngine(network("gru"))
    stream, twin = engine.stream(), engine.stream()
    assert isinstance(stream, NativeStream)
    out, x = np.full(2, np.nan, np.float32), np.ones(3, np.float32)
    assert stream.step(x, out) is out
    assert_same_bits(out, twin.step(x))
    assert stream.step([1, 1, 1], out=out) is out
    for wrong in (np.empty(3, np.float32), np.empty(2), np.empty((2, 2), np.float32)[:, 0], [0.0, 0.0]):
        with pytest.raises(UsageError, match=r"`out` must be a writable C-contiguous array \(2,\) of float32"):
            stream.step(x, wrong)


def test_numbers_of_every_kind() -> None:
    engine = NativeEngine(network("gru", input_size=1))
    stream = engine.stream()
    ways = [0.5, np.float64(0.5), np.array(0.5), [0.5], np.array([0.5]), np.array([0.5], np.float32)]
    found = []
    for x in ways:
        stream.state = None
        found.append(stream.step(x))
    stream.state = None
    found.append(stream.step(np.array([[0.5]]))[0])
    for other in found[1:]:
        assert_same_bits(other, found[0])


def test_tokens_of_every_kind() -> None:
    engine = NativeEngine(network("gru", inputs="one_hot", input_size=5))
    stream = engine.stream()
    found = []
    for token in (3, np.int32(3), np.array(3), [3], np.array([3])):
        stream.state = None
        found.append(stream.step(token).reshape(2))
    for other in found[1:]:
        assert_same_bits(other, found[0])
    for wrong in (5, -1, np.array([7])):
        with pytest.raises(UsageError, match="`inputs` must hold tokens from 0 to 4"):
            stream.step(wrong)
    with pytest.raises(UsageError):
        stream.step(1.5)


def test_wrong_shapes_say_so() -> None:
    stream = NativeEngine(network("gru")).stream(2)
    with pytest.raises(UsageError, match=r"`x` must have shape \(2, 3\); got \(3,\)"):
        stream.step(np.ones(3, np.float32))
    with pytest.raises(UsageError, match=r"`x` must have shape \(2, 4, 3\); got \(1, 4, 3\)"):
        stream.step_many(np.ones((1, 4, 3)))


def test_new_parameters_are_followed() -> None:
    engine = NativeEngine(network("elman-tanh"))
    stream = engine.stream()
    x = np.ones((1, 1, 3), np.float32)
    stream.step(x[:, 0])
    engine.load_parameters(network("elman-tanh", seed=5).parameters)
    stream.state = None
    assert_same_bits(stream.step(x[:, 0]), engine.forward(x)[0][:, 0])
