"""Names say what they hold: no word that could stand for anything, no two classes that differ by an underscore alone."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import elman

PACKAGE = Path(elman.__file__).parent
EMPTY_WORDS = {"found", "given", "kept", "done", "asked", "told", "mark", "info", "stuff", "thing", "utils", "helpers"}
"""Words that say nothing of what they name; CONTRIBUTING.md says what they stand aside for."""


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, name) of every function, class, argument and field; not of locals."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = node.args
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
            yield from ((each.lineno, each.arg) for each in every if each is not None)
        if isinstance(node, ast.ClassDef):
            fields = [line.target for line in node.body if isinstance(line, ast.AnnAssign)]
            yield from ((field.lineno, field.id) for field in fields if isinstance(field, ast.Name))


def empty_names(text: str) -> list[str]:
    return [f"line {line}: {name}" for line, name in names(ast.parse(text)) if name.strip("_").lower() in EMPTY_WORDS]


def class_names(text: str) -> list[str]:
    return [node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ClassDef)]


def test_no_name_could_stand_for_anything() -> None:
    files = sorted(PACKAGE.rglob("*.py"))
    assert [str(file) for file in files if file.stem.strip("_") in EMPTY_WORDS] == []
    lines = {str(file.relative_to(PACKAGE)): empty_names(file.read_text("utf-8")) for file in files}
    assert {file: empty for file, empty in lines.items() if empty} == {}


def test_no_two_classes_differ_by_an_underscore() -> None:
    names = {name for file in PACKAGE.rglob("*.py") for name in class_names(file.read_text("utf-8"))}
    counts = Counter(name.strip("_") for name in names)
    assert sorted(name for name, count in counts.items() if count > 1) == []


def test_such_names_are_seen() -> None:
    text = "class _Run:\n    given: int\n    def done(self, told, *, kept=1): found = 1\n"
    assert empty_names(text) == ["line 2: given", "line 3: done", "line 3: told", "line 3: kept"]
    assert class_names(text) == ["_Run"]
