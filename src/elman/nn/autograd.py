"""The kernels inside autograd: the quick way in for eager mode, which calls them without PyTorch's dispatcher."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from elman.nn import kernels
from elman.nn.kernels import PassInputs, Plan


class LayersFunction(torch.autograd.Function):
    """`kernels.forward` with `kernels.backward` as its derivative; a derivative of that derivative goes through the operators.

    The kernels save their activations in a tensor of the graph, which only reads it: a graph that is retained can be walked
    again, and its memory goes when it goes.
    """

    @staticmethod
    def forward(
        ctx: Any,
        plan: Plan,
        count: int,
        batch_first: bool,
        x: Tensor,
        sizes: Tensor | None,
        h: Tensor | None,
        c: Tensor | None,
        masks: Tensor | None,
        *weights: Tensor,
    ) -> tuple[Tensor, ...]:
        inputs = PassInputs(x, sizes, count, h, c, masks, batch_first)
        results = kernels.forward(plan, inputs, weights, save=True)
        ctx.plan, ctx.count, ctx.batch_first = plan, count, batch_first
        ctx.save_for_backward(x, sizes, h, c, masks, results.saved, *weights)
        ctx.set_materialize_grads(False)
        if results.c is None:
            return results.outputs, results.h
        return results.outputs, results.h, results.c

    @staticmethod
    def backward(ctx: Any, *d: Tensor | None) -> tuple[Any, ...]:
        x, sizes, h, c, masks, saved, *weights = ctx.saved_tensors
        inputs = PassInputs(x, sizes, ctx.count, h, c, masks, ctx.batch_first)
        need = ctx.needs_input_grad
        needed = (need[3], need[5], need[6], *need[8:])
        d_last = (d[1], d[2] if len(d) == 3 else None)
        if torch.is_grad_enabled():  # create_graph: the gradients must have gradients
            from elman.nn import operators

            gradients = operators.backward(ctx.plan, inputs, weights, saved, d[0], d_last, needed)
        else:
            gradients = kernels.backward(ctx.plan, inputs, weights, saved, d[0], d_last, needed)
        return (None, None, None, gradients.x, None, gradients.h, gradients.c, None, *gradients.weights)


def needs_gradient(inputs: PassInputs, weights: list[Tensor]) -> bool:
    """Whether autograd wants a derivative of this pass."""
    if not torch.is_grad_enabled():
        return False
    if inputs.x.requires_grad or any(w.requires_grad for w in weights):
        return True
    return any(s is not None and s.requires_grad for s in (inputs.h, inputs.c))


class StepFunction(torch.autograd.Function):
    """The same for one step: x (N, D), states (N, H)."""

    @staticmethod
    def forward(
        ctx: Any, plan: Plan, x: Tensor, h: Tensor | None, c: Tensor | None, *weights: Tensor
    ) -> tuple[Tensor, ...]:
        results = kernels.step(plan, PassInputs(x, None, x.shape[0], h, c, None, False), weights, save=True)
        ctx.plan = plan
        ctx.save_for_backward(x, h, c, results.saved, *weights)
        ctx.set_materialize_grads(False)
        return (results.h,) if results.c is None else (results.h, results.c)

    @staticmethod
    def backward(ctx: Any, *d: Tensor | None) -> tuple[Any, ...]:
        x, h, c, saved, *weights = ctx.saved_tensors
        need = ctx.needs_input_grad
        needed = (need[1], need[2], need[3], *need[4:])
        d_h, d_c = (*d, None)[:2]
        inputs = PassInputs(x, None, x.shape[0], h, c, None, False)
        if torch.is_grad_enabled():  # create_graph: as a sequence of one step
            from elman.nn import operators

            h, c, d_h, d_c = (None if t is None else t[None] for t in (h, c, d_h, d_c))
            inputs = inputs._replace(x=x[None], h=h, c=c)
            gradients = operators.backward(ctx.plan, inputs, weights, saved, None, (d_h, d_c), needed)
            of_inputs = [None if t is None else t[0] for t in gradients[:3]]
        else:
            gradients = kernels.step_backward(ctx.plan, inputs, weights, saved, (d_h, d_c), needed)
            of_inputs = list(gradients[:3])
        return (None, *of_inputs, *gradients.weights)
