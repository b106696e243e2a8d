"""The engines that every test here runs on, and the types of number each computes in."""

from __future__ import annotations

import pytest
import torch

from elman.engines import ENGINES

torch.set_num_threads(1)


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["float64", "float32"])
def dtype(request: pytest.FixtureRequest) -> str:
    return str(request.param)
