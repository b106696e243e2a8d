"""Callbacks: what may be one, and that every hook may be left out."""

from __future__ import annotations

from typing import Any

import pytest
from tests.training.plans import together

from elman.errors import UsageError
from elman.training import Callback, train
from elman.training.callback import as_callbacks


def test_a_plain_function_hears_of_every_epoch() -> None:
    records: list[dict[str, Any]] = []
    plan = together()
    finished = train(plan.engine, plan.batches, plan.training, callbacks=[records.append, Callback()])
    assert records == finished.history
    assert len(records) == plan.training.epochs


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        (Callback(), "`callbacks` must be a list; got Callback. Write callbacks=\\[...\\]"),
        (print, "`callbacks` must be a list; got builtin_function_or_method"),
        ([3], "must hold Callback objects or functions of an epoch's record; got 3"),
        ([Callback], "Make an object of the class: Callback\\(\\)"),
    ],
)
def test_what_is_no_callback(callbacks: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        as_callbacks(callbacks)
