"""A fingerprint changes with every setting and every number, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from elman.files import fingerprint


def test_settings_and_data_are_told_apart() -> None:
    x = np.arange(6.0)
    prints = [
        fingerprint({"a": 1}, x), fingerprint({"a": 2}, x), fingerprint({"b": 1}, x), fingerprint({"a": 1}, np.nextafter(x, 9)),
        fingerprint({"a": 1}, x.reshape(2, 3)), fingerprint({"a": 1}, x.astype(np.float32)), fingerprint({"a": 1}),
        fingerprint({"a": 1}, x, x), fingerprint({"a": None}, x),
    ]  # fmt: skip
    assert len(set(prints)) == len(prints)


def test_order_and_copies_do_not_count() -> None:
    x = np.arange(6.0)
    assert fingerprint({"a": 1, "b": 2}, x) == fingerprint({"b": 2, "a": 1}, x.copy())
    assert fingerprint({}, x[::2]) == fingerprint({}, x[::2].copy())


def test_numbers_of_numpy_count_as_numbers_and_other_things_as_their_text() -> None:
    assert fingerprint({"a": np.float64(0.5)}) == fingerprint({"a": 0.5})
    assert fingerprint({"a": Path("x")}) == fingerprint({"a": "x"}) != fingerprint({"a": Path("y")})
