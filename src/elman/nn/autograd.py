"""The kernels inside autograd: the quick way in for eager mode, which calls them without PyTorch's dispatcher."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from elman.nn import kernels
from elman.nn.kernels import Passing, Plan


class LayersFunction(torch.autograd.Function):
    """`kernels.forward` with `kernels.backward` as its derivative; a derivative of that derivative goes through the operators.

    The kernels keep their activations in a tensor of the graph, which only reads it: a graph that is retained can be walked
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
        given = Passing(x, sizes, count, h, c, masks, batch_first)
        passed = kernels.forward(plan, given, weights, keep=True)
        ctx.plan, ctx.count, ctx.batch_first = plan, count, batch_first
        ctx.save_for_backward(x, sizes, h, c, masks, passed.kept, *weights)
        ctx.set_materialize_grads(False)
        if passed.c is None:
            return passed.outputs, passed.h
        return passed.outputs, passed.h, passed.c

    @staticmethod
    def backward(ctx: Any, *d: Tensor | None) -> tuple[Any, ...]:
        x, sizes, h, c, masks, kept, *weights = ctx.saved_tensors
        given = Passing(x, sizes, ctx.count, h, c, masks, ctx.batch_first)
        need = ctx.needs_input_grad
        wanted = (need[3], need[5], need[6], *need[8:])
        d_last = (d[1], d[2] if len(d) == 3 else None)
        if torch.is_grad_enabled():  # create_graph: the gradients must have gradients
            from elman.nn import operators

            found = operators.backward(ctx.plan, given, weights, kept, d[0], d_last, wanted)
        else:
            found = kernels.backward(ctx.plan, given, weights, kept, d[0], d_last, wanted)
        return (None, None, None, found.x, None, found.h, found.c, None, *found.weights)


def needs_gradient(given: Passing, weights: list[Tensor]) -> bool:
    """Whether autograd wants a derivative of this pass."""
    if not torch.is_grad_enabled():
        return False
    if given.x.requires_grad or any(w.requires_grad for w in weights):
        return True
    return any(s is not None and s.requires_grad for s in (given.h, given.c))


class StepFunction(torch.autograd.Function):
    """The same for one step: x (N, D), states (N, H)."""

    @staticmethod
    def forward(
        ctx: Any, plan: Plan, x: Tensor, h: Tensor | None, c: Tensor | None, *weights: Tensor
    ) -> tuple[Tensor, ...]:
        passed = kernels.step(plan, Passing(x, None, x.shape[0], h, c, None, False), weights, keep=True)
        ctx.plan = plan
        ctx.save_for_backward(x, h, c, passed.kept, *weights)
        ctx.set_materialize_grads(False)
        return (passed.h,) if passed.c is None else (passed.h, passed.c)

    @staticmethod
    def backward(ctx: Any, *d: Tensor | None) -> tuple[Any, ...]:
        x, h, c, kept, *weights = ctx.saved_tensors
        need = ctx.needs_input_grad
        wanted = (need[1], need[2], need[3], *need[4:])
        d_h, d_c = (*d, None)[:2]
        given = Passing(x, None, x.shape[0], h, c, None, False)
        if torch.is_grad_enabled():  # create_graph: as a sequence of one step
            from elman.nn import operators

            h, c, d_h, d_c = (None if t is None else t[None] for t in (h, c, d_h, d_c))
            given = given._replace(x=x[None], h=h, c=c)
            found = operators.backward(ctx.plan, given, weights, kept, None, (d_h, d_c), wanted)
            of_given = [None if t is None else t[0] for t in found[:3]]
        else:
            found = kernels.step_backward(ctx.plan, given, weights, kept, (d_h, d_c), wanted)
            of_given = list(found[:3])
        return (None, *of_given, *found.weights)
