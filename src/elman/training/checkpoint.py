"""The checkpoint: one file that holds all an exact resume needs, and is never half-written.

`state.safetensors` holds arrays (`parameter.*`, `memory.*`, `best.*`, `state.*`) and, as JSON in its header, counters,
history and the fingerprint of what is being trained. It is written under another name in the same folder, synced,
and renamed over the old one. It opens without running code.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from elman.cells import Array, State
from elman.errors import RunError

FILE = "state.safetensors"
FORMAT = 1


@dataclass
class CheckpointState:
    """Where a training stands.

    Attributes:
        epoch: the running epoch, from 0.
        piece: the next piece of it to train on.
        sums: what the running epoch has added up so far.
        history: a record an epoch.
        updates: made by the optimiser so far.
        seconds: training time so far.
        finished: nothing is left to do.
        parameters: the network's, by name.
        memory: the optimiser's, by name.
        best: parameters of the best epoch so far.
        carried: the network's state that goes on into the next piece.
    """

    epoch: int = 0
    piece: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    updates: int = 0
    seconds: float = 0.0
    finished: bool = False
    parameters: dict[str, Array] = field(default_factory=dict)
    memory: dict[str, Array] = field(default_factory=dict)
    best: dict[str, Array] = field(default_factory=dict)
    carried: State | None = None


_COUNTERS = ("epoch", "piece", "sums", "history", "updates", "seconds", "finished")


def fingerprint_of(description: Mapping[str, Any], *arrays: Array) -> str:
    """A name for what is trained on what: SHA-256 of the settings and the data."""
    digest = hashlib.sha256(json.dumps(description, sort_keys=True, default=_plain).encode())
    for array in arrays:
        digest.update(str((array.shape, array.dtype)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else str(value)


def save_checkpoint(folder: Path, state: CheckpointState, fingerprint: str) -> None:
    """Write the checkpoint over the old one, which stays whole until the new one is on disk."""
    from safetensors.numpy import save

    arrays = {f"parameter.{k}": v for k, v in state.parameters.items()}
    arrays |= {f"memory.{k}": v for k, v in state.memory.items()}
    arrays |= {f"best.{k}": v for k, v in state.best.items()}
    arrays |= {f"state.{i}": np.ascontiguousarray(v) for i, v in enumerate(state.carried or ())}
    counters = {name: getattr(state, name) for name in _COUNTERS}
    header = json.dumps({"format": FORMAT, "fingerprint": fingerprint, **counters})
    temporary = folder / f".{FILE}.new"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(save(arrays, metadata={"elman": header}))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, folder / FILE)
        _sync_folder(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise RunError(
            f"cannot write the checkpoint to {folder}: {error.strerror}; the one before it is untouched. "
            "Free space or make the folder writable, then go on with --resume"
        ) from error


def load_checkpoint(folder: Path, fingerprint: str) -> CheckpointState | None:
    """The checkpoint in `folder`, None where there is none; a RunError where it belongs to another training."""
    from safetensors import SafetensorError, safe_open

    path = folder / FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            header = json.loads(file.metadata()["elman"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        written, belongs = header["format"], header["fingerprint"]
        state = _state_from(header, arrays) if written == FORMAT else None
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(
            f"{path} cannot be read: {error}; delete it to start this run again from the beginning"
        ) from error
    if state is None:
        raise RunError(f"{path} has format {written!r}, this Elman reads {FORMAT}; train again")
    if belongs != fingerprint:
        raise RunError(
            f"{path} belongs to a training with other data or other settings; "
            "resume with the same recipe and data, or choose another --out"
        )
    return state


def _state_from(header: Mapping[str, Any], arrays: Mapping[str, Array]) -> CheckpointState:
    groups: dict[str, dict[str, Array]] = {"parameter": {}, "memory": {}, "best": {}, "state": {}}
    for name, value in arrays.items():
        group, _, key = name.partition(".")
        groups[group][key] = value
    carried = tuple(groups["state"][str(i)] for i in range(len(groups["state"]))) or None
    counters = {name: header[name] for name in _COUNTERS}
    return CheckpointState(
        parameters=groups["parameter"], memory=groups["memory"], best=groups["best"], carried=carried, **counters
    )


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
