"""One forward pass of a layer: sees what was given, takes a way, and gives back what torch.nn would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from elman.nn import kernels, operators, recurrence
from elman.nn.autograd import LayersFunction, needs_gradient
from elman.nn.dropout import draw_masks
from elman.nn.kernels import CELLS, LSTM, Passing, Plan, plan_for
from elman.nn.normalisation import norms_of
from elman.nn.routes import Route, alike, few_rows, route

Layers = Any
"""RNN, GRU or LSTM of `layers.py`."""


class Arranged(NamedTuple):
    """What a call was given, in one form.

    x (T, N, D), (N, T, D) or packed (M, D); sizes (T,) where packed; sequences: N; states () for zeros, (h,) or (h, c), sorted as x
    is; order and back: the permutations of a packed batch, there and back; single: whether it was one sequence without N.
    """

    x: Tensor
    sizes: Tensor | None
    sequences: int
    states: tuple[Tensor, ...]
    order: Tensor | None
    back: Tensor | None
    single: bool

    @property
    def packed(self) -> bool:
        return self.sizes is not None


def arrange(layers: Layers, given: Tensor | PackedSequence, hx: Any) -> Arranged | None:
    """The arguments of `forward` in one form, or None where torch.nn has an error to raise."""
    lstm = layers.mode == "LSTM"
    order = back = sizes = None
    single = False
    if isinstance(given, PackedSequence):
        x, sizes, order, back = given
        if x.dim() != 2 or x.shape[-1] != layers.input_size or sizes.numel() == 0:
            return None
        count = int(sizes[0])
    else:
        x = given
        dims = x.dim()
        if dims not in (2, 3) or x.shape[-1] != layers.input_size:
            return None
        if dims == 2:
            single = True
            x = x.unsqueeze(0 if layers.batch_first else 1)
        shape = x.shape
        count, steps = (shape[0], shape[1]) if layers.batch_first else (shape[1], shape[0])
        if steps == 0:
            return None
    if hx is None:
        return Arranged(x, sizes, count, (), order, back, single)
    states = tuple(hx) if lstm and isinstance(hx, (tuple, list)) else (hx,)
    if len(states) != (2 if lstm else 1) or not all(isinstance(s, Tensor) for s in states):
        return None
    if single:
        if any(s.dim() != 2 for s in states):
            return None
        states = tuple(s.unsqueeze(1) for s in states)
    rows = layers.num_layers * (2 if layers.bidirectional else 1)
    sizes_of_states = (layers.proj_size or layers.hidden_size, layers.hidden_size)
    if any(s.shape != (rows, count, size) for s, size in zip(states, sizes_of_states, strict=False)):
        return None
    if order is not None:
        states = tuple(s.index_select(1, order) for s in states)
    return Arranged(x, sizes, count, states, order, back, single)


def give_back(layers: Layers, arranged: Arranged, outputs: Tensor, last: list[Tensor]) -> tuple[Any, Any]:
    """Outputs and last state in the form of what was given."""
    shown: Any = outputs
    if arranged.sizes is not None:
        shown = PackedSequence(outputs, arranged.sizes, arranged.order, arranged.back)
        if arranged.back is not None:
            last = [s.index_select(1, arranged.back) for s in last]
    elif arranged.single:
        shown, last = outputs.squeeze(0 if layers.batch_first else 1), [s.squeeze(1) for s in last]
    return shown, tuple(last) if layers.mode == "LSTM" else last[0]


def run(layers: Layers, given: Tensor | PackedSequence, hx: Any) -> tuple[Any, Any]:
    """Outputs and last state, by the kernels where they can, else by PyTorch or a loop of its operators."""
    x = given.data if isinstance(given, PackedSequence) else given
    way = Route.PYTORCH if layers.layer_norm or layers.proj_size else route(x)
    if way is not Route.PYTORCH:
        arranged = arrange(layers, given, hx)
        if arranged is not None:
            found = _by_kernels(layers, arranged, way)
            if found is not None:
                return give_back(layers, arranged, *found)
    if not layers.layer_norm and layers.mode != "RNN_SIGMOID":
        return _by_torch(layers, given, hx)
    arranged = arrange(layers, given, hx)
    if arranged is None:
        refuse(layers, given, hx)
    layers.check_input(arranged.x, arranged.sizes)
    outputs, *last = by_loop(layers, arranged, None)
    return give_back(layers, arranged, outputs, last)


def refuse(layers: Layers, given: Tensor | PackedSequence, hx: Any) -> NoReturn:
    """Raises PyTorch's own error for what `arrange` could not take."""
    try:
        layers.plain_forward(given, hx)
    except AssertionError:  # PyTorch meets a mode that it does not know only after all other checks but this one
        raise RuntimeError("Expected sequence length to be larger than 0 in RNN") from None
    raise TypeError("the arguments of these layers must be those of torch.nn's; got others that PyTorch takes")


def _by_torch(layers: Layers, given: Tensor | PackedSequence, hx: Any) -> tuple[Any, Any]:
    """PyTorch's own way. Dynamo must not look into it, no more than into torch.nn's layers: it would unroll the steps."""
    found: tuple[Any, Any]
    if torch.compiler.is_dynamo_compiling():
        found = torch.compiler.disable(layers.plain_forward)(given, hx)
    else:
        found = layers.plain_forward(given, hx)
    return found


def weights_of(module: Any, names: Sequence[str]) -> list[Tensor]:
    """The weights of these names as they are now: parametrised, replaced or shared ones too."""
    own = module._parameters
    found = []
    for name in names:
        weight = own.get(name)
        found.append(getattr(module, name) if weight is None else weight)
    return found


def _by_kernels(layers: Layers, arranged: Arranged, way: Route) -> tuple[Tensor, list[Tensor]] | None:
    """Outputs and last states; None where a tensor is not as the kernels need it."""
    x, sizes, count, states = arranged.x, arranged.sizes, arranged.sequences, arranged.states
    if count == 0 or (sizes is not None and (sizes.dtype != torch.int64 or sizes.device.type != "cpu")):
        return None
    make_plan = Plan if way is Route.OPERATORS else plan_for  # compilers want no caches in what they trace
    plan = make_plan(x.dtype, CELLS[layers.mode], layers.input_size, layers.hidden_size, layers.num_layers,
                     layers.bidirectional, layers.bias)  # fmt: skip
    if way is Route.KERNELS and few_rows(plan, x.shape[:-1].numel(), cell=False):
        return None
    weights = weights_of(layers, layers._flat_weights_names)
    if not alike(weights, x, plan.weight_shapes) or not alike(
        states, x, [(plan.rows, count, plan.hidden_size)] * len(states)
    ):
        return None
    masks = None
    if layers.training and layers.dropout and layers.num_layers > 1:
        masks = draw_masks(layers.dropout, layers.num_layers, *_rows_of(arranged, layers.batch_first), plan.width)
    h, c = (*states, None, None)[:2]
    batch_first = layers.batch_first and sizes is None
    passing = Passing(x, sizes, count, h, c, masks, batch_first)
    if way is Route.OPERATORS:
        passed = operators.forward(plan, passing, weights, needs_gradient(passing, weights))
    else:
        weights = [w.contiguous() for w in weights]
        if needs_gradient(passing, weights):
            outputs, *last = LayersFunction.apply(  # type: ignore[no-untyped-call]
                plan, count, batch_first, x, sizes, h, c, masks, *weights
            )
            return outputs, last
        passed = kernels.forward(plan, passing, weights, keep=False)
    return passed.outputs, [passed.h] if plan.cell != LSTM or passed.c is None else [passed.h, passed.c]


def _rows_of(arranged: Arranged, batch_first: bool) -> tuple[Tensor, tuple[int, ...]]:
    """x, and the shape that the outputs of a layer have inside, without their features: (T, N) or packed (M,)."""
    x = arranged.x
    shape = tuple(x.shape[:-1])
    return x, shape[::-1] if batch_first and not arranged.packed else shape


def by_loop(layers: Layers, arranged: Arranged, traces: list[recurrence.RowTrace] | None) -> list[Tensor]:
    """Outputs and last states by the plain recurrence."""
    x, batch_first = arranged.x, layers.batch_first and not arranged.packed
    directions = 2 if layers.bidirectional else 1
    rows = layers.num_layers * directions
    states = list(arranged.states)
    if not states:
        zeros = x.new_zeros((rows, arranged.sequences, layers.hidden_size))
        states = [zeros, zeros] if layers.mode == "LSTM" else [zeros]
    masks = None
    if layers.training and layers.dropout and layers.num_layers > 1:
        width = layers.hidden_size * directions
        masks = draw_masks(layers.dropout, layers.num_layers, *_rows_of(arranged, layers.batch_first), width)
    weights = weights_of(layers, layers._flat_weights_names)
    outputs, *last = recurrence.layers(
        layers.mode, x.transpose(0, 1) if batch_first else x, arranged.sizes, states, weights, bias=layers.bias,
        directions=directions, masks=masks, norms=norms_of(layers), traces=traces,
    )  # fmt: skip
    return [outputs.transpose(0, 1) if batch_first else outputs, *last]
