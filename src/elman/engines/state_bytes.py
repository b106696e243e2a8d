"""A stream's state as bytes: to be kept, sent, and taken up again by the same network elsewhere.

The bytes are a safetensors file whose header names the network they belong to; opening one runs no code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np

from elman.cells import State
from elman.errors import DataError
from elman.files import Array, parse_json
from elman.network import Network


def state_to_bytes(network: Network, parameters: Mapping[str, Array], state: State) -> bytes:
    """Write a state down.

    Args:
        network: Whose state it is.
        parameters: The network's, by name.
        state: Arrays (L, S, H).

    Returns:
        A safetensors file.
    """
    from safetensors.numpy import save

    names = network.recurrence.state_names
    arrays = {name: np.ascontiguousarray(s) for name, s in zip(names, state, strict=True)}
    return bytes(save(arrays, metadata={"elman": "state", "network": network_fingerprint(network, parameters)}))


def state_from_bytes(network: Network, parameters: Mapping[str, Array], data: bytes) -> State:
    """Read what `state_to_bytes` wrote.

    Args:
        network: Whose state it must be.
        parameters: The network's, by name.
        data: The bytes.

    Returns:
        Arrays (L, S, H).

    Raises:
        DataError: The bytes are damaged, or the state is another network's.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(data)
        length = int.from_bytes(data[:8], "little")
        header = parse_json(data[8 : 8 + length]).get("__metadata__", {})
        state = tuple(arrays[name] for name in network.recurrence.state_names)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"`data` is not the state of a stream: {error!r}; save it again with `save_state`") from error
    if header.get("network") != network_fingerprint(network, parameters):
        raise DataError(
            "`data` is the state of another network; load it into a stream of the network that it came from"
        )
    return state


def network_fingerprint(network: Network, parameters: Mapping[str, Array]) -> str:
    """SHA-256 of a network's description and parameters, in float32 so that engines agree on it."""
    digest = hashlib.sha256(json.dumps(network.config(), sort_keys=True, default=str).encode())
    for name in network.shapes():
        digest.update(np.ascontiguousarray(parameters[name], dtype=np.float32).data)
    return digest.hexdigest()
