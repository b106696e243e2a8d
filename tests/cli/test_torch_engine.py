"""`--engine torch` and `--device` on the command line."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from tests.cli.command import elman, settings
from tests.files.trees import reseal

from elman import load
from elman.errors import UsageError

torch.set_num_threads(1)

SUMS = ("train", "classify-sums", *settings(training__epochs=2, data__num_samples=40))


def test_a_run_of_the_torch_engine(scratch: Path) -> None:
    """Trained, resumed, and used with other engines."""
    found = elman(*SUMS, "--engine", "torch", "--device", "cpu", "--out", "new", "--json").succeeded().document()
    assert found["engine"] == "torch"
    written = tomllib.loads((scratch / "new" / "recipe.toml").read_text(encoding="utf-8"))
    assert [written[key] for key in ("engine", "device", "precision")] == ["torch", "cpu", "float32"]
    more = settings(training__epochs=3)
    resumed = elman("train", "new/recipe.toml", *more, "--out", "new", "--resume", "--json").succeeded()
    assert resumed.document()["epochs"] == 3
    straight = elman(
        *SUMS[:2], *settings(training__epochs=3, data__num_samples=40), "--engine", "torch", "--out", "straight"
    )
    straight.succeeded()
    first, second = (Path(run, "model", "model.safetensors").read_bytes() for run in ("new", "straight"))
    assert first == second
    judged = [elman("evaluate", "new", "--json", *more).succeeded().document() for more in ((), ("--engine", "native"))]
    assert judged[0]["metrics"] == pytest.approx(judged[1]["metrics"], rel=1e-4)


def _of_a_gpu(run: Path) -> None:
    path = run / "model" / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["parameters"] |= {"engine": "torch", "device": "cuda", "precision": "bfloat16"}
    path.write_text(json.dumps(config), encoding="utf-8")
    reseal(run)


def test_a_model_from_a_gpu_is_used_where_there_is_none(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    _of_a_gpu(scratch / "labels")
    refused = elman("evaluate", "labels", "--json")
    assert refused.code == 2
    assert "`device` 'cuda' needs a GPU that PyTorch" in refused.err
    assert refused.document()["kind"] == "DeviceError"
    for other in (("--device", "cpu"), ("--engine", "native")):
        elman("evaluate", "labels", *other).succeeded()
    with pytest.raises(UsageError, match="SequenceClassifier has no `engin`"):
        load("labels/model", engin="native")


def test_without_pytorch_it_says_the_pip_command(there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("elman.engines.torch")]:
        monkeypatch.delitem(sys.modules, name)
        monkeypatch.delattr(sys.modules["elman.engines"], name.rpartition(".")[2], raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    outcome = elman(*SUMS, "--engine", "torch", "--out", tmp_path / "new")
    assert (outcome.code, outcome.out) == (3, "")
    assert "pip install 'elman[torch]'" in outcome.err
    assert not (tmp_path / "new").exists()
