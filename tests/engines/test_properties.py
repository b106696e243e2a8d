"""What must hold for any network and any numbers, whatever the engine: state as a value, padding, order, pieces.

Shapes: N sequences, T steps. Networks are drawn by Hypothesis from all cells and options.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.closeness import assert_all_same_bits, assert_close, assert_same_bits
from tests.engines.cases import CELLS, LOSSES, Case, case, exists

from elman.engines import ENGINES, Batch, Optimiser, Pieces

Array = NDArray[Any]


@st.composite
def cases(draw: st.DrawFn, /, **fixed: Any) -> Case:
    options = {
        "num_layers": draw(st.integers(1, 3)),
        "bidirectional": draw(st.booleans()),
        "bias": draw(st.booleans()),
        "head": draw(st.sampled_from(["every", "last"])),
        "inputs": draw(st.sampled_from(["dense", "one_hot", "embedding"])),
        "lengths": draw(st.booleans()),
        "n": draw(st.integers(1, 5)),
        "t": draw(st.integers(1, 9)),
        "hidden_size": draw(st.sampled_from([1, 5, 7])),
        **fixed,
    }
    return case(draw(st.sampled_from(CELLS)), seed=draw(st.integers(0, 99)), **options)


ENGINE = st.sampled_from(ENGINES)


@given(given=cases(), name=ENGINE)
def test_omitted_state_is_zero_state(given: Case, name: str) -> None:
    engine = given.engine(name)
    zero = tuple(np.zeros_like(s) for s in given.state)
    for ours, theirs in zip(
        engine.forward(given.batch.inputs, None, given.batch.lengths),
        engine.forward(given.batch.inputs, zero, given.batch.lengths),
        strict=True,
    ):
        assert_same_bits(np.asarray(ours), np.asarray(theirs))
    ours, theirs = engine.gradients(given.batch), engine.gradients(given.batch, zero)
    assert_all_same_bits(ours.parameters, theirs.parameters)
    assert ours.loss == theirs.loss == engine.evaluate(given.batch).loss


@given(given=cases(), name=ENGINE)
def test_nothing_that_goes_in_is_changed(given: Case, name: str) -> None:
    engine = given.engine(name, optimiser=Optimiser(clip_norm=1e-3, clip_value=1e-3))
    before = [np.array(a) for a in (given.batch.inputs, given.batch.targets, *given.state)]
    engine.forward(given.batch.inputs, given.state, given.batch.lengths)
    engine.gradients(given.batch, given.state)
    engine.evaluate(given.batch, given.state)
    engine.trace(given.batch.inputs, given.state)
    engine.train_step(given.batch, given.state)
    for a, b in zip((given.batch.inputs, given.batch.targets, *given.state), before, strict=True):
        assert_same_bits(a, b)


@given(given=cases(), name=ENGINE)
def test_an_engine_keeps_nothing_between_calls(given: Case, name: str) -> None:
    engine = given.engine(name)
    first = engine.forward(given.batch.inputs, None, given.batch.lengths)[0]
    engine.forward(given.batch.inputs, given.state, given.batch.lengths)
    engine.gradients(given.batch, given.state)
    assert_same_bits(engine.forward(given.batch.inputs, None, given.batch.lengths)[0], first)


@given(given=cases(bidirectional=False, lengths=False, head="every"), name=ENGINE, data=st.data())
def test_one_long_sequence_is_its_pieces_with_carried_state(given: Case, name: str, data: st.DataObject) -> None:
    """The states exactly; the outputs to the rounding of the head, whose product is over all steps at once."""
    engine = given.engine(name)
    steps = given.batch.inputs.shape[1]
    cuts = sorted({0, steps, *data.draw(st.lists(st.integers(1, max(1, steps - 1)), max_size=4))})
    outputs, final = engine.forward(given.batch.inputs, given.state)
    state = given.state
    for a, b in itertools.pairwise(cuts):
        part, state = engine.forward(given.batch.inputs[:, a:b], state)
        assert_close(part, outputs[:, a:b], "float64 rounding")
    for ours, theirs in zip(state, final, strict=True):
        assert_same_bits(ours, theirs)


@given(given=cases(), name=ENGINE)
def test_a_batch_is_its_sequences_one_by_one(given: Case, name: str) -> None:
    engine = given.engine(name)
    batch = given.batch
    outputs, final = engine.forward(batch.inputs, given.state, batch.lengths)
    for i in range(len(batch.inputs)):
        length = batch.inputs.shape[1] if batch.lengths is None else batch.lengths[i]
        one = tuple(s[:, i : i + 1] for s in given.state)
        alone, state = engine.forward(batch.inputs[i : i + 1, :length], one)
        mine = outputs[i : i + 1] if given.network.head == "last" else outputs[i : i + 1, :length]
        assert_near(alone, mine)
        for ours, theirs in zip(state, final, strict=True):
            assert_near(ours, theirs[:, i : i + 1])


@given(given=cases(lengths=True), name=ENGINE, seed=st.integers(0, 99))
def test_padding_is_never_read(given: Case, name: str, seed: int) -> None:
    """Other numbers in the padding, however large, change no bit of what comes out; in the forward pass not even NaN does.

    Sums over tokens may be grouped otherwise, so gradients of weights are compared to their rounding.
    """
    generator = np.random.default_rng(seed)
    here = exists(given.batch)
    engine = given.engine(name)
    wild = given.batch.inputs.copy()
    if given.network.tokens:
        wild[~here] = generator.integers(0, given.network.input_size, (~here).sum())
    else:
        wild[~here] = generator.choice([1e300, -1e300, 7.0, -3.0], wild[~here].shape)
    targets = given.batch.targets.copy()
    if given.network.head == "every":
        targets[~here] = np.nan
    with np.errstate(all="ignore"):
        unreadable = wild if given.network.tokens else np.where(here[..., None], wild, np.nan)
        wild_out, wild_state = engine.forward(unreadable, given.state, given.batch.lengths)
        wild_found = engine.gradients(Batch(wild, targets, given.batch.lengths), given.state)
    outputs, state = engine.forward(given.batch.inputs, given.state, given.batch.lengths)
    found = engine.gradients(given.batch, given.state)
    assert_same_bits(wild_out, outputs)
    assert_all_same_bits(dict(enumerate(wild_state)), dict(enumerate(state)))  # type: ignore[arg-type]
    assert wild_found.loss == found.loss
    for key, gradient in found.parameters.items():
        assert_near(wild_found.parameters[key], gradient)
    if given.network.head == "every":
        assert not outputs[~here].any()
    if found.inputs is not None and wild_found.inputs is not None:
        assert_same_bits(wild_found.inputs, found.inputs)
        assert not found.inputs[~here].any()


@given(given=cases(lengths=True), name=ENGINE)
def test_padded_is_trimmed(given: Case, name: str) -> None:
    """More padding behind the longest sequence changes nothing but the shape of the answer."""
    engine = given.engine(name)
    batch = given.batch
    more = np.ones((len(batch.inputs), 3, *batch.inputs.shape[2:]), batch.inputs.dtype)
    longer = np.concatenate((batch.inputs, more), axis=1)
    outputs, state = engine.forward(batch.inputs, given.state, batch.lengths)
    padded, padded_state = engine.forward(longer, given.state, batch.lengths)
    if given.network.head == "every":
        assert padded.shape[1] == outputs.shape[1] + 3
        assert not padded[:, outputs.shape[1] :].any()
        padded = padded[:, : outputs.shape[1]]
    assert_near(padded, outputs)
    for ours, theirs in zip(padded_state, state, strict=True):
        assert_same_bits(ours, theirs)


@given(given=cases(), name=ENGINE, seed=st.integers(0, 99))
def test_permuting_the_batch_permutes_the_answer(given: Case, name: str, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(given.batch.inputs))
    engine = given.engine(name)
    lengths = None if given.batch.lengths is None else given.batch.lengths[order]
    shuffled = Batch(given.batch.inputs[order], given.batch.targets[order], lengths)
    states = tuple(s[:, order] for s in given.state)
    found, wanted = engine.gradients(shuffled, states), engine.gradients(given.batch, given.state)
    assert_near(found.outputs, wanted.outputs[order])
    assert_close(found.loss, wanted.loss)
    for ours, theirs in zip((*found.state, *found.initial_state), (*wanted.state, *wanted.initial_state), strict=True):
        assert_near(ours, theirs[:, order])
    for key, gradient in wanted.parameters.items():
        assert_near(found.parameters[key], gradient)


@given(given=cases(lengths=False, inputs="dense", hidden_size=5), name=ENGINE)
def test_changing_an_old_step_changes_the_last_output(given: Case, name: str) -> None:
    if given.network.nonlinearity == "relu":
        return  # a dead unit may truly forget
    engine = given.engine(name)
    changed = given.batch.inputs.copy()
    changed[:, 0] += 1.0
    last = engine.forward(given.batch.inputs, given.state)[0]
    other = engine.forward(changed, given.state)[0]
    if given.network.head == "every":
        last, other = last[:, -1], other[:, -1]
    assert (np.abs(other - last).max(axis=1) > 0).all()


@given(given=cases(bidirectional=False, head="every", lengths=False), name=ENGINE, data=st.data())
def test_the_future_changes_nothing_forward(given: Case, name: str, data: st.DataObject) -> None:
    engine = given.engine(name)
    now = data.draw(st.integers(0, given.batch.inputs.shape[1] - 1))
    changed = given.batch.inputs.copy()
    changed[:, now + 1 :] = 0
    assert_near(engine.forward(changed, given.state)[0][:, : now + 1],
                engine.forward(given.batch.inputs, given.state)[0][:, : now + 1])  # fmt: skip


@pytest.mark.parametrize("carry", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_train_steps_is_train_step_after_train_step(engine_name: str, dtype: str, cell: str, carry: bool) -> None:
    """Many pieces in one call are the same pieces one by one, to the bit: losses, norms, state and parameters."""
    parts = [case(cell, LOSSES["cross_entropy"], seed=s, lengths=True) for s in range(5)]
    fresh = np.array([True, False, False, True, False]) if carry else np.ones(5, bool)
    options: dict[str, Any] = {
        "dtype": dtype,
        "optimiser": Optimiser(learning_rate=0.05, clip_norm=1.0),
        "backprop_steps": 4,
    }
    inputs, targets, lengths = (np.stack([getattr(p.batch, f) for p in parts]) for f in Batch._fields)
    pieces = Pieces(inputs, targets, lengths, fresh)
    together, alone = parts[0].engine(engine_name, **options), parts[0].engine(engine_name, **options)
    found = together.train_steps(pieces, parts[0].state)
    state: Any = parts[0].state
    for index, part in enumerate(parts):
        one = alone.train_step(part.batch, None if fresh[index] else state)
        state = one.state
        for field in ("losses", "weights", "gradient_norms", "correct", "scored"):
            assert_same_bits(getattr(found, field)[index : index + 1], getattr(one, field))
    assert found.losses.dtype == np.float64
    assert found.finite
    assert together.updates == alone.updates == 5
    assert_all_same_bits(together.parameters(), alone.parameters())
    for ours, theirs in zip(found.state, state, strict=True):
        assert_same_bits(ours, theirs)


def test_a_piece_that_is_not_fresh_goes_on_from_the_given_state(engine_name: str) -> None:
    given = case("lstm")
    pieces = Pieces(given.batch.inputs[None], given.batch.targets[None], None, np.array([False]))
    found = given.engine(engine_name, optimiser=Optimiser()).train_steps(pieces, given.state)
    assert_close(found.losses[0], given.engine(engine_name).evaluate(given.batch, given.state).loss)
    fresh = Pieces(pieces.inputs, pieces.targets, None, np.array([True]))
    from_zero = given.engine(engine_name, optimiser=Optimiser()).train_steps(fresh, given.state)
    assert_close(from_zero.losses[0], given.engine(engine_name).evaluate(given.batch).loss)
    assert abs(found.losses[0] - from_zero.losses[0]) > 1e-3


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_training_stops_before_the_update_that_is_not_finite(engine_name: str, what: str) -> None:
    given = case("elman-relu", LOSSES["mse" if what == "loss" else "mae"])
    inputs = np.stack([given.batch.inputs] * 3)
    targets = np.stack([given.batch.targets] * 3)
    # A target of 1e200 squares to infinity. Inputs of 1e160 leave the loss finite, but square to infinity in the norm.
    if what == "loss":
        targets[1] = 1e200
    else:
        inputs[1] *= 1e160
    pieces = Pieces(inputs, targets, None, np.ones(3, bool))
    engine = given.engine(engine_name, optimiser=Optimiser(kind="sgd", learning_rate=0.01))
    with np.errstate(over="ignore", invalid="ignore"):
        found = engine.train_steps(pieces)
    assert len(found.losses) == len(found.gradient_norms) == 2
    assert not found.finite
    assert np.isfinite(found.losses).tolist() == [True, what == "gradient"]
    assert np.isfinite(found.gradient_norms[0])
    assert not np.isfinite(found.gradient_norms[1])
    assert engine.updates == 1
    one = given.engine(engine_name, optimiser=Optimiser(kind="sgd", learning_rate=0.01))
    one.train_step(given.batch)
    assert_all_same_bits(engine.parameters(), one.parameters())


def assert_near(a: Array, b: Array) -> None:
    """To the rounding of products that are grouped in another way."""
    assert_close(a, b, "float64 rounding" if np.abs(b).max() > 1e-3 else "float64", zero=not b.any())
