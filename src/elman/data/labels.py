"""Class labels as numbers 0 .. C-1 and back, in the user's own type; and class weights."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from elman.errors import DataError, UsageError
from elman.files import Array, FloatArray, IntArray


@final
@dataclass(frozen=True, eq=False)
class Labels:
    """The distinct labels of a classification.

    Attributes:
        classes: (C,), sorted, of the dtype they came in.

    >>> labels = Labels.of(["walk", "run", "walk"])
    >>> labels.encode(["run", "walk"]).tolist(), labels.decode([1, 0]).tolist()
    ([0, 1], ['walk', 'run'])
    """

    classes: Array

    @classmethod
    def of(cls, y: npt.ArrayLike, name: str = "y") -> Labels:
        """The distinct labels of a training set.

        Args:
            y: (N,) text, integers, booleans, or floats that are whole numbers.
            name: what to call `y` in errors.

        Raises:
            DataError: y is empty, missing in places, of mixed types, measured numbers, or of one class only.
        """
        classes = np.unique(_column(y, name))
        if len(classes) < 2:
            raise DataError(
                f"`{name}` needs at least two classes to tell apart; all {np.size(y)} labels are {classes[0].item()!r}. "
                "Check which column holds the label, and that the file is not sorted and cut"
            )
        return cls(classes)

    @property
    def count(self) -> int:
        """C, the number of classes."""
        return len(self.classes)

    def encode(self, y: npt.ArrayLike, name: str = "y") -> IntArray:
        """Labels as numbers.

        Args:
            y: (N,) labels.
            name: what to call `y` in errors.

        Returns:
            (N,) int64, 0 .. C-1.

        Raises:
            DataError: a label was not in training.
        """
        column = _column(y, name)
        if (column.dtype.kind == "U") != (self.classes.dtype.kind == "U"):
            raise DataError(self._unseen(name, column[0].item(), 0, " (as text and as number, labels differ)"))
        codes = np.minimum(np.searchsorted(self.classes, column), self.count - 1).astype(np.int64)
        unseen = np.flatnonzero(self.classes[codes] != column)
        if unseen.size:
            raise DataError(self._unseen(name, column[unseen[0]].item(), int(unseen[0]), ""))
        return codes

    def decode(self, codes: npt.ArrayLike) -> Array:
        """Codes 0 .. C-1, of any shape, as labels of the original dtype. Raises DataError outside that range."""
        index = np.asarray(codes)
        if index.size and (index.dtype.kind not in "iu" or index.min() < 0 or index.max() >= self.count):
            raise DataError(
                f"`codes` must be integers from 0 to {self.count - 1}; got {index.dtype} {index.reshape(-1)[:5]}"
            )
        return self.classes[index.astype(np.int64)]

    def config(self) -> dict[str, Any]:
        """Everything as plain JSON values: the dtype's name and the classes."""
        text = self.classes.dtype.kind == "U"
        return {"dtype": "str" if text else self.classes.dtype.name, "classes": self.classes.tolist()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Labels:
        """The labels that `config()` described. Raises DataError where the description is not whole."""
        try:
            classes = np.array(config["classes"], dtype=np.dtype(config["dtype"]))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"`config` of labels must have 'dtype' and a list 'classes' of it; got {config!r}. "
                "The model file is damaged or foreign"
            ) from error
        if classes.ndim != 1 or len(classes) < 2 or len(np.unique(classes)) != len(classes):
            raise DataError(f"`config` of labels needs at least two distinct 'classes'; got {config!r}")
        return cls(np.sort(classes))

    def _unseen(self, name: str, label: Any, where: int, note: str) -> str:
        shown = ", ".join(repr(known) for known in self.classes[:20].tolist())
        rest = f", ... ({self.count} in all)" if self.count > 20 else ""
        return (
            f"`{name}` holds the label {label!r} (position {where}, counting from 0), which was not in training; "
            f"known labels: {shown}{rest}{note}. Correct or drop it, or train again with it"
        )


def class_weights(
    codes: npt.ArrayLike,
    count: int,
    spec: str | Mapping[Any, float] | None,
    *,
    labels: Labels | None = None,
) -> FloatArray | None:
    """The weight of each class in the loss.

    Args:
        codes: (N,) integers 0 .. C-1 of the training part.
        count: C.
        spec: None; "balanced", n / (C n_c), so that each class counts the same in all (as in scikit-learn; a class with no example
            gets 1); or a mapping from label to weight, where labels left out get 1.
        labels: how the mapping's keys become codes; without it the keys are codes.

    Returns:
        (C,) float64; None for no weighting.

    Raises:
        UsageError: another word, an unknown label, or a weight that is not a finite positive number.
    """
    if spec is None:
        return None
    if isinstance(spec, Mapping):
        return _mapped_weights(spec, count, labels)
    if spec != "balanced":
        raise UsageError(f'`class_weight` must be None, "balanced" or a mapping from label to weight; got {spec!r}')
    frequency = np.bincount(np.asarray(codes, dtype=np.int64), minlength=count)
    return np.where(frequency > 0, frequency.sum() / (count * np.maximum(frequency, 1)), 1.0)


def _mapped_weights(spec: Mapping[Any, float], count: int, labels: Labels | None) -> FloatArray:
    known = list(range(count)) if labels is None else labels.classes.tolist()
    weights = np.ones(count)
    for label, weight in spec.items():
        if label not in known:
            near = difflib.get_close_matches(str(label), [str(one) for one in known], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UsageError(f"`class_weight` names the label {label!r}, but the labels are {known}{hint}")
        if (
            isinstance(weight, bool)
            or not isinstance(weight, int | float | np.number)
            or not 0 < float(weight) < np.inf
        ):
            raise UsageError(f"`class_weight` must be positive and finite; label {label!r} has {weight!r}")
        weights[known.index(label)] = float(weight)
    return weights


def _column(y: npt.ArrayLike, name: str) -> Array:
    """`y` as a clean (N,) array of text, integers, booleans or whole floats."""
    column = np.asarray(y)
    if column.ndim != 1:
        hint = f" Pass `{name}.ravel()`." if column.ndim == 2 and column.shape[1] == 1 else ""
        raise DataError(f"`{name}` must have shape (N,), a label for each sequence; got {column.shape}.{hint}")
    if len(column) == 0:
        raise DataError(f"`{name}` must hold at least one label; got an empty array")
    if column.dtype == object:
        column = _from_objects(column, name)
    elif column.dtype.kind == "U":
        _refuse_mixed(y, name)
    if column.dtype.kind not in "Uiubf":
        raise DataError(
            f"`{name}` must be text, integers or booleans; got dtype {column.dtype}. Convert with `.astype(str)`"
        )
    if column.dtype.kind == "f":
        _check_whole(column, name)
    return column


def _from_objects(column: Array, name: str) -> Array:
    for index, label in enumerate(column.tolist()):
        if _is_missing(label):
            raise DataError(
                f"`{name}` must not have missing labels; position {index} (counting from 0) is {label!r}. "
                "Drop these sequences or fill in the label"
            )
    _refuse_mixed(column, name)
    if isinstance(column[0], str):
        return column.astype(str)
    return np.array(column.tolist())


def _is_missing(label: Any) -> bool:
    try:
        return label is None or bool(label != label)
    except TypeError:  # pandas.NA will not say whether it differs from itself
        return True


def _refuse_mixed(y: Any, name: str) -> None:
    """NumPy turns [1, "a"] into text without a word; that hides a mistake."""
    if isinstance(y, np.ndarray) and y.dtype != object:
        return
    text = [isinstance(label, str) for label in y]
    if any(text) and not all(text):
        raise DataError(
            f"`{name}` mixes text and numbers: {y[text.index(True)]!r} and {y[text.index(False)]!r}. Use one type"
        )


def _check_whole(column: Array, name: str) -> None:
    bad = np.flatnonzero(~np.isfinite(column))
    if bad.size:
        raise DataError(
            f"`{name}` must not have missing labels; position {bad[0]} (counting from 0) is {column[bad[0]]}. "
            "Drop these sequences or fill in the label"
        )
    measured = np.flatnonzero(column != np.floor(column))
    if measured.size:
        raise DataError(
            f"`{name}` must be class labels; {column[measured[0]]} at position {measured[0]} (counting from 0) looks like a "
            "measurement. Use a regressor, or turn the numbers into text or integers"
        )
