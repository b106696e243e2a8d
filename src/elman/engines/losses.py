"""The losses and their derivatives, on whole batches.

Shapes: outputs (N, T, O') or (N, O'), targets (N, T, O) or (N, O) numbers, (N, T) or (N,) classes; counted is a mask
(N, T) or (N,) of the positions that exist. O' = O, but for `quantile` (O * Q) and `gaussian` (2 * O).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from elman.cells.cell import sigmoid
from elman.engines.options import Loss
from elman.files import Array
from elman.network import Network


class LossValue(NamedTuple):
    """A loss and its derivative.

    Attributes:
        value: The number minimised.
        weight: How much it weighs in a mean over batches.
        correct: Positions whose largest output is the target class.
        scored: Positions that count.
        gradient: d value / d outputs, of the outputs' shape.
    """

    value: float
    weight: float
    correct: int
    scored: int
    gradient: Array


def counted_positions(network: Network, count: int, steps: int, lengths: Array | None) -> Array:
    """Find which positions the loss counts.

    Args:
        network: Whose head reads every step, or the last.
        count: N.
        steps: T.
        lengths: (N,), how many steps of each sequence exist; None for all.

    Returns:
        Booleans (N, T), or (N,) for a head on the last step.
    """
    ends = np.full(count, steps) if lengths is None else lengths
    return ends > 0 if network.head == "last" else np.arange(steps) < ends[:, None]


def loss_weight(loss: Loss, targets: Array, counted: Array) -> float:
    """What a mean divides by: the number of counted elements, or the sum of their class weights."""
    if loss.kind == "cross_entropy":
        scored = counted & (targets != loss.ignore_index)
        if loss.class_weights is None:
            return float(scored.sum())
        return float(np.asarray(loss.class_weights)[targets[scored]].sum())
    per_target = len(loss.quantiles) if loss.kind == "quantile" else 1
    return float(counted.sum() * targets.shape[-1] * per_target)


def evaluate_loss(
    loss: Loss, outputs: Array, targets: Array, counted: Array, divide_by: float | None = None
) -> LossValue:
    """Compute a loss, its weight and its gradient; with nothing counted, value and gradient are zero.

    Args:
        loss: What is minimised.
        outputs: (N, T, O') or (N, O').
        targets: Numbers (N, T, O) or (N, O), or classes (N, T) or (N,).
        counted: Which positions count.
        divide_by: What a mean divides by: the whole batch's weight where a batch is worked through in slices; None for
            this batch's own.
    """
    weight = loss_weight(loss, targets, counted)
    divisor = (weight if divide_by is None else divide_by) if loss.reduction == "mean" else 1.0
    scale = 1.0 / divisor if divisor else 0.0
    if loss.kind == "cross_entropy":
        scored = int((counted & (targets != loss.ignore_index)).sum())
        total, gradient, correct = _cross_entropy(loss, outputs, targets, counted)
    else:
        mask = counted[..., None]
        values, gradient = _ELEMENTWISE[loss.kind](loss, outputs, targets.astype(outputs.dtype, copy=False))
        total, correct = float(np.sum(np.where(mask, values, 0), dtype=np.float64)), 0
        scored = int(counted.sum())
        gradient = np.where(mask, gradient, 0)
    return LossValue(total * scale, weight, correct, scored, (gradient * scale).astype(outputs.dtype, copy=False))


def _cross_entropy(loss: Loss, logits: Array, targets: Array, counted: Array) -> tuple[float, Array, int]:
    scored = counted & (targets != loss.ignore_index)
    classes = np.where(scored, targets, 0)[..., None]
    shifted = logits - logits.max(axis=-1, keepdims=True)
    exponentials = np.exp(shifted)
    totals = exponentials.sum(axis=-1, keepdims=True)
    nll = np.log(totals) - np.take_along_axis(shifted, classes, -1)
    gradient = exponentials / totals
    np.put_along_axis(gradient, classes, np.take_along_axis(gradient, classes, -1) - 1, -1)
    weights = scored[..., None].astype(logits.dtype)
    if loss.class_weights is not None:
        weights = weights * np.asarray(loss.class_weights, dtype=logits.dtype)[classes]
    correct = int(np.sum((logits.argmax(axis=-1) == classes[..., 0]) & scored))
    total = float(np.sum(np.where(scored[..., None], nll * weights, 0), dtype=np.float64))
    return total, np.where(scored[..., None], gradient * weights, 0), correct


def _mse(loss: Loss, outputs: Array, targets: Array) -> tuple[Array, Array]:
    e = outputs - targets
    return e * e, 2 * e


def _half_mse(loss: Loss, outputs: Array, targets: Array) -> tuple[Array, Array]:
    e = outputs - targets
    return e * e / 2, e


def _mae(loss: Loss, outputs: Array, targets: Array) -> tuple[Array, Array]:
    e = outputs - targets
    return np.abs(e), np.sign(e)


def _huber(loss: Loss, outputs: Array, targets: Array) -> tuple[Array, Array]:
    e = outputs - targets
    small = np.abs(e) <= loss.delta
    values = np.where(small, e * e / 2, loss.delta * (np.abs(e) - loss.delta / 2))
    return values, np.where(small, e, loss.delta * np.sign(e))


def _quantile(loss: Loss, outputs: Array, targets: Array) -> tuple[Array, Array]:
    """max(q e, (q - 1) e) with e = target - output; outputs (..., O * Q)."""
    levels = np.asarray(loss.quantiles, dtype=outputs.dtype)
    e = targets[..., None] - outputs.reshape(*targets.shape, len(levels))
    values = np.maximum(levels * e, (levels - 1) * e)
    slopes = np.where(e > 0, -levels, np.where(e < 0, 1 - levels, 0))
    return values.reshape(outputs.shape), slopes.reshape(outputs.shape)


VARIANCE_FLOOR = 1e-6


def gaussian_moments(outputs: Array) -> tuple[Array, Array]:
    """Means and variances, each (..., O), from `gaussian` outputs (..., 2 * O)."""
    mean, raw = np.split(outputs, 2, axis=-1)
    return mean, np.logaddexp(0, raw) + np.asarray(VARIANCE_FLOOR, outputs.dtype)


def _gaussian(loss: Loss, outputs: Array, targets: Array) -> tuple[Array, Array]:
    """(log v + (y - m)^2 / v) / 2, v = softplus(raw) + 1e-6."""
    mean, variance = gaussian_moments(outputs)
    e = mean - targets
    values = (np.log(variance) + e * e / variance) / 2
    d_variance = (1 - e * e / variance) / (2 * variance)
    gradient = np.concatenate((e / variance, d_variance * sigmoid(np.split(outputs, 2, axis=-1)[1])), axis=-1)
    return np.concatenate((values, np.zeros_like(values)), axis=-1), gradient


_ELEMENTWISE = {
    "mse": _mse, "half_mse": _half_mse, "mae": _mae, "huber": _huber, "quantile": _quantile, "gaussian": _gaussian,
}  # fmt: skip
