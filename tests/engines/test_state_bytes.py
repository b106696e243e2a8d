"""A stream's state goes out as bytes and comes back to the bit, into the same network only."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.engines import make_engine
from elman.errors import DataError, UsageError
from elman.network import Network


def network(cell: str, seed: int = 0) -> Network:
    return Network(cell=cell, input_size=2, hidden_size=5, output_size=3, num_layers=2).initialise(seed)


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_a_stream_goes_on_elsewhere_to_the_bit(engine_name: str, cell: str) -> None:
    x = np.random.default_rng(0).standard_normal((4, 12, 2))
    here = make_engine(engine_name, network(cell)).stream(4)
    here.step_many(x[:, :7])
    there = make_engine(engine_name, network(cell)).stream(4)
    there.load_state(here.save_state())
    assert np.array_equal(there.step_many(x[:, 7:]), here.step_many(x[:, 7:]))


def test_engines_take_each_others_states(engine_name: str) -> None:
    here = make_engine("reference", network("lstm")).stream()
    here.step([1.0, -1.0])
    there = make_engine(engine_name, network("lstm"), dtype="float64").stream()
    there.load_state(here.save_state())
    for a, b in zip(here.state, there.state, strict=True):
        assert np.array_equal(a, b)


def test_the_state_of_another_network_is_refused(engine_name: str) -> None:
    data = make_engine(engine_name, network("gru")).stream().save_state()
    other = make_engine(engine_name, network("gru", seed=1)).stream()
    with pytest.raises(DataError, match="`data` is the state of another network"):
        other.load_state(data)


def test_the_state_of_other_sessions_is_refused(engine_name: str) -> None:
    data = make_engine(engine_name, network("gru")).stream(2).save_state()
    with pytest.raises(UsageError, match="`state` must be a tuple"):
        make_engine(engine_name, network("gru")).stream(3).load_state(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_with_words(data: bytes) -> None:
    with pytest.raises(DataError, match="`data` is"):
        make_engine("reference", network("gru")).stream().load_state(data)
