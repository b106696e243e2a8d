"""Who imports whom: rooms know only rooms below them, no module is in a circle, light work stays light, public names are sorted and
there."""

from __future__ import annotations

import ast
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import elman
from elman.data import Series
from elman.estimators import Estimator, Forecaster, LanguageModel, SequenceClassifier, SequenceRegressor

PACKAGE = Path(elman.__file__).parent

ORDER = (
    ("__main__",),
    ("cli",),
    ("serving", "export", "inspection"),
    ("recipes",),
    ("runs",),
    ("estimators",),
    ("training",),
    ("data",),
    ("engines",),
    ("network",),
    ("cells",),
    ("nn",),
    ("native",),
    ("files", "measures"),
    ("tasks",),
    ("errors", "version"),
)
"""The rooms of design.md from top to bottom; rooms of one line do not know each other."""

ENGINES = (("factory", "distributed"), ("torch",), ("native", "reference"))
"""The rooms of the engines from top to bottom, and what chooses among them; all other files there are shared, and below."""

LEVELS = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
THERE = {path.stem for path in PACKAGE.iterdir() if path.is_dir() or path.suffix == ".py"} - {"__init__"}
ITSELF = "elman itself"
HEAVY = ("polars", "matplotlib", "typer", "rich", "torch", "narwhals", "joblib", "sklearn")


# Rooms


def imported_rooms(text: str, module: tuple[str, ...], *, package: bool = False) -> Iterator[tuple[int, str]]:
    """(line, room) of each import of elman anywhere in a module's text, in functions and for types alone included.

    module   its name in parts below elman, e.g. ("data", "text"); package: it is that folder's `__init__`
    """
    for line, name in elman_imports(text, module if package else module[:-1]):
        yield line, room_of(name)


def elman_imports(text: str, folder: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """(line, full name) of each import of elman anywhere in the text of a module that lies in this folder of elman."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Call):
            for name in imported_names(node, folder):
                if name == "elman" or name.startswith("elman."):
                    yield node.lineno, name


def imported_names(node: ast.Import | ast.ImportFrom | ast.Call, folder: tuple[str, ...]) -> list[str]:
    """The full names that one statement or call imports; `from a import b` gives a.b."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        above = ["elman", *folder[: len(folder) - node.level + 1]] if node.level else []
        base = [*above, *([node.module] if node.module else [])]
        return [".".join([*base, alias.name]) for alias in node.names]
    if not node.args or not ast.unparse(node.func).endswith(("import_module", "__import__")):
        return []
    first = node.args[0]
    if isinstance(first, ast.JoinedStr) and first.values:
        first = first.values[0]
    return [first.value] if isinstance(first, ast.Constant) and isinstance(first.value, str) else []


def room_of(name: str) -> str:
    """The room in which `elman.a.b` lies; what is no room is a public name, and so the package itself."""
    parts = name.split(".")
    room = parts[1] if len(parts) > 1 else ""
    return room if room in LEVELS or room in THERE else ITSELF


def rooms_of(file: Path) -> list[tuple[int, str]]:
    """`imported_rooms` of a file of elman."""
    text = file.read_text(encoding="utf-8")
    return list(imported_rooms(text, parts_of(file), package=file.name == "__init__.py"))


def upward(room: str, imported: Iterable[tuple[int, str]]) -> list[str]:
    """Every import that does not go downward, as `line 3: data imports estimators`."""
    return [
        f"line {line}: {room} imports {other}"
        for line, other in imported
        if other != room and (other not in LEVELS or LEVELS[other] <= LEVELS[room])
    ]


def climbs(text: str, module: tuple[str, ...], *, package: bool = False) -> list[str]:
    """`upward` of a text that is no file."""
    return upward(module[0], imported_rooms(text, module, package=package))


def sources() -> list[Path]:
    return [file for file in sorted(PACKAGE.rglob("*.py")) if file != PACKAGE / "__init__.py"]


def parts_of(file: Path) -> tuple[str, ...]:
    parts = file.relative_to(PACKAGE).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def test_every_room_has_its_place() -> None:
    rooms = {parts_of(file)[0] for file in sources()}
    assert sorted(rooms - LEVELS.keys()) == [], "give the new room its place in ORDER, and in design.md"
    assert {"cells", "network", "engines", "data", "training", "estimators"} <= rooms


def test_rooms_import_only_downward() -> None:
    placed = [file for file in sources() if parts_of(file)[0] in LEVELS]
    found = {str(file.relative_to(PACKAGE)): upward(parts_of(file)[0], rooms_of(file)) for file in placed}
    assert {file: lines for file, lines in found.items() if lines} == {}


def test_imports_are_seen_in_the_real_files() -> None:
    seen = {(parts_of(file)[0], room) for file in sources() for _, room in rooms_of(file)}
    assert {("network", "cells"), ("network", "version"), ("data", "errors"), ("estimators", "training")} <= seen


CLIMBS = {
    "plain": ("import elman.estimators", "estimators"),
    "with a name": ("import elman.estimators.forecaster as f", "estimators"),
    "from a room": ("from elman.training.loop import train", "training"),
    "a room from the package": ("from elman import errors, recipes", "recipes"),
    "in a function": ("def f():\n    from elman.runs import run", "runs"),
    "in a method": ("class A:\n    def f(self):\n        import elman.cli.main", "cli"),
    "for types alone": ("if TYPE_CHECKING:\n    from elman.estimators import Estimator", "estimators"),
    "relative": ("from ..estimators import Estimator", "estimators"),
    "relative, a room": ("from .. import training", "training"),
    "by its name": ("importlib.import_module('elman.estimators')", "estimators"),
    "by a name made up": ("import_module(f'elman.{name}')", ITSELF),
    "by the built-in": ("__import__('elman.runs')", "runs"),
    "the package": ("import elman", ITSELF),
    "a public name": ("from elman import Forecaster", ITSELF),
    "every public name": ("from elman import *", ITSELF),
}


@pytest.mark.parametrize("case", CLIMBS)
def test_an_import_upward_is_found(case: str) -> None:
    text, other = CLIMBS[case]
    lines = text.count("\n") + 1
    assert climbs(text, ("data", "text")) == [f"line {lines}: data imports {other}"]


def test_rooms_on_one_line_do_not_know_each_other() -> None:
    assert climbs("import elman.export", ("serving", "http")) == ["line 1: serving imports export"]
    assert climbs("import elman.errors", ("version",)) == ["line 1: version imports errors"]
    assert climbs("from elman import version", ("errors",)) == ["line 1: errors imports version"]


@pytest.mark.parametrize(
    "text",
    [
        "import numpy as np\nfrom elmansion import estimators",
        "from elman.engines import Engine\nfrom elman import errors, network, version\nimport elman.native",
        "from elman.data.text import read_text\nfrom elman import data",
        "from .text import read_text\nfrom . import tables\nfrom ..errors import DataError",
        "importlib.import_module('polars')\nimport_module(name)",
    ],
    ids=["others", "downward", "within", "relative", "by name"],
)
def test_imports_downward_and_within_pass(text: str) -> None:
    assert climbs(text, ("data", "ts_files")) == []


def test_relative_imports_of_a_folder_start_in_it() -> None:
    assert climbs("from .loop import train", ("training",), package=True) == []
    assert climbs("from ..cli import main", ("training",), package=True) == ["line 1: training imports cli"]
    assert climbs("from .task import Task\nfrom ..recipe import Recipe", ("recipes", "tasks"), package=True) == []
    assert climbs("from ...cli import main", ("recipes", "tasks"), package=True) == ["line 1: recipes imports cli"]


# The rooms of the engines


def engines_imported(text: str, module: tuple[str, ...]) -> list[str]:
    """Every import among the engines that does not go downward, as `line 3: native imports torch`."""
    levels = {room: len(ENGINES) - level for level, rooms in enumerate(ENGINES) for room in rooms}
    climbing = []
    for line, name in elman_imports(text, module[:-1]):
        room, other = module[1], name.split(".")[2] if name.startswith("elman.engines.") else module[1]
        if room != other and levels.get(other, 0) >= max(1, levels.get(room, 0)):
            climbing.append(f"line {line}: {room} imports {other}")
    return climbing


def test_engines_know_what_they_share_and_not_each_other() -> None:
    files = [file for file in sources() if parts_of(file)[0] == "engines" and file.name != "__init__.py"]
    climbing = {str(file): engines_imported(file.read_text("utf-8"), parts_of(file)) for file in files}
    assert {file: lines for file, lines in climbing.items() if lines} == {}
    assert {"reference", "native", "torch"} <= {parts_of(file)[1] for file in files}


def test_an_engine_that_knows_another_is_found() -> None:
    lazy = "def f():\n    from elman.engines.torch.engine import TorchEngine"
    assert engines_imported(lazy, ("engines", "native", "engine")) == ["line 2: native imports torch"]
    assert engines_imported("from ..reference import engine", ("engines", "native", "engine")) == [
        "line 1: native imports reference"
    ]
    assert engines_imported("import elman.engines.native.engine", ("engines", "checks")) == [
        "line 1: checks imports native"
    ]
    assert engines_imported("from elman.engines.reference.engine import A", ("engines", "torch", "engine")) == []
    assert engines_imported("from elman.engines import checks", ("engines", "native", "engine")) == []


# Circles


def imports_by_module() -> dict[str, set[str]]:
    """Which modules of elman each one imports, in functions and for types alone included.

    An import of `elman.a.b` is one of that module; that Python runs the `__init__` of its folders first does not count, or
    every folder whose `__init__` lists its public names would be a circle.
    """
    files = {".".join(("elman", *parts_of(file))): file for file in sources()}
    graph = {}
    for module, file in files.items():
        folder = parts_of(file) if file.name == "__init__.py" else parts_of(file)[:-1]
        names = [name for _, name in elman_imports(file.read_text("utf-8"), folder)]
        graph[module] = {found for name in names if (found := deepest(name, files)) and found != module}
    return graph


def deepest(name: str, modules: Iterable[str]) -> str | None:
    """The module that `elman.a.b` is or lies in."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or None


def circle(graph: dict[str, set[str]]) -> list[str]:
    """The modules of one circle, the first one again at the end; empty where there is none."""
    finished: set[str] = set()

    def walk(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module not in finished:
            for other in sorted(graph.get(module, ())):
                if found := walk(other, [*path, module]):
                    return found
            finished.add(module)
        return []

    for module in sorted(graph):
        if found := walk(module, []):
            return found
    return []


def test_no_module_is_in_a_circle() -> None:
    graph = imports_by_module()
    assert "elman.engines.torch.processes" in graph["elman.engines.distributed"]  # lazy imports are seen
    assert circle(graph) == []


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c", "d"}, "c": set(), "d": {"b"}}) == ["b", "d", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


# Light work


def heavy_after(code: str, *arguments: str) -> list[str]:
    """Which heavy libraries a fresh Python has imported after this code."""
    report = f"\nimport json, sys\nprint(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    paths = [str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-c", code + report, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    assert done.returncode == 0, done.stderr
    names: list[str] = json.loads(done.stdout.splitlines()[-1])
    return names


def fitted(task: str) -> Estimator:
    """A small trained model of the task."""
    x = np.random.default_rng(0).normal(size=(6, 5, 2))
    small: dict[str, Any] = {"hidden_size": 3, "epochs": 1, "validation": 0.0, "patience": None}
    if task == "classification":
        return SequenceClassifier(**small).fit(x, x.sum((1, 2)) > 0)
    if task == "regression":
        return SequenceRegressor(**small).fit(x, x[:, :, :1])
    if task == "forecasting":
        days = np.arange("2020-01-01", "2020-02-10", dtype="datetime64[D]").astype("datetime64[us]")
        return Forecaster(horizon=2, window=4, **small).fit([Series("a", days, np.sin(np.arange(40.0))[:, None])])
    return LanguageModel(steps=8, batch_size=2, **small).fit("the cat sat on the mat. " * 10)


def test_importing_elman_is_light() -> None:
    assert heavy_after("import elman") == []


def test_importing_the_rooms_below_runs_is_light() -> None:
    assert heavy_after("import elman.estimators, elman.training, elman.data, elman.engines, elman.network") == []


LOAD = "import sys, numpy, elman\nmodel = elman.load(sys.argv[1])\n"
STREAM = (
    "network, stream = model.network_, model.stream()\n"
    "for _ in range(3):\n"
    "    y = stream.step(0 if network.tokens else numpy.zeros(network.input_size))\n"
    "stream.state = stream.state\n"
    "assert y.shape == (network.output_size,) and numpy.isfinite(y).all()\n"
)
USES = {
    "classification": "assert model.predict(numpy.zeros((1, 5, 2))).shape == (1,)\n",
    "regression": STREAM,
    "forecasting": "assert model.predict().shape == (2, 1)\n",
    "language": STREAM,
}
"""What a loaded model is asked for: to stream, where its network answers at every step, else to predict."""


@pytest.mark.parametrize("task", USES)
def test_loading_a_model_and_using_it_is_light(task: str, tmp_path: Path) -> None:
    fitted(task).save(tmp_path / "model")
    assert heavy_after(LOAD + USES[task], str(tmp_path / "model")) == []


def test_a_heavy_import_is_found() -> None:
    assert heavy_after("import narwhals") == ["narwhals"]
    assert heavy_after(f"import sys; sys.modules.update(dict.fromkeys({HEAVY!r}))") == list(HEAVY)


# Public names


def public_rooms() -> list[str]:
    """elman, and every folder of it, with a list of public names."""
    folders = [file.parent for file in sorted(PACKAGE.rglob("__init__.py")) if "__all__" in file.read_text("utf-8")]
    return [".".join(["elman", *folder.relative_to(PACKAGE).parts]) for folder in folders]


def in_order(names: list[str]) -> list[str]:
    """Constants, then classes, then the rest, each by the alphabet, as Ruff sorts `__all__` (RUF022); none twice."""
    return sorted(set(names), key=lambda name: (0 if name.isupper() else 1 if name[0].isupper() else 2, name))


@pytest.mark.parametrize("room", public_rooms())
def test_public_names_are_sorted(room: str) -> None:
    names = importlib.import_module(room).__all__
    assert list(names) == in_order(names)


@pytest.mark.parametrize("room", public_rooms())
def test_public_names_are_there(room: str) -> None:
    module = importlib.import_module(room)
    for name in module.__all__:
        value = getattr(module, name)
        assert not isinstance(value, ModuleType), f"{room}.{name} is a module and hides what it is named for"
    assert set(module.__all__) <= set(dir(module))
    with pytest.raises(AttributeError, match="no_such_name"):
        module.no_such_name  # noqa: B018


def test_the_data_room_offers_what_a_user_starts_from() -> None:
    wanted = (
        "Labels Sequences Series Vocabulary as_sequences letters_only make_scaler python_topics read_table read_text "
        "read_ts sequences_from_frame series_from_frame time_machine windows"
    )
    assert set(wanted.split()) <= set(importlib.import_module("elman.data").__all__)


def test_the_rooms_with_public_names_are_found() -> None:
    assert {"elman", "elman.data", "elman.engines", "elman.estimators"} <= set(public_rooms())


def test_names_out_of_order_are_found() -> None:
    assert in_order(["b", "a", "Z", "B_C", "a", "__version__"]) == ["B_C", "Z", "__version__", "a", "b"]
