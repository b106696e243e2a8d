"""A network as a plain PyTorch module, and back: weights are copied either way, and keep their names.

Shapes: N sequences, T steps, D input features (or V tokens), H hidden units, L layers, O outputs.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from elman.errors import UsageError
from elman.network import Network
from elman.nn import GRU, LSTM, RNN

LAYERS: dict[str, Any] = {"elman": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
"""PyTorch's layers of each cell: what `to_torch` makes."""

READABLE: dict[str, tuple[type, ...]] = {"elman": (nn.RNN, RNN), "gru": (nn.GRU, GRU), "lstm": (nn.LSTM, LSTM)}
"""What `from_torch` reads: PyTorch's layers, and Elman's own for PyTorch."""


@final
class OneHot(nn.Module):
    """Tokens (N, T) as vectors (N, T, V) of zeros and a one, in the default dtype."""

    def __init__(self, size: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.size, self.dtype = size, dtype

    def forward(self, tokens: Tensor) -> Tensor:
        return functional.one_hot(tokens, self.size).to(self.dtype)

    def extra_repr(self) -> str:
        return str(self.size)


@final
class RecurrentNetwork(nn.Module):
    """embedding -> rnn -> head, each a torch.nn layer.

    Args:
        rnn: The recurrent layers, with batch_first=True.
        head: From the features of `rnn` to the outputs.
        embedding: nn.Embedding, or OneHot; None for dense inputs.
        head_on: `every` step, or the `last` one of each sequence (of both directions, each at its own end).
    """

    def __init__(
        self, rnn: nn.RNNBase, head: nn.Linear, embedding: nn.Module | None = None, *, head_on: str = "every"
    ) -> None:
        super().__init__()
        self.embedding = embedding or nn.Identity()
        self.rnn = rnn
        self.head = head
        self.head_on = head_on

    def forward(self, x: Tensor, state: Any = None, lengths: Tensor | None = None) -> tuple[Tensor, Any]:
        """Compute outputs and last state.

        Args:
            x: (N, T, D), or (N, T) tokens.
            state: As torch.nn has it: h, or for nn.LSTM (h, c), each (L * directions, N, H); None for zeros.
            lengths: (N,), each at least 1; None for T.

        Returns:
            Outputs (N, T, O), zero where a sequence has ended, or (N, O) with head_on="last"; and the last state, as
            torch.nn has it.
        """
        x = self.embedding(x)
        if lengths is None:
            y, last = self.rnn(x, state)
        else:
            packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
            y, last = self.rnn(packed, state)
            y, _ = pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])
        if self.head_on == "last":
            h = last[0] if isinstance(last, tuple) else last
            return self.head(torch.cat(tuple(h[-2 if self.rnn.bidirectional else -1 :]), dim=1)), last
        outputs = self.head(y)
        if lengths is not None:
            there = torch.arange(x.shape[1], device=x.device) < lengths.to(x.device)[:, None]
            outputs = torch.where(there[..., None], outputs, 0.0)
        return outputs, last


def to_torch(network: Network) -> RecurrentNetwork:
    """Make a module of torch.nn's layers, whose outputs and states are the engines', to rounding.

    Args:
        network: What it computes, with parameters.

    Returns:
        The module, in evaluation mode, on the CPU, in its parameters' dtype.

    Raises:
        UsageError: The network has no parameters, or cells that torch.nn lacks, such as sigmoid ones.
    """
    cell = network.recurrence
    if network.nonlinearity == "sigmoid":
        raise UsageError(
            "`network` has sigmoid cells, and torch.nn.RNN knows tanh and relu only; train with nonlinearity='tanh', or keep "
            "to the engines, which all have sigmoid"
        )
    if cell.name not in LAYERS:
        raise UsageError(f"`network` has {cell.name!r} cells, which torch.nn lacks; keep to the engines")
    if not network.parameters:
        raise UsageError("`network` has no parameters yet; call `network.initialise(seed)` or load some")
    dtype: torch.dtype = getattr(torch, str(network.parameters["head.weight"].dtype))
    more = {"nonlinearity": network.nonlinearity} if len(cell.nonlinearities) > 1 else {}
    with torch.device("meta"):  # no random numbers are drawn for weights that are replaced at once
        rnn = LAYERS[cell.name](
            network.layer_input_size(0), network.hidden_size, network.num_layers, bias=network.bias, batch_first=True,
            dropout=network.dropout if network.num_layers > 1 else 0.0, bidirectional=network.bidirectional, **more,
        )  # fmt: skip
        head = nn.Linear(network.hidden_size * network.directions, network.output_size, bias=network.head_bias)
        embedding: nn.Module | None = None
        if network.inputs == "embedding":
            embedding = nn.Embedding(network.input_size, network.embedding_size)
        elif network.inputs == "one_hot":
            embedding = OneHot(network.input_size, dtype)
        module = RecurrentNetwork(rnn, head, embedding, head_on=network.head)
    module = module.to(dtype).to_empty(device="cpu")
    with torch.no_grad():
        for name, p in _named(module.rnn, module.head, module.embedding).items():
            p.copy_(torch.from_numpy(np.array(network.parameters[name])))
    return module.eval()


def from_torch(
    module: nn.Module,
    head: nn.Linear | None = None,
    *,
    embedding: nn.Embedding | None = None,
    inputs: str = "dense",
    head_on: str = "every",
) -> Network:
    """Make a network with the weights of a PyTorch module; all arguments but the first are for bare layers.

    Args:
        module: What `to_torch` gave; or bare layers, nn.RNN, nn.GRU or nn.LSTM, or those of elman.nn. `batch_first` may be
            either: Elman's arrays are batch-first.
        head: From the features of the layers to the outputs.
        embedding: Of tokens; None for none.
        inputs: Without an embedding, `dense` numbers or `one_hot` tokens.
        head_on: `every` step, or the `last` one.

    Raises:
        UsageError: The module has what Elman's networks lack: `proj_size`, layer normalisation, `max_norm` of an
            embedding; or it is another module.
    """
    if isinstance(module, RecurrentNetwork):
        if head is not None or embedding is not None:
            raise UsageError("`head` and `embedding` are for bare layers; `module` has its own")
        head_on = module.head_on
        inputs = "one_hot" if isinstance(module.embedding, OneHot) else "dense"
        parts: tuple[Any, Any, Any] = (module.rnn, module.head, module.embedding)
    else:
        parts = (module, head, embedding)
    rnn, linear, table = parts
    problems = _problems(rnn, linear, table)
    if problems:
        raise UsageError("; ".join(problems))
    learned = isinstance(table, nn.Embedding)
    cell = _cell_of(rnn)
    network = Network(
        cell=cell or "",
        input_size=table.num_embeddings if learned else rnn.input_size,
        hidden_size=rnn.hidden_size,
        output_size=linear.out_features,
        num_layers=rnn.num_layers,
        nonlinearity=rnn.nonlinearity if cell == "elman" else "tanh",
        bias=rnn.bias,
        head_bias=linear.bias is not None,
        bidirectional=rnn.bidirectional,
        dropout=rnn.dropout,
        inputs="embedding" if learned else inputs,
        embedding_size=table.embedding_dim if learned else 0,
        head=head_on,
    )
    return network.with_parameters({name: _array(p) for name, p in _named(rnn, linear, table).items()})


def _cell_of(rnn: nn.Module) -> str | None:
    """The name of the cell that these layers have, or None where they are no layers of Elman's cells."""
    return next((name for name, kinds in READABLE.items() if isinstance(rnn, kinds)), None)


def _problems(rnn: Any, linear: Any, table: Any) -> list[str]:
    """All that keeps a module from being a network."""
    problems = []
    known = _cell_of(rnn) is not None
    if not known:
        problems.append(
            "`module` must be an nn.RNN, nn.GRU or nn.LSTM, one of elman.nn's, or what `to_torch` gave; "
            f"got {type(rnn).__name__}"
        )
    elif rnn.proj_size:
        problems.append(f"`proj_size` of `module` must be 0: Elman has no projections; got {rnn.proj_size}")
    elif getattr(rnn, "layer_norm", False):
        problems.append(
            "`layer_norm` of `module` must be False: Elman's networks have no layer normalisation; got True"
        )
    if not isinstance(linear, nn.Linear):
        problems.append(f"`head` must be an nn.Linear; got {type(linear).__name__}")
    elif known and not rnn.proj_size:
        width = rnn.hidden_size * (2 if rnn.bidirectional else 1)
        if linear.in_features != width:
            problems.append(f"`head` must take the {width} features of `module`; got {linear.in_features}")
    if isinstance(table, nn.Embedding):
        if table.max_norm is not None:
            problems.append(f"`max_norm` of `embedding` must be None: Elman does not renormalise; got {table.max_norm}")
        if known and table.embedding_dim != rnn.input_size:
            problems.append(
                f"`embedding` must give the {rnn.input_size} features of `module`; got {table.embedding_dim}"
            )
    return problems


def _named(rnn: nn.Module, head: nn.Module, embedding: nn.Module | None) -> dict[str, nn.Parameter]:
    """Every parameter by the network's name for it."""
    named = dict(rnn.named_parameters()) | {f"head.{name}": p for name, p in head.named_parameters()}
    table = [] if embedding is None else embedding.named_parameters()
    return named | {f"embedding.{name}": p for name, p in table}


def _array(p: Tensor) -> Any:
    """A copy in NumPy; what it has no type for becomes float32."""
    dtype = p.dtype if p.dtype in (torch.float32, torch.float64) else torch.float32
    return p.detach().to("cpu", dtype).numpy().copy()
