"""Recurrent layers on tensors, by the native kernels: forward and backward, no autograd.

Tensors go to the core by address; what they are is checked by whoever calls (`layers.py`). The core allocates nothing that
outlives a call: outputs, states, gradients and what a forward pass saves for its backward pass are tensors.

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
from elman.nn.modes import MODES

try:
    from elman.native import _core
except ImportError:  # installed without a compiler: PyTorch's path is the only one
    _core = None  # type: ignore[assignment]

AVAILABLE = _core is not None


def share_threads() -> bool:
    """Have the core work on the OpenMP threads that PyTorch works on; else it has its own.

    Returns:
        Whether PyTorch's threads could be shared.
    """
    library = Path(torch.__file__).with_name("lib") / "libtorch_cpu.so"
    names = ("GOMP_parallel_start", "GOMP_parallel_end", "omp_get_thread_num")
    try:
        # By way of PyTorch's library: a process may hold several copies of OpenMP, each with its own threads.
        openmp = ctypes.CDLL(str(library), mode=os.RTLD_NOLOAD | os.RTLD_LAZY)
        start, end, number = (ctypes.cast(openmp[name], ctypes.c_void_p).value or 0 for name in names)
    except (OSError, AttributeError):
        return False
    _core.set_openmp(start=start, end=end, number=number)
    return True


if AVAILABLE and torch.backends.openmp.is_available():
    share_threads()

DTYPES = (torch.float32, torch.float64)


@final
class Plan:
    """What layers are, without their weights: one for all layers of the same sizes (`plan_for`).

    Args:
        dtype: One of `DTYPES`.
        mode: What torch.nn calls the kind of layer, one of `MODES`.
        input_size: D.
        hidden_size: H.
        num_layers: L.
        bidirectional: Whether R is 2.
        bias: Whether there are biases.
    """

    def __init__(
        self,
        dtype: torch.dtype,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bidirectional: bool,
        bias: bool,
    ) -> None:
        self.dtype, self.mode, self.bias = dtype, mode, bias
        self.gates, self.has_c = MODES[mode].gates, "c" in MODES[mode].state_names
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.directions = 2 if bidirectional else 1
        self.rows, self.width = num_layers * self.directions, hidden_size * self.directions
        self.weights_per_row = 4 if bias else 2
        self.weight_shapes = [shape for row in range(self.rows) for shape in self._row_shapes(row // self.directions)]

    @cached_property
    def core(self) -> Any:
        """The core's side of it; made when first called, as compilers that trace Python cannot look into it."""
        made = _core.LayerCalls32 if self.dtype == torch.float32 else _core.LayerCalls64
        return made(
            _core.Shape(
                cell=_core.Cell[MODES[self.mode].core_cell],
                input_size=self.input_size,
                hidden_size=self.hidden_size,
                num_layers=self.num_layers,
                bidirectional=self.directions == 2,
                bias=self.bias,
            )
        )

    def saved_size(self, steps: Any, count: Any, masks: bool) -> Any:
        """How many numbers a pass saves for its backward pass; steps and count may be symbols."""
        each_step, each_sequence = self._saved_with_masks if masks else self._saved
        return count * (steps * each_step + each_sequence)

    @cached_property
    def _saved(self) -> tuple[int, int]:
        return self._saved_numbers(False)

    @cached_property
    def _saved_with_masks(self) -> tuple[int, int]:
        return self._saved_numbers(True)

    def _saved_numbers(self, masks: bool) -> tuple[int, int]:
        """Numbers saved for every step of every sequence, and for every sequence."""
        one, two = (self.core.saved_size(steps, 1, masks) for steps in (1, 2))
        return two - one, 2 * one - two

    def _row_shapes(self, layer: int) -> list[tuple[int, ...]]:
        rows, features = self.gates * self.hidden_size, self.input_size if layer == 0 else self.width
        shapes: list[tuple[int, ...]] = [(rows, features), (rows, self.hidden_size), (rows,), (rows,)]
        return shapes[: self.weights_per_row]


@lru_cache(maxsize=256)
def plan_for(
    dtype: torch.dtype, mode: str, input_size: int, hidden_size: int, num_layers: int, bidirectional: bool, bias: bool
) -> Plan:
    """The plan for layers of these sizes; arguments as for `Plan`."""
    return Plan(dtype, mode, input_size, hidden_size, num_layers, bidirectional, bias)


class PassInputs(NamedTuple):
    """What goes into a pass beside its weights.

    Attributes:
        x: Inputs.
        sizes: (T,) int64, how many sequences have each step, where the inputs are packed; else None.
        sequences: N.
        h: First state; None for zeros.
        c: The same, of an LSTM.
        masks: (L - 1, T, N, R * H), packed (L - 1, M, R * H): what the outputs of all layers but the last are multiplied
            by; or None.
        batch_first: Whether dense inputs are (N, T, D).
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


class PassResults(NamedTuple):
    """What comes out of a pass.

    Attributes:
        outputs: Like the inputs, with R * H features.
        h: Last states (L * R, N, H).
        c: The same, of an LSTM; else None.
        saved: What the backward pass needs, or None.
    """

    outputs: Tensor
    h: Tensor
    c: Tensor | None
    saved: Tensor | None


class PassGradients(NamedTuple):
    """Gradients of x, h, c and of each weight; None where nobody needs one."""

    x: Tensor | None
    h: Tensor | None
    c: Tensor | None
    weights: list[Tensor | None]


def forward(plan: Plan, inputs: PassInputs, weights: Sequence[Tensor], save: bool) -> PassResults:
    """Compute outputs and last states.

    Args:
        plan: What the layers are.
        inputs: What goes in.
        weights: W_ih, W_hh and, with biases, b_ih and b_hh of each row, contiguous.
        save: Whether a backward pass is to come. Dropout always saves.
    """
    x, sizes, count, h, c, masks, batch_first = inputs
    x, step, sequence = _rows(x, sizes, batch_first)
    steps = inputs.steps
    outputs = x.new_empty((*x.shape[:-1], plan.width))
    outputs_step, outputs_sequence = (
        (plan.width, steps * plan.width) if batch_first else (count * plan.width, plan.width)
    )
    last_h = x.new_empty((plan.rows, count, plan.hidden_size))
    last_c = torch.empty_like(last_h) if plan.has_c else None
    saved = None
    if save or masks is not None:
        saved = lend(plan.saved_size(steps, count, masks is not None), x.dtype)
    h = None if h is None else h.contiguous()
    c = None if c is None else c.contiguous()
    plan.core.forward(
        weights=[w.data_ptr() for w in weights], x=x.data_ptr(), x_step=step, x_sequence=sequence, steps=steps,
        count=count, sizes=_address(sizes), packed_rows=x.shape[0], h=_address(h), c=_address(c), masks=_address(masks),
        outputs=outputs.data_ptr(), outputs_step=outputs_step, outputs_sequence=outputs_sequence,
        last_h=last_h.data_ptr(), last_c=_address(last_c), saved=_address(saved), threads=torch.get_num_threads(),
    )  # fmt: skip
    return PassResults(outputs, last_h, last_c, saved)


def backward(
    plan: Plan,
    inputs: PassInputs,
    weights: Sequence[Tensor],
    saved: Tensor,
    d_outputs: Tensor | None,
    d_last: tuple[Tensor | None, Tensor | None],
    needed: Sequence[bool],
) -> PassGradients:
    """Compute gradients after a forward pass that saved.

    Args:
        plan: What the layers are.
        inputs: What went into the forward pass.
        weights: As there.
        saved: What it saved.
        d_outputs: Gradient of the outputs, None for zero.
        d_last: Gradients of the last h and c, None for zero.
        needed: Which gradients: of x, h, c and of each weight.
    """
    x, sizes, count, _, _, masks, batch_first = inputs
    x, step, sequence = _rows(x, sizes, batch_first)
    d_step = d_sequence = 0
    if d_outputs is not None:
        d_outputs, d_step, d_sequence = _rows(d_outputs, sizes, batch_first)
    d_last_h, d_last_c = (None if d is None else d.contiguous() for d in d_last)
    steps, features = inputs.steps, x.shape[-1]
    d_x = x.new_empty(x.shape) if needed[0] else None
    d_x_step, d_x_sequence = (features, features * steps) if batch_first else (features * count, features)
    states = (plan.rows, count, plan.hidden_size)
    d_h, d_c = (x.new_empty(states) if need else None for need in needed[1:3])
    d_weights = [x.new_empty(w.shape) if need else None for w, need in zip(weights, needed[3:], strict=True)]
    plan.core.backward(
        weights=[w.data_ptr() for w in weights], x=x.data_ptr(), x_step=step, x_sequence=sequence, steps=steps,
        count=count, sizes=_address(sizes), packed_rows=x.shape[0], masks=_address(masks), saved=saved.data_ptr(),
        d_outputs=_address(d_outputs), d_outputs_step=d_step, d_outputs_sequence=d_sequence,
        d_last_h=_address(d_last_h), d_last_c=_address(d_last_c), d_weights=[_address(w) for w in d_weights],
        d_x=_address(d_x), d_x_step=d_x_step, d_x_sequence=d_x_sequence, d_h=_address(d_h), d_c=_address(d_c),
        threads=torch.get_num_threads(),
    )  # fmt: skip
    return PassGradients(d_x, d_h, d_c, d_weights)


def step(plan: Plan, inputs: PassInputs, weights: Sequence[Tensor], save: bool) -> PassResults:
    """Make one step of one layer: x (N, D), states (N, H); the outputs are the new h. Arguments as for `forward`."""
    x = inputs.x if inputs.x.stride(1) == 1 else inputs.x.contiguous()
    count = inputs.sequences
    last_h = x.new_empty((count, plan.hidden_size))
    last_c = torch.empty_like(last_h) if plan.has_c else None
    saved = x.new_empty(plan.saved_size(1, count, False)) if save else None
    h, c = (None if s is None else s.contiguous() for s in (inputs.h, inputs.c))
    plan.core.forward(
        weights=[w.data_ptr() for w in weights], x=x.data_ptr(), x_step=0, x_sequence=x.stride(0), steps=1, count=count,
        sizes=0, packed_rows=0, h=_address(h), c=_address(c), masks=0, outputs=last_h.data_ptr(), outputs_step=0,
        outputs_sequence=plan.hidden_size, last_h=last_h.data_ptr(), last_c=_address(last_c), saved=_address(saved),
        threads=torch.get_num_threads(),
    )  # fmt: skip
    return PassResults(last_h, last_h, last_c, saved)


def step_backward(
    plan: Plan,
    inputs: PassInputs,
    weights: Sequence[Tensor],
    saved: Tensor,
    d_last: tuple[Tensor | None, Tensor | None],
    needed: Sequence[bool],
) -> PassGradients:
    """Compute gradients after a step that saved; arguments as for `backward`, all shapes those of `step`."""
    x = inputs.x if inputs.x.stride(1) == 1 else inputs.x.contiguous()
    d_last_h, d_last_c = (None if d is None else d.contiguous() for d in d_last)
    d_x = x.new_empty(x.shape) if needed[0] else None
    d_h, d_c = (x.new_empty((inputs.sequences, plan.hidden_size)) if need else None for need in needed[1:3])
    d_weights = [x.new_empty(w.shape) if need else None for w, need in zip(weights, needed[3:], strict=True)]
    plan.core.backward(
        weights=[w.data_ptr() for w in weights], x=x.data_ptr(), x_step=0, x_sequence=x.stride(0), steps=1,
        count=inputs.sequences, sizes=0, packed_rows=0, masks=0, saved=saved.data_ptr(), d_outputs=0, d_outputs_step=0,
        d_outputs_sequence=0, d_last_h=_address(d_last_h), d_last_c=_address(d_last_c),
        d_weights=[_address(w) for w in d_weights], d_x=_address(d_x), d_x_step=0, d_x_sequence=plan.input_size,
        d_h=_address(d_h), d_c=_address(d_c), threads=torch.get_num_threads(),
    )  # fmt: skip
    return PassGradients(d_x, d_h, d_c, d_weights)


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
