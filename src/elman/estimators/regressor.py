"""Map one sequence onto another, step by step, or onto numbers at its end.

Shapes: N sequences, T steps, D features, O outputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist
from typing import Any, ClassVar, final

import numpy as np

from elman.data.batches import Batches, SequenceBatches, SharedEpochs
from elman.data.scalers import make_scaler, scaler_from_config
from elman.data.sequences import Sequences, as_sequences
from elman.engines import Loss
from elman.engines.losses import gaussian_moments
from elman.errors import DataError, UsageError
from elman.estimators.estimator import Estimator, arrays_in, check_share, validation_split
from elman.estimators.scaling import fit_scaler, folded, scaled
from elman.files import Array
from elman.network import Network
from elman.training import Callbacks

PREDICT_BATCH = 256
LOSSES = ("mse", "half_mse", "mae", "huber", "quantile", "gaussian")


@final
@dataclass(kw_only=True, eq=False)
class SequenceRegressor(Estimator):
    """A recurrent network that answers each step of a sequence with numbers (aligned regression).

    Its own options:
        output: `every` for an answer at every step; `last` for one at the end of a sequence.
        loss: `mse`, `half_mse`, `mae` or `huber`; `quantile` to learn the `quantiles` of the answer; `gaussian` to learn its
            mean and variance (see `predict_quantiles`).
        quantiles: what `loss="quantile"` learns, each between 0 and 1, in rising order.
        reduction: `mean` or `sum` over the steps of an update.
        scale: what is done to the inputs, learned from the training part alone: `standard`, `minmax`, `robust` or `none`.
        scale_target: the same for the targets; undone in every answer.
        updates_per_epoch: call so many updates an epoch and go on through the data from one to the next; None for one pass.
        score_first: measure losses by passes before an epoch's updates, instead of during and after them.
        layout: of arrays that come in: `ntd` (sequences, steps, features), `nct` or `tnd`.

    Of a single sequence, `validation` is the last part in time.

    {shared options}

    After `fit`:
        network_, history_: the trained network; a record an epoch.
        n_features_in_, n_outputs_: features and targets of a step.
        scaler_, target_scaler_: what is done to inputs and targets.

    >>> import numpy as np
    >>> x = np.sin(np.linspace(0, 30, 300)).reshape(1, 300, 1)
    >>> model = SequenceRegressor(epochs=60, steps=30, carry=True, learning_rate=0.01, validation=0.0).fit(x, x**2)
    >>> model.score(x, x**2) > 0.9
    True
    """

    output: str = "every"
    loss: str = "mse"
    quantiles: Sequence[float] = (0.05, 0.5, 0.95)
    reduction: str = "mean"
    scale: str = "standard"
    scale_target: str = "standard"
    updates_per_epoch: int | None = None
    score_first: bool = False
    layout: str = "ntd"

    task: ClassVar[str] = "regression"

    def fit(
        self, X: Any, y: Any, *, validation_data: tuple[Any, Any] | None = None, callbacks: Callbacks = (),
        checkpoint: str | Path | None = None, resume: bool = False,
    ) -> SequenceRegressor:  # fmt: skip
        """Train.

        Args:
            X: sequences, (N, T, D) or N arrays (T_i, D).
            y: targets: (N, T, O) or N arrays (T_i, O) for output `every`; (N, O) or (N,) for `last`.
            validation_data: inputs and targets to validate on, instead of the share `validation` of X.
            callbacks: `Callback` objects, or functions called with each epoch's record.
            checkpoint: a folder for the checkpoint; None keeps none and leaves Ctrl-C to Python.
            resume: go on from the checkpoint in that folder, if there is one.

        Raises:
            DataError: data that cannot be used.
            UsageError: options that cannot be.
        """
        self._check_options()
        inputs = as_sequences(X, name="X", layout=self.layout)
        targets = self._targets(y, inputs)
        (inputs, targets), validation = self._split(inputs, targets, validation_data)
        scaler = fit_scaler(make_scaler(self.scale), inputs)
        target_scaler = fit_scaler(make_scaler(self.scale_target), targets)
        self.scaler_, self.target_scaler_ = scaler, target_scaler
        self.n_features_in_, self.n_outputs_ = inputs.features, targets.features
        self._flat = self.output == "last" and np.asarray(y).ndim == 1
        loss = self._loss()
        outputs = targets.features * loss.outputs_per_target()
        network = self.make_network(input_size=inputs.features, output_size=outputs, head=self.output)
        batches: Batches = self._batches(
            inputs, targets, batch_size=self.batch_size, shuffle=self.shuffle, steps=self.steps, carry=self.carry
        )
        if self.updates_per_epoch is not None:
            batches = SharedEpochs(batches, self.updates_per_epoch)
        validation_batches = (
            None if validation is None else self._batches(*validation, batch_size=PREDICT_BATCH, shuffle=False)
        )
        self._train(
            network, loss, batches, validation_batches,
            arrays_in(inputs, targets, *(validation or ())), score_first=self.score_first,
            scored=self._batches(inputs, targets, batch_size=PREDICT_BATCH, shuffle=False) if self.score_first else None,
            callbacks=callbacks, checkpoint=checkpoint, resume=resume,
        )  # fmt: skip
        return self

    def predict(self, X: Any) -> Any:
        """Answers in the targets' units.

        Args:
            X: sequences, as for `fit`.

        Returns:
            (N, T, O) for equal lengths, a list of (T_i, O) for unequal ones; with output `last`, (N, O), or (N,) where the y of
            `fit` was. With loss `quantile`, the quantile nearest to the median; with `gaussian`, the mean.
        """
        answers = self._answers(X)
        if self.loss == "quantile":
            middle = min(range(len(self.quantiles)), key=lambda i: abs(self.quantiles[i] - 0.5))
            answers = [a.reshape(*a.shape[:-1], self.n_outputs_, -1)[..., middle] for a in answers]
        elif self.loss == "gaussian":
            answers = [gaussian_moments(a)[0] for a in answers]
        return self._stacked([self.target_scaler_.inverse(a) for a in answers])

    def predict_quantiles(self, X: Any, quantiles: Sequence[float] | None = None) -> Any:
        """Quantiles of the answers, in the targets' units; of a model fitted with loss `quantile` or `gaussian`.

        Args:
            X: sequences, as for `fit`.
            quantiles: for `gaussian`, any numbers between 0 and 1; None for the option `quantiles`. A model fitted with
                `quantile` has learned those of its options and gives no others.

        Returns:
            As `predict`, with an axis of Q quantiles at the end. They never cross: each is at least the one before it.

        Raises:
            UsageError: another loss, or quantiles that cannot be had.
        """
        levels = tuple(self.quantiles if quantiles is None else quantiles)
        if self.loss not in ("quantile", "gaussian"):
            raise UsageError(
                f"`predict_quantiles` needs loss='quantile' or 'gaussian'; got loss={self.loss!r}. Fit with one"
            )
        if not levels or not all(0 < q < 1 for q in levels) or list(levels) != sorted(levels):
            raise UsageError(f"`quantiles` must be numbers between 0 and 1 in rising order; got {levels}")
        if self.loss == "quantile" and levels != tuple(self.quantiles):
            raise UsageError(
                f"`quantiles` must be those that were learned, {tuple(self.quantiles)}; got {levels}. Fit with them, or with "
                "loss='gaussian', which gives any"
            )
        answers = self._answers(X)
        if self.loss == "quantile":
            split = [np.sort(a.reshape(*a.shape[:-1], self.n_outputs_, -1), axis=-1) for a in answers]
        else:
            scores = np.array([NormalDist().inv_cdf(q) for q in levels])
            moments = [gaussian_moments(a) for a in answers]
            split = [mean[..., None] + np.sqrt(variance)[..., None] * scores for mean, variance in moments]
        unscaled = [np.moveaxis(self.target_scaler_.inverse(np.moveaxis(a, -1, 0)), 0, -1) for a in split]
        return self._stacked(unscaled)

    def _answers(self, X: Any) -> list[Array]:
        """What the network says of each sequence, without padding, on the scale it was trained on."""
        self._fitted()
        sequences = as_sequences(X, name="X", layout=self.layout, features=self.n_features_in_)
        inputs = scaled(self.scaler_, sequences)
        answers: list[Array] = []
        for first in range(0, inputs.count, PREDICT_BATCH):
            batch = inputs.select(np.arange(first, min(first + PREDICT_BATCH, inputs.count)))
            outputs = self._engine.forward(batch.values, None, batch.lengths)[0].astype(np.float64)
            answers += list(outputs) if batch.lengths is None or self.output == "last" else [
                rows[:length] for rows, length in zip(outputs, batch.lengths, strict=True)
            ]  # fmt: skip
        return answers

    def _stacked(self, answers: list[Array]) -> Any:
        """One array where lengths are equal, else the list; without the axis of outputs where the y of `fit` had none."""
        if self.output == "every" and len({len(a) for a in answers}) > 1:
            return answers
        whole = np.stack(answers)
        return whole[:, 0] if self._flat else whole

    def score(self, X: Any, y: Any) -> float:
        """R^2 over all outputs and steps together: 1 is perfect, 0 is no better than the mean."""
        self._fitted()
        inputs = as_sequences(X, name="X", layout=self.layout, features=self.n_features_in_)
        wanted = np.concatenate(self._targets(y, inputs).unpadded())
        got = np.concatenate([np.reshape(rows, (-1, self.n_outputs_)) for rows in self.predict(inputs)])
        residual, total = ((wanted - got) ** 2).sum(), ((wanted - wanted.mean(axis=0)) ** 2).sum()
        return float(1 - residual / total) if total else float(residual == 0)

    def _check_options(self) -> None:
        problems = []
        if self.output not in ("every", "last"):
            problems.append(f"`output` must be every or last; got {self.output!r}")
        if self.loss not in LOSSES:
            problems.append(f"`loss` must be one of {', '.join(LOSSES)}; got {self.loss!r}")
        levels = list(self.quantiles)
        if not levels or not all(0 < q < 1 for q in levels) or levels != sorted(set(levels)):
            problems.append(f"`quantiles` must be numbers between 0 and 1 in rising order; got {self.quantiles!r}")
        if self.output == "last" and self.steps is not None:
            problems.append("`steps` needs output='every'")
        if self.updates_per_epoch is not None and self.shuffle:
            problems.append("`updates_per_epoch` goes through the data in order; set shuffle=False with it")
        if problems:
            raise UsageError("; ".join(problems))

    def _loss(self) -> Loss:
        quantiles = tuple(self.quantiles) if self.loss == "quantile" else ()
        return Loss(kind=self.loss, reduction=self.reduction, quantiles=quantiles)

    def _targets(self, y: Any, inputs: Sequences) -> Sequences:
        """Targets as sequences: as long as the inputs, or of one step for output `last`."""
        if self.output == "last":
            array = np.asarray(y, dtype=np.float64)
            y = array.reshape(len(array), 1, -1) if array.ndim in (1, 2) else array
        targets = as_sequences(y, name="y", layout="ntd" if self.output == "last" else self.layout)
        if targets.count != inputs.count:
            raise DataError(f"`X` holds {inputs.count} sequences and `y` {targets.count}; they must be as many")
        if self.output == "last":
            if targets.values.shape[1] != 1:
                raise DataError(f"`y` must have shape (N, O) with output='last'; got {np.shape(y)}")
            return targets
        for index, (a, b) in enumerate(zip(inputs.unpadded(), targets.unpadded(), strict=True)):
            if len(a) != len(b):
                raise DataError(
                    f"sequence {index} (from 0) has {len(a)} steps in `X` and {len(b)} in `y`; "
                    "an aligned target needs one row a step (output='last' takes one row a sequence)"
                )
        return targets

    def _split(
        self, inputs: Sequences, targets: Sequences, validation_data: tuple[Any, Any] | None
    ) -> tuple[tuple[Sequences, Sequences], tuple[Sequences, Sequences] | None]:
        """What to train on, and what to validate on."""
        if validation_data is not None:
            unseen = as_sequences(
                validation_data[0], name="validation_data", layout=self.layout, features=inputs.features
            )
            return (inputs, targets), (unseen, self._targets(validation_data[1], unseen))
        share = check_share("validation", self.validation)
        if not share:
            return (inputs, targets), None
        if inputs.count == 1 and self.output == "every":
            cut = inputs.values.shape[1] - round(inputs.values.shape[1] * share)
            both = [(as_sequences(s.values[:, :cut]), as_sequences(s.values[:, cut:])) for s in (inputs, targets)]
            return (both[0][0], both[1][0]), (both[0][1], both[1][1])
        rest, positions = validation_split(inputs.count, share, self.seed)
        if not len(positions):
            raise DataError(
                f"`validation` = {self.validation} of {inputs.count} sequences leaves none for validation; "
                "bring more sequences or set validation=0 and patience=None"
            )
        return (inputs.select(rest), targets.select(rest)), (inputs.select(positions), targets.select(positions))

    def _batches(self, inputs: Sequences, targets: Sequences, **options: Any) -> SequenceBatches:
        x, y = scaled(self.scaler_, inputs), scaled(self.target_scaler_, targets)
        aligned = self.output == "every"
        values = y.values if aligned else y.values[:, 0]
        return SequenceBatches(
            x.values, values, x.lengths, aligned=aligned, dtype=self._dtype, seed=self.seed, **options
        )

    def _streaming_network(self) -> Network:
        network = replace(self._fitted(), head="every")
        if self.loss == "gaussian":  # a stream gives the means: variances have no scale that weights could undo
            network = replace(network, output_size=self.n_outputs_).with_parameters({
                name: value[: self.n_outputs_] if name.startswith("head.") else value
                for name, value in network.parameters.items()
            })  # fmt: skip
        return folded(network, self.scaler_, self.target_scaler_)

    def _learned(self) -> dict[str, Any]:
        return {
            "scaler": self.scaler_.config(),
            "target_scaler": self.target_scaler_.config(),
            "n_features_in": self.n_features_in_,
            "n_outputs": self.n_outputs_,
            "flat": self._flat,
        }

    def _restore(self, learned: Mapping[str, Any]) -> None:
        self.scaler_ = scaler_from_config(learned["scaler"])
        self.target_scaler_ = scaler_from_config(learned["target_scaler"])
        self.n_features_in_, self.n_outputs_ = learned["n_features_in"], learned["n_outputs"]
        self._flat = bool(learned.get("flat", False))
