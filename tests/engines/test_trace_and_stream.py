"""Looking inside, and stepping: both are the forward pass by other means."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.closeness import assert_close, assert_same_bits
from tests.engines.cases import CELLS, Case, case

from elman.engines import Engine
from elman.errors import UsageError

Array = NDArray[Any]


def sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


@pytest.mark.parametrize("head", ["every", "last"])
@pytest.mark.parametrize("cell", CELLS)
def test_trace_has_the_outputs_and_the_last_states_of_forward(engine_name: str, cell: str, head: str) -> None:
    given = case(cell, num_layers=2, bidirectional=True, head=head)
    engine = given.engine(engine_name)
    trace = engine.trace(given.batch.inputs, given.state)
    outputs, final = engine.forward(given.batch.inputs, given.state)
    assert_same_bits(trace.outputs, outputs)
    assert list(trace.layers) == ["l0", "l0_reverse", "l1", "l1_reverse"]
    for row, (name, layer) in enumerate(trace.layers.items()):
        last = 0 if name.endswith("reverse") else -1
        for state_name, state in zip(given.network.recurrence.state_names, final, strict=True):
            assert layer.states[state_name].shape == (4, 7, 5)
            assert_same_bits(np.ascontiguousarray(layer.states[state_name][:, last]), state[row])


@pytest.mark.parametrize("cell", CELLS)
def test_traced_states_follow_from_the_ones_before_by_the_recurrence(engine_name: str, cell: str) -> None:
    """Each step of each layer and direction again, from the textbook's formulas and the traced states alone."""
    given = case(cell, num_layers=2, bidirectional=True)
    trace = given.engine(engine_name).trace(given.batch.inputs, given.state)
    p = given.network.parameters
    steps = given.batch.inputs.shape[1]
    below = given.batch.inputs
    for number in range(2):
        for side, name in enumerate((f"l{number}", f"l{number}_reverse")):
            layer = trace.layers[name]
            for t in range(steps):
                before = t + 1 if side else t - 1
                if 0 <= before < steps:
                    state = tuple(layer.states[s][:, before] for s in given.network.recurrence.state_names)
                else:
                    state = tuple(s[2 * number + side] for s in given.state)
                a = below[:, t] @ p[f"weight_ih_{name}"].T + p[f"bias_ih_{name}"]
                u = state[0] @ p[f"weight_hh_{name}"].T + p[f"bias_hh_{name}"]
                states, gates = textbook(cell, a, u, state)
                assert set(layer.gates) == set(gates)
                for key, value in gates.items():
                    assert_close(layer.gates[key][:, t], value)
                for key, value in states.items():
                    assert_close(layer.states[key][:, t], value)
        below = np.concatenate([trace.layers[f"l{number}{end}"].states["h"] for end in ("", "_reverse")], axis=2)


def textbook(cell: str, a: Array, u: Array, state: tuple[Array, ...]) -> tuple[dict[str, Array], dict[str, Array]]:
    """States and gates after a step; a from the input, u from the state before it."""
    h = state[0]
    if cell == "gru":
        (ar, az, an), (ur, uz, un) = np.split(a, 3, 1), np.split(u, 3, 1)
        r, z = sigmoid(ar + ur), sigmoid(az + uz)
        n = np.tanh(an + r * un)
        return {"h": (1 - z) * n + z * h}, {"r": r, "z": z, "n": n}
    if cell == "lstm":
        ai, af, ag, ao = np.split(a + u, 4, 1)
        i, f, g, o = sigmoid(ai), sigmoid(af), np.tanh(ag), sigmoid(ao)
        c = f * state[1] + i * g
        return {"h": o * np.tanh(c), "c": c}, {"i": i, "f": f, "g": g, "o": o}
    if cell == "elman-sigmoid":
        return {"h": sigmoid(a + u)}, {}
    return {"h": np.tanh(a + u) if cell == "elman-tanh" else np.maximum(a + u, 0)}, {}


@pytest.mark.parametrize("sessions", [1, 4])
@pytest.mark.parametrize("inputs", ["dense", "one_hot", "embedding"])
@pytest.mark.parametrize("cell", CELLS)
def test_streaming_is_forward(engine_name: str, dtype: str, cell: str, inputs: str, sessions: int) -> None:
    """Step by step, many steps at once and both mixed; states exactly, outputs to the rounding of the head."""
    given = case(cell, inputs=inputs, input_size=6, num_layers=2, n=sessions)
    engine = given.engine(engine_name, dtype=dtype)
    x = given.batch.inputs
    outputs, final = engine.forward(x, given.state)
    stream = engine.stream(sessions)
    stream.state = given.state
    steps = [stream.step(x[:, t]) for t in range(3)]
    assert all(step.shape == (sessions, 2) and step.dtype == dtype for step in steps)
    many = stream.step_many(x[:, 3:])
    assert many.shape == (sessions, 4, 2)
    found = np.concatenate((np.stack(steps, axis=1), many), axis=1)
    assert_close(found, outputs, f"{dtype} rounding")
    for ours, theirs in zip(stream.state, final, strict=True):
        assert_close(ours, theirs, f"{dtype} rounding")


def test_one_session_may_drop_its_axis(engine_name: str) -> None:
    given = case("gru", n=1, input_size=1)
    engine = given.engine(engine_name)
    x = given.batch.inputs
    wanted = engine.forward(x)[0]
    for shape in ((1, 1), (1,), ()):
        stream = engine.stream()
        found = stream.step(x[0, 0].reshape(shape))
        assert found.shape == ((1, 2) if shape == (1, 1) else (2,))
        assert_close(found.reshape(2), wanted[0, 0])
    stream = engine.stream()
    assert_close(stream.step_many(x[0]), wanted[0])
    tokens = case("gru", n=1, inputs="one_hot", input_size=6)
    stream = tokens.engine(engine_name).stream()
    one = stream.step(int(tokens.batch.inputs[0, 0]))
    assert one.shape == (2,)
    many = tokens.engine(engine_name).stream().step_many(tokens.batch.inputs[0])
    assert_close(many, tokens.engine(engine_name).forward(tokens.batch.inputs)[0][0])
    assert_close(one, many[0])


def test_a_streams_state_is_read_as_a_copy_and_written_as_a_copy(engine_name: str) -> None:
    given = case("lstm", num_layers=2)
    engine = given.engine(engine_name)
    stream = engine.stream(4)
    for s in stream.state:
        assert s.shape == (2, 4, 5)
        assert not s.any()
    stream.step(given.batch.inputs[:, 0])
    saved = stream.state
    first = stream.step(given.batch.inputs[:, 1])
    kept = first.copy()
    for s in stream.state:
        s += 1
    mine = tuple(s.copy() for s in saved)
    stream.state = mine
    for s in mine:
        s += 1
    again = stream.step(given.batch.inputs[:, 1])
    assert_same_bits(again, kept)
    assert_same_bits(first, kept)  # an answer is not overwritten by the next step
    stream.state = None
    assert not any(s.any() for s in stream.state)


def test_streams_know_nothing_of_each_other(engine_name: str) -> None:
    given = case("gru")
    engine = given.engine(engine_name)
    one, other = engine.stream(4), engine.stream(4)
    first = one.step(given.batch.inputs[:, 0])
    assert_same_bits(other.step(given.batch.inputs[:, 0]), first)


@pytest.mark.parametrize(
    ("options", "match"),
    [({"bidirectional": True}, "`stream` .*bidirectional"), ({"head": "last"}, "`stream` .*head='last'")],
)
def test_what_cannot_be_streamed(engine_name: str, options: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        case("gru", **options).engine(engine_name).stream()


def stream_of(given: Case, name: str, sessions: int) -> Any:
    engine: Engine = given.engine(name)
    return engine.stream(sessions)


def test_wrong_shapes_are_told(engine_name: str) -> None:
    given = case("gru")
    with pytest.raises(UsageError, match="`sessions` must be at least 1; got 0"):
        stream_of(given, engine_name, 0)
    stream = stream_of(given, engine_name, 2)
    with pytest.raises(UsageError, match=r"`x` must have shape \(2, 3\); got \(3,\)"):
        stream.step(np.zeros(3))
    with pytest.raises(UsageError, match=r"`x` must have shape \(2, 5, 3\); got \(2, 5, 4\)"):
        stream.step_many(np.zeros((2, 5, 4)))
    with pytest.raises(UsageError, match=r"`state` must be a tuple \(h,\)"):
        stream.state = np.zeros((1, 2, 5))


@pytest.mark.parametrize("xs", [5.0, np.zeros(3), np.zeros((1, 2, 3, 4)), np.zeros((2, 4, 3))])
def test_many_steps_of_another_shape_are_refused(engine_name: str, xs: Any) -> None:
    stream = case("gru", input_size=3).engine(engine_name).stream()
    with pytest.raises(UsageError, match=r"`x` must have shape \(1, \d+, 3\); got"):
        stream.step_many(xs)
