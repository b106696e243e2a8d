"""The same layers by PyTorch's own differentiable operators: what second derivatives are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import _VF, Tensor

from elman.nn import recurrence
from elman.nn.kernels import PassInputs, Plan

_FUNCTIONS: dict[str, Any] = {
    "RNN_TANH": _VF.rnn_tanh,
    "RNN_RELU": _VF.rnn_relu,
    "GRU": _VF.gru,
    "LSTM": _VF.lstm,
}


def forward(plan: Plan, inputs: PassInputs, weights: Sequence[Tensor]) -> list[Tensor]:
    """Compute outputs and last states, as `kernels.forward` does; arguments as there."""
    x, sizes, count, h, c, masks, batch_first = inputs
    zeros = x.new_zeros((plan.rows, count, plan.hidden_size))
    states = [zeros if s is None else s for s in ((h, c) if plan.has_c else (h,))]
    last: list[list[Tensor]] = [[] for _ in states]
    outputs = x.transpose(0, 1) if batch_first and sizes is None else x
    step = plan.weights_per_row * plan.directions
    for layer in range(plan.num_layers):
        own = list(weights[layer * step : (layer + 1) * step])
        first = [s[layer * plan.directions : (layer + 1) * plan.directions] for s in states]
        outputs, *after = _layer(plan, outputs, sizes, first, own)
        for by_layer, s in zip(last, after, strict=True):
            by_layer.append(s)
        if masks is not None and layer + 1 < plan.num_layers:
            outputs = outputs * masks[layer]
    if batch_first and sizes is None:
        outputs = outputs.transpose(0, 1)
    return [outputs, *(torch.cat(by_layer) for by_layer in last)]


def _layer(plan: Plan, x: Tensor, sizes: Tensor | None, first: list[Tensor], weights: list[Tensor]) -> list[Tensor]:
    """One layer without dropout, time-major."""
    both = plan.directions == 2
    if plan.mode not in _FUNCTIONS:
        return recurrence.layer(plan.mode, x, sizes, first, weights, bias=plan.bias)
    state: Any = tuple(first) if plan.has_c else first[0]
    function = _FUNCTIONS[plan.mode]
    if sizes is None:
        return list(function(x, state, weights, plan.bias, 1, 0.0, False, both, False))
    return list(function(x, sizes, state, weights, plan.bias, 1, 0.0, False, both))


class SecondGradients(NamedTuple):
    """Gradients of x, h, c, of the weights and of what came into the first derivative; None for zero."""

    x: Tensor | None
    h: Tensor | None
    c: Tensor | None
    weights: list[Tensor | None]
    d: tuple[Tensor | None, Tensor | None, Tensor | None]


def second_derivative(
    plan: Plan,
    inputs: PassInputs,
    weights: Sequence[Tensor],
    d: tuple[Tensor | None, Tensor | None, Tensor | None],
    seeds: Sequence[Tensor | None],
) -> SecondGradients:
    """Compute the derivative of the first derivative of the layers; has derivatives itself where grad mode is on.

    Args:
        plan: What the layers are.
        inputs: What went into the forward pass.
        weights: As there.
        d: Gradients of outputs, h and c that went into the first derivative, None for zero.
        seeds: Gradients of what came out of it: of x, h, c and of each weight, None for zero.
    """
    create = torch.is_grad_enabled()
    with torch.enable_grad():
        # Each is a node of its own, even where one tensor came in twice.
        x, h, c, *own = (None if t is None else _node(t) for t in (inputs.x, inputs.h, inputs.c, *weights))
        d_nodes = [None if t is None else _node(t) for t in d]
        assert x is not None
        results = forward(plan, inputs._replace(x=x, h=h, c=c), [w for w in own if w is not None])
        pairs = [(out, grad) for out, grad in zip(results, d_nodes, strict=False) if grad is not None]
        nodes = [x, h, c, *own]
        seeded = [(t, seed) for t, seed in zip(nodes, seeds, strict=True) if t is not None and seed is not None]
        if not pairs or not seeded:
            return SecondGradients(None, None, None, [None] * len(weights), (None, None, None))
        first = torch.autograd.grad(
            [out for out, _ in pairs], [t for t, _ in seeded], [grad for _, grad in pairs], create_graph=True,
            allow_unused=True, materialize_grads=True,
        )  # fmt: skip
        there = [t for t in (*nodes, *d_nodes) if t is not None]
        live = [(f, seed) for f, (_, seed) in zip(first, seeded, strict=True) if f.requires_grad]
        second = torch.autograd.grad(
            [f for f, _ in live], there, [seed for _, seed in live], create_graph=create, allow_unused=True
        )
    following = iter(second)
    x_, h_, c_, *rest = (None if t is None else next(following) for t in (*nodes, *d_nodes))
    return SecondGradients(x_, h_, c_, rest[: len(weights)], (rest[-3], rest[-2], rest[-1]))


def _node(tensor: Tensor) -> Tensor:
    return tensor.view_as(tensor) if tensor.requires_grad else tensor.detach().requires_grad_()
