"""The checkpoint: a folder that holds all an exact resume needs, and is never half-written.

Its one file, `state.safetensors`, holds arrays (`parameter.*`, `memory.*`, `best.*`, `state.*`) and, as JSON in its header,
counters, history and the fingerprint of what is being trained. A file that is needed beside it is one more entry of what
`_files` returns: all of them take the place of the old ones at once (see `elman.files.update_folder`). Opening one runs no code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from elman.cells import State
from elman.errors import RunError
from elman.files import Array, json_text, open_updated_folder, parse_json, system_error, update_folder

FILE = "state.safetensors"


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


def save_checkpoint(folder: Path, state: CheckpointState, fingerprint: str) -> None:
    """Write a checkpoint in place of the one before it, which counts until the new one is on disk.

    Args:
        folder: made with its parents where it is missing; other folders in it are left alone.
        state: where the training stands.
        fingerprint: of settings and data, which `load_checkpoint` asks for.

    Raises:
        RunError: the system refused; the checkpoint before is untouched.
    """
    try:
        update_folder(folder, _files(state, fingerprint))
    except OSError as error:
        raise RunError(
            f"{system_error('write', folder, error)} The checkpoint before is untouched: go on with --resume"
        ) from error


def load_checkpoint(folder: Path, fingerprint: str) -> CheckpointState | None:
    """Read the checkpoint in a folder.

    Args:
        folder: one that `save_checkpoint` wrote, or any other.
        fingerprint: of the settings and data that are to be trained on.

    Returns:
        Where that training stands; None where no checkpoint was written yet.

    Raises:
        RunError: a file is missing or was changed after it was written, was written by Elman 0.1.0, or belongs to another training.
    """
    next_step = f"remove {folder} to start this run again from its beginning, or choose another --out"
    files = open_updated_folder(folder, next_step=next_step)
    if files is None:
        if (folder / FILE).is_file():
            raise RunError(
                f"{folder / FILE} was written by Elman 0.1.0, whose trainings this version cannot go on with; {next_step}"
            )
        return None
    try:
        with files.checked(FILE) as path:
            header, arrays = _read(path)
        belongs_to, state = header["fingerprint"], _state(header, arrays)
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{folder / FILE} cannot be read: {error}; {next_step}") from error
    if belongs_to != fingerprint:
        raise RunError(
            f"{folder} belongs to a training with other data or other settings; "
            "resume with the same recipe and data, or choose another --out"
        )
    return state


def _files(state: CheckpointState, fingerprint: str) -> dict[str, bytes]:
    """The files of a checkpoint, by name."""
    from safetensors.numpy import save

    arrays = {f"parameter.{name}": value for name, value in state.parameters.items()}
    arrays |= {f"memory.{name}": value for name, value in state.memory.items()}
    arrays |= {f"best.{name}": value for name, value in state.best.items()}
    arrays |= {f"state.{number}": np.ascontiguousarray(value) for number, value in enumerate(state.carried or ())}
    counters = {name: getattr(state, name) for name in _COUNTERS}
    # A loss that is not finite stands in a history as it is: a resume must find the same number.
    header = json_text({"fingerprint": fingerprint, **counters}, nonfinite=True)
    return {FILE: bytes(save(arrays, metadata={"elman": header}))}


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """The header and the arrays of a safetensors file. Raises ValueError, KeyError or TypeError for what is none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata()["elman"]
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError) as error:
        raise ValueError(str(error)) from error
    return parse_json(header, nonfinite=True), arrays


def _state(header: Mapping[str, Any], arrays: Mapping[str, Array]) -> CheckpointState:
    groups: dict[str, dict[str, Array]] = {"parameter": {}, "memory": {}, "best": {}, "state": {}}
    for name, value in arrays.items():
        group, _, key = name.partition(".")
        groups[group][key] = value
    return CheckpointState(
        parameters=groups["parameter"],
        memory=groups["memory"],
        best=groups["best"],
        carried=tuple(groups["state"][str(number)] for number in range(len(groups["state"]))) or None,
        **{name: header[name] for name in _COUNTERS},
    )
