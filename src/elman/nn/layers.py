"""RNN, GRU and LSTM: torch.nn's layers on the native kernels.

They derive from `torch.nn.RNNBase`, as torch.nn's own do, but not from those: torch.compile refuses to trace whatever
`isinstance(module, torch.nn.LSTM)` holds for.

Shapes: N sequences, T steps, D features, H hidden units, L layers, R directions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from elman.errors import UsageError
from elman.nn import running
from elman.nn.normalisation import add_norms, reset_norms
from elman.nn.resets import forward_with_resets
from elman.nn.tracing import Trace, trace

_NOT_PROJECTED = "proj_size argument is only supported for LSTM, not RNN or GRU"
State = Any
"""h (L * R, N, H), or for an LSTM the pair of h and c."""


class KernelLayers(torch.nn.RNNBase):
    """What the three have in common beside what `torch.nn.RNNBase` gives them."""

    layer_norm: bool
    plain_forward: Callable[..., Any]
    """torch.nn's own way for these layers."""

    def __init__(self, mode: str, *args: Any, layer_norm: bool, **kwargs: Any) -> None:
        super().__init__(mode, *args, **kwargs)
        self.layer_norm = layer_norm
        if layer_norm:
            if self.proj_size:
                raise UsageError("`layer_norm` must be False with `proj_size`; got both; leave one out")
            add_norms(self)

    def forward(self, input: Tensor | PackedSequence, hx: State = None, *, resets: Tensor | None = None) -> Any:
        """Compute outputs and last state of sequences, as torch.nn does.

        Args:
            input: (T, N, D), (N, T, D) with batch_first, (T, D) for one sequence, or a PackedSequence.
            hx: The first state; None for zeros.
            resets: (T, N), (N, T) or (T,) booleans like the input, not with a PackedSequence. Before the steps where they
                are true the state is zero again, in both directions as if a new sequence began there, and no gradient
                passes.

        Raises:
            UsageError: `resets` has another shape or dtype. All other errors are PyTorch's own.
        """
        if resets is not None:
            return forward_with_resets(self, input, hx, resets)
        return running.run(self, input, hx)

    def trace(self, input: Tensor, hx: State = None) -> Trace:
        """Compute every state and gate of every step, by a differentiable loop in Python.

        Args:
            input: As for `forward`, but no PackedSequence.
            hx: The first state; None for zeros.

        Returns:
            Outputs, last state, states and gates; the numbers are those of `forward`, to rounding.

        Raises:
            UsageError: The input is packed, or the layers have `proj_size`.
        """
        return trace(self, input, hx)

    def reset_parameters(self) -> None:
        """Weights drawn anew, exactly as torch.nn draws them; gains of layer normalisation 1, its shifts 0."""
        stdv = 1.0 / math.sqrt(self.hidden_size)
        for name in self._flat_weights_names:
            torch.nn.init.uniform_(getattr(self, name), -stdv, stdv)
        reset_norms(self)

    def extra_repr(self) -> str:
        parts = [super().extra_repr()]
        if self.mode == "RNN_SIGMOID":
            parts.append("nonlinearity=sigmoid")
        if self.layer_norm:
            parts.append("layer_norm=True")
        return ", ".join(parts)


@final
class RNN(KernelLayers):
    """`torch.nn.RNN` on the native kernels: h' = f(W_ih x + b_ih + W_hh h + b_hh), f tanh, relu or sigmoid.

    Arguments, attributes, parameters, initialisation and errors are torch.nn.RNN's, but for two choices more.

    Args:
        nonlinearity: `tanh`, `relu`, or `sigmoid`, which torch.nn lacks.
        layer_norm: Normalise what goes into f (`recurrence.py` says how); a loop in Python.

    >>> rnn = RNN(3, 5, nonlinearity="sigmoid")
    >>> outputs, h = rnn(torch.zeros(7, 2, 3))
    >>> outputs.shape, h.shape
    (torch.Size([7, 2, 5]), torch.Size([1, 2, 5]))
    """

    plain_forward = torch.nn.RNN.forward

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh", bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, device: Any = None, dtype: Any = None,
        *, layer_norm: bool = False, proj_size: int | None = None,
    ) -> None:  # fmt: skip
        if proj_size is not None:
            raise ValueError(_NOT_PROJECTED)
        if nonlinearity not in ("tanh", "relu", "sigmoid"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh', 'relu' or 'sigmoid'.")
        mode = "RNN_RELU" if nonlinearity == "relu" else "RNN_TANH"
        super().__init__(mode, input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device=device,
                         dtype=dtype, layer_norm=layer_norm)  # fmt: skip
        self.nonlinearity = nonlinearity
        if nonlinearity == "sigmoid":
            self.mode = "RNN_SIGMOID"

    def flatten_parameters(self) -> None:
        """As torch.nn does it; nothing for the sigmoid, which no GPU library has."""
        if getattr(self, "mode", "") != "RNN_SIGMOID":
            super().flatten_parameters()


@final
class GRU(KernelLayers):
    """`torch.nn.GRU` on the native kernels, the reset gate after the product.

    Arguments, attributes, parameters, initialisation and errors are torch.nn.GRU's, but for one choice more.

    Args:
        layer_norm: Normalise both products (`recurrence.py` says how); a loop in Python.

    >>> gru = GRU(3, 5, num_layers=2, batch_first=True)
    >>> outputs, h = gru(torch.zeros(2, 7, 3))
    >>> outputs.shape, h.shape
    (torch.Size([2, 7, 5]), torch.Size([2, 2, 5]))
    """

    plain_forward = torch.nn.GRU.forward

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, device: Any = None, dtype: Any = None, *, layer_norm: bool = False,
        proj_size: int | None = None,
    ) -> None:  # fmt: skip
        if proj_size is not None:
            raise ValueError(_NOT_PROJECTED)
        super().__init__("GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, device=device,
                         dtype=dtype, layer_norm=layer_norm)  # fmt: skip


@final
class LSTM(KernelLayers):
    """`torch.nn.LSTM` on the native kernels; with `proj_size`, which they do not have, on PyTorch's.

    Arguments, attributes, parameters, initialisation and errors are torch.nn.LSTM's, but for one choice more.

    Args:
        layer_norm: Normalise both products and c (`recurrence.py` says how); a loop in Python.

    >>> lstm = LSTM(3, 5, bidirectional=True)
    >>> outputs, (h, c) = lstm(torch.zeros(7, 2, 3))
    >>> outputs.shape, h.shape, c.shape
    (torch.Size([7, 2, 10]), torch.Size([2, 2, 5]), torch.Size([2, 2, 5]))
    """

    plain_forward = torch.nn.LSTM.forward
    # What torch.nn.LSTM's way needs of its layers beyond the base.
    get_expected_cell_size = torch.nn.LSTM.get_expected_cell_size
    check_forward_args = torch.nn.LSTM.check_forward_args  # type: ignore[assignment]
    permute_hidden = torch.nn.LSTM.permute_hidden  # type: ignore[assignment]

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True, batch_first: bool = False,
        dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0, device: Any = None, dtype: Any = None,
        *, layer_norm: bool = False,
    ) -> None:  # fmt: skip
        super().__init__("LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, proj_size,
                         device=device, dtype=dtype, layer_norm=layer_norm)  # fmt: skip
