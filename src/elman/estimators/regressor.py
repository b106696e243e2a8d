"""Map one sequence onto another, step by step, or onto numbers at its end.

Shapes: N sequences, T steps, D features, O outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from elman.data.batches import Batches, SequenceBatches, SharedEpochs
from elman.data.scalers import make_scaler, scaler_from_config
from elman.data.sequences import Sequences, as_sequences
from elman.engines import Loss
from elman.errors import DataError, UsageError
from elman.estimators.estimator import Estimator, arrays_in, check_share, validation_split
from elman.estimators.scaling import fit_scaler, folded, scaled
from elman.network import Network
from elman.training import Callbacks

PREDICT_BATCH = 256


@final
@dataclass(kw_only=True, eq=False)
class SequenceRegressor(Estimator):
    """A recurrent network that answers each step of a sequence with numbers (aligned regression).

    output: `every` for an answer at every step; `last` for one at the end of a sequence. loss: mse, half_mse, mae or
    huber. reduction: `mean` or `sum` over the steps of an update. scale, scale_target: of inputs and targets, fitted on
    the training part only: standard, minmax, robust or none. updates_per_epoch: call so many updates an epoch and go on
    through the data from one to the next; None for one pass. score_first: measure losses by passes before an epoch's
    updates. layout: of arrays that come in: `ntd`, `nct` or `tnd`. The other options are those of `Estimator`; of a
    single sequence, `validation` is its last part in time.

    After `fit`: `network_`, `history_`, `n_features_in_`, `n_outputs_`.

    >>> import numpy as np
    >>> x = np.sin(np.linspace(0, 30, 300)).reshape(1, 300, 1)
    >>> model = SequenceRegressor(epochs=60, steps=30, carry=True, learning_rate=0.01, validation=0.0).fit(x, x**2)
    >>> model.score(x, x**2) > 0.9
    True
    """

    output: str = "every"
    loss: str = "mse"
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
        self._scaler, self._target_scaler = scaler, target_scaler
        self.n_features_in_, self.n_outputs_ = inputs.features, targets.features
        self._flat = self.output == "last" and np.asarray(y).ndim == 1
        network = self._network(input_size=inputs.features, output_size=targets.features, head=self.output)
        batches: Batches = self._batches(
            inputs, targets, batch_size=self.batch_size, shuffle=self.shuffle, steps=self.steps, carry=self.carry
        )
        if self.updates_per_epoch is not None:
            batches = SharedEpochs(batches, self.updates_per_epoch)
        validation_batches = (
            None if validation is None else self._batches(*validation, batch_size=PREDICT_BATCH, shuffle=False)
        )
        self._train(
            network, Loss(kind=self.loss, reduction=self.reduction), batches, validation_batches,
            arrays_in(inputs, targets, *(validation or ())), score_first=self.score_first,
            scored=self._batches(inputs, targets, batch_size=PREDICT_BATCH, shuffle=False) if self.score_first else None,
            callbacks=callbacks, checkpoint=checkpoint, resume=resume,
        )  # fmt: skip
        return self

    def predict(self, X: Any) -> Any:
        """Answers in the targets' units: (N, T, O) for equal lengths, a list of (T_i, O) for unequal ones.

        With output `last`, (N, O), or (N,) where the y of `fit` was.
        """
        self._fitted()
        sequences = as_sequences(X, name="X", layout=self.layout, features=self.n_features_in_)
        inputs = scaled(self._scaler, sequences)
        parts = []
        for first in range(0, inputs.count, PREDICT_BATCH):
            batch = inputs.select(np.arange(first, min(first + PREDICT_BATCH, inputs.count)))
            outputs = self._target_scaler.inverse(self._engine.forward(batch.values, None, batch.lengths)[0])
            parts += list(outputs) if batch.lengths is None or self.output == "last" else [
                rows[:length] for rows, length in zip(outputs, batch.lengths, strict=True)
            ]  # fmt: skip
        if self.output == "every" and inputs.lengths is not None:
            return parts
        answers = np.stack(parts)
        return answers[:, 0] if self._flat else answers

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
        if self.loss not in ("mse", "half_mse", "mae", "huber"):
            problems.append(f"`loss` must be mse, half_mse, mae or huber; got {self.loss!r}")
        if self.output == "last" and self.steps is not None:
            problems.append("`steps` needs output='every'")
        if self.updates_per_epoch is not None and self.shuffle:
            problems.append("`updates_per_epoch` goes through the data in order; set shuffle=False with it")
        if problems:
            raise UsageError("; ".join(problems))

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
        x, y = scaled(self._scaler, inputs), scaled(self._target_scaler, targets)
        aligned = self.output == "every"
        values = y.values if aligned else y.values[:, 0]
        return SequenceBatches(
            x.values, values, x.lengths, aligned=aligned, dtype=self._dtype, seed=self.seed, **options
        )

    def _streaming_network(self) -> Network:
        return folded(replace(self._fitted(), head="every"), self._scaler, self._target_scaler)

    def _learned(self) -> dict[str, Any]:
        return {
            "scaler": self._scaler.config(),
            "target_scaler": self._target_scaler.config(),
            "n_features_in": self.n_features_in_,
            "n_outputs": self.n_outputs_,
            "flat": self._flat,
        }

    def _restore(self, learned: Mapping[str, Any]) -> None:
        self._scaler = scaler_from_config(learned["scaler"])
        self._target_scaler = scaler_from_config(learned["target_scaler"])
        self.n_features_in_, self.n_outputs_ = learned["n_features_in"], learned["n_outputs"]
        self._flat = bool(learned.get("flat", False))
