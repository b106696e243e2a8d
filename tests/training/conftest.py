"""The engines that training is tested on."""

from __future__ import annotations

import pytest
import torch

from elman.engines import ENGINES

torch.set_num_threads(1)


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)
