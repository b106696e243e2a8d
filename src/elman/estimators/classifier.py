"""Label whole sequences.

Shapes: N sequences, T steps, D features, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np

from elman.data.batches import SequenceBatches
from elman.data.labels import Labels, class_weights
from elman.data.scalers import make_scaler, scaler_from_config
from elman.data.sequences import Sequences, as_sequences
from elman.engines import Loss
from elman.errors import DataError
from elman.estimators.estimator import Estimator, arrays_in, check_share, validation_split
from elman.estimators.scaling import fit_scaler, folded, scaled
from elman.files import Array
from elman.network import Network
from elman.training import Callbacks

PREDICT_BATCH = 256


@final
@dataclass(kw_only=True, eq=False)
class SequenceClassifier(Estimator):
    """A recurrent network whose last state says which class a sequence belongs to.

    Its own options:
        scale: what is done to the features, learned from the training part alone: `standard`, `minmax`, `robust` or `none`.
        class_weight: None for equal weights, `balanced` against unequal classes, or a weight for each label.
        layout: of arrays that come in: `ntd` (sequences, steps, features), `nct` or `tnd`.

    {shared options}

    After `fit`:
        classes_: the labels, (C,).
        network_: the trained network.
        history_: a record an epoch.
        n_features_in_: features of a step.
        scaler_: what is done to the features.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(60, 8, 1))
    >>> model = SequenceClassifier(epochs=30, learning_rate=0.02, validation=0.0).fit(x, x.sum((1, 2)) > 0)
    >>> model.predict(np.ones((1, 8, 1)))
    array([ True])
    """

    scale: str = "standard"
    class_weight: str | Mapping[Any, float] | None = None
    layout: str = "ntd"

    task: ClassVar[str] = "classification"
    measures: ClassVar[tuple[str, ...]] = ("accuracy",)

    def fit(
        self, X: Any, y: Any, *, validation_data: tuple[Any, Any] | None = None, callbacks: Callbacks = (),
        checkpoint: str | Path | None = None, resume: bool = False,
    ) -> SequenceClassifier:  # fmt: skip
        """Train.

        Args:
            X: sequences, (N, T, D) or N arrays (T_i, D).
            y: their labels, (N,), of any kind.
            validation_data: sequences and labels to validate on, instead of the share `validation` of X.
            callbacks: `Callback` objects, or functions called with each epoch's record.
            checkpoint: a folder for the checkpoint; None keeps none and leaves Ctrl-C to Python.
            resume: go on from the checkpoint in that folder, if there is one.

        Raises:
            DataError: data that cannot be used.
            UsageError: options that cannot be.
        """
        sequences = as_sequences(X, name="X", layout=self.layout)
        labels = Labels.of(y)
        codes = labels.encode(y)
        _check_count(sequences, codes)
        rest, validation = self._split(sequences, codes, validation_data, labels)
        part, part_codes = sequences.select(rest), codes[rest]
        scaler = fit_scaler(make_scaler(self.scale), part)
        weights = class_weights(part_codes, labels.count, self.class_weight, labels=labels)
        loss = Loss(kind="cross_entropy", class_weights=None if weights is None else tuple(weights.tolist()))
        network = self.make_network(input_size=sequences.features, output_size=labels.count, head="last")
        inputs = scaled(scaler, part)
        batches = SequenceBatches(
            inputs.values, part_codes, inputs.lengths, batch_size=self.batch_size, shuffle=self.shuffle,
            steps=self.steps, carry=self.carry, aligned=False, dtype=self._dtype, seed=self.seed,
        )  # fmt: skip
        validation_batches = None
        if validation is not None:
            unseen = scaled(scaler, validation[0])
            validation_batches = SequenceBatches(
                unseen.values, validation[1], unseen.lengths, batch_size=PREDICT_BATCH, shuffle=False, aligned=False,
                dtype=self._dtype,
            )  # fmt: skip
        self.classes_, self.n_features_in_ = labels.classes, sequences.features
        self._labels, self.scaler_ = labels, scaler
        self._train(
            network, loss, batches, validation_batches, arrays_in(sequences, codes, *(validation or ())),
            callbacks=callbacks, checkpoint=checkpoint, resume=resume,
        )  # fmt: skip
        return self

    def predict_proba(self, X: Any) -> Array:
        """Class probabilities (N, C), columns in the order of `classes_`."""
        self._fitted()
        sequences = as_sequences(X, name="X", layout=self.layout, features=self.n_features_in_)
        inputs = scaled(self.scaler_, sequences)
        parts = []
        for first in range(0, inputs.count, PREDICT_BATCH):
            batch = inputs.select(np.arange(first, min(first + PREDICT_BATCH, inputs.count)))
            parts.append(self._engine.forward(batch.values, None, batch.lengths)[0])
        logits = np.concatenate(parts).astype(np.float64)
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities: Array = exponentials / exponentials.sum(axis=1, keepdims=True)
        return probabilities

    def predict(self, X: Any) -> Array:
        """The most probable label of each sequence, (N,)."""
        codes = self.predict_proba(X).argmax(axis=1)
        return self._labels.decode(codes)

    def score(self, X: Any, y: Any) -> float:
        """Accuracy: the share of sequences whose label is predicted."""
        self._fitted()
        codes = self._labels.encode(y)
        predicted = self.predict_proba(X).argmax(axis=1)
        if len(predicted) != len(codes):
            raise DataError(f"`X` holds {len(predicted)} sequences and `y` {len(codes)} labels; they must be as many")
        return float((predicted == codes).mean())

    def confusion(self, X: Any, y: Any) -> Array:
        """How often class i (row) was taken for class j (column): (C, C) counts in the order of `classes_`."""
        self._fitted()
        counts = np.zeros((self._labels.count, self._labels.count), np.int64)
        np.add.at(counts, (self._labels.encode(y), self.predict_proba(X).argmax(axis=1)), 1)
        return counts

    def _split(
        self, sequences: Sequences, codes: Array, validation_data: tuple[Any, Any] | None, labels: Labels
    ) -> tuple[Array, tuple[Sequences, Array] | None]:
        """Positions to train on, and what to validate on: sequences and codes."""
        everything = np.arange(sequences.count)
        if validation_data is not None:
            unseen = as_sequences(
                validation_data[0], name="validation_data", layout=self.layout, features=sequences.features
            )
            return everything, (unseen, labels.encode(validation_data[1]))
        if not check_share("validation", self.validation):
            return everything, None
        rest, positions = validation_split(sequences.count, self.validation, self.seed, codes)
        if not len(positions):
            raise DataError(
                f"`validation` = {self.validation} of {sequences.count} sequences leaves none for validation; "
                "bring more sequences or set validation=0 and patience=None"
            )
        return rest, (sequences.select(positions), codes[positions])

    def _streaming_network(self) -> Network:
        return folded(replace(self._fitted(), head="every"), self.scaler_)

    def _learned(self) -> dict[str, Any]:
        return {"labels": self._labels.config(), "scaler": self.scaler_.config(), "n_features_in": self.n_features_in_}

    def _restore(self, learned: Mapping[str, Any]) -> None:
        self._labels = Labels.from_config(learned["labels"])
        self.scaler_ = scaler_from_config(learned["scaler"])
        self.classes_, self.n_features_in_ = self._labels.classes, learned["n_features_in"]


def _check_count(sequences: Sequences, codes: Array) -> None:
    if sequences.count != len(codes):
        raise DataError(f"`X` holds {sequences.count} sequences and `y` {len(codes)} labels; they must be as many")
