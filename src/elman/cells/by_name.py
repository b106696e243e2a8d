"""The cells by name: the one place that says which there are."""

from __future__ import annotations

from elman.cells.cell import Cell
from elman.cells.elman import ElmanCell
from elman.cells.gru import GRUCell
from elman.cells.lstm import LSTMCell
from elman.errors import UsageError

CELLS: dict[str, type[Cell]] = {"elman": ElmanCell, "gru": GRUCell, "lstm": LSTMCell}
CELL_NAMES = tuple(CELLS)


def make_cell(name: str, nonlinearity: str = "tanh") -> Cell:
    """Make the cell called `name`.

    Args:
        name: One of `CELL_NAMES`.
        nonlinearity: One of the cell's `nonlinearities`.

    Raises:
        UsageError: There is no such cell, or it has no such nonlinearity.
    """
    if name not in CELLS:
        raise UsageError(f"`cell` must be one of {', '.join(CELL_NAMES)}; got {name!r}")
    cell = CELLS[name]
    if nonlinearity not in cell.nonlinearities:
        raise UsageError(
            f"`nonlinearity` of cell {name!r} must be one of {', '.join(cell.nonlinearities)}; got {nonlinearity!r}"
        )
    return cell(nonlinearity) if cell is ElmanCell else cell()
