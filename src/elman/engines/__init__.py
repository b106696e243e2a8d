"""The engines: one contract, and a room for each that computes it.

contract.py, options.py, pieces.py, results.py    what an engine does, with what it is made, what goes in, what comes out
factory.py                                        engines by name
reference/  native/  torch/                       NumPy, C++, PyTorch
the other files                                   what they share
"""

from __future__ import annotations

from elman.engines.contract import Engine, Stream
from elman.engines.distributed import joined
from elman.engines.factory import ENGINES, dtype_of, from_torch, make_engine, to_torch
from elman.engines.options import LOSSES, OPTIMISERS, Loss, Optimiser
from elman.engines.pieces import Batch, Pieces
from elman.engines.results import Evaluation, Gradients, LayerTrace, Steps, Trace

__all__ = [
    "ENGINES", "LOSSES", "OPTIMISERS", "Batch", "Engine", "Evaluation", "Gradients", "LayerTrace", "Loss", "Optimiser", "Pieces",
    "Steps", "Stream", "Trace", "dtype_of", "from_torch", "joined", "make_engine", "to_torch",
]  # fmt: skip
