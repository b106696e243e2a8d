"""The same layers by PyTorch's own differentiable operators: what second derivatives are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import _VF, Tensor

from elman.nn import recurrence
from elman.nn.kernels import CELLS, LSTM, Passing, Plan

_FUNCTIONS: dict[int, Any] = {
    CELLS["RNN_TANH"]: _VF.rnn_tanh,
    CELLS["RNN_RELU"]: _VF.rnn_relu,
    CELLS["GRU"]: _VF.gru,
    LSTM: _VF.lstm,
}


def forward(plan: Plan, given: Passing, weights: Sequence[Tensor]) -> list[Tensor]:
    """Outputs and last states, as `kernels.forward` gives them."""
    x, sizes, count, h, c, masks, batch_first = given
    zeros = x.new_zeros((plan.rows, count, plan.hidden_size))
    states = [zeros if s is None else s for s in ((h, c) if plan.cell == LSTM else (h,))]
    last: list[list[Tensor]] = [[] for _ in states]
    outputs = x.transpose(0, 1) if batch_first and sizes is None else x
    step = plan.weights_per_row * plan.directions
    for layer in range(plan.num_layers):
        own = list(weights[layer * step : (layer + 1) * step])
        first = [s[layer * plan.directions : (layer + 1) * plan.directions] for s in states]
        outputs, *after = _layer(plan, outputs, sizes, first, own)
        for found, s in zip(last, after, strict=True):
            found.append(s)
        if masks is not None and layer + 1 < plan.num_layers:
            outputs = outputs * masks[layer]
    if batch_first and sizes is None:
        outputs = outputs.transpose(0, 1)
    return [outputs, *(torch.cat(found) for found in last)]


def _layer(plan: Plan, x: Tensor, sizes: Tensor | None, first: list[Tensor], weights: list[Tensor]) -> list[Tensor]:
    """One layer without dropout, time-major."""
    both = plan.directions == 2
    if plan.cell not in _FUNCTIONS:
        return recurrence.layer("RNN_SIGMOID", x, sizes, first, weights, bias=plan.bias)
    state: Any = tuple(first) if plan.cell == LSTM else first[0]
    if sizes is None:
        found = _FUNCTIONS[plan.cell](x, state, weights, plan.bias, 1, 0.0, False, both, False)
    else:
        found = _FUNCTIONS[plan.cell](x, sizes, state, weights, plan.bias, 1, 0.0, False, both)
    return list(found)


class SecondGradients(NamedTuple):
    """Gradients of x, h, c, of the weights and of what came into the first derivative; None for zero."""

    x: Tensor | None
    h: Tensor | None
    c: Tensor | None
    weights: list[Tensor | None]
    d: tuple[Tensor | None, Tensor | None, Tensor | None]


def second_derivative(
    plan: Plan,
    given: Passing,
    weights: Sequence[Tensor],
    d: tuple[Tensor | None, Tensor | None, Tensor | None],
    seeds: Sequence[Tensor | None],
) -> SecondGradients:
    """The derivative of the first derivative of the layers.

    d: the gradients of outputs, h and c that the first derivative was given, None for zero. seeds: gradients of what it gave,
    of x, h, c and of each weight, None for zero. Has derivatives itself where grad mode is on.
    """
    create = torch.is_grad_enabled()
    with torch.enable_grad():
        # Each is a node of its own, even where one tensor came in twice.
        x, h, c, *own = (None if t is None else _node(t) for t in (given.x, given.h, given.c, *weights))
        d_nodes = [None if t is None else _node(t) for t in d]
        assert x is not None
        passed = forward(plan, given._replace(x=x, h=h, c=c), [w for w in own if w is not None])
        pairs = [(out, grad) for out, grad in zip(passed, d_nodes, strict=False) if grad is not None]
        inputs = [x, h, c, *own]
        asked = [(t, seed) for t, seed in zip(inputs, seeds, strict=True) if t is not None and seed is not None]
        if not pairs or not asked:
            return SecondGradients(None, None, None, [None] * len(weights), (None, None, None))
        first = torch.autograd.grad(
            [out for out, _ in pairs], [t for t, _ in asked], [grad for _, grad in pairs], create_graph=True,
            allow_unused=True, materialize_grads=True,
        )  # fmt: skip
        there = [t for t in (*inputs, *d_nodes) if t is not None]
        live = [(f, seed) for f, (_, seed) in zip(first, asked, strict=True) if f.requires_grad]
        second = torch.autograd.grad(
            [f for f, _ in live], there, [seed for _, seed in live], create_graph=create, allow_unused=True
        )
    found = iter(second)
    x_, h_, c_, *rest = (None if t is None else next(found) for t in (*inputs, *d_nodes))
    return SecondGradients(x_, h_, c_, rest[: len(weights)], (rest[-3], rest[-2], rest[-1]))


def _node(tensor: Tensor) -> Tensor:
    return tensor.view_as(tensor) if tensor.requires_grad else tensor.detach().requires_grad_()
