"""The mathematics of the recurrent cells, one a file."""

from __future__ import annotations

from elman.cells.cell import Cell, State, StepGradients
from elman.cells.elman import ElmanCell
from elman.cells.gru import GRUCell
from elman.cells.lstm import LSTMCell
from elman.files import Array

__all__ = ["CELL_NAMES", "Array", "Cell", "ElmanCell", "GRUCell", "LSTMCell", "State", "StepGradients", "make_cell"]

CELL_NAMES = ("elman", "gru", "lstm")


def make_cell(name: str, nonlinearity: str = "tanh") -> Cell:
    """The cell called `name`; `nonlinearity` matters to `elman` alone."""
    if name == "elman":
        return ElmanCell(nonlinearity)
    return GRUCell() if name == "gru" else LSTMCell()
