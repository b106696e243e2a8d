"""The same networks in PyTorch, twice: on torch.nn's layers, and unrolled step by step on its cells.

`layers` is PyTorch as anyone would write it (nn.RNN, nn.GRU, nn.LSTM, PackedSequence, nn.Embedding, nn.Linear). `unrolled`
can do what those cannot: sigmoid cells, a given dropout mask, and gradients that stop after so many steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tests.engines.cases import State
from torch import Tensor, nn
from torch.nn import functional

from elman.engines import Batch, Loss
from elman.network import Network

Array = NDArray[Any]


@dataclass
class Answer:
    """What an engine's `gradients` says, from PyTorch."""

    loss: float
    outputs: Array
    state: State
    parameters: dict[str, Array]
    inputs: Array | None
    initial_state: State


def layers(
    network: Network, loss: Loss, batch: Batch, state: State | None, dtype: torch.dtype = torch.float64
) -> Answer:
    """Loss and gradients by torch.nn and autograd."""
    p = _leaves(network.parameters, dtype)
    x, x_leaf = _inputs(network, batch.inputs, p, dtype)
    first = None if state is None else tuple(_leaf(s, dtype) for s in state)
    kind = {"elman": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[network.cell]
    more = {"nonlinearity": network.nonlinearity} if network.cell == "elman" else {}
    layer = kind(
        x.shape[2], network.hidden_size, network.num_layers, bias=network.bias, batch_first=True,
        bidirectional=network.bidirectional, **more,
    ).to(dtype)  # fmt: skip
    _use(layer, p)
    given = first if network.cell == "lstm" or first is None else first[0]
    if batch.lengths is None:
        y, last = layer(x, given)
    else:
        lengths = torch.as_tensor(batch.lengths)
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, last = layer(packed, given)
        y, _ = nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])
    final = last if network.cell == "lstm" else (last,)
    top = torch.cat(tuple(final[0][-network.directions :]), 1) if network.head == "last" else y
    outputs = functional.linear(top, p["head.weight"], p.get("head.bias"))
    return _answer(network, loss, batch, outputs, final, p, x_leaf, first)


def unrolled(
    network: Network,
    loss: Loss,
    batch: Batch,
    state: State,
    *,
    backprop_steps: int | None = None,
    masks: list[Array] | None = None,
    dtype: torch.dtype = torch.float64,
) -> Answer:
    """Loss and gradients step by step, sequence by sequence, on PyTorch's cells.

    backprop_steps: the state is detached whenever a whole number of so many steps is left to the end of the sequence (for
    the backward direction: to its beginning). masks: (N, T, H * directions) for each layer but the last.
    """
    p = _leaves(network.parameters, dtype)
    x, x_leaf = _inputs(network, batch.inputs, p, dtype)
    first = tuple(_leaf(s, dtype) for s in state)
    n, t = x.shape[:2]
    lengths = [t] * n if batch.lengths is None else [int(length) for length in batch.lengths]
    finals: list[list[tuple[Tensor, ...]]] = []
    tops = []
    for index, length in enumerate(lengths):
        below = x[index, :length]
        last = []
        for layer in range(network.num_layers):
            sides = []
            for side in range(network.directions):
                row = layer * network.directions + side
                step = _cell(network, p, network.layer_names()[row])
                h = tuple(s[row, index] for s in first)
                out: list[Tensor] = [torch.empty(0)] * length
                order = range(length - 1, -1, -1) if side else range(length)
                for done, now in enumerate(order):
                    if backprop_steps and (length - done) % backprop_steps == 0:
                        h = tuple(a.detach() for a in h)
                    h = step(below[now], h)
                    out[now] = h[0]
                sides.append(torch.stack(out) if out else below.new_zeros((0, network.hidden_size)))
                last.append(h)
            below = torch.cat(sides, 1)
            if masks is not None and layer < network.num_layers - 1:
                below = below * torch.as_tensor(masks[layer][index, :length], dtype=dtype)
        finals.append(last)
        tops.append(functional.pad(below, (0, 0, 0, t - length)))
    final = tuple(
        torch.stack([torch.stack([rows[r][k] for rows in finals]) for r in range(len(finals[0]))])
        for k in range(len(first))
    )
    top = torch.cat(tuple(final[0][-network.directions :]), 1) if network.head == "last" else torch.stack(tops)
    outputs = functional.linear(top, p["head.weight"], p.get("head.bias"))
    return _answer(network, loss, batch, outputs, final, p, x_leaf, first)


def torch_loss(loss: Loss, outputs: Tensor, targets: Array, counted: Array) -> Tensor:
    """The loss by torch.nn.functional, over the positions that count."""
    here = torch.as_tensor(counted)
    out, wanted = outputs[here], torch.as_tensor(targets)[here]
    if loss.kind == "cross_entropy":
        weights = None if loss.class_weights is None else torch.tensor(loss.class_weights, dtype=outputs.dtype)
        return functional.cross_entropy(
            out, wanted, weight=weights, ignore_index=loss.ignore_index, reduction=loss.reduction
        )
    wanted = wanted.to(outputs.dtype)
    if loss.kind == "quantile":
        levels = torch.tensor(loss.quantiles, dtype=outputs.dtype)
        e = wanted[..., None] - out.reshape(*wanted.shape, len(loss.quantiles))
        pinball = torch.where(e >= 0, levels * e, (levels - 1) * e)
        return pinball.mean() if loss.reduction == "mean" else pinball.sum()
    if loss.kind == "gaussian":
        mean, raw = out.chunk(2, -1)
        variance = functional.softplus(raw, threshold=1e9) + 1e-6
        return functional.gaussian_nll_loss(mean, wanted, variance, eps=1e-300, reduction=loss.reduction)
    if loss.kind == "half_mse":
        return functional.mse_loss(out, wanted, reduction=loss.reduction) / 2
    if loss.kind == "huber":
        return functional.huber_loss(out, wanted, delta=loss.delta, reduction=loss.reduction)
    plain = {"mse": functional.mse_loss, "mae": functional.l1_loss}[loss.kind]
    return plain(out, wanted, reduction=loss.reduction)


def _answer(
    network: Network, loss: Loss, batch: Batch, outputs: Tensor, final: tuple[Tensor, ...], p: dict[str, Tensor],
    x: Tensor | None, first: tuple[Tensor, ...] | None,
) -> Answer:  # fmt: skip
    n, t = batch.inputs.shape[:2]
    lengths = np.full(n, t) if batch.lengths is None else np.asarray(batch.lengths)
    counted = lengths > 0 if network.head == "last" else np.arange(t) < lengths[:, None]
    value = torch_loss(loss, outputs, batch.targets, counted)
    value.backward()  # type: ignore[no-untyped-call]
    if network.head == "every":
        outputs = outputs * torch.as_tensor(counted[..., None])
    return Answer(
        loss=value.item(),
        outputs=outputs.detach().numpy(),
        state=tuple(s.detach().numpy() for s in final),
        parameters={name: _gradient(leaf) for name, leaf in p.items()},
        inputs=None if x is None else _gradient(x),
        initial_state=() if first is None else tuple(_gradient(s) for s in first),
    )


def _leaf(a: Array, dtype: torch.dtype) -> Tensor:
    return torch.tensor(a, dtype=dtype, requires_grad=True)


def _leaves(parameters: dict[str, Array], dtype: torch.dtype) -> dict[str, Tensor]:
    return {name: _leaf(value, dtype) for name, value in parameters.items()}


def _gradient(leaf: Tensor) -> Array:
    return np.zeros(leaf.shape) if leaf.grad is None else leaf.grad.numpy()


def _inputs(network: Network, inputs: Array, p: dict[str, Tensor], dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
    """What the first layer reads, (N, T, D), and the leaf whose gradient is that of dense inputs."""
    if network.inputs == "dense":
        leaf = _leaf(inputs, dtype)
        return leaf, leaf
    tokens = torch.as_tensor(inputs)
    if network.inputs == "one_hot":
        return functional.one_hot(tokens, network.input_size).to(dtype), None
    return functional.embedding(tokens, p["embedding.weight"]), None


def _use(layer: nn.Module, p: dict[str, Tensor]) -> None:
    """Make the leaves themselves the layer's parameters."""
    for name in [name for name, _ in layer.named_parameters()]:
        parameter = nn.Parameter(p[name].detach())
        setattr(layer, name, parameter)
        p[name] = parameter


def _cell(
    network: Network, p: dict[str, Tensor], name: str
) -> Callable[[Tensor, tuple[Tensor, ...]], tuple[Tensor, ...]]:
    """One step for one sequence, on torch's own cell functions; sigmoid from its formula."""
    ih, hh = p[f"weight_ih_{name}"], p[f"weight_hh_{name}"]
    zero = torch.zeros(len(ih), dtype=ih.dtype)
    b_ih, b_hh = p.get(f"bias_ih_{name}", zero), p.get(f"bias_hh_{name}", zero)

    def step(x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x, state = x[None], tuple(s[None] for s in state)
        if network.cell == "lstm":
            h, c = torch.lstm_cell(x, list(state), ih, hh, b_ih, b_hh)
            return h[0], c[0]
        if network.cell == "gru":
            return (torch.gru_cell(x, state[0], ih, hh, b_ih, b_hh)[0],)
        if network.nonlinearity == "sigmoid":
            return (1 / (1 + torch.exp(-(x @ ih.T + b_ih + state[0] @ hh.T + b_hh)))[0],)
        plain = torch.rnn_tanh_cell if network.nonlinearity == "tanh" else torch.rnn_relu_cell
        return (plain(x, state[0], ih, hh, b_ih, b_hh)[0],)

    return step
