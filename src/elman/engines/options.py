"""What an engine minimises, and how it turns gradients into updates."""

from __future__ import annotations

from dataclasses import dataclass

LOSSES = ("mse", "half_mse", "mae", "huber", "cross_entropy", "quantile", "gaussian")
OPTIMISERS = ("sgd", "adam", "adamw", "rmsprop")


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What is minimised. With y a target and p the network's output for it:

        mse            (y - p)^2
        half_mse       (y - p)^2 / 2
        mae            |y - p|
        huber          quadratic within `delta`, linear outside (torch.nn.HuberLoss)
        cross_entropy  of logits against class numbers
        quantile       pinball loss; outputs (..., O * Q) hold the Q quantiles of a target side by side
        gaussian       negative log likelihood without its constant; outputs (..., 2 * O) hold O means, then O numbers
                       whose softplus is the variance

    Attributes:
        kind: One of `LOSSES`.
        reduction: `mean` over every counted element (for classes: weighted by `class_weights`), or `sum`.
        delta: Where `huber` turns from quadratic to linear, in the units of the targets.
        quantiles: Levels between 0 and 1, for `quantile` alone.
        class_weights: A weight for each class, or None for equal weights; for `cross_entropy` alone.
        ignore_index: Positions with this class do not count; for `cross_entropy` alone.
    """

    kind: str = "mse"
    reduction: str = "mean"
    delta: float = 1.0
    quantiles: tuple[float, ...] = ()
    class_weights: tuple[float, ...] | None = None
    ignore_index: int = -100

    def outputs_per_target(self) -> int:
        """How many network outputs one target number needs."""
        if self.kind == "quantile":
            return len(self.quantiles)
        return 2 if self.kind == "gaussian" else 1


@dataclass(frozen=True, kw_only=True)
class Optimiser:
    """How gradients become updates; formulas and defaults are PyTorch's.

    Attributes:
        kind: `sgd`, `adam`, `adamw` or `rmsprop`.
        learning_rate: The step size before any schedule.
        momentum: Of `sgd` and `rmsprop`; 0 for none.
        nesterov: Nesterov's form of momentum, for `sgd`.
        weight_decay: Share of a parameter added to its gradient (`adamw`: taken off the parameter itself).
        betas: How much of the running mean and of the running mean square `adam` and `adamw` keep.
        eps: Added to the root of the mean square, so that nothing is divided by zero.
        alpha: How much of the running mean square `rmsprop` keeps.
        clip_value: Each entry of a gradient is first cut to [-clip_value, clip_value]; None for no cut.
        clip_norm: Then all are scaled down so that their joint Euclidean norm is at most this
            (torch.nn.utils.clip_grad_norm_, its 1e-6 included); None for no scaling.
    """

    kind: str = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    alpha: float = 0.99
    clip_value: float | None = None
    clip_norm: float | None = None
