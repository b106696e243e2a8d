"""The model folder: a network's description and whatever belongs to it as `config.json`, its parameters as `model.safetensors`.

Nothing in it is code, and opening it runs none. Its manifest holds the checksum of each file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from elman.errors import RunError
from elman.files import FORMAT, FolderReader, FolderWriter, json_text, open_folder, replace_folder
from elman.network.description import Network
from elman.version import VERSION

CONFIG, WEIGHTS = "config.json", "model.safetensors"


def save_model(folder: Path | str, network: Network, extra: Mapping[str, Any]) -> None:
    """Write a model folder; one that is there is replaced as a whole.

    Args:
        folder: made with its parents.
        network: with its parameters.
        extra: what belongs to the model beside the network (scalers, labels, vocabulary), as plain JSON values.

    Raises:
        RunError: the system refused, or `folder` holds something that is no model. What was there is untouched.
        TypeError, ValueError: something in `extra` is no JSON.
    """
    with replace_folder(folder, CONFIG) as files:
        write_model(files, network, extra)


def write_model(files: FolderWriter, network: Network, extra: Mapping[str, Any]) -> None:
    """Write the two files of a model into a folder that may get others beside them; arguments as of `save_model`."""
    from safetensors.numpy import save

    config = {"format": FORMAT, "elman": VERSION, "network": network.config(), **extra}
    files.write(CONFIG, json_text(config, indent=2) + "\n")
    arrays = {name: np.ascontiguousarray(value) for name, value in network.parameters.items()}
    files.write(WEIGHTS, save(arrays))


def load_model(folder: Path | str) -> tuple[Network, dict[str, Any]]:
    """Read a model folder.

    Args:
        folder: one that `save_model` wrote, or Elman 0.1.0.

    Returns:
        (network, config): the network with its parameters, and the rest of config.json.

    Raises:
        RunError: a file is missing, was changed after it was written, or is of a later format; the message names it.
    """
    return read_model(open_folder(folder, label=CONFIG))


def read_model(files: FolderReader) -> tuple[Network, dict[str, Any]]:
    """Read the two files of a model from a folder that is open; returns and raises as `load_model`."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    missing = [name for name in (CONFIG, WEIGHTS) if name not in files]
    if missing:
        raise RunError(
            f"{files.folder} is not a whole model: {' and '.join(missing)} missing; copy the folder again, or train again"
        )
    config = files.read_json(CONFIG)
    try:
        with files.checked(WEIGHTS) as path:
            arrays = load_file(path)
        network = Network(**config.pop("network"))
        if network.num_layers > len(arrays):
            raise ValueError(f"{CONFIG} tells of {network.num_layers} layers, but there are {len(arrays)} arrays")
        network = network.with_parameters(arrays)
    except (ValueError, KeyError, TypeError, OSError, SafetensorError) as error:
        raise RunError(f"{files.folder} cannot be read as a model: {error}; copy it again or train again") from error
    for name, value in network.parameters.items():
        if not np.isfinite(value).all():
            raise RunError(f"{files.folder / WEIGHTS}: `{name}` holds numbers that are not finite; train again")
    return network, config
