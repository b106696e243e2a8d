"""One step of a cell: sees what came in, takes a way, and returns what torch.nn would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from elman.nn import kernels, operators, recurrence
from elman.nn.autograd import StepFunction, needs_gradient
from elman.nn.kernels import PassInputs, Plan, plan_for
from elman.nn.modes import MODES
from elman.nn.normalisation import norm_of
from elman.nn.routes import Route, kernels_take, route, torch_is_quicker
from elman.nn.running import weights_of

_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
Cell = Any
"""RNNCell, GRUCell or LSTMCell of `cells.py`."""


def run(cell: Cell, x: Tensor, hx: Any, plain: Callable[..., Any]) -> list[Tensor]:
    """The next state, [h] or [h, c], by the kernels where they can, else by `plain`, torch.nn's own way, or by its operators."""
    single = x.dim() == 1
    states = None
    if not cell.layer_norm and x.dim() in (1, 2):
        way = route(x)
        if way is not Route.PYTORCH:
            row = x[None] if single else x
            first = _batched(hx, single)
            if hx is None or len(first) == len(MODES[cell.mode].state_names):
                states = _by_kernels(cell, row, first, way)
    if states is None:
        return _by_plain_ways(cell, x, hx, plain)
    return [s[0] for s in states] if single else states


def _batched(hx: Any, single: bool) -> tuple[Any, ...]:
    """States with their N; anything that is no tensor stays what it is, for `kernels_take` to see."""
    states = () if hx is None else tuple(hx)
    return tuple(s[None] if single and isinstance(s, Tensor) else s for s in states)


def _by_kernels(cell: Cell, x: Tensor, states: tuple[Any, ...], way: Route) -> list[Tensor] | None:
    """The next state of a batch; None where a tensor is not as the kernels need it."""
    count = x.shape[0]
    if count == 0 or x.shape[1] != cell.input_size or cell.hidden_size == 0:
        return None
    make_plan = Plan if way is Route.OPERATORS else plan_for  # compilers want no caches in what they trace
    plan = make_plan(x.dtype, cell.mode, cell.input_size, cell.hidden_size, 1, False, bool(cell.bias))
    if way is Route.KERNELS and torch_is_quicker(plan, count, cell=True):
        return None
    weights = weights_of(cell, _NAMES[: plan.weights_per_row])
    if not kernels_take(weights, x, plan.weight_shapes) or not kernels_take(
        states, x, [(count, cell.hidden_size)] * len(states)
    ):
        return None
    if way is Route.OPERATORS:
        return _by_operators(plan, x, states, weights)
    weights = [w.contiguous() for w in weights]
    h, c = (*states, None, None)[:2]
    inputs = PassInputs(x, None, count, h, c, None, False)
    if needs_gradient(inputs, weights):
        after: tuple[Tensor, ...] = StepFunction.apply(plan, x, h, c, *weights)  # type: ignore[no-untyped-call]
        return list(after)
    results = kernels.step(plan, inputs, weights, save=False)
    return [results.h] if results.c is None else [results.h, results.c]


def _by_operators(plan: Plan, x: Tensor, states: tuple[Tensor, ...], weights: list[Tensor]) -> list[Tensor]:
    """The step as a sequence of one step."""
    h, c = (*(s[None] for s in states), None, None)[:2]
    inputs = PassInputs(x[None], None, x.shape[0], h, c, None, False)
    results = operators.forward(plan, inputs, weights, needs_gradient(inputs, weights))
    return [results.h[0]] if results.c is None else [results.h[0], results.c[0]]


def _by_plain_ways(cell: Cell, x: Tensor, hx: Any, plain: Callable[..., Any]) -> list[Tensor]:
    """The next state by torch.nn, or by the plain recurrence for what torch.nn does not have."""
    state = () if hx is None else (hx if cell.mode == "LSTM" else hx[0],)
    if not cell.layer_norm and cell.mode != "RNN_SIGMOID":
        after = plain(x, *state)
        return list(after) if isinstance(after, tuple) else [after]
    _check(cell, x, hx)
    single = x.dim() == 1
    row = x[None] if single else x
    states = _batched(hx, single)
    if not states:
        zeros = row.new_zeros((row.shape[0], cell.hidden_size))
        states = tuple(zeros for _ in MODES[cell.mode].state_names)
    weights = weights_of(cell, _NAMES[: 4 if cell.bias else 2])
    norms = norm_of(cell, cell.mode, "") if cell.layer_norm else None
    next_states, _ = recurrence.step(cell.mode, row, states, weights, norms)
    return [s[0] for s in next_states] if single else next_states


def _check(cell: Cell, x: Tensor, hx: Any) -> None:
    """Raises what torch.nn's cells raise for inputs and states of other shapes."""
    kind = type(cell).__name__
    if x.dim() not in (1, 2):
        raise ValueError(f"{kind}: Expected input to be 1D or 2D, got {x.dim()}D instead")
    for index, state in enumerate(() if hx is None else hx):
        name = f"hx[{index}]" if cell.mode == "LSTM" else "hidden"
        if state.dim() not in (1, 2):
            raise ValueError(f"{kind}: Expected {name} to be 1D or 2D, got {state.dim()}D instead")
    if x.shape[-1] != cell.input_size:
        raise RuntimeError(f"input has inconsistent input_size: got {x.shape[-1]} expected {cell.input_size}")
    for index, state in enumerate(() if hx is None else hx):
        if state.dim() == x.dim() == 2 and state.shape[0] != x.shape[0]:
            raise RuntimeError(f"Input batch size {x.shape[0]} doesn't match hidden{index} batch size {state.shape[0]}")
        if state.shape[-1] != cell.hidden_size:
            raise RuntimeError(
                f"hidden{index} has inconsistent hidden_size: got {state.shape[-1]}, expected {cell.hidden_size}"
            )
