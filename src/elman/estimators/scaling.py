"""Scaling padded sequences without letting the padding in, and scalers worked into a network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from elman.data.scalers import Scaler
from elman.data.sequences import Sequences
from elman.files import Array
from elman.network import Network


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


def folded(network: Network, inputs: Scaler, targets: Scaler | None = None) -> Network:
    """A network that takes and gives original units: the scalers worked into the first layer's and the head's weights.

    Scaling is affine, so W ((x - shift) / scale) + b = (W / scale) x + (b - W shift / scale), and the like at the head. The
    outputs are those of scaling by hand, to rounding; scalers that change nothing leave the network as it is.
    """
    shift, scale = _numbers(inputs)
    target_shift, target_scale = _numbers(targets) if targets is not None else (np.zeros(1), np.ones(1))
    if not (shift.any() or (scale != 1).any() or target_shift.any() or (target_scale != 1).any()):
        return network
    p = dict(network.parameters)
    for name in network.layer_names():
        p.setdefault(f"bias_ih_{name}", np.zeros(len(p[f"weight_ih_{name}"])))
        p.setdefault(f"bias_hh_{name}", np.zeros(len(p[f"weight_hh_{name}"])))
    for name in network.layer_names()[: network.directions]:
        weight = p[f"weight_ih_{name}"] / scale
        p[f"bias_ih_{name}"] = p[f"bias_ih_{name}"] - weight @ shift
        p[f"weight_ih_{name}"] = weight
    each = network.output_size // len(target_scale)  # several outputs for a target stand side by side
    target_shift, target_scale = np.repeat(target_shift, each), np.repeat(target_scale, each)
    p["head.bias"] = p.get("head.bias", np.zeros(network.output_size)) * target_scale + target_shift
    p["head.weight"] = p["head.weight"] * target_scale[:, None]
    return replace(network, bias=True, head_bias=True).with_parameters(p)


def _numbers(scaler: Scaler) -> tuple[Array, Array]:
    assert scaler.shift is not None
    assert scaler.scale is not None
    return scaler.shift, scaler.scale
