"""Scaling padded sequences without letting the padding in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from elman.data.scalers import Scaler
from elman.data.sequences import Sequences


def fit_scaler(scaler: Scaler, sequences: Sequences) -> Scaler:
    """The scaler fitted on every step that exists, all sequences together."""
    return scaler.fit(np.concatenate(sequences.unpadded()))


def scaled(scaler: Scaler, sequences: Sequences) -> Sequences:
    """The sequences transformed, padding still zero."""
    values = scaler.transform(sequences.values)
    if sequences.lengths is not None:
        exists = np.arange(values.shape[1]) < sequences.lengths[:, None]
        values = np.where(exists[..., None], values, 0)
    return replace(sequences, values=values)
