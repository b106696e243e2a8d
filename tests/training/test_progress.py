"""What a person sees while training runs."""

from __future__ import annotations

import io
from typing import Any

import pytest

from elman.training.progress import PlainLines, TerminalBar, describe, make_progress

RECORDS: list[dict[str, Any]] = [
    {"epoch": e, "train_loss": 1 / e, "validation_accuracy": 0.5, "seconds": 1.0} for e in (1, 2, 3)
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def play(callback: Any) -> None:
    callback.on_train_begin(3, 4, [])
    for record in RECORDS:
        for update in range(1, 5):
            callback.on_updates(record["epoch"], update, 0.25)
        callback.on_epoch_end(record)
    callback.on_train_end("all epochs done")


def test_a_line_shows_the_measures_that_there_are() -> None:
    assert describe(RECORDS[2]) == "train_loss 0.3333  validation_accuracy 0.5"


def test_plain_lines_show_the_first_and_the_last_epoch() -> None:
    stream = io.StringIO()
    play(PlainLines(stream, seconds=1e9))
    assert stream.getvalue().splitlines() == [
        "epoch 1/3  train_loss 1  validation_accuracy 0.5",
        "epoch 3/3  train_loss 0.3333  validation_accuracy 0.5",
        "all epochs done",
    ]


def test_plain_lines_show_every_epoch_that_takes_long_enough() -> None:
    stream = io.StringIO()
    play(PlainLines(stream, seconds=0.0))
    assert [line[:9] for line in stream.getvalue().splitlines()] == ["epoch 1/3", "epoch 2/3", "epoch 3/3", "all epoch"]


def test_going_on_is_said() -> None:
    stream = io.StringIO()
    PlainLines(stream).on_train_begin(3, 4, RECORDS[:2])
    assert stream.getvalue() == "going on after epoch 2\n"


def test_a_terminal_gets_a_bar_with_epoch_and_measures() -> None:
    stream = Terminal()
    callback = make_progress(stream)
    assert isinstance(callback, TerminalBar)
    play(callback)
    shown = stream.getvalue()
    assert "epoch 3/3" in shown
    assert "train_loss 0.3333" in shown
    assert "100 %" in shown
    assert shown.rstrip().endswith("all epochs done")


def test_after_an_error_the_terminal_is_left_as_it_was() -> None:
    stream = Terminal()
    callback = TerminalBar(stream)
    callback.on_train_end("")  # before anything began
    callback.on_train_begin(3, 4, [])
    callback.on_updates(1, 1, 0.5)
    callback.on_train_end("")
    shown = stream.getvalue()
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1  # the cursor is hidden once and shown again
    callback.on_train_end("")
    assert stream.getvalue() == shown
    lines = io.StringIO()
    plain = PlainLines(lines)
    plain.on_train_begin(3, 4, [])
    plain.on_train_end("")
    assert lines.getvalue() == ""


def test_elsewhere_there_are_plain_lines_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    callback = make_progress()
    assert isinstance(callback, PlainLines)
    play(callback)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "all epochs done" in captured.err
