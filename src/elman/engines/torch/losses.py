"""The losses of `losses.py` in PyTorch, which takes their derivatives itself.

Shapes as there: outputs (N, T, O') or (N, O'), targets (N, T, O) or (N, O) numbers, (N, T) or (N,) classes; counted is a mask
(N, T) or (N,) of the positions that exist.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from elman.engines.losses import VARIANCE_FLOOR
from elman.engines.options import Loss


def loss_total(loss: Loss, outputs: Tensor, targets: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
    """Sum a loss over what counts; what a mean divides by is `losses.loss_weight`.

    Args:
        loss: What is minimised.
        outputs: (N, T, O') or (N, O').
        targets: Numbers (N, T, O) or (N, O), or classes (N, T) or (N,).
        counted: Which positions count.

    Returns:
        The sum, in float64 where the device has it, and how many classes are right: numbers on the outputs' device.
    """
    if loss.kind == "cross_entropy":
        values, correct = _cross_entropy(loss, outputs, targets, counted)
    else:
        # What does not count may hold anything: it is taken out before a formula can make it infinite.
        mask = counted[..., None]
        clean, wanted = torch.where(mask, outputs, 0.0), torch.where(mask, targets, 0.0)
        values = torch.where(mask, _ELEMENTWISE[loss.kind](loss, clean, wanted), 0.0)
        correct = torch.zeros((), dtype=torch.int64, device=outputs.device)
    return values.sum(dtype=torch.float32 if outputs.device.type == "mps" else torch.float64), correct


def _cross_entropy(loss: Loss, logits: Tensor, targets: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
    scored = counted & (targets != loss.ignore_index)
    classes = torch.where(scored, targets, 0).reshape(-1)
    values = functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), classes, reduction="none")
    if loss.class_weights is not None:
        values = values * torch.tensor(loss.class_weights, dtype=logits.dtype, device=logits.device)[classes]
    correct = (logits.argmax(dim=-1).reshape(-1) == classes) & scored.reshape(-1)
    return torch.where(scored.reshape(-1), values, 0.0), correct.sum()


def _mse(loss: Loss, outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).square()


def _half_mse(loss: Loss, outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).square() / 2


def _mae(loss: Loss, outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).abs()


def _huber(loss: Loss, outputs: Tensor, targets: Tensor) -> Tensor:
    return functional.huber_loss(outputs, targets, reduction="none", delta=loss.delta)


def _quantile(loss: Loss, outputs: Tensor, targets: Tensor) -> Tensor:
    """max(q e, (q - 1) e) with e = target - output, flat at e = 0; outputs (..., O * Q)."""
    levels = torch.tensor(loss.quantiles, dtype=outputs.dtype, device=outputs.device)
    e = targets[..., None] - outputs.reshape(*targets.shape, len(levels))
    return (levels * e.relu() + (1 - levels) * (-e).relu()).reshape(outputs.shape)


def _gaussian(loss: Loss, outputs: Tensor, targets: Tensor) -> Tensor:
    """(log v + (y - m)^2 / v) / 2, v = softplus(raw) + 1e-6."""
    mean, raw = outputs.chunk(2, dim=-1)
    variance = torch.logaddexp(raw, torch.zeros_like(raw)) + VARIANCE_FLOOR
    return (variance.log() + (mean - targets).square() / variance) / 2


_ELEMENTWISE = {
    "mse": _mse, "half_mse": _half_mse, "mae": _mae, "huber": _huber, "quantile": _quantile, "gaussian": _gaussian,
}  # fmt: skip
