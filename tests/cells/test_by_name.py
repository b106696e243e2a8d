"""A cell is made by its name, and what is no cell's name is refused."""

from __future__ import annotations

import pytest

from elman.cells import CELL_NAMES, make_cell
from elman.errors import UsageError


@pytest.mark.parametrize("name", CELL_NAMES)
def test_a_cell_has_the_name_that_it_was_made_by(name: str) -> None:
    cell = make_cell(name)
    assert cell.name == name
    for nonlinearity in cell.nonlinearities:
        assert make_cell(name, nonlinearity).name == name


@pytest.mark.parametrize("name", ["vanilla", "LSTM", ""])
def test_an_unknown_cell_is_no_other_cell(name: str) -> None:
    with pytest.raises(UsageError, match=f"`cell` must be one of elman, gru, lstm; got {name!r}"):
        make_cell(name)


@pytest.mark.parametrize(("name", "nonlinearity"), [("elman", "swish"), ("gru", "relu"), ("lstm", "sigmoid")])
def test_an_unknown_nonlinearity_is_no_other(name: str, nonlinearity: str) -> None:
    with pytest.raises(
        UsageError, match=f"`nonlinearity` of cell {name!r} must be one of tanh.*; got {nonlinearity!r}"
    ):
        make_cell(name, nonlinearity)
