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

LAYERS: dict[str, Any] = {"elman": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}


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
    """embedding -> rnn -> head, each a torch.nn layer (the embedding nn.Identity for dense inputs, OneHot for one-hot ones).

    rnn must have batch_first=True. head_on: `every` step, or the `last` one of each sequence (of both directions, each at
    its own end).
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
        """Outputs and last state.

        x: (N, T, D), or (N, T) tokens. state: as torch.nn has it, h or for nn.LSTM (h, c), each (L * directions, N, H);
        None for zeros. lengths: (N,), each at least 1; None for T. Outputs are (N, T, O), zero where a sequence has ended, or
        (N, O) with head_on="last".
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
    """The network as a module of torch.nn's layers, in evaluation mode, on the CPU, in its parameters' dtype.

    Its outputs and states are the engines', to rounding. Raises UsageError for sigmoid cells, which torch.nn has not.
    """
    if network.nonlinearity == "sigmoid":
        raise UsageError(
            "`network` has sigmoid cells, and torch.nn.RNN knows tanh and relu only; train with nonlinearity='tanh', or keep "
            "to the engines, which all have sigmoid"
        )
    if not network.parameters:
        raise UsageError("`network` has no parameters yet; call `network.initialise(seed)` or load some")
    dtype: torch.dtype = getattr(torch, str(network.parameters["head.weight"].dtype))
    more: dict[str, Any] = {"nonlinearity": network.nonlinearity} if network.cell == "elman" else {}
    with torch.device("meta"):  # no random numbers are drawn for weights that are replaced at once
        rnn = LAYERS[network.cell](
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
    """The network with the weights of a module that `to_torch` gave, or of an nn.RNN, nn.GRU or nn.LSTM and an nn.Linear.

    embedding: of tokens. inputs: without one, `dense` or `one_hot`. head_on: `every` step or the `last`. All but module are
    for bare layers. `batch_first` may be either: Elman's arrays are batch-first. Raises UsageError for what Elman has
    not: `proj_size`, `max_norm` of an embedding, other modules.
    """
    if isinstance(module, RecurrentNetwork):
        if head is not None or embedding is not None:
            raise UsageError("`head` and `embedding` are for bare layers; `module` has its own")
        found: tuple[Any, Any, Any] = (module.rnn, module.head, module.embedding)
        head_on = module.head_on
        inputs = "one_hot" if isinstance(module.embedding, OneHot) else "dense"
    else:
        found = (module, head, embedding)
    rnn, linear, table = found
    cell = next((name for name, kind in LAYERS.items() if isinstance(rnn, kind)), None)
    problems = []
    if cell is None:
        problems.append(
            f"`module` must be an nn.RNN, nn.GRU or nn.LSTM, or what `to_torch` gave; got {type(rnn).__name__}"
        )
    elif rnn.proj_size:
        problems.append(f"`proj_size` of `module` must be 0: Elman has no projections; got {rnn.proj_size}")
    if not isinstance(linear, nn.Linear):
        problems.append(f"`head` must be an nn.Linear; got {type(linear).__name__}")
    if isinstance(table, nn.Embedding) and table.max_norm is not None:
        problems.append(f"`max_norm` of `embedding` must be None: Elman does not renormalise; got {table.max_norm}")
    if not problems:
        width = rnn.hidden_size * (2 if rnn.bidirectional else 1)
        if linear.in_features != width:
            problems.append(f"`head` must take the {width} features of `module`; got {linear.in_features}")
        if isinstance(table, nn.Embedding) and table.embedding_dim != rnn.input_size:
            problems.append(
                f"`embedding` must give the {rnn.input_size} features of `module`; got {table.embedding_dim}"
            )
    if problems:
        raise UsageError("; ".join(problems))
    learned = isinstance(table, nn.Embedding)
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


def _named(rnn: nn.Module, head: nn.Module, embedding: nn.Module | None) -> dict[str, nn.Parameter]:
    """Every parameter by the network's name for it."""
    named = dict(rnn.named_parameters()) | {f"head.{name}": p for name, p in head.named_parameters()}
    table = [] if embedding is None else embedding.named_parameters()
    return named | {f"embedding.{name}": p for name, p in table}


def _array(p: Tensor) -> Any:
    """A copy in NumPy; what it has no type for becomes float32."""
    dtype = p.dtype if p.dtype in (torch.float32, torch.float64) else torch.float32
    return p.detach().to("cpu", dtype).numpy().copy()
