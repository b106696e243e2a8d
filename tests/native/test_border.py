"""What crosses from Python to C++ has a name on both sides, and what has none is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from elman.cells import CELL_NAMES, make_cell
from elman.engines import LOSSES, OPTIMISERS
from elman.engines.optimisers import MEMORIES
from elman.native import _core
from elman.network import HEADS, INPUTS


def shape(**options: Any) -> _core.Shape:
    return _core.Shape(**{"cell": _core.Cell.gru, "input_size": 2, "hidden_size": 3, "output_size": 1, **options})


def test_the_core_has_every_name_that_elman_has() -> None:
    assert tuple(_core.LossKind.__members__) == LOSSES
    assert tuple(_core.OptimiserKind.__members__) == OPTIMISERS
    assert tuple(_core.Inputs.__members__) == INPUTS
    assert tuple(_core.HeadSteps.__members__) == HEADS
    assert {*_core.OptimiserMemory.__members__} == {
        "momentum_buffer",
        *(m for names in MEMORIES.values() for m in names),
    }
    cells = []
    for name in CELL_NAMES:
        kinds = make_cell(name).nonlinearities
        cells += [f"{name}_{kind}" for kind in kinds] if len(kinds) > 1 else [name]
    assert list(_core.Cell.__members__) == cells


@pytest.mark.parametrize("cell", [0, 4, 7, "gru", None])
def test_a_cell_is_no_number(cell: object) -> None:
    with pytest.raises(TypeError):
        shape(cell=cell)
    with pytest.raises(ValueError, match="7 is not a valid"):
        _core.Cell(7)


@pytest.mark.parametrize("made", [_core.Engine32, _core.Layers64, _core.LayerCalls32])
def test_a_network_is_no_row_of_numbers(made: Any) -> None:
    with pytest.raises(TypeError):
        made(3, 2, 3, 1, False, True)


def test_a_memory_that_the_optimiser_lacks_is_refused() -> None:
    options = {
        "momentum": 0.0, "weight_decay": 0.0, "beta1": 0.9, "beta2": 0.99, "eps": 1e-8, "alpha": 0.9, "nesterov": False,
        "clip_value": 0.0, "clip_norm": 0.0,
    }  # fmt: skip
    for kind, names in MEMORIES.items():
        optimiser = _core.OptimiserOptions(kind=_core.OptimiserKind[kind], **options)
        engine = _core.Engine64(shape(), loss=None, optimiser=optimiser, backprop_steps=0, seed=0)
        block = np.full(engine.size, np.nan)
        for name in _core.OptimiserMemory.__members__:
            if name in names:
                engine.copy_memory(_core.OptimiserMemory[name], block)
                np.testing.assert_array_equal(block, 0)
            else:
                with pytest.raises(ValueError, match="`memory` must be one that this engine's optimiser has"):
                    engine.copy_memory(_core.OptimiserMemory[name], block)


def test_a_state_of_another_shape_is_refused() -> None:
    engine = _core.Engine64(shape(cell=_core.Cell.lstm), loss=None, optimiser=None, backprop_steps=0, seed=0)
    x, h = np.zeros((4, 5, 2)), np.zeros((1, 4, 3))
    assert engine.forward(x, (h, h), None)[0].shape == (4, 5, 1)
    for wrong in ((h,), (h, h[:, :2]), h, (h, h.astype(np.float32)), (h, h, h)):
        with pytest.raises(TypeError, match="`state` must be a tuple"):
            engine.forward(x, wrong, None)  # type: ignore[arg-type]
