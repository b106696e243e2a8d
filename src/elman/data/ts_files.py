"""Files of the UCR/UEA archive (`.ts`): labelled sequences, one a line.

A head of `@tags` (case does not matter), `@data`, then a case a line: the features separated by ':', the steps of each
by ',', and the class label last. Lines that begin with '#' are comments. Source: the format's description at
timeseriesclassification.com and sktime's documentation; a feature this reader does not know is refused by name, never
guessed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elman.data.text import read_text
from elman.errors import DataError
from elman.files import Array, FloatArray


@dataclass
class _Head:
    """What the tags above `@data` said; None where they said nothing."""

    problem: str = ""
    dimensions: int | None = None
    equal_length: bool = False
    series_length: int | None = None
    labelled: bool | None = None
    classes: list[str] | None = None


def read_ts(path: str | os.PathLike[str]) -> tuple[list[FloatArray], Array | None, dict[str, Any]]:
    """Read a `.ts` file.

    Args:
        path: of the file.

    Returns:
        (X, y, about): a list of N arrays (T_i, D); (N,) text labels, or None where the file has none; and a dictionary with
        `problem` (its name), `dimensions` (D) and `classes` (the labels it declares, or None).

    Raises:
        DataError: with file and line: no `@data`, no cases, another number of dimensions, features of unequal length within a case,
            text where a number belongs, missing values ('?'), a label that `@classLabel` does not list, or time stamps.
    """
    file = Path(path)
    lines = read_text(file).split("\n")
    head, first = _read_head(lines, file)
    cases: list[FloatArray] = []
    labels: list[str] = []
    for number, line in enumerate(lines[first:], start=first + 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        fields = line.split(":")
        if head.labelled:
            labels.append(_label(fields.pop().strip(), head, f"{file}, line {number}"))
        cases.append(_case(fields, head, f"{file}, line {number}"))
    if not cases:
        raise DataError(f"{file} has no cases after @data; the file may be cut off: fetch it again")
    y = np.array(labels) if head.labelled else None
    return cases, y, {"problem": head.problem, "dimensions": head.dimensions, "classes": head.classes}


def _read_head(lines: list[str], file: Path) -> tuple[_Head, int]:
    """The tags, and the index of the first line after `@data`."""
    head = _Head()
    for number, line in enumerate(lines, start=1):
        line = line.strip()
        if not line or line.startswith(("#", "%")):
            continue
        place = f"{file}, line {number}"
        if not line.startswith("@"):
            raise DataError(f"{place}: data before @data; a .ts file begins with @tags, then @data, then a case a line")
        tag, *words = line.split()
        if tag.lower() == "@data":
            if head.labelled is None:
                raise DataError(
                    f"{place}: no @classLabel before @data; add '@classLabel true A B ...' or '@classLabel false'"
                )
            return head, number
        _read_tag(head, tag.lower(), words, place)
    raise DataError(f"{file} has no @data line; it is no .ts file, or it is cut off: fetch it again")


def _read_tag(head: _Head, tag: str, words: list[str], place: str) -> None:
    if tag == "@problemname":
        head.problem = " ".join(words)
    elif tag == "@timestamps" and _flag(tag, words, place):
        raise DataError(
            f"{place}: time stamps in .ts files are not supported; export it with '@timeStamps false', the values alone, "
            "or as a CSV table with a time column"
        )
    elif tag == "@univariate" and _flag(tag, words, place):
        head.dimensions = 1
    elif tag in ("@dimensions", "@dimension"):
        head.dimensions = _whole(tag, words, place)
    elif tag == "@equallength":
        head.equal_length = _flag(tag, words, place)
    elif tag == "@serieslength":
        head.series_length = _whole(tag, words, place)
    elif tag == "@classlabel":
        head.labelled = _flag(tag, words, place)
        head.classes = words[1:] if head.labelled else None
        if head.labelled and not head.classes:
            raise DataError(f"{place}: @classLabel true must list the labels; write '@classLabel true A B ...'")
    elif tag == "@targetlabel":
        head.labelled = _flag(tag, words, place)


def _flag(tag: str, words: list[str], place: str) -> bool:
    word = words[0].lower() if words else ""
    if word not in ("true", "false"):
        raise DataError(f"{place}: {tag} must be followed by true or false; got {' '.join(words)!r}")
    return word == "true"


def _whole(tag: str, words: list[str], place: str) -> int:
    if len(words) != 1 or not words[0].isdecimal() or int(words[0]) < 1:
        raise DataError(f"{place}: {tag} must be followed by a whole number of at least 1; got {' '.join(words)!r}")
    return int(words[0])


def _label(label: str, head: _Head, place: str) -> str:
    if head.classes is not None and label not in head.classes:
        shown = label if len(label) <= 40 else label[:40] + "..."
        raise DataError(
            f"{place}: the class label {shown!r} (after the last ':') is not in the @classLabel list "
            f"{' '.join(head.classes)}; correct it, or add it to the list"
        )
    return label


def _case(fields: list[str], head: _Head, place: str) -> FloatArray:
    if head.dimensions is None:
        head.dimensions = max(len(fields), 1)
    if len(fields) != head.dimensions:
        raise DataError(
            f"{place}: {len(fields)} dimensions, but {head.dimensions} are expected (@dimensions, @univariate or the first case); "
            "dimensions are separated by ':', and the label comes last"
        )
    features = [_feature(field, dimension, place) for dimension, field in enumerate(fields)]
    for dimension, feature in enumerate(features):
        if len(feature) != len(features[0]):
            raise DataError(
                f"{place}: dimension {dimension} has {len(feature)} steps, but dimension 0 has {len(features[0])} "
                "(counting from 0); all dimensions of a case must have the same steps"
            )
    if head.equal_length:
        head.series_length = head.series_length or len(features[0])
        if len(features[0]) != head.series_length:
            raise DataError(
                f"{place}: {len(features[0])} steps, but the file says @equalLength true and has {head.series_length}; "
                "the line may be cut off: fetch the file again, or write '@equalLength false'"
            )
    return np.stack(features, axis=1)


def _feature(field: str, dimension: int, place: str) -> FloatArray:
    words = field.split(",")
    try:
        feature = np.array(words, dtype=np.float64)
    except ValueError as error:
        raise DataError(_bad_number(words, dimension, place)) from error
    if not np.isfinite(feature).all():
        raise DataError(_bad_number(words, dimension, place))
    return feature


def _bad_number(words: list[str], dimension: int, place: str) -> str:
    for step, word in enumerate(words):
        where = f"{place}: dimension {dimension}, step {step} (counting from 0)"
        if word.strip() == "?":
            return f"{where} is missing ('?'); fill or interpolate missing values first, or drop the case"
        try:
            value = float(word)
        except ValueError:
            shown = "empty" if not word.strip() else f"{word.strip()[:40]!r}"
            return f"{where} must be a number; it is {shown}"
        if not np.isfinite(value):
            return f"{where} is {value}; fill or interpolate such values first, or drop the case"
    return f"{place}: dimension {dimension} is no list of numbers"
