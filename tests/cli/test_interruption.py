"""Runs that are stopped: by SIGKILL at any moment, by Ctrl-C and SIGTERM. They go on, and end with the same bits."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import Outcome, elman, settings, start, tree
from tests.files.trees import stored

from elman.engines import ENGINES
from elman.estimators import Forecaster, LanguageModel
from elman.recipes import run_files, sources

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


@pytest.fixture(autouse=True)
def _signals_as_usual() -> Iterator[None]:
    """SIGINT as Python starts with it, also where tests run in the background and it is ignored; SIGTERM as a failure."""

    def unwatched(number: int, frame: Any) -> None:
        raise AssertionError("nobody watched SIGTERM")

    before = {number: signal.signal(number, handler) for number, handler in (
        (signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, unwatched)
    )}  # fmt: skip
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


SLOW = ("--engine", "reference")
COMMANDS: dict[str, list[str]] = {
    "windows": ["train", "sine-window", *SLOW, *settings(training__epochs=3)],
    "text": ["train", "python-topics", *SLOW, *settings(
        data__characters=20000, network__hidden_size=48, network__dropout=0.3, network__num_layers=2, training__epochs=3,
        generate__length=20)],
    "table": ["train", "regress-table", *SLOW, *settings(
        data__path="long.csv", data__target="b", data__series="id", data__inputs='["a"]', training__epochs=200,
        training__batch_size=2, training__learning_rate=0.01, training__patience=40)],
    "months": ["forecast", "good.csv", "--time", "t", "--target", "y", "--horizon", "3", *SLOW, *settings(
        training__epochs=60, data__folds=0)],
    "native text": ["train", "python-topics", "--engine", "native", *settings(
        data__characters=40000, network__hidden_size=128, network__dropout=0.3, network__num_layers=2, training__epochs=3,
        generate__length=20)],
}  # fmt: skip
# Between two checkpoints several epochs pass, or none does.
SECONDS_BETWEEN = {"windows": 0, "text": 0, "table": 0.1, "months": 0.05, "native text": 0}


def what_is_learned(run: Path) -> dict[str, Any]:
    """The model's bytes, and the records of all epochs without what the clock put there."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    records = [{k: v for k, v in json.loads(line).items() if "second" not in k} for line in lines]
    return {"records": records, **tree(run / "model"), "recipe": (run / "recipe.toml").read_bytes()}


def wait_until(there: Callable[[], bool], running: Any, seconds: float = 60) -> None:
    """Until something is there or the process is over."""
    end = time.monotonic() + seconds
    while not there() and running.poll() is None:
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def saved(run: Path) -> dict[str, int]:
    """When each of a run's checkpoints was written."""
    files = [run / "checkpoint" / "manifest.json", run / "checkpoint" / "refit" / "manifest.json"]
    return {str(file): file.stat().st_mtime_ns for file in files if stored(file.parent, "state.safetensors")}


def _has_saved_since(run: Path, before: dict[str, int]) -> bool:
    return saved(run) != before


@pytest.mark.parametrize("name", COMMANDS)
def test_killed_at_random_moments_and_resumed_it_ends_with_the_same_bits(name: str, scratch: Path) -> None:
    if name.startswith("native") and "native" not in ENGINES:
        pytest.skip("the native engine is not built here")
    command = [*COMMANDS[name], *settings(training__checkpoint_seconds=SECONDS_BETWEEN[name])]
    began = time.monotonic()
    elman(*command, "--out", "whole").succeeded()
    duration = time.monotonic() - began
    run, chance, kills = scratch / "killed", random.Random(name), 0
    for _ in range(12):
        before = saved(run)
        resume = ["--resume"] if (run / "recipe.toml").exists() else []
        with start(*command, "--out", run, *resume) as running:
            if kills < 4:
                wait_until(partial(_has_saved_since, run, before), running)  # it trains
                time.sleep(chance.uniform(0, 0.3 * duration))
                running.kill()
            out, err = running.communicate(timeout=60)
        if running.returncode == 0:
            break
        assert running.returncode == -signal.SIGKILL, err
        kills += 1
        if (run / "result.json").exists():
            break  # killed on its way out
        assert out == ""
        assert elman("runs", run, "--json").succeeded().document()[0]["state"] == "unfinished"
    assert (run / "result.json").is_file()
    assert kills > 0
    assert what_is_learned(run) == what_is_learned(scratch / "whole")
    assert not [name for name in tree(run) if name.endswith("-tmp") or "/.model" in name]


def assert_stopped(outcome: Outcome, says: str) -> None:
    """Exit code 1, and one message that says how to go on."""
    assert outcome.code == 1, outcome.err
    assert "Traceback" not in outcome.err
    (message,) = (line for line in outcome.err.splitlines() if line.startswith("elman: "))
    assert outcome.err.endswith(message + "\n")
    assert says in message
    assert "--resume" in message


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_signal_saves_and_says_how_to_go_on(number: signal.Signals, scratch: Path) -> None:
    command = COMMANDS["windows"]  # no checkpoint is due within its few seconds: the signal has it written
    with start(*command, "--out", "stopped", "--json") as running:
        wait_until((scratch / "stopped" / "metrics.jsonl").exists, running)
        running.send_signal(number)
        out, err = running.communicate(timeout=60)
    outcome = Outcome(running.returncode, out, err)
    assert_stopped(outcome, f"stopped by {number.name} in epoch ")
    assert outcome.document()["kind"] == "InterruptedTraining"
    assert stored(scratch / "stopped" / "checkpoint", "state.safetensors")
    assert not (scratch / "stopped/result.json").exists()
    resumed = elman(*command, "--out", "stopped", "--resume").succeeded()
    assert resumed.err.startswith("going on after epoch ")
    elman(*command, "--out", "whole").succeeded()
    assert what_is_learned(scratch / "stopped") == what_is_learned(scratch / "whole")


LATER: dict[str, tuple[str, Any, str]] = {
    "in the backtest": ("months", Forecaster, "backtest"),
    "while the sample is written": ("text", LanguageModel, "generate"),
    "while the model is saved": ("months", Forecaster, "save"),
    "while the report is written": ("months", run_files, "write_report"),
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.parametrize(("name", "owner", "function"), LATER.values(), ids=LATER.keys())
def test_a_signal_after_training_says_how_to_go_on_too(
    number: signal.Signals, name: str, owner: Any, function: str, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [*COMMANDS[name], *settings(training__epochs=1)]
    if name == "months":
        command += settings(data__folds=1)
    before = signal.getsignal(signal.SIGTERM)

    def stopped(*arguments: Any, **options: Any) -> None:
        os.kill(os.getpid(), number)
        time.sleep(5)

    with monkeypatch.context() as patch:
        patch.setattr(owner, function, stopped)
        outcome = elman(*command, "--out", "stopped")
    assert_stopped(
        outcome, "elman: stopped; what was trained is saved in stopped/checkpoint. Go on with --resume: `elman train "
    )
    assert signal.getsignal(signal.SIGTERM) is before
    way_on = outcome.err.split("`")[-2]
    elman(*way_on.split()[1:]).succeeded()
    elman(*command, "--out", "whole").succeeded()
    assert what_is_learned(scratch / "stopped") == what_is_learned(scratch / "whole")


def test_ctrl_c_before_there_is_a_run_leaves_none(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*arguments: Any) -> None:
        raise KeyboardInterrupt

    existed = tree(there)
    monkeypatch.setattr(sources, "load", stopped)
    assert elman("train", "sine-online", "--out", "new") == Outcome(1, "", "elman: stopped\n")
    assert tree(there) == existed


def test_a_training_outside_the_main_thread_leaves_signals_alone(scratch: Path) -> None:
    import threading

    from elman.recipes import load_recipe, train

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    recipe = load_recipe("classify-sums", ["training.epochs=1", "data.num_samples=40"])
    found: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: found.append(train(recipe, scratch / "new")))
    thread.start()
    thread.join()
    assert found[0]["epochs"] == 1
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
