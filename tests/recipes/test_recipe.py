"""Recipes: the built-in ones, what a run keeps of one, settings, and every mistake in one error."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.errors import DataError, UsageError
from elman.estimators import ESTIMATORS
from elman.recipes import (
    Recipe,
    builtin_document,
    builtin_names,
    classify_recipe,
    forecast_recipe,
    load_recipe,
    make_recipe,
)
from elman.recipes.options import fits, in_words, required
from elman.recipes.sources import SOURCES

SEEDS = [
    "classify-sums", "sine-online", "sine-window", "sine-to-cosine", "time-machine-scratch", "time-machine-scratch-random",
    "time-machine", "time-machine-gru", "time-machine-gru-scratch", "time-machine-lstm", "time-machine-lstm-scratch",
    "time-machine-lstm-two-layers", "time-machine-bidirectional",
]  # fmt: skip
OWN = {
    "classify-file": ["data.path=a.ts"],
    "regress-table": ["data.path=a.csv", "data.target=y"],
    "forecast-table": ["data.path=a.csv", "data.target=y"],
    "text-file": ["data.path=a.txt"],
    "python-topics": [],
}  # one real use of each task, and a text that is on every machine


def builtin(name: str) -> Recipe:
    return load_recipe(name, OWN.get(name, []))


def recipe(**changes: Any) -> dict[str, Any]:
    """A small recipe's document."""
    return {"task": "classification", "data": {"source": "sums"}, **changes}


# The built-in ones --------------------------------------------------------------------------------------------------------------


def test_every_seed_has_its_recipes_and_every_task_one_for_a_users_data() -> None:
    assert builtin_names() == sorted([*SEEDS, *OWN])
    assert {builtin(name).task for name in OWN} == set(ESTIMATORS)


@pytest.mark.parametrize("name", builtin_names())
def test_a_builtin_recipe_parses_and_says_what_it_is(name: str) -> None:
    found = builtin(name)
    assert found.name == name
    assert found.title
    assert len(found.title) < 70
    assert found.summary.endswith((".", "COLUMN", "FILE"))
    assert found.estimator().task == found.task


@pytest.mark.parametrize("name", builtin_names())
def test_the_text_of_a_recipe_is_complete_and_gives_the_same_recipe(name: str, tmp_path: Path) -> None:
    first = builtin(name)
    path = tmp_path / f"{name}.toml"
    path.write_text(first.text(), encoding="utf-8")
    again = load_recipe(str(path))
    assert again.estimator().get_params() == first.estimator().get_params()
    assert (again.task, again.title, again.summary, again.source) == (
        first.task,
        first.title,
        first.summary,
        first.source,
    )
    assert again.generate == first.generate
    assert again.text() == first.text()
    document = tomllib.loads(first.text())
    spelled_out = {key for table in ("data", "network", "training") for key in document[table]} | set(document)
    for field in fields(ESTIMATORS[first.task]):
        if getattr(first.estimator(), field.name) is not None:
            assert field.name in spelled_out, f"{field.name} is left to its default, which may change"


def test_paths_in_the_text_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = load_recipe("classify-file", ["data.path=a.ts", "data.test_path=b/c.ts"])
    data = tomllib.loads(found.text())["data"]
    assert (data["path"], data["test_path"]) == (str(tmp_path / "a.ts"), str(tmp_path / "b/c.ts"))


SETTINGS_OF_THE_SEEDS: dict[str, dict[str, Any]] = {
    "classify-sums": {
        "cell": "elman", "hidden_size": 32, "optimiser": "adam", "learning_rate": 1e-3, "batch_size": 32, "epochs": 20,
        "shuffle": True, "nonlinearity": "tanh",
    },
    "sine-online": {
        "hidden_size": 6, "bias": False, "head_bias": False, "loss": "half_mse", "reduction": "sum", "optimiser": "sgd",
        "learning_rate": 0.1, "epochs": 300, "steps": 1, "carry": True, "backprop_steps": None,
        "initialisation": {"weight": "normal(0, 0.4)", "head": "normal(0, 0.3)"},
    },
    "sine-window": {
        "hidden_size": 100, "nonlinearity": "sigmoid", "bias": False, "head_bias": False, "learning_rate": 1e-4, "epochs": 25,
        "batch_size": 1, "backprop_steps": 5, "clip_value": 10.0, "clip_norm": None, "shuffle": False, "optimiser": "sgd",
        "momentum": 0.0, "loss": "half_mse", "reduction": "sum", "score_first": True, "output": "last",
        "initialisation": {"": "uniform(0, 1)"},
    },
    "sine-to-cosine": {
        "hidden_size": 32, "optimiser": "adam", "learning_rate": 0.02, "steps": 10, "carry": True, "loss": "mse",
        "updates_per_epoch": 10, "epochs": 30, "shuffle": False, "initialisation": None, "clip_norm": None,
    },
    "time-machine-scratch": {"cell": "elman", "hidden_size": 512, "sampling": "sequential"},
    "time-machine-scratch-random": {"cell": "elman", "hidden_size": 512, "sampling": "random"},
    "time-machine": {"cell": "elman", "hidden_size": 256, "initialisation": None},
    "time-machine-gru": {"cell": "gru", "hidden_size": 256, "initialisation": None},
    "time-machine-gru-scratch": {"cell": "gru", "hidden_size": 256},
    "time-machine-lstm": {"cell": "lstm", "hidden_size": 256, "initialisation": None},
    "time-machine-lstm-scratch": {"cell": "lstm", "hidden_size": 256},
    "time-machine-lstm-two-layers": {"cell": "lstm", "num_layers": 2, "learning_rate": 2.0},
    "time-machine-bidirectional": {"cell": "lstm", "num_layers": 2, "bidirectional": True},
}  # fmt: skip


@pytest.mark.parametrize("name", SEEDS)
def test_a_seeds_recipe_has_the_settings_of_its_text(name: str) -> None:
    wanted = dict(SETTINGS_OF_THE_SEEDS[name])
    if name.startswith("time-machine"):
        wanted = {
            "optimiser": "sgd", "learning_rate": 1.0, "clip_norm": 1.0, "batch_size": 32, "steps": 35, "epochs": 500,
            "unit": "char", "embedding_size": 0, "patience": None, **wanted,
        }  # fmt: skip
        if "scratch" in name:
            wanted["initialisation"] = {
                "weight": "normal(0, 0.01)", "head.weight": "normal(0, 0.01)", "bias": "zero", "head.bias": "zero",
            }  # fmt: skip
        assert builtin(name).generate == {"prompts": ["time traveller", "traveller"], "length": 50, "temperature": 0.0}
    found = builtin(name).estimator().get_params()
    assert {key: found[key] for key in wanted} == wanted


# Settings -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "name", "value"),
    [
        ("training.epochs=7", "epochs", 7),
        (" training.epochs = 7 ", "epochs", 7),
        ("training.learning_rate=1e-2", "learning_rate", 0.01),
        ("training.shuffle=false", "shuffle", False),
        ("network.cell=lstm", "cell", "lstm"),
        ('network.cell="lstm"', "cell", "lstm"),
        ("training.clip_norm=none", "clip_norm", None),
        ("training.schedule=step(10, 0.5)", "schedule", "step(10, 0.5)"),
        ('network.initialisation={weight = "zero"}', "initialisation", {"weight": "zero"}),
        ("network.initialisation.weight=orthogonal(1)", "initialisation", {"weight": "orthogonal(1)"}),
        ("seed=3", "seed", 3),
        ("engine=reference", "engine", "reference"),
    ],
)
def test_a_setting_changes_one_key(setting: str, name: str, value: Any) -> None:
    before, after = load_recipe("classify-sums").parameters, load_recipe("classify-sums", [setting]).parameters
    assert after == {**before, name: value}
    assert type(after[name]) is type(value)


def test_a_path_may_hold_anything() -> None:
    found = load_recipe("text-file", ["data.path=/home/a = b/it's 3 #1.txt"])
    assert found.source_options["path"] == "/home/a = b/it's 3 #1.txt"


def test_settings_leave_the_document_alone() -> None:
    document = recipe(network={"initialisation": {"weight": "zero"}})
    make_recipe("mine", document, ["network.initialisation.bias=zero", "training.epochs=3", "data.num_samples=5"])
    assert document == recipe(network={"initialisation": {"weight": "zero"}})


def test_parameters_given_as_none_change_nothing() -> None:
    first = load_recipe("classify-sums")
    assert first.with_parameters(engine=None, seed=None) == first
    assert first.with_parameters(seed=4).parameters == {**first.parameters, "seed": 4}
    assert first.parameters["seed"] == 0
    assert first.with_inputs(None) == first
    assert first.with_inputs(("a", "b")).source_options["inputs"] == ["a", "b"]


# Recipes made from a command's options ------------------------------------------------------------------------------------------


def test_a_forecast_is_the_builtin_recipe_with_the_columns_put_in() -> None:
    found = forecast_recipe("dir/sales.csv", target="sold", horizon=6, time="day", settings=["training.epochs=3"])
    base = load_recipe("forecast-table", OWN["forecast-table"])
    assert found.name == "forecast-sales"
    assert found.title == "sold, the next 6 steps"
    assert found.source_options == {"path": "dir/sales.csv", "target": "sold", "time": "day", "folds": 3}
    assert found.parameters == {**base.parameters, "horizon": 6, "epochs": 3}
    assert "--set" not in found.summary


def test_a_classification_is_the_builtin_recipe_with_the_files_put_in() -> None:
    found = classify_recipe("a/moves.csv", "b.csv", label="kind", series="id")
    assert found.name == "classify-moves"
    assert found.source_options == {"path": "a/moves.csv", "test_path": "b.csv", "label": "kind", "series": "id"}
    assert found.parameters == load_recipe("classify-file", OWN["classify-file"]).parameters


# Mistakes -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({}, "`task` must be one of classification, regression, forecasting, language; got None"),
        (recipe(data={}), "`data.source` must be one of sums, file for task classification; got None"),
        (recipe(data=5), "`data` must be a table; got 5"),
        (recipe(network=[1]), "`network` must be a table; got [1]"),
        (recipe(trainig={}), "`trainig` (did you mean `training`?)"),
        (recipe(epochs=5), "`epochs` (known: title, summary, task, seed,"),
        (recipe(training={"epoch": 5}), "`training.epoch` (did you mean `training.epochs`?)"),
        (recipe(training={"hidden_size": 5}), "`training.hidden_size` belongs into [network]"),
        (recipe(training={"zzz": 5}), "`training.zzz` (known in [training]: optimiser, learning_rate,"),
        (recipe(generate={"length": 5}), "`generate.length`: this task has no [generate]"),
        (recipe(training={"epochs": True}), "`training.epochs` must be a whole number; got True"),
        (recipe(training={"epochs": 2.0}), "`training.epochs` must be a whole number; got 2.0"),
        (recipe(training={"patience": "x"}), "`training.patience` must be a whole number or left out; got 'x'"),
        (recipe(training={"learning_rate": True}), "`training.learning_rate` must be a finite number; got True"),
        (recipe(training={"learning_rate": float("inf")}), "`training.learning_rate` must be a finite number; got inf"),
        (recipe(training={"checkpoint_seconds": float("nan")}), "`training.checkpoint_seconds` must be a finite number; got nan"),
        (recipe(seed="1"), "`seed` must be a whole number; got '1'"),
        (recipe(seed=-1), "`seed` must be at least 0; got -1"),
        (recipe(dtype=64), "`dtype` must be a text or left out; got 64"),
        (recipe(title=None), "`title` must be a text; got None"),
        (recipe(summary=["a"]), "`summary` must be a text; got ['a']"),
        (recipe(data={"source": "file", "path": "a.ts", "inputs": [1]}), "`data.inputs` must be a list of texts or left out"),
        (recipe(data={"source": "file"}), "`data.path` is missing; add it to the recipe or give --set data.path=..."),
    ],
)  # fmt: skip
def test_a_mistake_is_told(document: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)) as caught:
        make_recipe("mine", document)
    assert str(caught.value).startswith("recipe mine: ")


@given(
    names=st.lists(
        st.sampled_from(["epoch", "lerning_rate", "batchsize", "patiense", "warm_up"]), unique=True, min_size=1
    )
)
def test_every_mistake_is_told_in_one_error(names: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        make_recipe("mine", recipe(training=dict.fromkeys(names, 1), nonsense=3, data={"source": "sums", "num": 1}))
    for name in [*(f"training.{name}" for name in names), "data.num", "nonsense"]:
        assert str(caught.value).count(f"`{name}` (") == 1


def test_a_sample_that_cannot_be_drawn() -> None:
    document = {
        "task": "language",
        "data": {"source": "python-topics"},
        "generate": {"top_k": 0, "top_p": 2.0, "length": -1},
    }
    with pytest.raises(
        UsageError, match=r"`top_k` must be at least 1.*`top_p` must be.*`generate.length` must be at least 0"
    ):
        make_recipe("mine", document)
    document["generate"] = {
        "top_k": 1,
        "top_p": 1.0,
        "length": 0,
        "temperature": 0,
        "seed": 0,
        "prompts": ["a"],
        "stop": "b",
    }
    assert make_recipe("mine", document).generate == document["generate"]


def test_an_unknown_recipe_and_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=re.escape("no recipe `sine-onlin` (did you mean `sine-online`?), and no file")
    ):
        load_recipe("sine-onlin")
    (tmp_path / "a.toml").write_text("a = 1\nb 2\n")
    with pytest.raises(DataError, match=r"a\.toml is not a TOML recipe: .*line 2.*; correct that place"):
        load_recipe(str(tmp_path / "a.toml"))


def test_a_run_folders_recipe_is_named_for_the_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for name in ("mine/recipe.toml", "other.toml"):
        (tmp_path / name).write_text('task = "classification"\n[data]\nsource = "sums"\n', encoding="utf-8")
    assert load_recipe(str(tmp_path / "mine" / "recipe.toml")).name == "mine"
    assert load_recipe(str(tmp_path / "other.toml")).title == "other"


@pytest.mark.parametrize(
    ("value", "kind", "good"),
    [
        (1, "int", True), (1.0, "int", False), (True, "int", False), (1, "float", True), (1.5, "float", True),
        (True, "float", False), (float("nan"), "float", False), (None, "float | None", True), (None, "float", False),
        (True, "bool", True), (1, "bool", False), ("a", "str", True), (1, "str | int", True), (1.5, "str | int", False),
        (["a"], "list[str]", True), ([], "list[str]", True), (["a", 1], "list[str]", False), ("a", "list[str]", False),
        ({"a": "b"}, "Mapping[str, str] | None", True), ([], "Mapping[str, str]", False),
    ],
)  # fmt: skip
def test_types_as_toml_has_them(value: Any, kind: str, good: bool) -> None:
    assert fits(value, kind) is good


def test_every_option_of_every_task_and_source_has_words() -> None:
    for task, estimator in ESTIMATORS.items():
        assert all(in_words(str(field.type)) for field in fields(estimator))
        for source in SOURCES[task]:
            assert set(required(task, source)) <= {"path", "target"}


def test_the_summary_of_a_recipe_for_ones_own_data_says_how_to_give_it() -> None:
    for name in ("classify-file", "regress-table", "forecast-table", "text-file"):
        assert f"elman train {name} --set data.path=FILE" in builtin_document(name)["summary"]


def test_keys_of_older_recipes_are_read_as_what_they_are_called_now() -> None:
    old = {"task": "language", "data": {"source": "time-machine", "held_out": 7}}
    assert make_recipe("old", old).source_options == {"validation_characters": 7}
