"""A network: a description and named parameters, and no code; and the folder in which a trained one lies."""

from __future__ import annotations

from elman.network.description import HEADS, INPUTS, Network, check_parameters
from elman.network.initialisation import INITIALISERS
from elman.network.model_folder import CONFIG, WEIGHTS, load_model, read_model, save_model, write_model

__all__ = [
    "CONFIG",
    "HEADS",
    "INITIALISERS",
    "INPUTS",
    "WEIGHTS",
    "Network",
    "check_parameters",
    "load_model",
    "read_model",
    "save_model",
    "write_model",
]
