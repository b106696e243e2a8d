"""A fingerprint changes with every setting and every number, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from elman.files import fingerprint_of


def test_settings_and_data_are_told_apart() -> None:
    x = np.arange(6.0)
    prints = [
        fingerprint_of({"a": 1}, x), fingerprint_of({"a": 2}, x), fingerprint_of({"b": 1}, x), fingerprint_of({"a": 1}, np.nextafter(x, 9)),
        fingerprint_of({"a": 1}, x.reshape(2, 3)), fingerprint_of({"a": 1}, x.astype(np.float32)), fingerprint_of({"a": 1}),
        fingerprint_of({"a": 1}, x, x), fingerprint_of({"a": None}, x),
    ]  # fmt: skip
    assert len(set(prints)) == len(prints)


def test_order_and_copies_do_not_count() -> None:
    x = np.arange(6.0)
    assert fingerprint_of({"a": 1, "b": 2}, x) == fingerprint_of({"b": 2, "a": 1}, x.copy())
    assert fingerprint_of({}, x[::2]) == fingerprint_of({}, x[::2].copy())


def test_numbers_of_numpy_count_as_numbers_and_other_things_as_their_text() -> None:
    assert fingerprint_of({"a": np.float64(0.5)}) == fingerprint_of({"a": 0.5})
    assert fingerprint_of({"a": Path("x")}) == fingerprint_of({"a": "x"}) != fingerprint_of({"a": Path("y")})
