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
from elman.nn.kernels import PassGradients, PassInputs, PassResults, Plan, plan_for
from elman.nn.modes import MODES

_LIBRARY = torch.library.Library("elman", "DEF")
_SIZES = "str mode, int hidden_size, int num_layers, bool bidirectional, bool bias, bool batch_first"
_INPUTS = "Tensor x, Tensor? sizes, SymInt count, Tensor? h, Tensor? c, Tensor? masks, Tensor[] weights"
_LIBRARY.define(
    f"layers({_INPUTS}, {_SIZES}, bool save) -> (Tensor outputs, Tensor last_h, Tensor last_c, Tensor saved)",
    tags=(torch.Tag.pt2_compliant_tag,),
)
_LIBRARY.define(
    f"layers_backward({_INPUTS}, {_SIZES}, Tensor saved, Tensor? d_outputs, Tensor? d_last_h, Tensor? d_last_c, bool[] needed)"
    " -> (Tensor d_x, Tensor d_h, Tensor d_c, Tensor[] d_weights)",
    tags=(torch.Tag.pt2_compliant_tag,),
)


def forward(plan: Plan, inputs: PassInputs, weights: Sequence[Tensor], save: bool) -> PassResults:
    """`kernels.forward` as an operator."""
    outputs, h, c, saved = torch.ops.elman.layers(*_arguments(plan, inputs, weights), save)
    return PassResults(outputs, h, c if plan.has_c else None, saved)


def backward(
    plan: Plan,
    inputs: PassInputs,
    weights: Sequence[Tensor],
    saved: Tensor,
    d_outputs: Tensor | None,
    d_last: tuple[Tensor | None, Tensor | None],
    needed: Sequence[bool],
) -> PassGradients:
    """`kernels.backward` as an operator, which has a derivative."""
    x, h, c, of_weights = torch.ops.elman.layers_backward(
        *_arguments(plan, inputs, weights), saved, d_outputs, *d_last, list(needed)
    )
    d_x, d_h, d_c, *d_weights = (d if need else None for d, need in zip((x, h, c, *of_weights), needed, strict=True))
    return PassGradients(d_x, d_h, d_c, d_weights)


def _arguments(plan: Plan, inputs: PassInputs, weights: Sequence[Tensor]) -> tuple[Any, ...]:
    x, sizes, count, h, c, masks, batch_first = inputs
    sizes_of_layers = (plan.mode, plan.hidden_size, plan.num_layers, plan.directions == 2, plan.bias, batch_first)
    return (x, sizes, count, h, c, masks, list(weights), *sizes_of_layers)


def _plan(x: Tensor, mode: str, hidden_size: int, num_layers: int, bidirectional: bool, bias: bool) -> Plan:
    return plan_for(x.dtype, mode, int(x.shape[-1]), hidden_size, num_layers, bidirectional, bias)


def _layers(
    x: Tensor, sizes: Tensor | None, count: int, h: Tensor | None, c: Tensor | None, masks: Tensor | None,
    weights: list[Tensor], mode: str, hidden_size: int, num_layers: int, bidirectional: bool, bias: bool, batch_first: bool,
    save: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    plan = _plan(x, mode, hidden_size, num_layers, bidirectional, bias)
    weights = [w.contiguous() for w in weights]
    results = kernels.forward(plan, PassInputs(x, sizes, count, h, c, masks, batch_first), weights, save)
    last_c, saved = (x.new_empty(0) if t is None else t for t in (results.c, results.saved))
    return results.outputs, results.h, last_c, saved


def _fake_layers(
    x: Tensor, sizes: Tensor | None, count: int, h: Tensor | None, c: Tensor | None, masks: Tensor | None,
    weights: list[Tensor], mode: str, hidden_size: int, num_layers: int, bidirectional: bool, bias: bool, batch_first: bool,
    save: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    plan = _plan(x, mode, hidden_size, num_layers, bidirectional, bias)
    inputs = PassInputs(x, sizes, count, h, c, masks, batch_first)
    outputs, last_h = x.new_empty((*x.shape[:-1], plan.width)), x.new_empty((plan.rows, count, hidden_size))
    saved = plan.saved_size(inputs.steps, count, masks is not None) if save or masks is not None else 0
    return outputs, last_h, torch.empty_like(last_h) if plan.has_c else x.new_empty(0), x.new_empty(saved)


def _layers_backward(
    x: Tensor, sizes: Tensor | None, count: int, h: Tensor | None, c: Tensor | None, masks: Tensor | None,
    weights: list[Tensor], mode: str, hidden_size: int, num_layers: int, bidirectional: bool, bias: bool, batch_first: bool,
    saved: Tensor, d_outputs: Tensor | None, d_last_h: Tensor | None, d_last_c: Tensor | None, needed: list[bool],
) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:  # fmt: skip
    plan = _plan(x, mode, hidden_size, num_layers, bidirectional, bias)
    inputs = PassInputs(x, sizes, count, h, c, masks, batch_first)
    if saved.numel() < plan.saved_size(inputs.steps, count, masks is not None):
        raise RuntimeError("`saved` must come from elman::layers with save=True; got too few numbers; pass save=True")
    weights = [w.contiguous() for w in weights]
    gradients = kernels.backward(plan, inputs, weights, saved, d_outputs, (d_last_h, d_last_c), needed)
    d_x, d_h, d_c, *d_weights = (x.new_empty(0) if t is None else t for t in (*gradients[:3], *gradients.weights))
    return d_x, d_h, d_c, d_weights


def _fake_layers_backward(
    x: Tensor, sizes: Tensor | None, count: int, h: Tensor | None, c: Tensor | None, masks: Tensor | None,
    weights: list[Tensor], mode: str, hidden_size: int, num_layers: int, bidirectional: bool, bias: bool, batch_first: bool,
    saved: Tensor, d_outputs: Tensor | None, d_last_h: Tensor | None, d_last_c: Tensor | None, needed: list[bool],
) -> tuple[Tensor, Tensor, Tensor, list[Tensor]]:  # fmt: skip
    states = (num_layers * (2 if bidirectional else 1), count, hidden_size)
    shapes = (x.shape, states, states, *(w.shape for w in weights))
    d_x, d_h, d_c, *d_weights = (x.new_empty(s if need else 0) for s, need in zip(shapes, needed, strict=True))
    return d_x, d_h, d_c, d_weights


_LIBRARY.impl("layers", _layers, "CPU")
_LIBRARY.impl("layers_backward", _layers_backward, "CPU")
torch.library.register_fake("elman::layers", _fake_layers, lib=_LIBRARY)
torch.library.register_fake("elman::layers_backward", _fake_layers_backward, lib=_LIBRARY)

_SIZES_COUNT = 6
"""How many arguments `_SIZES` has."""


def _save_for_backward(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    x, sizes, count, h, c, masks, weights, *settings, _ = inputs
    ctx.save_for_backward(x, sizes, h, c, masks, output[3], *weights)
    ctx.count, ctx.settings = count, settings
    ctx.mark_non_differentiable(output[3])
    ctx.set_materialize_grads(False)


def _derivative(ctx: Any, d_outputs: Tensor | None, d_h: Tensor | None, d_c: Tensor | None, _: None) -> tuple[Any, ...]:
    x, sizes, h, c, masks, saved, *weights = ctx.saved_tensors
    need = ctx.needs_input_grad
    needed = [need[0], need[3], need[4], *need[6]]
    if "c" not in MODES[ctx.settings[0]].state_names:
        d_c = None
    d_x, d_first_h, d_first_c, of_weights = torch.ops.elman.layers_backward(
        x, sizes, ctx.count, h, c, masks, weights, *ctx.settings, saved, d_outputs, d_h, d_c, needed
    )
    d_weights = [d if need else None for d, need in zip(of_weights, needed[3:], strict=True)]
    d_inputs = (
        d_x if needed[0] else None,
        None,
        None,
        d_first_h if needed[1] else None,
        d_first_c if needed[2] else None,
        None,
    )
    return (*d_inputs, d_weights, *(None,) * (_SIZES_COUNT + 1))


torch.library.register_autograd("elman::layers", _derivative, setup_context=_save_for_backward, lib=_LIBRARY)


def _save_for_second(ctx: Any, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:
    x, sizes, count, h, c, masks, weights, *settings, _, d_outputs, d_h, d_c, needed = inputs
    ctx.save_for_backward(x, sizes, h, c, masks, d_outputs, d_h, d_c, *weights)
    ctx.count, ctx.settings, ctx.needed = count, settings, needed


def _second_derivative(
    ctx: Any, g_x: Tensor | None, g_h: Tensor | None, g_c: Tensor | None, g_weights: list[Tensor | None]
) -> tuple[Any, ...]:
    """By PyTorch's own operators, which have derivatives of every order."""
    x, sizes, h, c, masks, d_outputs, d_h, d_c, *weights = ctx.saved_tensors
    *sizes_of_layers, batch_first = ctx.settings
    inputs = PassInputs(x, sizes, ctx.count, h, c, masks, batch_first)
    plan = _plan(x, *sizes_of_layers)
    seeds = [g if need else None for g, need in zip((g_x, g_h, g_c, *g_weights), ctx.needed, strict=True)]
    second = by_torch.second_derivative(plan, inputs, weights, (d_outputs, d_h, d_c), seeds)
    settings = (None,) * _SIZES_COUNT
    return (second.x, None, None, second.h, second.c, None, second.weights, *settings, None, *second.d, None)


torch.library.register_autograd(
    "elman::layers_backward", _second_derivative, setup_context=_save_for_second, lib=_LIBRARY
)
