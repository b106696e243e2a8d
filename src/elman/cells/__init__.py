"""The mathematics of the recurrent cells, one a file."""

from __future__ import annotations

from elman.cells.by_name import CELL_NAMES, make_cell
from elman.cells.cell import Cell, State, StepGradients
from elman.cells.elman import ElmanCell
from elman.cells.gru import GRUCell
from elman.cells.lstm import LSTMCell

__all__ = ["CELL_NAMES", "Cell", "ElmanCell", "GRUCell", "LSTMCell", "State", "StepGradients", "make_cell"]
