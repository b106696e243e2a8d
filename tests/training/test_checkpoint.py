"""Resuming: stopped anywhere and gone on, a training ends with the bits of one that was never stopped."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save, save_file
from tests.closeness import assert_all_same_bits, assert_same_bits
from tests.files.trees import full_disk, refusing, tree
from tests.training.plans import PLANS, Plan, carried, lasting, together

from elman.cells import State
from elman.engines import Pieces, Steps
from elman.errors import RunError
from elman.files import MANIFEST, update_folder
from elman.training import Training, loop, train
from elman.training.callback import Callback
from elman.training.checkpoint import FILE, CheckpointState, load_checkpoint, save_checkpoint


class Stop(Exception):
    """The power cut."""


class StopAt(Callback):
    """A callback that raises Stop at its n-th call of `step` or `epoch`, counted together."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def on_updates(self, epoch: int, updates: int, loss: float) -> None:
        self._tick()

    def on_epoch_end(self, record: dict[str, Any]) -> None:
        self._tick()

    def _tick(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Stop


class Ending:
    """All that a training leaves behind."""

    def __init__(self, plan: Plan, done: Any) -> None:
        self.done, self.memory = done, plan.engine.optimiser_state()
        self.current, self.updates = plan.engine.parameters(), plan.engine.updates


def finish(plan: Plan, folder: Path | None = None, **options: Any) -> Ending:
    done = train(
        plan.engine,
        plan.batches,
        plan.training,
        validation=plan.validation,
        checkpoint=folder,
        fingerprint="ours",
        **options,
    )
    return Ending(plan, done)


def assert_same_ending(found: Ending, wanted: Ending) -> None:
    assert_all_same_bits(found.done.parameters, wanted.done.parameters)
    assert_all_same_bits(found.current, wanted.current)
    assert_all_same_bits(found.memory, wanted.memory)
    assert lasting(found.done.history) == lasting(wanted.done.history)
    assert (found.updates, found.done.best) == (wanted.updates, wanted.done.best)
    for ours, theirs in zip(found.done.state, wanted.done.state, strict=True):
        assert_same_bits(ours, theirs)


@pytest.mark.parametrize("name", PLANS)
def test_stopped_after_any_number_of_calls(
    engine_name: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SECONDS_PER_CALL", 0.0)  # an engine call a piece
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # hundreds of checkpoints; no power is cut here
    wanted = finish(PLANS[name](engine_name))
    calls = wanted.updates + len(wanted.done.history)
    assert calls > 12
    for stop in range(1, calls + 1):
        folder = tmp_path / str(stop)
        with pytest.raises(Stop):
            finish(PLANS[name](engine_name, checkpoint_seconds=0.0), folder, callbacks=[StopAt(stop)])
        assert_same_ending(finish(PLANS[name](engine_name, checkpoint_seconds=0.0), folder, resume=True), wanted)


@pytest.mark.parametrize("name", PLANS)
def test_stopped_again_and_again(engine_name: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each life makes two calls: one piece of progress survives it."""
    monkeypatch.setattr(loop, "SECONDS_PER_CALL", 0.0)
    wanted = finish(PLANS[name](engine_name))
    lives = 0
    while True:
        lives += 1
        try:
            plan = PLANS[name](engine_name, checkpoint_seconds=0.0)
            found = finish(plan, tmp_path, resume=True, callbacks=[StopAt(2)])
            break
        except Stop:
            assert lives < 100
    assert lives > 10
    assert_same_ending(found, wanted)


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("quantum", [0.0, 1e-3, 1e9])
def test_how_pieces_are_grouped_into_calls_changes_no_bit(
    engine_name: str, name: str, quantum: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = finish(PLANS[name](engine_name))
    monkeypatch.setattr(loop, "SECONDS_PER_CALL", quantum)
    assert_same_ending(finish(PLANS[name](engine_name)), wanted)


def test_several_epochs_in_one_call(engine_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bits of one piece a call, in far fewer calls; and stopped between such calls, the same end."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    monkeypatch.setattr(loop, "SECONDS_PER_CALL", 0.0)
    wanted = finish(together(engine_name, epochs=11))
    monkeypatch.setattr(loop, "SECONDS_PER_CALL", 1e9)
    monkeypatch.setattr(loop, "EPOCHS_PER_CALL", 3)
    plan = together(engine_name, epochs=11)
    calls = []
    original = plan.engine.train_steps

    def counted(pieces: Pieces, state: State | None = None) -> Steps:
        calls.append(len(pieces))
        return original(pieces, state)

    monkeypatch.setattr(plan.engine, "train_steps", counted)
    assert_same_ending(finish(plan), wanted)
    assert calls == [1, 3, 12, 12, 12, 4]  # the first is timed, then what is left of the epoch, then three at a time
    for stop in range(1, 17):
        folder = tmp_path / str(stop)
        with pytest.raises(Stop):
            finish(together(engine_name, epochs=11, checkpoint_seconds=0.0), folder, callbacks=[StopAt(stop)])
        assert_same_ending(finish(together(engine_name, epochs=11), folder, resume=True), wanted)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_any_line_that_writes_a_checkpoint(tmp_path: Path) -> None:
    """And killed again after the resume; the end has the bits of a training that was never stopped."""
    command = [sys.executable, "-m", "tests.training.killed_training", str(tmp_path), "809"]
    answer = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    digests = [line for line in answer.stdout.split() if line != "begins"]
    assert len(digests) > 15
    assert len(set(digests)) == 1


def test_a_finished_training_is_not_trained_again(engine_name: str, tmp_path: Path) -> None:
    wanted = finish(carried(engine_name), tmp_path)
    plan = carried(engine_name)
    again = finish(plan, tmp_path, resume=True, callbacks=[StopAt(1)])  # which would raise at any step
    assert_same_ending(again, wanted)


def test_more_epochs_go_on_from_the_last(engine_name: str, tmp_path: Path) -> None:
    wanted = finish(carried(engine_name, epochs=4, patience=None))
    finish(carried(engine_name, epochs=2, patience=None), tmp_path)
    assert_same_ending(finish(carried(engine_name, epochs=4, patience=None), tmp_path, resume=True), wanted)


def test_without_resume_training_starts_anew(engine_name: str, tmp_path: Path) -> None:
    first = finish(carried(engine_name), tmp_path)
    assert_same_ending(finish(carried(engine_name), tmp_path, resume=False), first)
    nothing = finish(carried(engine_name), tmp_path / "empty", resume=True)
    assert_same_ending(nothing, first)


def test_a_checkpoint_is_written_as_often_as_asked(
    engine_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SECONDS_PER_CALL", 0.0)
    saved = []
    monkeypatch.setattr(loop, "save_checkpoint", lambda *a: saved.append(a))
    updates = finish(carried(engine_name, checkpoint_seconds=0.0), tmp_path).updates
    assert len(saved) == updates + 3  # after every piece and every epoch
    saved.clear()
    finish(carried(engine_name, checkpoint_seconds=1e9), tmp_path)
    assert len(saved) == 1  # the finished one


STATE = CheckpointState(
    epoch=3, piece=2, sums={"loss": 0.1 + 0.2}, history=[{"epoch": 1, "train_loss": 1 / 3}], updates=17, seconds=1.25,
    parameters={"a.b": np.array([1.5, np.nan])}, memory={"m.a.b": np.array([0.1], np.float32)}, best={"a.b": np.zeros(2)},
    carried=(np.ones((1, 2, 3)), np.full((1, 2, 3), 0.1)),
)  # fmt: skip


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "deep" / "er", STATE, "ours")
    state = load_checkpoint(tmp_path / "deep" / "er", "ours")
    assert state is not None
    for group in ("parameters", "memory", "best"):
        assert_all_same_bits(getattr(state, group), getattr(STATE, group))
    for ours, theirs in zip(state.carried or (), STATE.carried or (), strict=True):
        assert_same_bits(ours, theirs)
    for name in ("epoch", "piece", "sums", "history", "updates", "seconds", "finished"):
        assert getattr(state, name) == getattr(STATE, name)


def test_losses_that_are_not_finite_come_back_as_they_were(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, CheckpointState(history=[{"train_loss": np.inf, "validation_loss": np.nan}]), "ours")
    state = load_checkpoint(tmp_path, "ours")
    assert state is not None
    assert state.history[0]["train_loss"] == np.inf
    assert np.isnan(state.history[0]["validation_loss"])


def test_a_checkpoint_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    for epoch in range(5):
        save_checkpoint(tmp_path, CheckpointState(epoch=epoch, parameters={"a": np.ones(epoch)}), "ours")
        state = load_checkpoint(tmp_path, "ours")
        assert state is not None
        assert (state.epoch, len(state.parameters["a"])) == (epoch, epoch)
        assert len(os.listdir(tmp_path)) == 2


def test_no_state_stays_no_state(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, CheckpointState(parameters={"a": np.ones(1)}), "ours")
    state = load_checkpoint(tmp_path, "ours")
    assert state is not None
    assert state.carried is None
    assert state.best == {}


def test_another_training_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, STATE, "ours")
    with pytest.raises(RunError, match="belongs to a training with other data or other settings; resume with the same"):
        load_checkpoint(tmp_path, "other")
    assert load_checkpoint(tmp_path / "nothing here", "ours") is None


def arrays_file(folder: Path) -> Path:
    """The file with the arrays, under the name that it has on disk."""
    return next(folder.glob("state.*.safetensors"))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_a_torn_file(tmp_path: Path, share: float) -> None:
    save_checkpoint(tmp_path, STATE, "ours")
    path = arrays_file(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(
        RunError, match=rf"{path.name} was changed after it was written: .*; remove .* to start this run again"
    ):
        load_checkpoint(tmp_path, "ours")


def test_every_changed_byte_is_refused_by_name(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, STATE, "ours")
    for path in (arrays_file(tmp_path), tmp_path / MANIFEST):
        whole = path.read_bytes()
        for place in range(len(whole)):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            with pytest.raises(RunError, match=rf"{path.name} (was changed after it was written|has format 3)"):
                load_checkpoint(tmp_path, "ours")
        path.write_bytes(whole)


@pytest.mark.parametrize("lost", [MANIFEST, "state"])
def test_a_lost_file_is_named(tmp_path: Path, lost: str) -> None:
    save_checkpoint(tmp_path, STATE, "ours")
    path = tmp_path / lost if lost == MANIFEST else arrays_file(tmp_path)
    path.unlink()
    with pytest.raises(
        RunError, match=rf"{path.name} is missing.*; remove .* to start this run again from its beginning"
    ):
        load_checkpoint(tmp_path, "ours")


def test_a_checkpoint_of_0_1_0_is_refused_in_words(tmp_path: Path) -> None:
    save_file({"parameter.a": np.ones(1)}, tmp_path / FILE, {"elman": '{"format": 1, "fingerprint": "ours"}'})
    with pytest.raises(
        RunError, match=rf"{FILE} was written by Elman 0.1.0, whose trainings this version cannot go on with; remove"
    ):
        load_checkpoint(tmp_path, "ours")


HEADERS: dict[str, Any] = {
    "no header": None,
    "not JSON": "{",
    "a list": "[]",
    "a number": "3",
    "null": "null",
    "no fingerprint": "{}",
    "no counters": '{"fingerprint": "ours"}',
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_is_not_whole(tmp_path: Path, name: str) -> None:
    header = HEADERS[name]
    update_folder(tmp_path, {FILE: save({"parameter.a": np.ones(1)}, None if header is None else {"elman": header})})
    with pytest.raises(RunError, match=f"{FILE} cannot be read: .*; remove"):
        load_checkpoint(tmp_path, "ours")


def test_a_foreign_array(tmp_path: Path) -> None:
    counters = {
        name: getattr(STATE, name) for name in ("epoch", "piece", "sums", "history", "updates", "seconds", "finished")
    }
    header = json.dumps({"fingerprint": "ours", **counters})
    update_folder(tmp_path, {FILE: save({"bogus": np.ones(1)}, {"elman": header})})
    with pytest.raises(RunError, match=f"{FILE} cannot be read"):
        load_checkpoint(tmp_path, "ours")


@given(junk=st.binary(max_size=200))
def test_garbage_is_refused(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    folder = tmp_path_factory.mktemp("garbage")
    update_folder(folder, {FILE: junk})
    with pytest.raises(RunError, match=f"{FILE} cannot be read"):
        load_checkpoint(folder, "ours")


def test_a_file_that_no_checkpoint_can_lie_under(engine_name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(
        RunError, match=r"file.checkpoint: cannot write this .*\. The checkpoint before is untouched: go on"
    ):
        finish(carried(engine_name), tmp_path / "file" / "checkpoint")
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_folder_that_becomes_read_only_keeps_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    save_checkpoint(tmp_path, STATE, "ours")
    before = tree(tmp_path)
    monkeypatch.setattr(os, call, refusing(errno.EROFS))
    with pytest.raises(
        RunError, match=r"Read-only file system\). Choose a folder you may write.* The checkpoint before"
    ):
        save_checkpoint(tmp_path, CheckpointState(epoch=9, parameters={"a": np.ones(3)}), "ours")
    assert tree(tmp_path) == before


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, STATE, "ours")
    before = tree(tmp_path)
    large = CheckpointState(parameters={"a": np.ones(100_000)})
    with full_disk(50_000), pytest.raises(RunError, match=r"cannot write this .*The checkpoint before is untouched"):
        save_checkpoint(tmp_path, large, "ours")
    assert tree(tmp_path) == before


def test_the_file_opens_without_running_code(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, STATE, "ours")
    assert set(load_file(arrays_file(tmp_path))) == {
        "parameter.a.b", "memory.m.a.b", "best.a.b", "state.0", "state.1",
    }  # fmt: skip


def test_resuming_with_another_optimiser_is_refused_before_anything_changes(engine_name: str, tmp_path: Path) -> None:
    finish(carried(engine_name, epochs=1), tmp_path)
    other = carried(engine_name)
    before = other.engine.parameters()
    with pytest.raises(RunError, match="other data or other settings"):
        train(other.engine, other.batches, Training(epochs=3), checkpoint=tmp_path, fingerprint="other", resume=True)
    assert_all_same_bits(other.engine.parameters(), before)
