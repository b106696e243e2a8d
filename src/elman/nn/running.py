"""One forward pass of a layer: sees what came in, takes a way, and returns what torch.nn would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from elman.nn import kernels, operators, recurrence
from elman.nn.arguments import Arguments, Layers, in_torch_form, parse_arguments, raise_torch_error
from elman.nn.autograd import LayersFunction, needs_gradient
from elman.nn.dropout import draw_masks
from elman.nn.kernels import PassInputs, Plan, plan_for
from elman.nn.modes import MODES
from elman.nn.normalisation import norms_of
from elman.nn.routes import Route, kernels_take, route, torch_is_quicker


def run(layers: Layers, sequences: Tensor | PackedSequence, hx: Any) -> tuple[Any, Any]:
    """Outputs and last state, by the kernels where they can, else by PyTorch or a loop of its operators."""
    x = sequences.data if isinstance(sequences, PackedSequence) else sequences
    way = Route.PYTORCH if layers.layer_norm or layers.proj_size else route(x)
    if way is not Route.PYTORCH:
        arguments = parse_arguments(layers, sequences, hx)
        if arguments is not None:
            results = _by_kernels(layers, arguments, way)
            if results is not None:
                return in_torch_form(layers, arguments, *results)
    if not layers.layer_norm and layers.mode != "RNN_SIGMOID":
        return _by_torch(layers, sequences, hx)
    arguments = parse_arguments(layers, sequences, hx)
    if arguments is None:
        raise_torch_error(layers, sequences, hx)
    layers.check_input(arguments.x, arguments.sizes)
    outputs, *last = by_loop(layers, arguments, None)
    return in_torch_form(layers, arguments, outputs, last)


def _by_torch(layers: Layers, sequences: Tensor | PackedSequence, hx: Any) -> tuple[Any, Any]:
    """PyTorch's own way. Dynamo must not look into it, no more than into torch.nn's layers: it would unroll the steps."""
    if torch.compiler.is_dynamo_compiling():
        outputs, last = torch.compiler.disable(layers.plain_forward)(sequences, hx)
    else:
        outputs, last = layers.plain_forward(sequences, hx)
    return outputs, last


def weights_of(module: Any, names: Sequence[str]) -> list[Tensor]:
    """The weights of these names as they are now: parametrised, replaced or shared ones too."""
    own = module._parameters
    weights = []
    for name in names:
        weight = own.get(name)
        weights.append(getattr(module, name) if weight is None else weight)
    return weights


def _by_kernels(layers: Layers, arguments: Arguments, way: Route) -> tuple[Tensor, list[Tensor]] | None:
    """Outputs and last states; None where a tensor is not as the kernels need it."""
    x, sizes, count, states = arguments.x, arguments.sizes, arguments.sequences, arguments.states
    if count == 0 or (sizes is not None and (sizes.dtype != torch.int64 or sizes.device.type != "cpu")):
        return None
    make_plan = Plan if way is Route.OPERATORS else plan_for  # compilers want no caches in what they trace
    plan = make_plan(x.dtype, layers.mode, layers.input_size, layers.hidden_size, layers.num_layers,
                     layers.bidirectional, layers.bias)  # fmt: skip
    if way is Route.KERNELS and torch_is_quicker(plan, x.shape[:-1].numel(), cell=False):
        return None
    weights = weights_of(layers, layers._flat_weights_names)
    if not kernels_take(weights, x, plan.weight_shapes) or not kernels_take(
        states, x, [(plan.rows, count, plan.hidden_size)] * len(states)
    ):
        return None
    masks = None
    if layers.training and layers.dropout and layers.num_layers > 1:
        masks = draw_masks(layers.dropout, layers.num_layers, *_rows_of(arguments, layers.batch_first), plan.width)
    h, c = (*states, None, None)[:2]
    batch_first = layers.batch_first and sizes is None
    inputs = PassInputs(x, sizes, count, h, c, masks, batch_first)
    if way is Route.OPERATORS:
        results = operators.forward(plan, inputs, weights, needs_gradient(inputs, weights))
    else:
        weights = [w.contiguous() for w in weights]
        if needs_gradient(inputs, weights):
            outputs, *last = LayersFunction.apply(  # type: ignore[no-untyped-call]
                plan, count, batch_first, x, sizes, h, c, masks, *weights
            )
            return outputs, last
        results = kernels.forward(plan, inputs, weights, save=False)
    return results.outputs, [results.h] if results.c is None else [results.h, results.c]


def _rows_of(arguments: Arguments, batch_first: bool) -> tuple[Tensor, tuple[int, ...]]:
    """x, and the shape that the outputs of a layer have inside, without their features: (T, N) or packed (M,)."""
    x = arguments.x
    shape = tuple(x.shape[:-1])
    return x, shape[::-1] if batch_first and not arguments.packed else shape


def by_loop(layers: Layers, arguments: Arguments, traces: list[recurrence.RowTrace] | None) -> list[Tensor]:
    """Outputs and last states by the plain recurrence."""
    x, batch_first = arguments.x, layers.batch_first and not arguments.packed
    directions = 2 if layers.bidirectional else 1
    rows = layers.num_layers * directions
    states = list(arguments.states)
    if not states:
        zeros = x.new_zeros((rows, arguments.sequences, layers.hidden_size))
        states = [zeros for _ in MODES[layers.mode].state_names]
    masks = None
    if layers.training and layers.dropout and layers.num_layers > 1:
        width = layers.hidden_size * directions
        masks = draw_masks(layers.dropout, layers.num_layers, *_rows_of(arguments, layers.batch_first), width)
    weights = weights_of(layers, layers._flat_weights_names)
    outputs, *last = recurrence.layers(
        layers.mode, x.transpose(0, 1) if batch_first else x, arguments.sizes, states, weights, bias=layers.bias,
        directions=directions, masks=masks, norms=norms_of(layers), traces=traces,
    )  # fmt: skip
    return [outputs.transpose(0, 1) if batch_first else outputs, *last]
