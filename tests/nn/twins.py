"""The same layers from torch.nn and from elman.nn, the same random arguments, and everything that comes of them.

Shapes: N sequences, T steps, D features, H hidden units, all different; lengths fall or not, and one sequence has one step.
"""

from __future__ import annotations

from typing import Any

import torch
from tests.closeness import Array
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import elman.nn

N, T, D, H = 4, 6, 5, 7
KINDS = ("RNN", "GRU", "LSTM")
SORTED, UNSORTED = [6, 4, 4, 1], [4, 6, 1, 4]


def twins(kind: str, dtype: torch.dtype = torch.float64, **options: Any) -> tuple[Any, Any]:
    """A layer of torch.nn and one of elman.nn, drawn from the same seed."""
    made = []
    for library in (torch.nn, elman.nn):
        torch.manual_seed(1)
        made.append(getattr(library, kind)(D, H, dtype=dtype, **options))
    return made[0], made[1]


def inputs(*, batch_first: bool = False, dtype: torch.dtype = torch.float64, contiguous: bool = True) -> torch.Tensor:
    """Random sequences; not contiguous: every second number of each axis of something larger."""
    shape = (N, T, D) if batch_first else (T, N, D)
    if contiguous:
        return torch.randn(shape, dtype=dtype)
    return torch.randn([2 * size for size in shape], dtype=dtype)[::2, ::2, ::2]


def states(
    kind: str, rows: int, dtype: torch.dtype = torch.float64, *, contiguous: bool = True
) -> tuple[torch.Tensor, ...]:
    """Random h, and c of an LSTM."""
    made = []
    for _ in range(2 if kind == "LSTM" else 1):
        made.append(
            torch.randn(rows, N, H, dtype=dtype)
            if contiguous
            else torch.randn(H, N, rows, dtype=dtype).permute(2, 1, 0)
        )
    return tuple(made)


def results(
    module: Any, x: torch.Tensor, first: tuple[torch.Tensor, ...] | None, lengths: list[int] | None = None, *,
    enforce_sorted: bool = True, seed: int = 2,
) -> dict[str, Array]:  # fmt: skip
    """Outputs, last states and every gradient of a weighted sum of them all, by name."""
    leaf = x.detach().requires_grad_()
    leaves = None if first is None else [s.detach().requires_grad_() for s in first]
    lstm = "LSTM" in type(module).__name__
    hx: Any = None if leaves is None else tuple(leaves) if lstm else leaves[0]
    given: Any = leaf
    if lengths is not None:
        given = pack_padded_sequence(leaf, torch.tensor(lengths), module.batch_first, enforce_sorted)
    module.zero_grad()
    torch.manual_seed(seed)
    outputs, last = module(given, hx)
    found: dict[str, Any] = {}
    if isinstance(outputs, PackedSequence):
        for name in ("batch_sizes", "sorted_indices", "unsorted_indices"):
            if getattr(outputs, name) is not None:
                found[name] = getattr(outputs, name) + 1  # so that nothing is all zeros
        outputs = outputs.data
    found |= {"outputs": outputs, **{f"last {i}": s for i, s in enumerate(last if lstm else (last,))}}
    seen = [v for v in found.values() if v.requires_grad]
    weights = torch.Generator().manual_seed(3)
    total = sum((v * torch.randn(v.shape, generator=weights, dtype=torch.float64).to(v.dtype)).sum() for v in seen)
    total.backward()  # type: ignore[union-attr]
    found["d_x"] = leaf.grad
    for i, s in enumerate(leaves or ()):
        found[f"d_first {i}"] = s.grad
    found |= {f"d_{name}": p.grad for name, p in module.named_parameters() if p.requires_grad}
    return {name: v.detach().numpy() for name, v in found.items()}
