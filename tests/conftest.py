"""Shared fixtures: where the real data lies, and how Hypothesis behaves here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("elman", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("elman")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data sets: `$ELMAN_DATA`, or `shared/data` beside the checkout."""
    folder = Path(os.environ.get("ELMAN_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set ELMAN_DATA to the folder that holds it")
    return folder
