"""A fingerprint tells settings and data apart: the same for the same, and for nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from elman.files.arrays import Array


def fingerprint_of(description: Mapping[str, Any], *arrays: Array) -> str:
    """The SHA-256, in hexadecimal, of settings and data.

    Args:
        description: settings by name, in any order; what JSON has no word for counts as its text.
        arrays: the data; their shapes, types and bytes count.
    """
    digest = hashlib.sha256(json.dumps(description, sort_keys=True, default=_text).encode())
    for array in arrays:
        digest.update(str((array.shape, array.dtype)).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _text(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else str(value)
