"""Two processes train as one does; what they leave is one run's; and when one dies, the others say so."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tests.cli.command import elman, settings
from tests.closeness import assert_all_close, assert_all_same_bits
from tests.engines.torch.torchrun import ended, environment, free_port, start
from tests.engines.torch.trainings import TRAININGS
from tests.files.trees import stored

from elman.engines import joined
from elman.engines.processes import ALONE, current
from elman.engines.torch import processes as torch_processes
from elman.errors import DeviceError, ProcessError, UsageError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")

TEXT = ["train", "python-topics", "--engine", "torch", *settings(
    data__characters=6000, network__hidden_size=12, network__dropout=0.3, network__num_layers=2, training__epochs=3,
    training__batch_size=5, training__steps=20, training__checkpoint_seconds=0, generate__length=5, dtype="float64")]  # fmt: skip


@pytest.fixture(scope="module")
def of_two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes ends with."""
    place = tmp_path_factory.mktemp("two") / "found"
    for code, _, err in ended(start(2, "-m", "tests.engines.torch.trainings", place)):
        assert code == 0, err
    return [dict(np.load(f"{place}.{rank}.npz")) for rank in range(2)]


@pytest.mark.parametrize("name", TRAININGS)
def test_two_processes_are_one(name: str, of_two: list[dict[str, Any]]) -> None:
    """Losses, norms, parameters, memories and carried state; to rounding beside one process, to the bit beside each other."""
    wanted = TRAININGS[name]()
    first, second = ({k.split("/")[1]: v for k, v in rank.items() if k.startswith(name + "/")} for rank in of_two)
    assert_all_same_bits(first, second)
    assert_all_close(first, wanted)


# Runs ---------------------------------------------------------------------------------------------------------------------------


def weights(run: Path) -> dict[str, Any]:
    return dict(load_file(run / "model" / "model.safetensors"))


def history(run: Path) -> list[dict[str, Any]]:
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [{k: v for k, v in json.loads(line).items() if "second" not in k} for line in lines]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A run of two processes under torchrun that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(free_port())]
    command = [*launch, "-m", "elman", *TEXT, "--out", "run", "--json"]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return folder / "run", done


def test_under_torchrun_one_document_is_printed_and_one_run_is_left(
    whole: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    run, done = whole
    document = json.loads(done.stdout)
    assert (document["engine"], document["epochs"], document["run"]) == ("torch", 3, "run")
    assert done.stderr.count("all epochs done") == 1
    assert [record["epoch"] for record in history(run)] == [1, 2, 3]
    assert sorted(p.name for p in run.parent.iterdir()) == ["run"]
    assert (run / "report.html").is_file()


def test_a_killed_process_ends_the_others_and_the_run_goes_on(
    whole: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With as many processes as before to the same bits, and alone to rounding."""
    run = tmp_path / "run"
    running = start(2, "-m", "elman", *TEXT, "--out", run, cwd=tmp_path)
    wait_until(lambda: bool(stored(run / "checkpoint", "state.safetensors")), running)
    running[1].kill()
    (code, out, err), (killed, _, _) = ended(running)
    assert (code, killed, out) == (1, -signal.SIGKILL, "")
    assert "another process of this training is gone" in err
    assert "--resume" in err
    assert "Traceback" not in err
    assert not (run / "result.json").exists()
    alone = Path(shutil.copytree(run, tmp_path / "alone"))
    for code, _, err in ended(start(2, "-m", "elman", *TEXT, "--out", run, "--resume", cwd=tmp_path)):
        assert code == 0, err
    assert_all_same_bits(weights(run), weights(whole[0]))
    assert history(run) == history(whole[0])
    elman(*TEXT, "--out", alone, "--resume").succeeded()
    assert_all_close(weights(alone), weights(whole[0]), "float64 trained")


def wait_until(there: Callable[[], bool], running: list[subprocess.Popen[str]], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not there() and all(process.poll() is None for process in running):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def test_a_signal_to_one_process_stops_all_and_saves(tmp_path: Path) -> None:
    run = tmp_path / "run"
    running = start(2, "-m", "elman", *TEXT, *settings(training__epochs=1000), "--out", run, cwd=tmp_path)
    wait_until(lambda: bool(stored(run / "checkpoint", "state.safetensors")), running)
    running[1].send_signal(signal.SIGTERM)
    (code, _, err), (other, _, quiet) = ended(running)
    assert (code, other) == (1, 1), err + quiet
    assert "elman: stopped by SIGTERM in epoch " in err
    assert "Go on with --resume" in err
    assert "elman" not in quiet
    assert "Traceback" not in err + quiet


# Refusals -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of the first of two processes."""
    told = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    for name, value in {**told, "MASTER_PORT": str(free_port())}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch_processes, "PATIENCE", timedelta(seconds=1))
    return monkeypatch


def test_alone_nothing_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined("native") as found:
        assert found is current() is ALONE
    monkeypatch.setenv("WORLD_SIZE", "1")
    with joined("native") as found:
        assert found is ALONE


def test_only_torch_trains_in_several(started: pytest.MonkeyPatch, tmp_path: Path) -> None:
    outcome = elman("train", "sine-online", "--engine", "native", "--out", tmp_path / "run")
    assert outcome.code == 2
    assert "only the torch engine trains in several processes; got engine='native' in one of 2" in outcome.err
    assert not (tmp_path / "run").exists()


def test_models_of_many_series_need_no_torchrun(started: pytest.MonkeyPatch, tmp_path: Path) -> None:
    command = ["forecast", "no.csv", "--target", "y", "--horizon", "2", "--per-series", "--engine", "torch"]
    outcome = elman(*command, "--out", tmp_path / "run")
    assert outcome.code == 2
    assert "start it once, without torchrun, and give --jobs" in outcome.err


@pytest.mark.parametrize("missing", ["MASTER_ADDR", "MASTER_PORT", "RANK"])
def test_an_environment_that_lacks_something(started: pytest.MonkeyPatch, missing: str, tmp_path: Path) -> None:
    started.delenv(missing)
    outcome = elman("train", "sine-online", "--engine", "torch", "--out", tmp_path / "run")
    assert outcome.code == 2
    assert f"{missing} must be set in the environment of each of 2 processes; start them with torchrun" in outcome.err


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("WORLD_SIZE", "two", "WORLD_SIZE must be a whole number; got 'two'"),
        ("RANK", "5", "RANK must be below WORLD_SIZE = 2; got 5"),
    ],
)
def test_numbers_that_cannot_be(started: pytest.MonkeyPatch, name: str, value: str, match: str) -> None:
    started.setenv(name, value)
    with pytest.raises(UsageError, match=match), joined("torch"):
        pass
    assert current() is ALONE


def test_a_port_in_use(started: pytest.MonkeyPatch) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        started.setenv("MASTER_PORT", str(held.getsockname()[1]))
        with (
            pytest.raises(ProcessError, match="The port is in use: give torchrun another --master-port"),
            joined("torch"),
        ):
            pass


def test_others_that_never_come(started: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProcessError, match="process 0 of 2 did not meet the others at 127.0.0.1"), joined("torch"):
        pass


@pytest.mark.parametrize("device", ["cuda:1", "meta"])
def test_devices_that_cannot_be_shared(started: pytest.MonkeyPatch, device: str) -> None:
    with pytest.raises(UsageError, match="`device` must be cpu or cuda in several processes"), joined("torch", device):
        pass


def test_a_process_without_a_gpu(started: pytest.MonkeyPatch) -> None:
    started.setattr(torch.cuda, "device_count", lambda: 2)
    started.setenv("LOCAL_RANK", "2")
    with pytest.raises(DeviceError, match="this machine has 2 for process 2"), joined("torch", "cuda"):
        pass


def test_rows_are_shared_out_without_gap_or_overlap() -> None:
    for count in (1, 2, 3, 5):
        for rows in range(12):
            shares = []
            for rank in range(count):
                one = torch_processes.TorchProcesses(rank, count)
                shares += list(range(rows))[one.rows(rows)]
            assert shares == list(range(rows))
    assert ALONE.rows(7) == slice(0, 7)
