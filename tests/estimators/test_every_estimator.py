"""One list of checks that every estimator must pass."""

from __future__ import annotations

import copy
import json
import os
import pickle
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.closeness import assert_all_same_bits, assert_close, assert_same_bits
from tests.estimators.subjects import SUBJECTS, WRONG_EVERYWHERE, Subject, is_fitted
from tests.files.trees import reseal, stored

from elman.errors import ElmanError, InterruptedTraining, NotFittedError, RunError, UsageError
from elman.estimators import ESTIMATORS, Estimator, load
from elman.training.callback import Callback
from elman.training.checkpoint import FILE


@pytest.fixture(params=SUBJECTS)
def subject(request: pytest.FixtureRequest) -> Subject:
    return SUBJECTS[request.param]


def test_all_estimators_are_checked() -> None:
    assert {type(s.make()) for s in SUBJECTS.values()} == set(ESTIMATORS.values())
    assert list(ESTIMATORS) == ["classification", "regression", "forecasting", "language"]


def test_the_constructor_only_stores(subject: Subject) -> None:
    """Nothing is checked, changed or added, whatever comes."""
    kind = type(subject.make())
    strange = {name: object() for name in kind.parameter_names()}
    estimator = kind(**strange)
    assert vars(estimator) == strange
    assert all(getattr(estimator, name) is value for name, value in strange.items())
    with pytest.raises(TypeError):
        kind(32)


def test_every_option_has_a_default_and_is_described(subject: Subject) -> None:
    kind = type(subject.make())
    assert vars(kind()).keys() == set(kind.parameter_names()) == {f.name for f in fields(kind)}
    described = f"{kind.__doc__}\n{Estimator.__doc__}"
    assert [name for name in kind.parameter_names() if name not in described] == []


def test_get_params_and_set_params(subject: Subject) -> None:
    estimator = subject.make(initialisation={"": "zero"})
    params = estimator.get_params()
    assert params == estimator.get_params(deep=False) == vars(estimator)
    assert params["initialisation"] is estimator.initialisation
    assert estimator.set_params(epochs=7, seed=3) is estimator
    assert estimator.get_params() == {**params, "epochs": 7, "seed": 3}


def test_unknown_options_are_told_all_at_once(subject: Subject) -> None:
    estimator = subject.make()
    before = estimator.get_params()
    with pytest.raises(UsageError) as caught:
        estimator.set_params(epoch=3, hiden_size=4, seed=5, zzzz=1)
    told = str(caught.value)
    assert type(estimator).__name__ in told
    assert "`epoch` (did you mean `epochs`?)" in told
    assert "`hiden_size` (did you mean `hidden_size`?)" in told
    assert "no `zzzz` (known: cell, hidden_size, " in told
    assert estimator.get_params() == before


def test_clone(subject: Subject) -> None:
    """As scikit-learn clones: the class called with get_params gives back the very same objects, and nothing learned."""
    fitted = subject.fitted(initialisation={"weight": "normal(0, 0.3)"})
    twin = fitted.clone()
    assert type(twin) is type(fitted)
    assert not is_fitted(twin)
    assert all(twin.get_params()[name] is value for name, value in fitted.get_params().items())
    assert fitted.clone(epochs=9).epochs == 9
    assert_same_bits(subject.ask(twin.fit(*subject.data)), subject.ask(fitted))


def test_not_fitted_yet(subject: Subject, tmp_path: Path) -> None:
    estimator = subject.make()
    asked: dict[str, Callable[[Any], Any]] = dict(subject.questions)
    asked |= {"save": lambda e: e.save(tmp_path), "final_record": lambda e: e.final_record()}
    if "forecast" not in subject.questions:
        asked["stream"] = lambda e: e.stream()
    for question in asked.values():
        with pytest.raises(NotFittedError, match="is not fitted yet; call `fit` first, or `load` a model"):
            question(estimator)
    assert os.listdir(tmp_path) == []


def test_fit_returns_the_estimator_and_learns_only_names_that_end_in_underscores(subject: Subject) -> None:
    estimator = subject.make()
    before = copy.deepcopy(estimator.get_params())
    data = copy.deepcopy(subject.data)
    assert estimator.fit(*subject.data) is estimator
    assert estimator.get_params() == before
    learned = set(vars(estimator)) - set(before)
    assert {"network_", "history_", "best_epoch_", "seconds_"} <= learned
    assert all(name.startswith("_") or name.endswith("_") for name in learned)
    for now, then in zip(subject.data, data, strict=True):
        assert np.array_equal(now, then)
    assert estimator.seconds_ > 0
    record = estimator.final_record()
    assert record in estimator.history_
    assert np.isfinite(record["train_loss"])


def test_the_same_seed_gives_the_same_bits(subject: Subject) -> None:
    first, second, other = (subject.fitted(seed=seed) for seed in (1, 1, 2))
    assert_all_same_bits(first.network_.parameters, second.network_.parameters)
    assert_same_bits(subject.ask(first), subject.ask(second))
    assert (subject.ask(first) != subject.ask(other)).any()


def test_asking_changes_nothing(subject: Subject) -> None:
    estimator = subject.fitted()
    parameters = {name: p.copy() for name, p in estimator.network_.parameters.items()}
    options, data = copy.deepcopy(estimator.get_params()), copy.deepcopy(subject.data)
    first = subject.ask(estimator)
    for question in subject.questions.values():
        question(estimator)
    assert_same_bits(subject.ask(estimator), first)
    assert_all_same_bits(estimator.network_.parameters, parameters)
    assert estimator.get_params() == options
    for now, then in zip(subject.data, data, strict=True):
        assert np.array_equal(now, then)


def test_fitting_again_starts_fresh(subject: Subject) -> None:
    once = subject.fitted()
    again = subject.fitted(*subject.other)
    first = subject.ask(again)
    again.fit(*subject.data)
    assert_same_bits(subject.ask(again), subject.ask(once))
    assert (first != subject.ask(once)).any()
    assert len(again.history_) == len(once.history_)


def test_save_and_load(subject: Subject, tmp_path: Path) -> None:
    estimator = subject.fitted(initialisation={"": "normal(0, 0.2)"})
    estimator.save(tmp_path / "model")
    both: tuple[Any, ...] = (type(estimator).load(tmp_path / "model"), load(str(tmp_path / "model")))
    for loaded in both:
        assert type(loaded) is type(estimator)
        assert loaded.get_params() == estimator.get_params()
        assert_same_bits(subject.ask(loaded), subject.ask(estimator))
        for question in subject.questions.values():
            assert repr(question(loaded)) == repr(question(estimator))
        loaded.fit(*subject.data)
        assert_same_bits(subject.ask(loaded), subject.ask(estimator))
    assert sorted(os.listdir(tmp_path / "model")) == ["config.json", "manifest.json", "model.safetensors"]
    config = json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))
    assert config["estimator"] == type(estimator).__name__


def test_loading_into_another_class_is_refused(subject: Subject, tmp_path: Path) -> None:
    estimator = subject.fitted()
    estimator.save(tmp_path / "model")
    for kind in ESTIMATORS.values():
        if kind is not type(estimator):
            with pytest.raises(
                RunError, match=f"holds a {type(estimator).__name__}, not a {kind.__name__}; use elman.load"
            ):
                kind.load(tmp_path / "model")


def test_loading_what_is_not_whole(subject: Subject, tmp_path: Path) -> None:
    subject.fitted().save(tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))
    for key in ("learned", "parameters", "estimator"):
        broken = {name: value for name, value in config.items() if name != key}
        (tmp_path / "model" / "config.json").write_text(json.dumps(broken), encoding="utf-8")
        with pytest.raises(RunError, match=r"config.json was changed after it was written"):
            load(tmp_path / "model")
        reseal(tmp_path / "model")
        with pytest.raises(RunError, match="train again"):
            load(tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").unlink()
    with pytest.raises(RunError, match=r"is not a whole model: model.safetensors is missing"):
        type(subject.make()).load(tmp_path / "model")


JUNK = st.sampled_from([None, True, -1, 0, 3, 1.5, "", "text", [], [1], ["a"], [[1.0]], {}, {"a": 1}])


@pytest.fixture(scope="module", params=SUBJECTS)
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("saved") / "model"
    estimator = SUBJECTS[request.param].fitted()
    estimator.save(folder)
    return type(estimator), folder, json.loads((folder / "config.json").read_text(encoding="utf-8"))


@given(junk=JUNK, data=st.data())
def test_a_config_that_was_tampered_with_gives_a_run_error_or_a_model(
    saved: tuple[Any, Path, dict[str, Any]], junk: Any, data: st.DataObject
) -> None:
    """Any one value, at any depth, replaced by something else."""
    kind, folder, config = saved
    config = copy.deepcopy(config)
    place: Any = config
    key = data.draw(st.sampled_from(["learned", "learned", "learned", "parameters", "network", "estimator", "format"]))
    while isinstance(place[key], dict | list) and place[key] and data.draw(st.integers(0, 3)):
        place = place[key]
        key = data.draw(st.sampled_from(sorted(place)) if isinstance(place, dict) else st.integers(0, len(place) - 1))
    place[key] = junk
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    reseal(folder)
    try:
        kind.load(folder)
    except RunError as error:
        assert str(folder) in str(error)  # noqa: PT017 - an error is allowed here, not asked for


def test_numpys_own_numbers_as_options(subject: Subject, tmp_path: Path) -> None:
    """As a search over a grid hands them in."""
    options: dict[str, Any] = {
        "seed": np.int64(1),
        "hidden_size": np.int64(4),
        "learning_rate": np.float64(0.02),
        "epochs": np.int32(2),
    }
    plain = {name: value.item() for name, value in options.items()}
    estimator = subject.fitted(**options)
    assert_same_bits(subject.ask(estimator), subject.ask(subject.fitted(**plain)))
    estimator.save(tmp_path / "model")
    assert_same_bits(subject.ask(load(tmp_path / "model")), subject.ask(estimator))


def test_copies_and_pickles_answer_the_same(subject: Subject) -> None:
    """And learn the same; before `fit` as after it, as worker processes need it."""
    unfitted, fitted = subject.make(), subject.fitted()
    for twin in (copy.deepcopy(unfitted), pickle.loads(pickle.dumps(unfitted))):
        assert not is_fitted(twin)
        assert_same_bits(subject.ask(twin.fit(*subject.data)), subject.ask(fitted))
    for twin in (copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
        assert_same_bits(subject.ask(twin), subject.ask(fitted))
        for question in subject.questions.values():
            assert repr(question(twin)) == repr(question(fitted))
        assert_same_bits(subject.ask(twin.fit(*subject.other)), subject.ask(subject.fitted(*subject.other)))


class StopAt(Callback):
    """A callback that sends SIGTERM at its n-th step."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def on_updates(self, epoch: int, updates: int, loss: float) -> None:
        import signal

        self.left -= 1
        if self.left == 0:
            signal.raise_signal(signal.SIGTERM)


def test_an_interrupted_fit_is_resumed_to_the_same_bits(subject: Subject, tmp_path: Path) -> None:
    wanted = subject.fitted()
    for stop in (1, 4):
        folder = tmp_path / str(stop)
        with pytest.raises(InterruptedTraining, match="stopped by SIGTERM"):
            subject.make().fit(*subject.data, checkpoint=folder, callbacks=[StopAt(stop)])
        again = subject.make().fit(*subject.data, checkpoint=folder, resume=True)
        assert_same_bits(subject.ask(again), subject.ask(wanted))
        assert again.best_epoch_ == wanted.best_epoch_


def test_resuming_other_data_or_other_options_is_refused(subject: Subject, tmp_path: Path) -> None:
    subject.make().fit(*subject.data, checkpoint=tmp_path)
    assert stored(tmp_path, FILE)
    with pytest.raises(RunError, match="belongs to a training with other data or other settings"):
        subject.make().fit(*subject.other, checkpoint=tmp_path, resume=True)
    for changes in ({"learning_rate": 0.5}, {"seed": 9}, {"hidden_size": 5}, {"cell": "elman"}, {"dtype": "float32"}):
        with pytest.raises(RunError, match="belongs to a training with other data or other settings"):
            subject.make(**changes).fit(*subject.data, checkpoint=tmp_path, resume=True)


@pytest.mark.parametrize("options", WRONG_EVERYWHERE, ids=str)
def test_options_that_cannot_be(subject: Subject, options: dict[str, Any]) -> None:
    """An error of ours that names the option, and nothing half learned."""
    estimator = subject.make(**options)
    with pytest.raises(ElmanError) as caught:
        estimator.fit(*subject.data)
    words = {"initialisation": "initialisation", "optimiser": "optimiser"}
    name = next(iter(options))
    assert f"`{words.get(name, name)}`" in str(caught.value), str(caught.value)
    assert not is_fitted(estimator)


def test_options_of_its_own_that_cannot_be(subject: Subject) -> None:
    for options in subject.wrong:
        estimator = subject.make(**options)
        with pytest.raises(UsageError):
            estimator.fit(*subject.data)
        assert not is_fitted(estimator), options


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_both_types_of_number_learn_nearly_the_same(subject: Subject, dtype: str) -> None:
    found = subject.ask(subject.fitted(dtype=dtype)).astype(np.float64)
    assert_close(found, subject.ask(subject.fitted(dtype="float64")), "float32 trained")


def test_observers_are_told(subject: Subject) -> None:
    seen = []

    class Diary(StopAt):
        def on_epoch_end(self, record: Any) -> None:
            seen.append(record["epoch"])

    fitted = subject.make().fit(*subject.data, callbacks=[Diary(0)])
    assert seen[: len(fitted.history_)] == [record["epoch"] for record in fitted.history_]
