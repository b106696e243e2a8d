"""Resets in the middle of a sequence: a batch is cut there, and each piece is a sequence of its own in a packed batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from elman.errors import UsageError


def forward_with_resets(layers: Any, sequences: Tensor | PackedSequence, hx: Any, resets: Tensor) -> tuple[Any, Any]:
    """Run layers with the state zero again before the steps where `resets` is true.

    A reset before step t parts the steps before t from t and those after it, in both directions: the last state of the reverse
    direction is that of the first piece, and hx goes to the reverse direction of the last piece. Pieces run at the speed of
    packed sequences. One step needs no cutting, and nothing that torch.compile would have to look into.

    Args:
        layers: RNN, GRU or LSTM of `layers.py`.
        sequences: What goes in, no PackedSequence.
        hx: The first state; None for zeros.
        resets: Booleans of the shape of the sequences without their features.

    Returns:
        Outputs and last state, as `layers.forward` returns them.

    Raises:
        UsageError: The sequences are packed, or `resets` has another shape or dtype.
    """
    if isinstance(sequences, PackedSequence):
        raise UsageError("`resets` must be None with a PackedSequence; got both; pad it with pad_packed_sequence")
    if not isinstance(resets, Tensor) or resets.dtype != torch.bool or resets.shape != sequences.shape[:-1]:
        came = f"{resets.dtype} {tuple(resets.shape)}" if isinstance(resets, Tensor) else type(resets).__name__
        raise UsageError(
            f"`resets` must be torch.bool of shape {tuple(sequences.shape[:-1])}; got {came}; give one for each step"
        )
    steps = sequences.shape[1 if layers.batch_first and sequences.dim() == 3 else 0]
    if steps != 1 and sequences.dim() in (2, 3) and sequences.numel() and bool(resets.any()):
        return _cut(layers, sequences, hx, resets)
    if steps == 1 and hx is not None:
        fresh = resets.reshape(-1, 1)
        states = hx if isinstance(hx, (tuple, list)) else (hx,)
        restarted = [torch.where(fresh, torch.zeros_like(s), s) for s in states]
        hx = tuple(restarted) if isinstance(hx, (tuple, list)) else restarted[0]
    outputs, last = layers.forward(sequences, hx)
    return outputs, last


def _cut(layers: Any, sequences: Tensor, hx: Any, resets: Tensor) -> tuple[Any, Any]:
    """Pieces as a packed batch, and what comes of them put together again."""
    single, batch_first = sequences.dim() == 2, layers.batch_first and sequences.dim() == 3
    x, fresh = (sequences[:, None], resets[:, None]) if single else (sequences, resets)
    if batch_first:
        x, fresh = x.transpose(0, 1), fresh.transpose(0, 1)
    steps, count = fresh.shape
    pieces = ResetPieces(fresh)
    data = x.reshape(steps * count, -1).index_select(0, pieces.rows)
    states: Any = None
    if hx is not None:
        states = hx if isinstance(hx, (tuple, list)) else (hx,)
        states = [s[:, None] for s in states] if single else states
        first = [pieces.first_state(s, 2 if layers.bidirectional else 1) for s in states]
        states = tuple(first) if isinstance(hx, (tuple, list)) else first[0]
    packed, last = layers.forward(PackedSequence(data, pieces.sizes), states)
    outputs = packed.data.index_select(0, pieces.places).reshape(steps, count, -1)
    ends = [
        pieces.last_state(s, 2 if layers.bidirectional else 1) for s in (last if isinstance(last, tuple) else (last,))
    ]
    if batch_first:
        outputs = outputs.transpose(0, 1)
    if single:
        outputs, ends = outputs[:, 0], [s[:, 0] for s in ends]
    return outputs, tuple(ends) if isinstance(last, tuple) else ends[0]


class ResetPieces:
    """The pieces of a batch, sorted by length, the longest first.

    Args:
        fresh: (T, N), true where the batch is cut.

    Attributes:
        rows: (M,), the row of each packed row in the batch, t * N + n.
        places: (M,), the packed row of each row of the batch.
        sizes: (T',) int64 on the CPU, how many pieces have each step.
    """

    def __init__(self, fresh: Tensor) -> None:
        steps, count = fresh.shape
        starts = fresh.clone()
        starts[0] = True
        sequence, start = starts.T.nonzero(as_tuple=True)  # by sequence, then by step
        is_last = torch.cat([sequence[1:] != sequence[:-1], sequence.new_ones(1, dtype=torch.bool)])
        end = torch.where(is_last, steps, start.roll(-1))
        is_first = start == 0
        order = (end - start).sort(descending=True, stable=True).indices
        position = torch.empty_like(order)
        position[order] = torch.arange(len(order), device=order.device)
        self._sequence, length = sequence[order], (end - start)[order]
        self._old = (is_first & ~fresh[0, sequence])[order], is_last[order]
        self._ends = position[is_last], position[is_first]
        step = torch.arange(int(length[0]), device=order.device)[:, None]
        there = step < length
        self.rows = ((start[order] + step) * count + self._sequence)[there]
        self.places = torch.empty_like(self.rows)
        self.places[self.rows] = torch.arange(len(self.rows), device=order.device)
        self.sizes = there.sum(1).cpu()

    def first_state(self, state: Tensor, directions: int) -> Tensor:
        """(L * R, pieces, H): the state itself where a sequence's own begins, forward and reverse; else zeros."""
        spread = state.index_select(1, self._sequence).unflatten(0, (-1, directions))
        old = torch.stack(self._old[:directions])[None, :, :, None]
        return torch.where(old, spread, torch.zeros_like(spread)).flatten(0, 1)

    def last_state(self, state: Tensor, directions: int) -> Tensor:
        """(L * R, N, H): the state of the piece that each direction ends with."""
        by_direction = state.unflatten(0, (-1, directions))
        ends = [by_direction[:, d].index_select(1, self._ends[d]) for d in range(directions)]
        return torch.stack(ends, dim=1).flatten(0, 1)
