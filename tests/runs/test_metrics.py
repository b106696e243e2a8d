"""The metrics of a run: a line an epoch, and what survives a kill or a full disk."""

from __future__ import annotations

import errno

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.files.trees import refusing

from elman.errors import RunError
from elman.runs.run import Run

RECIPE = 'task = "regression"\n'


def test_metrics_come_back_in_order_and_without_nan(tmp_path):
    run = Run.create(tmp_path, RECIPE)
    assert run.metrics() == []
    run.append_metrics({"epoch": 1, "train_loss": np.float32(0.5), "validation_loss": float("nan")})
    run.append_metrics({"epoch": 2, "train_loss": float("inf")})
    assert run.metrics() == [
        {"epoch": 1, "train_loss": 0.5, "validation_loss": None},
        {"epoch": 2, "train_loss": None},
    ]
    assert "NaN" not in run.metrics_path.read_text() and "Infinity" not in run.metrics_path.read_text()


@pytest.mark.parametrize(
    "torn", [b'{"epoch": 3, "tra', b'{"epoch": 3, "tra\n', b"\x00" * 40, b'{"epoch": 3, "name": "\xc3']
)
def test_a_torn_last_line_is_left_out_and_the_next_one_starts_fresh(tmp_path, torn):
    run = Run.create(tmp_path, RECIPE)
    for epoch in (1, 2):
        run.append_metrics({"epoch": epoch})
    with open(run.metrics_path, "ab") as file:
        file.write(torn)
    assert [record["epoch"] for record in run.metrics()] == [1, 2]
    if not torn.endswith(b"\n"):
        run.append_metrics({"epoch": 3})
        assert run.metrics_path.read_text() == '{"epoch": 1}\n{"epoch": 2}\n{"epoch": 3}\n'


def test_a_last_line_that_lacks_only_its_newline_is_kept(tmp_path):
    run = Run.create(tmp_path, RECIPE)
    run.metrics_path.write_bytes(b'{"epoch": 1}')
    run.append_metrics({"epoch": 2})
    assert [record["epoch"] for record in run.metrics()] == [1, 2]


def test_a_damaged_line_before_the_last_is_named(tmp_path):
    run = Run.create(tmp_path, RECIPE)
    run.metrics_path.write_bytes(b'{"epoch": 1}\nnonsense\n{"epoch": 3}\n')
    with pytest.raises(RunError, match=r"metrics.jsonl, line 2: not a JSON object .*elman train .* --out ANOTHER"):
        run.metrics()


@given(epochs=st.integers(0, 6), torn=st.sampled_from([b"", b'{"epoch": 6, "tr', b"\x00"]))
def test_truncating_and_going_on_gives_the_bytes_of_an_unbroken_run(tmp_path_factory, epochs, torn):
    records = [{"epoch": epoch, "train_loss": 1 / epoch} for epoch in range(1, 7)]
    unbroken = Run.create(tmp_path_factory.mktemp("run") / "unbroken", RECIPE)
    broken = Run.create(unbroken.folder.parent / "broken", RECIPE)
    for record in records:
        unbroken.append_metrics(record)
    for record in records[:5]:
        broken.append_metrics(record)
    with open(broken.metrics_path, "ab") as file:
        file.write(torn)
    epochs = min(epochs, 5)
    broken.truncate_metrics(epochs)
    assert [record["epoch"] for record in broken.metrics()] == list(range(1, epochs + 1))
    for record in records[epochs:]:
        broken.append_metrics(record)
    assert broken.metrics_path.read_bytes() == unbroken.metrics_path.read_bytes()


def test_truncating_without_metrics_makes_none(tmp_path):
    run = Run.create(tmp_path, RECIPE)
    run.truncate_metrics(3)
    assert not run.metrics_path.exists()


def test_truncating_needs_the_epoch_of_every_line(tmp_path):
    run = Run.create(tmp_path, RECIPE)
    run.append_metrics({"epoch": 1})
    run.append_metrics({"loss": 1})
    with pytest.raises(RunError, match=r"metrics.jsonl, line 2: has no whole number `epoch`"):
        run.truncate_metrics(1)


def test_a_full_disk_while_adding_metrics(tmp_path, monkeypatch):
    run = Run.create(tmp_path, RECIPE)
    monkeypatch.setattr("builtins.open", refusing(errno.ENOSPC))
    with pytest.raises(RunError, match=r"metrics.jsonl: cannot write this \(No space left on device\)"):
        run.append_metrics({"epoch": 1})


def test_metrics_of_0_1_0_are_read_under_the_names_of_today(tmp_path):
    run = Run.create(tmp_path, RECIPE)
    run.metrics_path.write_text('{"epoch": 1, "train_loss": 1.0, "valid_loss": 2.0, "valid_perplexity": 7.5}\n')
    assert run.metrics() == [{"epoch": 1, "train_loss": 1.0, "validation_loss": 2.0, "validation_perplexity": 7.5}]
