"""A recipe: everything that one training needs, as a TOML document.

    title = "..."                    optional, as are summary, seed, engine, device, dtype, precision
    task = "classification"          or regression, forecasting, language
    [data]                           source = "...", its options, and how the data are prepared
    [network]                        cell, hidden_size, ...
    [training]                       epochs, learning_rate, batch_size, ...
    [generate]                       for language: prompts, length, temperature, ...

Keys are the constructor arguments of the task's estimator and the options of its source. What is left out has the estimator's
default. All mistakes are told in one error.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any

from elman.data.columns import split_columns
from elman.errors import DataError, UsageError
from elman.estimators import ESTIMATORS, Estimator
from elman.estimators.estimator import did_you_mean
from elman.recipes import options, sources
from elman.recipes.toml_text import write_toml
from elman.tasks import TASKS

NETWORK = frozenset({
    "cell", "hidden_size", "num_layers", "nonlinearity", "bias", "head_bias", "bidirectional", "dropout",
    "initialisation", "embedding_size", "output",
})  # fmt: skip
DATA = frozenset({
    "scale", "scale_target", "layout", "unit", "min_frequency", "window", "horizon", "season", "transform",
    "difference", "strategy", "interval", "class_weight",
})  # fmt: skip
LISTS = ("Sequence[float]",)  # options whose values are tuples, as estimators have them
OPTIONS = ("seed", "engine", "device", "dtype", "precision")
# Keys of older recipes, read as what they are called now.
RENAMED = {("data", "held_out"): "validation_characters"}
TOP = ("title", "summary", "task", *OPTIONS)
TABLES = ("data", "network", "training", "generate")
_ABOUT = ("title", "summary", "task")


@dataclass(frozen=True)
class Recipe:
    """A checked recipe.

    Attributes:
        name: of the built-in recipe, or of its file.
        task: `classification`, `regression`, `forecasting` or `language`.
        title: for the report, as is `summary`.
        source: where the data come from.
        source_options: of the source.
        parameters: of the estimator.
        generate: options of `generate`, for language.
    """

    name: str
    task: str
    title: str
    summary: str
    source: str
    source_options: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    generate: dict[str, Any] = field(default_factory=dict)

    @property
    def per_series(self) -> bool:
        """Whether each series gets a model of its own."""
        return bool(self.source_options.get("per_series"))

    @property
    def targets(self) -> list[str]:
        """The names of the target columns of a recipe that reads a table."""
        return split_columns(self.source_options["target"])

    def estimator(self) -> Estimator:
        """A fresh estimator with the recipe's options."""
        return ESTIMATORS[self.task](**self.parameters)

    def text(self) -> str:
        """The complete recipe as TOML: every option spelled out, so that it gives the same run whatever defaults become."""
        whole = self.estimator().get_params()
        document: dict[str, Any] = {"title": self.title, "summary": self.summary, "task": self.task}
        document |= {name: whole.pop(name) for name in OPTIONS}
        document["data"] = {"source": self.source, **sources.absolute(self.source_options), **_take(whole, DATA)}
        document["network"] = _take(whole, NETWORK)
        document["training"] = whole
        if self.generate:
            document["generate"] = self.generate
        return write_toml(document)

    def with_parameters(self, **changes: Any) -> Recipe:
        """The recipe with other estimator options; None changes nothing."""
        changed = {name: value for name, value in changes.items() if value is not None}
        return replace(self, parameters={**self.parameters, **changed})

    def with_inputs(self, names: Sequence[str] | None) -> Recipe:
        """The recipe with the input columns that its table gave, so that later files are read by name, not by position."""
        return replace(self, source_options={**self.source_options, "inputs": list(names)}) if names else self


def builtin_names() -> list[str]:
    """The names of the recipes that come with Elman."""
    folder = resources.files("elman.recipes") / "builtin"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def builtin_document(name: str) -> dict[str, Any]:
    """A built-in recipe's TOML, not checked: some lack the path that a user gives."""
    text = (resources.files("elman.recipes") / "builtin" / f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def load_recipe(name: str, settings: Sequence[str] = ()) -> Recipe:
    """The built-in recipe called `name`, or the TOML file of that path, with `settings` like `training.epochs=5`.

    Raises UsageError for an unknown name and for every mistake in the recipe, all at once; DataError for a file that is not TOML.
    """
    if name in builtin_names():
        return make_recipe(name, builtin_document(name), settings)
    path = Path(name)
    if not path.is_file():
        raise UsageError(
            f"there is no recipe {did_you_mean(name, builtin_names())}, and no file of that name; "
            "`elman recipes` lists the built-in ones"
        )
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a TOML recipe: {error}; correct that place") from error
    shown = path.parent.name if path.name == "recipe.toml" else path.stem
    return make_recipe(shown, document, settings)


def make_recipe(name: str, document: Mapping[str, Any], settings: Sequence[str] = ()) -> Recipe:
    """Check a recipe's document. Raises UsageError that tells every mistake."""
    problems: list[str] = []
    document = _with_settings(document, settings, problems)
    task = document.get("task")
    if task not in ESTIMATORS:
        problems.append(f"`task` must be one of {', '.join(ESTIMATORS)}; got {task!r}")
        raise UsageError(_all(name, problems))
    for key, value in document.items():
        if key not in (*TOP, *TABLES):
            problems.append(did_you_mean(key, [*TOP, *TABLES]))
        elif key in TABLES and not isinstance(value, Mapping):
            problems.append(f"`{key}` must be a table; got {value!r}")
    tables: dict[str, Mapping[str, Any]] = {
        table: document[table] if isinstance(document.get(table), Mapping) else {} for table in TABLES
    }
    data = _renamed("data", tables["data"])
    source = data.pop("source", None)
    known = options.source_options(task)
    if source not in known:
        problems.append(f"`data.source` must be one of {', '.join(known)} for task {task}; got {source!r}")
    types = {f.name: str(f.type) for f in fields(ESTIMATORS[task])}
    expected = _expected(task, types, known.get(source))
    parameters: dict[str, Any] = {}
    source_values: dict[str, Any] = {}
    generate: dict[str, Any] = {}
    for table, values in {**tables, "data": data}.items():
        for key, value in values.items():
            kind = expected[table].get(key)
            if kind is None:
                if source in known or table != "data":
                    problems.append(_unknown(table, key, expected))
            elif not options.fits(value, kind):
                problems.append(f"`{table}.{key}` must be {options.in_words(kind)}; got {value!r}")
            elif table == "generate":
                generate[key] = value
            else:
                (parameters if key in types else source_values)[key] = tuple(value) if kind in LISTS else value
    problems += options.generate_problems(generate)
    for key in OPTIONS:
        if key in document:
            if options.fits(document[key], types[key]):
                parameters[key] = document[key]
            else:
                problems.append(f"`{key}` must be {options.in_words(types[key])}; got {document[key]!r}")
    if parameters.get("seed", 0) < 0:
        problems.append(f"`seed` must be at least 0; got {parameters['seed']!r}")
    for key in ("title", "summary"):
        if not isinstance(document.get(key, ""), str):
            problems.append(f"`{key}` must be a text; got {document[key]!r}")
    for key in options.required(task, source) if source in known else ():
        if key not in data:
            problems.append(f"`data.{key}` is missing; add it to the recipe or give --set data.{key}=...")
    if problems:
        raise UsageError(_all(name, problems))
    return Recipe(
        name, task, str(document.get("title", name)), str(document.get("summary", "")), str(source), source_values,
        parameters, generate,
    )  # fmt: skip


def _renamed(table: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """A table with the keys of older recipes under the names they have now."""
    return {RENAMED.get((table, key), key): value for key, value in values.items()}


def _expected(task: str, types: Mapping[str, str], source: Mapping[str, str] | None) -> dict[str, dict[str, str]]:
    """For each table, the keys it may have and their types."""
    network = {key: types[key] for key in types if key in NETWORK}
    data = {key: types[key] for key in types if key in DATA} | dict(source or {})
    training = {key: types[key] for key in types if key not in NETWORK | DATA | set(OPTIONS)}
    generate = options.GENERATE if TASKS[task].writes_text else {}
    return {"data": data, "network": network, "training": training, "generate": generate}


def _unknown(table: str, key: str, expected: Mapping[str, Mapping[str, str]]) -> str:
    """What to say of a key that a table does not have, looking for it in the others first."""
    elsewhere = [other for other in expected if key in expected[other]]
    if elsewhere:
        return f"`{table}.{key}` belongs into [{elsewhere[0]}]"
    if not expected[table]:
        return f"`{table}.{key}`: this task has no [{table}]"
    # The bare keys are compared: the table's name in front would make any two look alike.
    close = difflib.get_close_matches(key, expected[table], 1)
    if close:
        return f"`{table}.{key}` (did you mean `{table}.{close[0]}`?)"
    return f"`{table}.{key}` (known in [{table}]: {', '.join(expected[table])})"


def _with_settings(document: Mapping[str, Any], settings: Sequence[str], problems: list[str]) -> dict[str, Any]:
    """The document with `table.key=value` settings put in."""
    changed = {key: dict(value) if isinstance(value, Mapping) else value for key, value in document.items()}
    for setting in settings:
        place, equals, text = setting.partition("=")
        parts = place.strip().split(".")
        if not equals or not all(parts) or (len(parts) == 1 and parts[0] not in TOP):
            problems.append(f"--set {setting!r} must look like training.epochs=5")
            continue
        target = changed
        for part in parts[:-1]:
            nested = target.setdefault(part, {})
            target[part] = dict(nested) if isinstance(nested, Mapping) else {}
            target = target[part]
        target[parts[-1]] = _value(text.strip())
    return changed


def _value(text: str) -> Any:
    """A TOML value, or the text itself where it is none; `none` is None."""
    if text.lower() in ("none", "null"):
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _take(values: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: values.pop(name) for name in list(values) if name in names}


def _all(name: str, problems: Sequence[str]) -> str:
    return f"recipe {name}: " + "; ".join(problems)
