"""Signals to a training in another process: SIGKILL loses nothing that was saved, SIGINT and SIGTERM save first."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.files.trees import stored
from tests.training.long_training import digest
from tests.training.plans import carried

from elman.errors import InterruptedTraining
from elman.training import train
from elman.training.callback import Callback
from elman.training.checkpoint import FILE, load_checkpoint
from elman.training.interruption import Interruption

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["native", "reference"])
def engine_name(request: pytest.FixtureRequest) -> str:
    """Two engines: files and signals are the loop's, and a third would only add the seconds that PyTorch takes to import."""
    return str(request.param)


def start(folder: Path, engine_name: str, seconds: float) -> subprocess.Popen[str]:
    """A training process that has begun."""
    paths = (str(REPOSITORY / "src"), str(REPOSITORY), os.environ.get("PYTHONPATH", ""))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.training.long_training", str(folder), engine_name, str(seconds)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "begins\n", process.communicate()[1]
    return process


def wait_for_checkpoint(folder: Path, process: subprocess.Popen[str]) -> None:
    while not stored(folder, FILE):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.005)


def test_killed_at_random_moments_and_resumed(engine_name: str, tmp_path: Path) -> None:
    wanted = digest(None, engine_name)
    moments = random.Random(7)
    stood = -1
    for _ in range(3):
        process = start(tmp_path, engine_name, 0.05)
        wait_for_checkpoint(tmp_path, process)
        time.sleep(moments.uniform(0.05, 0.6))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "the training was over before it was killed; let it sleep longer"
        found = load_checkpoint(tmp_path, "kill")
        assert found is not None
        assert found.updates >= stood
        assert not found.finished
        stood = found.updates
    assert stood > 0
    process = start(tmp_path, engine_name, 0.0)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out.strip()) == (0, wanted), err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_says_how_to_go_on(engine_name: str, number: signal.Signals, tmp_path: Path) -> None:
    process = start(tmp_path, engine_name, 0.05)
    wait_for_checkpoint(tmp_path, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert f"stopped by {number.name} in epoch " in out
    assert f"of 12; everything is saved in {tmp_path}. Go on with --resume" in out
    found = load_checkpoint(tmp_path, "kill")
    assert found is not None
    assert found.updates > 0
    assert not found.finished
    assert digest(tmp_path, engine_name) == digest(None, engine_name)


@pytest.fixture(autouse=True)
def pythons_own_ctrl_c() -> Iterator[None]:
    """Also where this process was started to ignore it, as shells do for work in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Signals(Callback):
    """Sends this process a signal at the first step."""

    def __init__(self, number: signal.Signals, times: int = 1) -> None:
        self.number, self.times = number, times

    def on_updates(self, epoch: int, updates: int, loss: float) -> None:
        times, self.times = self.times, 0
        for _ in range(times):
            signal.raise_signal(self.number)


def test_handlers_are_put_back_after_an_interruption(tmp_path: Path) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    plan = carried()
    with pytest.raises(InterruptedTraining, match="stopped by SIGTERM in epoch 1 of 3"):
        train(plan.engine, plan.batches, plan.training, validation=plan.validation, checkpoint=tmp_path,
              callbacks=[Signals(signal.SIGTERM)])  # fmt: skip
    assert {number: signal.getsignal(number) for number in before} == before
    found = load_checkpoint(tmp_path, "")
    assert found is not None and found.updates == 1  # long before the next checkpoint was due


def test_a_finished_training_that_goes_on_can_be_stopped_at_once(tmp_path: Path) -> None:
    short = carried(epochs=1, patience=None)
    train(short.engine, short.batches, short.training, validation=short.validation, checkpoint=tmp_path)
    plan = carried(epochs=9, patience=None)
    with pytest.raises(InterruptedTraining, match="stopped by SIGTERM in epoch 2 of 9"):
        train(plan.engine, plan.batches, plan.training, validation=plan.validation, checkpoint=tmp_path, resume=True,
              callbacks=[Signals(signal.SIGTERM)])  # fmt: skip


def test_a_second_ctrl_c_acts_at_once(tmp_path: Path) -> None:
    plan = carried()
    with pytest.raises(KeyboardInterrupt):
        train(plan.engine, plan.batches, plan.training, validation=plan.validation, checkpoint=tmp_path,
              callbacks=[Signals(signal.SIGINT, times=2)])  # fmt: skip
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_a_checkpoint_ctrl_c_is_pythons() -> None:
    plan = carried()
    with pytest.raises(KeyboardInterrupt):
        train(plan.engine, plan.batches, plan.training, validation=plan.validation, callbacks=[Signals(signal.SIGINT)])


def test_other_threads_watch_nothing() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def work() -> None:
        with Interruption() as interruption:
            seen.append((signal.getsignal(signal.SIGINT), interruption.number))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(before, 0)]
