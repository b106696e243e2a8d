"""Recurrent layers on tensors, by the native kernels: forward and backward, no autograd.

Tensors go to the core by address; what they are is checked by whoever calls (`layers.py`). The core allocates nothing that
outlives a call: outputs, states, gradients and what a forward pass keeps for its backward pass are tensors.

Shapes: N sequences, T steps, D features, H hidden units, L layers, R directions, G gates; M rows of a packed batch, all its
sequences' steps together. Inputs are (T, N, D), (N, T, D) or, packed, (M, D); states (L * R, N, H).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple, final

import torch
from torch import Tensor

from elman.nn.memory import lend

try:
    from elman.native import _core
except ImportError:  # installed without a compiler: PyTorch's path is the only one
    _core = None  # type: ignore[assignment]

AVAILABLE = _core is not None


def share_threads() -> bool:
    """Have the core work on the OpenMP threads that PyTorch works on, and tell whether they were found; else it has its own."""
    library = Path(torch.__file__).with_name("lib") / "libtorch_cpu.so"
    names = ("GOMP_parallel_start", "GOMP_parallel_end", "omp_get_thread_num")
    try:
        # By way of PyTorch's library: a process may hold several copies of OpenMP, each with its own threads.
        openmp = ctypes.CDLL(str(library), mode=os.RTLD_NOLOAD | os.RTLD_LAZY)
        addresses = [ctypes.cast(openmp[name], ctypes.c_void_p).value or 0 for name in names]
    except (OSError, AttributeError):
        return False
    _core.set_openmp(*addresses)
    return True


if AVAILABLE and torch.backends.openmp.is_available():
    share_threads()

CELLS = {"RNN_TANH": 0, "RNN_RELU": 1, "RNN_SIGMOID": 2, "GRU": 3, "LSTM": 4}
"""The core's numbers for what torch.nn calls the mode of a layer."""

LSTM = CELLS["LSTM"]
GATES = {0: 1, 1: 1, 2: 1, 3: 3, 4: 4}
DTYPES = (torch.float32, torch.float64)


@final
class Plan:
    """What layers are, without their weights: one for all layers of the same sizes (`plan_for`)."""

    def __init__(
        self,
        dtype: torch.dtype,
        cell: int,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bidirectional: bool,
        bias: bool,
    ) -> None:
        self.dtype, self.cell, self.gates, self.bias = dtype, cell, GATES[cell], bias
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.directions = 2 if bidirectional else 1
        self.rows, self.width = num_layers * self.directions, hidden_size * self.directions
        self.weights_per_row = 4 if bias else 2
        self.weight_shapes = [shape for row in range(self.rows) for shape in self._row_shapes(row // self.directions)]

    @cached_property
    def core(self) -> Any:
        """The core's side of it; made when first called, as compilers that trace Python cannot look into it."""
        made = _core.LayerCalls32 if self.dtype == torch.float32 else _core.LayerCalls64
        return made(self.cell, self.input_size, self.hidden_size, self.num_layers, self.directions == 2, self.bias)

    def kept_size(self, steps: Any, count: Any, masks: bool) -> Any:
        """How many numbers a pass keeps for its backward pass; steps and count may be symbols."""
        each_step, each_sequence = self._kept_with_masks if masks else self._kept
        return count * (steps * each_step + each_sequence)

    @cached_property
    def _kept(self) -> tuple[int, int]:
        return self._kept_numbers(False)

    @cached_property
    def _kept_with_masks(self) -> tuple[int, int]:
        return self._kept_numbers(True)

    def _kept_numbers(self, masks: bool) -> tuple[int, int]:
        """Numbers kept for every step of every sequence, and for every sequence."""
        one, two = (self.core.kept_size(steps, 1, masks) for steps in (1, 2))
        return two - one, 2 * one - two

    def _row_shapes(self, layer: int) -> list[tuple[int, ...]]:
        rows, features = self.gates * self.hidden_size, self.input_size if layer == 0 else self.width
        shapes: list[tuple[int, ...]] = [(rows, features), (rows, self.hidden_size), (rows,), (rows,)]
        return shapes[: self.weights_per_row]


@lru_cache(maxsize=256)
def plan_for(
    dtype: torch.dtype, cell: int, input_size: int, hidden_size: int, num_layers: int, bidirectional: bool, bias: bool
) -> Plan:
    """The plan for layers of these sizes."""
    return Plan(dtype, cell, input_size, hidden_size, num_layers, bidirectional, bias)


class Passed(NamedTuple):
    """outputs: like the inputs, with R * H features. h, c: the last states (L * R, N, H), c of an LSTM alone. kept: what the
    backward pass needs, or None."""

    outputs: Tensor
    h: Tensor
    c: Tensor | None
    kept: Tensor | None


class Passing(NamedTuple):
    """What a pass is given beside its weights.

    x        inputs
    sizes    (T,) int64, how many sequences have each step, where the inputs are packed; else None
    sequences    N
    h, c     first states; None for zeros
    masks    (L - 1, T, N, R * H), packed (L - 1, M, R * H): what the outputs of all layers but the last are multiplied by; or None
    batch_first  whether dense inputs are (N, T, D)
    """

    x: Tensor
    sizes: Tensor | None
    sequences: int
    h: Tensor | None
    c: Tensor | None
    masks: Tensor | None
    batch_first: bool

    @property
    def steps(self) -> int:
        if self.sizes is not None:
            return self.sizes.shape[0]
        return self.x.shape[1 if self.batch_first else 0]


def forward(plan: Plan, given: Passing, weights: Sequence[Tensor], keep: bool) -> Passed:
    """Outputs and last states; `keep` for a backward pass to come. Dropout always keeps."""
    x, sizes, count, h, c, masks, batch_first = given
    x, step, sequence = _rows(x, sizes, batch_first)
    steps = given.steps
    outputs = x.new_empty((*x.shape[:-1], plan.width))
    outputs_step, outputs_sequence = (
        (plan.width, steps * plan.width) if batch_first else (count * plan.width, plan.width)
    )
    last_h = x.new_empty((plan.rows, count, plan.hidden_size))
    last_c = torch.empty_like(last_h) if plan.cell == LSTM else None
    kept = None
    if keep or masks is not None:
        kept = lend(plan.kept_size(steps, count, masks is not None), x.dtype)
    h = None if h is None else h.contiguous()
    c = None if c is None else c.contiguous()
    plan.core.forward(
        [w.data_ptr() for w in weights], x.data_ptr(), step, sequence, steps, count, _address(sizes), x.shape[0], _address(h),
        _address(c), _address(masks), outputs.data_ptr(), outputs_step, outputs_sequence, last_h.data_ptr(), _address(last_c),
        _address(kept), torch.get_num_threads(),
    )  # fmt: skip
    return Passed(outputs, last_h, last_c, kept)


class PassGradients(NamedTuple):
    """Gradients of x, h, c and of each weight; None where not wanted."""

    x: Tensor | None
    h: Tensor | None
    c: Tensor | None
    weights: list[Tensor | None]


def backward(
    plan: Plan,
    given: Passing,
    weights: Sequence[Tensor],
    kept: Tensor,
    d_outputs: Tensor | None,
    d_last: tuple[Tensor | None, Tensor | None],
    wanted: Sequence[bool],
) -> PassGradients:
    """Gradients after a forward pass that kept.

    d_outputs, d_last: gradients of the outputs and of the last h and c, None for zero. wanted: of x, h, c and of each weight.
    """
    x, sizes, count, _, _, masks, batch_first = given
    x, step, sequence = _rows(x, sizes, batch_first)
    d_step = d_sequence = 0
    if d_outputs is not None:
        d_outputs, d_step, d_sequence = _rows(d_outputs, sizes, batch_first)
    d_h, d_c = (None if d is None else d.contiguous() for d in d_last)
    to_x = x.new_empty(x.shape) if wanted[0] else None
    x_step, x_sequence = (x.shape[-1], x.shape[-1] * given.steps) if batch_first else (x.shape[-1] * count, x.shape[-1])
    states = (plan.rows, count, plan.hidden_size)
    to_h, to_c = (x.new_empty(states) if want else None for want in wanted[1:3])
    to_weights = [x.new_empty(w.shape) if want else None for w, want in zip(weights, wanted[3:], strict=True)]
    plan.core.backward(
        [w.data_ptr() for w in weights], x.data_ptr(), step, sequence, given.steps, count, _address(sizes), x.shape[0],
        _address(masks), kept.data_ptr(), _address(d_outputs), d_step, d_sequence, _address(d_h), _address(d_c),
        [_address(w) for w in to_weights], _address(to_x), x_step, x_sequence, _address(to_h), _address(to_c),
        torch.get_num_threads(),
    )  # fmt: skip
    return PassGradients(to_x, to_h, to_c, to_weights)


def step(plan: Plan, given: Passing, weights: Sequence[Tensor], keep: bool) -> Passed:
    """One step of one layer: x (N, D), states (N, H); the outputs are the new h."""
    x = given.x if given.x.stride(1) == 1 else given.x.contiguous()
    count = given.sequences
    last_h = x.new_empty((count, plan.hidden_size))
    last_c = torch.empty_like(last_h) if plan.cell == LSTM else None
    kept = x.new_empty(plan.kept_size(1, count, False)) if keep else None
    h, c = (None if s is None else s.contiguous() for s in (given.h, given.c))
    plan.core.forward(
        [w.data_ptr() for w in weights], x.data_ptr(), 0, x.stride(0), 1, count, 0, 0, _address(h), _address(c), 0,
        last_h.data_ptr(), 0, plan.hidden_size, last_h.data_ptr(), _address(last_c), _address(kept), torch.get_num_threads(),
    )  # fmt: skip
    return Passed(last_h, last_h, last_c, kept)


def step_backward(
    plan: Plan,
    given: Passing,
    weights: Sequence[Tensor],
    kept: Tensor,
    d_last: tuple[Tensor | None, Tensor | None],
    wanted: Sequence[bool],
) -> PassGradients:
    """Gradients after a step that kept; arguments as for `backward`, all shapes those of `step`."""
    x = given.x if given.x.stride(1) == 1 else given.x.contiguous()
    d_h, d_c = (None if d is None else d.contiguous() for d in d_last)
    to_x = x.new_empty(x.shape) if wanted[0] else None
    to_h, to_c = (x.new_empty((given.sequences, plan.hidden_size)) if want else None for want in wanted[1:3])
    to_weights = [x.new_empty(w.shape) if want else None for w, want in zip(weights, wanted[3:], strict=True)]
    plan.core.backward(
        [w.data_ptr() for w in weights], x.data_ptr(), 0, x.stride(0), 1, given.sequences, 0, 0, 0, kept.data_ptr(), 0, 0, 0,
        _address(d_h), _address(d_c), [_address(w) for w in to_weights], _address(to_x), 0, plan.input_size, _address(to_h),
        _address(to_c), torch.get_num_threads(),
    )  # fmt: skip
    return PassGradients(to_x, to_h, to_c, to_weights)


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _rows(x: Tensor, sizes: Tensor | None, batch_first: bool) -> tuple[Tensor, int, int]:
    """x with its features side by side, and how far apart the rows of following steps and of following sequences are."""
    if sizes is not None:
        return x.contiguous(), 0, 0
    strides = x.stride()
    if strides[2] != 1:
        x = x.contiguous()
        strides = x.stride()
    return (x, strides[1], strides[0]) if batch_first else (x, strides[0], strides[1])
