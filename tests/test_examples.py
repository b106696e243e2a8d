"""Every example runs as it stands, and the README's own program too."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

REPOSITORY = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((REPOSITORY / "examples").glob("*.py"))


def run(program: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_example_runs_and_prints(path: Path, tmp_path: Path) -> None:
    assert run(path.read_text(encoding="utf-8"), tmp_path).strip()


SLOW_THIRD_TRIAL = """
import signal, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
def linger(trial, epoch):
    if trial.number == 2:
        if epoch > 1: Path("third").touch()
        time.sleep(0.1)
"""
"""Its third trial takes long, and leaves a file once an epoch of it is behind."""


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_search_that_is_interrupted_keeps_its_trials_and_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    program = (REPOSITORY / "examples" / "search_optuna.py").read_text(encoding="utf-8")
    record = "    def on_epoch_end(self, record: dict[str, Any]) -> None:\n"
    assert record in program
    slow = f"{SLOW_THIRD_TRIAL}\n{program}".replace(
        record, f"    def on_updates(self, epoch, updates, loss):\n        linger(self.trial, epoch)\n\n{record}"
    )
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", slow],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(2)]
    while not (tmp_path / "third").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (out, [line.split()[1] for line in lines]) == ("", ["0", "1"]), err
    if number == signal.SIGINT:
        assert (process.returncode, err) == (1, "stopped; run this again to go on\n")
    again = run(program, tmp_path)
    assert ("going on after epoch" in again) == (number == signal.SIGINT), (
        "a kill leaves the checkpoint of the last 10 s"
    )
    study = optuna.load_study(study_name="waves", storage=f"sqlite:///{tmp_path / 'search' / 'study.db'}")
    states = [trial.state for trial in study.trials]
    assert states[:2] == [TrialState.COMPLETE] * 2
    assert states[2] == TrialState.FAIL
    assert study.trials[3].params == study.trials[2].params
    assert sum(state in (TrialState.COMPLETE, TrialState.PRUNED) for state in states) == 8
    assert len(states) == 9


def test_the_readme_program_learns_and_saves(tmp_path: Path) -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    accuracy = float(run(program, tmp_path))
    assert accuracy > 0.85
    assert (tmp_path / "sums" / "model.safetensors").is_file()


@pytest.mark.parametrize("page", ["nn", "torch", "native-engine"])
def test_the_programs_of_a_page_run_one_after_the_other(page: str, tmp_path: Path) -> None:
    text = (REPOSITORY / "docs" / f"{page}.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) > 2
    run("\n".join(blocks), tmp_path)


def test_every_file_that_the_docs_link_to_is_there() -> None:
    pages = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *(REPOSITORY / "docs").glob("*.md")]
    links = [
        (page, link) for page in pages for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    ]
    assert len(links) > 5
    assert [f"{page.name}: {link}" for page, link in links if not (page.parent / link).exists()] == []
