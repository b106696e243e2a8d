"""Drop-in torch.nn layers on the native kernels: `from elman.nn import LSTM` is the whole migration.

`RNN`, `GRU`, `LSTM` and their cells take what torch.nn's take, hold the same parameters and give the same numbers; on a CPU, in
float32 and float64, they run Elman's kernels, and PyTorch's own path anywhere else. What they add, as keywords: the sigmoid
nonlinearity, layer normalisation, resets in the middle of a sequence, and every state and gate on request.

Needs PyTorch: raises MissingExtraError, with the pip command, where it is not installed.
"""

from __future__ import annotations

from elman.errors import MissingExtraError

try:
    import torch  # noqa: F401
except ImportError as error:
    raise MissingExtraError("elman.nn needs PyTorch, which is not installed; pip install 'elman[torch]'") from error

from elman.nn.cells import GRUCell, LSTMCell, RNNCell
from elman.nn.layers import GRU, LSTM, RNN
from elman.nn.tracing import LayerTrace, Trace

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "LayerTrace", "RNNCell", "Trace"]
