"""The kernels as PyTorch operators, `torch.ops.elman.layers` and `torch.ops.elman.layers_backward`.

Functional, with fake kernels whose shapes may be symbols, and a derivative that is an operator itself: torch.compile and
torch.export see one node however long the sequences are. `layers.py` calls them wherever something is tracing; in eager mode
the shorter way of `autograd.py` gives the same bits.

An absent tensor that an operator must return has no elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from elman.nn import by_torch, kernels
from elman.nn.kernels import LSTM, Passed, PassGradients, Passing, Plan, plan_for

_LIBRARY = torch.library.Library("elman", "DEF")
_SIZES = "int cell, int hidden_size, int num_layers, bool bidirectional, bool bias, bool batch_first"
_GIVEN = "Tensor x, Tensor? sizes, SymInt count, Tensor? h, Tensor? c, Tensor? masks, Tensor[] weights"
_LIBRARY.define(
    f"layers({_GIVEN}, {_SIZES}, bool keep) -> (Tensor outputs, Tensor last_h, Tensor last_c, Tensor kept)",
    tags=(torch.Tag.pt2_compliant_tag,),
)
_LIBRARY.define(
    f"layers_backward({_GIVEN}, {_SIZES}, Tensor kept, Tensor? d_outputs, Tensor? d_last_h, Tensor? d_last_c, bool[] wanted)"
    " -> (Tensor d_x, Tensor d_h, Tensor d_c, Tensor[] d_weights)",
    tags=(torch.Tag.pt2_compliant_tag,),
)


def forward(plan: Plan, given: Passing, weights: Sequence[Tensor], keep: bool) -> Passed:
    """`kernels.forward` as an operator."""
    outputs, h, c, kept = torch.ops.elman.layers(*_arguments(plan, given, weights), keep)
    return Passed(outputs, h, c if plan.cell == LSTM else None, kept)


def backward(
    plan: Plan,
    given: Passing,
    weights: Sequence[Tensor],
    kept: Tensor,
    d_outputs: Tensor | None,
    d_last: tuple[Tensor | None, Tensor | None],
    wanted: Sequence[bool],
) -> PassGradients:
    """`kernels.backward` as an operator, which has a derivative."""
    x, h, c, of_weights = torch.ops.elman.layers_backward(
        *_arguments(plan, given, weights), kept, d_outputs, *d_last, list(wanted)
    )
    d_x, d_h, d_c, *d_weights = (d if want else None for d, want in zip((x, h, c, *of_weights), wanted, strict=True))
    return PassGradients(d_x, d_h, d_c, d_weights)


def _arguments(plan: Plan, given: Passing, weights: Sequence[Tensor]) -> tuple[Any, ...]:
    x, sizes, count, h, c, masks, batch_first = given
    sizes_of_layers = (plan.cell, plan.hidden_size, plan.num_layers, plan.directions == 2, plan.bias, batch_first)
    return (x, sizes, count, h, c, masks, list(weights), *sizes_of_layers)


def _plan(x: Tensor, cell: int, hidden_size: int, num_layers: int, bidirectional: bool, bias: bool) -> Plan:
    return plan_for(x.dtype, cell, int(x.shape[-1]), hidden_size, num_layers, bidirectional, bias)


def _layers(
    x: Tensor, sizes: Tensor | None, count: int, h: Tensor | None, c: Tensor | None, masks: Tensor | None,
    weights: list[Tensor], cell: int, hidden_size: int, num_layers: int, bidirectional: bool, bias: bool, batch_first: bool,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    plan = _plan(x, cell, hidden_size, num_layers, bidirectional, bias)
    weights = [w.contiguous() for w in weights]
    passed = kernels.forward(plan, Passing(x, sizes, count, h, c, masks, batch_first), weights, keep)
    last_c, kept = (x.new_empty(0) if t is None else t for t in (passed.c, passed.kept))
    return passed.outputs, passed.h, last_c, kept


def _fake_layers(
    x: Tensor, sizes: Tensor | None, count: int, h: Tensor | None, c: Tensor | None, masks: Tensor | None,
    weights: list[Tensor], cell: int, hidden_size: int, num_layers: int, bidirectional: bool, bias: bool, batch_first: bool,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    plan = _plan(x, cell, hidden_size, num_layers, bidirectional, bias)
    given = Passing(x, sizes, count, h, c, masks, batch_first)
    outputs, last_h = x.new_empty((*x.shape[:-1], plan.width)), x.new_empty((plan.rows, count, hidden_size))
    kept = plan.kept_size(given.steps, count, masks is not None) if keep or masks is not None else 0
    return outputs, last_h, torch.empty_like(last_h) if cell == LSTM else x.new_empty(0), x.new_empty(kept)


def _layers_backward(
    x: Tensor, sizes: Tensor | None, count: int, h: Tensor | None, c: Tensor | None, masks: Tensor | None,
    weights: list[Tensor], cell: int, hidden_size: int, num_layers: int, bidirectional: bool, bias: bool, batch_first: bool,
    kept: Tensor, d_outputs: Tensor | None, d_last_h: Tensor | None, d_last_c: Tensor | None, wanted: list[bool],
) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:  # fmt: skip
    plan = _plan(x, cell, hidden_size, num_layers, bidirectional, bias)
    given = Passing(x, sizes, count, h, c, masks, batch_first)
    if kept.numel() < plan.kept_size(given.steps, count, masks is not None):
        raise RuntimeError("`kept` must come from elman::layers with keep=True; got too few numbers; pass keep=True")
    weights = [w.contiguous() for w in weights]
    found = kernels.backward(plan, given, weights, kept, d_outputs, (d_last_h, d_last_c), wanted)
    d_x, d_h, d_c, *d_weights = (x.new_empty(0) if t is None else t for t in (*found[:3], *found.weights))
    return d_x, d_h, d_c, d_weights


def _fake_layers_backward(
    x: Tensor, sizes: Tensor | None, count: int, h: Tensor | None, c: Tensor | None, masks: Tensor | None,
    weights: list[Tensor], cell: int, hidden_size: int, num_layers: int, bidirectional: bool, bias: bool, batch_first: bool,
    kept: Tensor, d_outputs: Tensor | None, d_last_h: Tensor | None, d_last_c: Tensor | None, wanted: list[bool],
) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:  # fmt: skip
    states = (num_layers * (2 if bidirectional else 1), count, hidden_size)
    shapes = (x.shape, states, states, *(w.shape for w in weights))
    d_x, d_h, d_c, *d_weights = (x.new_empty(s if want else 0) for s, want in zip(shapes, wanted, strict=True))
    return d_x, d_h, d_c, d_weights


_LIBRARY.impl("layers", _layers, "CPU")
_LIBRARY.impl("layers_backward", _layers_backward, "CPU")
torch.library.register_fake("elman::layers", _fake_layers, lib=_LIBRARY)
torch.library.register_fake("elman::layers_backward", _fake_layers_backward, lib=_LIBRARY)

_GIVENS, _AFTER = 7, 6
"""How many arguments `_GIVEN` and `_SIZES` have."""


def _keep_for_backward(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, sizes, count, h, c, masks, weights, *settings, _ = inputs
    ctx.save_for_backward(x, sizes, h, c, masks, output[3], *weights)
    ctx.count, ctx.settings = count, settings
    ctx.mark_non_differentiable(output[3])
    ctx.set_materialize_grads(False)


def _derivative(ctx: Any, d_outputs: Tensor | None, d_h: Tensor | None, d_c: Tensor | None, _: None) -> tuple[Any, ...]:
    x, sizes, h, c, masks, kept, *weights = ctx.saved_tensors
    need = ctx.needs_input_grad
    wanted = [need[0], need[3], need[4], *need[6]]
    if ctx.settings[0] != LSTM:
        d_c = None
    found = torch.ops.elman.layers_backward(
        x, sizes, ctx.count, h, c, masks, weights, *ctx.settings, kept, d_outputs, d_h, d_c, wanted
    )
    d_x, d_first_h, d_first_c, of_weights = found
    d_weights = [d if want else None for d, want in zip(of_weights, wanted[3:], strict=True)]
    given = (
        d_x if wanted[0] else None,
        None,
        None,
        d_first_h if wanted[1] else None,
        d_first_c if wanted[2] else None,
        None,
    )
    return (*given, d_weights, *(None,) * (_AFTER + 1))


torch.library.register_autograd("elman::layers", _derivative, setup_context=_keep_for_backward, lib=_LIBRARY)


def _keep_for_second(ctx: Any, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:
    x, sizes, count, h, c, masks, weights, *settings, _, d_outputs, d_h, d_c, wanted = inputs
    ctx.save_for_backward(x, sizes, h, c, masks, d_outputs, d_h, d_c, *weights)
    ctx.count, ctx.settings, ctx.wanted = count, settings, wanted


def _second_derivative(
    ctx: Any, g_x: Tensor | None, g_h: Tensor | None, g_c: Tensor | None, g_weights: list[Tensor | None]
) -> tuple[Any, ...]:
    """By PyTorch's own operators, which have derivatives of every order."""
    x, sizes, h, c, masks, d_outputs, d_h, d_c, *weights = ctx.saved_tensors
    *sizes_of_layers, batch_first = ctx.settings
    given = Passing(x, sizes, ctx.count, h, c, masks, batch_first)
    plan = _plan(x, *sizes_of_layers)
    seeds = [g if want else None for g, want in zip((g_x, g_h, g_c, *g_weights), ctx.wanted, strict=True)]
    found = by_torch.second_derivative(plan, given, weights, (d_outputs, d_h, d_c), seeds)
    settings = (None,) * _AFTER
    return (found.x, None, None, found.h, found.c, None, found.weights, *settings, None, *found.d, None)


torch.library.register_autograd(
    "elman::layers_backward", _second_derivative, setup_context=_keep_for_second, lib=_LIBRARY
)
