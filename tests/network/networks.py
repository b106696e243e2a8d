"""The networks that these tests are about."""

from __future__ import annotations

from typing import Any

from elman.network import Network

SIZES: dict[str, Any] = {"input_size": 3, "hidden_size": 5, "output_size": 2}


def make(**options: Any) -> Network:
    """A small network of three inputs, five units and two outputs."""
    return Network(**{"cell": "gru", **SIZES, **options})
