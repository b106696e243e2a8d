"""Estimators on the torch engine, and their networks as PyTorch modules, there and back."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.closeness import assert_close, assert_same_bits
from tests.estimators.subjects import SUBJECTS, Subject
from torch import nn

from elman import load
from elman.errors import NotFittedError, UsageError
from elman.estimators import SequenceClassifier

torch.set_num_threads(1)


@pytest.fixture(params=SUBJECTS)
def subject(request: pytest.FixtureRequest) -> Subject:
    found: Subject = SUBJECTS[request.param]
    return found


def losses(model: Any) -> list[float]:
    return [record["train_loss"] for record in model.history_]


def test_it_learns_what_the_reference_engine_learns(subject: Subject) -> None:
    ours, theirs = (subject.fitted(engine=engine) for engine in ("torch", "reference"))
    assert ours.engine_name == "torch"
    assert_close(losses(ours), losses(theirs), "float64 trained")
    assert_close(subject.ask(ours), subject.ask(theirs), "float64 trained")


def test_it_is_saved_loaded_pickled_and_cloned(subject: Subject, tmp_path: Path) -> None:
    model = subject.fitted(engine="torch", dtype="float32")
    model.save(tmp_path / "model")
    for again in (load(tmp_path / "model"), pickle.loads(pickle.dumps(model)), subject.fitted(**model.get_params())):
        assert again.engine == "torch"
        assert_same_bits(subject.ask(again), subject.ask(model))


def test_mixed_precision_is_an_option(subject: Subject) -> None:
    mixed = subject.fitted(engine="torch", dtype=None, precision="bfloat16")
    assert np.isfinite(losses(mixed)).all()
    assert mixed.network_.parameters["head.weight"].dtype == np.float32


@pytest.mark.parametrize("options", [{"device": "cuda"}, {"precision": "bfloat16"}], ids=str)
def test_options_of_the_torch_engine_need_it(subject: Subject, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="needs engine='torch'"):
        subject.fitted(engine="reference", **options)


def test_a_module_and_back(subject: Subject) -> None:
    """The module's weights changed in PyTorch, the estimator answers with the new ones; put back, as before."""
    model = subject.fitted()
    before, module = subject.ask(model), model.to_torch()
    kept = {name: p.clone() for name, p in module.state_dict().items()}
    assert isinstance(module.rnn, nn.GRU | nn.LSTM | nn.RNN)
    with torch.no_grad():
        module.head.weight.mul_(-3.0)
        module.head.bias.add_(0.5)
    assert_same_bits(subject.ask(model), before)
    assert model.from_torch(module) is model
    assert np.shape(subject.ask(model)) == np.shape(before)
    assert not np.array_equal(np.asarray(model.network_.parameters["head.weight"]), kept["head.weight"].numpy())
    module.load_state_dict(kept)
    assert_same_bits(subject.ask(model.from_torch(module)), before)


def test_an_unfitted_one_has_no_module(subject: Subject) -> None:
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        subject.make().to_torch()
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        subject.make().from_torch(nn.GRU(2, 3), nn.Linear(3, 2))


def test_another_network_inside_takes_its_place() -> None:
    x = np.random.default_rng(0).normal(size=(20, 6, 2))
    model = SequenceClassifier(hidden_size=4, epochs=1, validation=0.0).fit(x, x[:, 0, 0] > 0)
    rnn, head = nn.LSTM(2, 7, 2, batch_first=True), nn.Linear(7, 2)
    model.from_torch(rnn, head)
    assert (model.cell, model.hidden_size, model.num_layers) == ("lstm", 7, 2)
    scaled = torch.tensor(model.scaler_.transform(x), dtype=torch.float32)
    wanted = head(rnn(scaled)[1][0][-1]).softmax(-1).detach().numpy()
    assert_close(model.predict_proba(x), wanted.astype(np.float64), "float32")
    assert (model.clone().cell, model.clone().hidden_size) == ("lstm", 7)


def test_what_goes_in_and_comes_out_must_stay() -> None:
    x = np.random.default_rng(0).normal(size=(20, 6, 2))
    model = SequenceClassifier(hidden_size=4, epochs=1, validation=0.0).fit(x, x[:, 0, 0] > 0)
    match = "the module does not fit: `input_size` must be 2 as this SequenceClassifier's; got 3; `output_size` must be 2 .*; got 5"
    with pytest.raises(UsageError, match=match):
        model.from_torch(nn.GRU(3, 4), nn.Linear(4, 5))
    assert (model.cell, model.hidden_size) == ("gru", 4)
