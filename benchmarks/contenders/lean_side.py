"""NumPy once more: seed 002 without the work that its own loop does in vain."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.contenders import numpy_side


def start(threads: int) -> str:
    return f"numpy {np.__version__}, lean loop"


def make(kind: str, params: dict[str, Any]) -> numpy_side.Made:
    return numpy_side.seed002(lean=True)
