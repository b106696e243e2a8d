"""The recurrences as plain differentiable PyTorch, one step after the other: for what no kernel has, and for looking inside.

Runs on every device, in every dtype and under every transform, and has derivatives of every order; it takes as long as a loop
in Python takes. With x the input of a step, h the state before it, s the logistic function and * elementwise:

    RNN    h' = f(W_ih x + b_ih + W_hh h + b_hh)                         f tanh, relu or s
    GRU    r, z = s(W_ih x + b_ih + W_hh h + b_hh)                       n = tanh(W_in x + b_in + r * (W_hn h + b_hn))
           h' = (1 - z) * n + z * h
    LSTM   i, f, g, o = s, s, tanh, s(W_ih x + b_ih + W_hh h + b_hh)     c' = f * c + i * g        h' = o * tanh(c')

Layer normalisation is that of Ba, Kiros and Hinton, "Layer Normalization" (2016, arXiv:1607.06450), with
LN(a; g) = g * (a - mean(a)) / sqrt(var(a) + 1e-5); the layer's own biases are the shifts, added after normalising:

    RNN    h' = f(LN(W_ih x + W_hh h; norm) + b_ih + b_hh)                                       (equation 4)
    GRU    LN(W_ih x; norm_ih) and LN(W_hh h; norm_hh) in place of the products, over r and z together and over n by itself;
           z keeps PyTorch's meaning, so h' = (1 - z) * n + z * h, where the paper has z and 1 - z the other way round
    LSTM   LN(W_ih x; norm_ih) and LN(W_hh h; norm_hh) over all four gates together; h' = o * tanh(LN(c'; norm_c) + norm_c_bias)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import _VF, Tensor

from elman.nn.modes import MODES

EPSILON = 1e-5

_NONLINEARITIES = {"RNN_TANH": torch.tanh, "RNN_RELU": torch.relu, "RNN_SIGMOID": torch.sigmoid}

Norms = Mapping[str, Tensor]
"""The gains of layer normalisation by name, of one layer in one direction; none for a plain cell."""


class RowTrace(NamedTuple):
    """One layer in one direction: states after each step, and gates, by name, each (T, N, H)."""

    states: dict[str, Tensor]
    gates: dict[str, Tensor]


def normalised(a: Tensor, gain: Tensor, groups: Sequence[int]) -> Tensor:
    """LN(a; gain), over groups of so many numbers side by side."""
    pieces = [
        torch.nn.functional.layer_norm(part, (part.shape[-1],), eps=EPSILON) for part in a.split(list(groups), dim=-1)
    ]
    return torch.cat(pieces, dim=-1) * gain


def step(
    mode: str, x: Tensor, state: Sequence[Tensor], weights: Sequence[Tensor], norms: Norms | None
) -> tuple[list[Tensor], list[Tensor]]:
    """Make one step.

    Args:
        mode: What torch.nn calls the kind of layer.
        x: (N, D).
        state: h, and c of an LSTM, (N, H).
        weights: W_ih, W_hh and maybe b_ih, b_hh.
        norms: Gains of layer normalisation; None for none.

    Returns:
        The next state, (h,) or (h, c); and the gates in the order of `modes.py`.
    """
    w_ih, w_hh = weights[:2]
    b_ih, b_hh = weights[2:4] if len(weights) == 4 else (None, None)
    h = state[0]
    size = h.shape[-1]
    projected, recurrent = x @ w_ih.T, h @ w_hh.T
    if norms and mode in ("GRU", "LSTM"):
        groups = (4 * size,) if mode == "LSTM" else (2 * size, size)
        projected, recurrent = (
            normalised(projected, norms["norm_ih"], groups),
            normalised(recurrent, norms["norm_hh"], groups),
        )
    elif norms:
        projected, recurrent = normalised(projected + recurrent, norms["norm"], (size,)), torch.zeros_like(recurrent)
    if b_ih is not None and b_hh is not None:
        projected, recurrent = projected + b_ih, recurrent + b_hh
    if mode == "GRU":
        r, z = (projected + recurrent)[..., : 2 * size].sigmoid().chunk(2, dim=-1)
        n = torch.tanh(projected[..., 2 * size :] + r * recurrent[..., 2 * size :])
        return [(1 - z) * n + z * h], [r, z, n]
    if mode == "LSTM":
        i, f, g, o = (projected + recurrent).chunk(4, dim=-1)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        c = f * state[1] + i * g
        shown = c
        if norms:
            shown = normalised(c, norms["norm_c"], (size,))
            shown = shown + norms["norm_c_bias"] if "norm_c_bias" in norms else shown
        return [o * shown.tanh(), c], [i, f, g, o]
    return [_NONLINEARITIES[mode](projected + recurrent)], []


def row(
    mode: str, x: Tensor, lengths: Tensor | None, first: Sequence[Tensor], weights: Sequence[Tensor], norms: Norms | None,
    *, reverse: bool,
) -> tuple[Tensor, list[Tensor], RowTrace]:  # fmt: skip
    """Walk through one layer in one direction.

    Args:
        mode: What torch.nn calls the kind of layer.
        x: (T, N, D).
        lengths: (N, 1) on x's device, for padded sequences; None for whole ones.
        first: States (N, H) before the first step.
        weights: W_ih, W_hh and maybe b_ih, b_hh.
        norms: Gains of layer normalisation; None for none.
        reverse: Whether the walk goes from the end.

    Returns:
        Outputs (T, N, H), after a sequence's end those of its last step; last states (N, H); and what was inside.
    """
    state, steps = list(first), x.shape[0]
    states: list[list[Tensor]] = [[] for _ in state]
    gates: list[list[Tensor]] = [[] for _ in MODES[mode].gate_names]
    for t in reversed(range(steps)) if reverse else range(steps):
        after, opened = step(mode, x[t], state, weights, norms)
        if lengths is not None:
            after = [torch.where(t < lengths, new, old) for new, old in zip(after, state, strict=True)]
        state = after
        for steps_of_one, value in zip((*states, *gates), (*state, *opened), strict=True):
            steps_of_one.append(value)
    stacked = [torch.stack(one[::-1] if reverse else one) for one in (*states, *gates)]
    names = MODES[mode].state_names
    trace = RowTrace(
        dict(zip(names, stacked, strict=False)),
        dict(zip(MODES[mode].gate_names, stacked[len(names) :], strict=True)),
    )
    return stacked[0], state, trace


def layer(
    mode: str, x: Tensor, sizes: Tensor | None, first: Sequence[Tensor], weights: Sequence[Tensor], *, bias: bool,
    norms: Sequence[Norms] | None = None, traces: list[RowTrace] | None = None,
) -> list[Tensor]:  # fmt: skip
    """Walk through one layer in all its directions.

    Args:
        mode: What torch.nn calls the kind of layer.
        x: (T, N, D), or packed (M, D).
        sizes: (T,), how many sequences have each step, where x is packed; else None.
        first: States (R, N, H) before the first step.
        weights: Of the directions, one after the other.
        bias: Whether there are biases among them.
        norms: Gains of layer normalisation by direction; None for none.
        traces: Where to add what was inside, by direction; None for nowhere.

    Returns:
        Outputs, (T, N, R * H) or packed (M, R * H); and last states (R, N, H).
    """
    lengths = None
    if sizes is not None:
        x, of_sequences = _VF._pad_packed_sequence(x, sizes, False, 0.0, sizes.shape[0])
        lengths = of_sequences.to(x.device)[:, None]
    each, directions = 4 if bias else 2, first[0].shape[0]
    outputs: list[Tensor] = []
    last: list[list[Tensor]] = [[] for _ in first]
    for direction in range(directions):
        own = weights[direction * each : (direction + 1) * each]
        start = [s[direction] for s in first]
        norm = norms[direction] if norms else None
        shown, after, trace = row(mode, x, lengths, start, own, norm, reverse=direction == 1)
        outputs.append(shown)
        for states, s in zip(last, after, strict=True):
            states.append(s)
        if traces is not None:
            traces.append(trace)
    joined = torch.cat(outputs, dim=-1)
    if sizes is not None:
        joined, _ = _VF._pack_padded_sequence(joined, of_sequences, False)
    return [joined, *(torch.stack(states) for states in last)]


def layers(
    mode: str, x: Tensor, sizes: Tensor | None, first: Sequence[Tensor], weights: Sequence[Tensor], *, bias: bool,
    directions: int, masks: Tensor | None = None, norms: Sequence[Norms] | None = None, traces: list[RowTrace] | None = None,
) -> list[Tensor]:  # fmt: skip
    """Walk through all layers.

    Args:
        mode: What torch.nn calls the kind of layer.
        x: (T, N, D), or packed (M, D).
        sizes: (T,), how many sequences have each step, where x is packed; else None.
        first: States (L * R, N, H) before the first step.
        weights: Of the rows, one after the other.
        bias: Whether there are biases among them.
        directions: R.
        masks: As in `kernels.PassInputs`.
        norms: Gains of layer normalisation by row; None for none.
        traces: Where to add what was inside, by row; None for nowhere.

    Returns:
        Outputs of the last layer, and last states (L * R, N, H).
    """
    each = (4 if bias else 2) * directions
    last: list[list[Tensor]] = [[] for _ in first]
    count = first[0].shape[0] // directions
    for index in range(count):
        own = weights[index * each : (index + 1) * each]
        start = [s[index * directions : (index + 1) * directions] for s in first]
        mine = norms[index * directions : (index + 1) * directions] if norms else None
        x, *after = layer(mode, x, sizes, start, own, bias=bias, norms=mine, traces=traces)
        for states, s in zip(last, after, strict=True):
            states.append(s)
        if masks is not None and index + 1 < count:
            x = x * masks[index]
    return [x, *(torch.cat(states) for states in last)]
