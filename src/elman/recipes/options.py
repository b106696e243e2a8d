"""The options that recipes have beside the estimators' own: those of the sources, and of `generate`; and what types mean."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

from elman.errors import UsageError
from elman.estimators.sampling import Sampler
from elman.recipes import sources

GENERATE = {
    "prompts": "list[str]", "length": "int", "temperature": "float", "top_k": "int | None", "top_p": "float | None",
    "seed": "int | None", "stop": "str | None",
}  # fmt: skip

_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "str": (str,),
    "None": (type(None),),
    "list[str]": (list,),
    "Sequence[float]": (list, tuple),
    "Mapping[str, str]": (Mapping,),
    "Mapping[Any, float]": (Mapping,),
}
_ITEMS = {"list[str]": "str", "Sequence[float]": "float"}
_WORDS = {
    "int": "a whole number",
    "float": "a finite number",
    "bool": "true or false",
    "str": "a text",
    "None": "left out",
    "list[str]": "a list of texts",
    "Sequence[float]": "a list of numbers",
    "Mapping[str, str]": "a table of texts",
    "Mapping[Any, float]": "a table of numbers",
}


def source_options(task: str) -> dict[str, dict[str, str]]:
    """For each source of a task, its options and their types."""
    return {name: _parameters(function) for name, function in sources.SOURCES[task].items()}


def required(task: str, source: str) -> list[str]:
    """The options that a source cannot do without."""
    signature = inspect.signature(sources.SOURCES[task][source])
    return [name for name, p in signature.parameters.items() if p.default is p.empty and name != "seed"]


def _parameters(function: Callable[..., Any]) -> dict[str, str]:
    return {name: str(p.annotation) for name, p in inspect.signature(function).parameters.items() if name != "seed"}


def fits(value: Any, kind: str) -> bool:
    """Whether a value from TOML is of a type written like `int | None`."""
    for part in kind.split(" | "):
        if isinstance(value, _TYPES[part]) and (not isinstance(value, bool) or part == "bool"):
            if isinstance(value, float) and not math.isfinite(value):
                return False
            return not isinstance(value, list | tuple) or all(fits(item, _ITEMS[part]) for item in value)
    return False


def generate_problems(options: Mapping[str, Any]) -> list[str]:
    """What `generate` would refuse, told before anything is trained."""
    problems = []
    try:
        Sampler(**{name: options[name] for name in ("temperature", "top_k", "top_p") if name in options})
    except UsageError as error:
        problems.append(f"[generate] {error}")
    for name in ("length", "seed"):
        if options.get(name) is not None and options[name] < 0:
            problems.append(f"`generate.{name}` must be at least 0; got {options[name]!r}")
    if "" in options.get("prompts", ()):
        problems.append("`generate.prompts` must not hold an empty text; give each at least one character")
    return problems


def in_words(kind: str) -> str:
    """`int | None` as a person would say it."""
    return " or ".join(_WORDS[part] for part in kind.split(" | "))
