"""Many sequences as one padded array: what every estimator turns its `X` into.

Shapes: N sequences, T steps (of the longest), D features. Three layouts are read, by name: "ntd" (N, T, D), the
package's own; "nct" (N, D, T), sequences by channels, as sktime and aeon have it; "tnd" (T, N, D), time first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt

from elman.errors import DataError, UsageError
from elman.files import Array, IntArray

LAYOUTS = {"ntd": "(N, T, D)", "nct": "(N, D, T)", "tnd": "(T, N, D)"}


@dataclass(frozen=True, eq=False)
class Sequences:
    """N sequences of up to T steps with D features each.

    Attributes:
        values: (N, T, D), zero after each sequence's end.
        lengths: (N,); None where all have T steps.

    >>> two = as_sequences([[1.0, 2.0, 3.0], [4.0]])
    >>> two.values.shape, two.lengths.tolist()
    ((2, 3, 1), [3, 1])
    """

    values: Array
    lengths: IntArray | None = None

    @property
    def count(self) -> int:
        """N, the number of sequences."""
        return int(self.values.shape[0])

    @property
    def features(self) -> int:
        """D, the number of features of each step."""
        return int(self.values.shape[2])

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: Any) -> Any:
        """One sequence (T_i, D) at a position; `Sequences` for a slice, a mask or several positions."""
        if isinstance(index, Integral):
            one = self.values[index]
            return one if self.lengths is None else one[: self.lengths[index]]
        return self.select(np.arange(self.count)[index])

    def select(self, index_array: npt.ArrayLike) -> Sequences:
        """The sequences at these positions (or where this mask is true), in this order; T stays as it is."""
        index = np.asarray(index_array)
        if index.size == 0:
            index = index.astype(np.int64 if index.dtype.kind == "f" else index.dtype)
        lengths = None if self.lengths is None else self.lengths[index]
        return _padded(self.values[index], lengths)

    def unpadded(self) -> list[Array]:
        """N arrays of shape (T_i, D), views where possible."""
        if self.lengths is None:
            return list(self.values)
        return [one[:length] for one, length in zip(self.values, self.lengths, strict=True)]


def as_sequences(
    X: Any,
    *,
    name: str = "X",
    layout: str = "ntd",
    features: int | None = None,
    dtype: npt.DTypeLike = np.float64,
    minimum_length: int = 1,
) -> Sequences:
    """Read anything that holds sequences into one padded array.

    Args:
        X: array (N, T) (one feature) or (N, T, D); a list or tuple of (T_i,) or (T_i, D) arrays of unequal length; a `Sequences`;
            any object with `__array__`. With another `layout`, the axes as that layout names them (items of a list: (D, T_i)
            for "nct"; "tnd" is the same as "ntd" there).
        name: what to call X in errors.
        layout: "ntd", "nct" or "tnd".
        features: the D a fitted model expects; None takes any.
        dtype: of the result, float64 or float32.
        minimum_length: the fewest steps a sequence may have.

    Raises:
        DataError: X is empty, not numeric, not finite (sequence, step and feature are named, counted from 0), too short, or of
            another D.
        UsageError: an unknown layout.

    >>> as_sequences(np.zeros((4, 9, 2))).values.shape
    (4, 9, 2)
    >>> as_sequences(np.zeros((4, 2, 9)), layout="nct").values.shape
    (4, 9, 2)
    """
    if layout not in LAYOUTS:
        raise UsageError(f"`layout` must be one of {', '.join(map(repr, LAYOUTS))}; got {layout!r}")
    result = _read(X, name, layout, np.dtype(dtype))
    _check_features(result, name, layout, features)
    _check_lengths(result, name, minimum_length)
    _check_finite(result, name)
    return result


def _read(source: Any, name: str, layout: str, dtype: np.dtype[Any]) -> Sequences:
    if isinstance(source, Sequences):
        return Sequences(source.values.astype(dtype, copy=False), source.lengths)
    if isinstance(source, np.ndarray) and source.dtype == object and source.ndim == 1 and not _holds_scalars(source):
        source = list(source)
    if isinstance(source, list | tuple):
        return _from_list(source, name, layout, dtype)
    return _from_array(_as_array(source, f"`{name}`"), name, layout, dtype)


def _holds_scalars(items: Sequence[Any] | Array) -> bool:
    if len(items) == 0:
        return True
    first = items[0]
    return not isinstance(first, list | tuple) and (not hasattr(first, "__array__") or np.ndim(first) == 0)


def _as_array(source: Any, label: str) -> Array:
    if not hasattr(source, "__array__") and not isinstance(source, list | tuple):
        raise DataError(
            f"{label} must be an array (N, T) or (N, T, D), or a list of arrays (T_i, D); got {type(source).__name__}. "
            "A table or a file is read by `sequences_from_frame` or `read_ts` first"
        )
    if isinstance(source, np.ma.MaskedArray) and np.ma.is_masked(source):
        raise DataError(f"{label} has masked (missing) values; fill them first, for example with `.filled(value)`")
    try:
        array = np.asarray(source)
    except Exception as error:  # an object's own __array__ may raise anything
        raise DataError(f"{label} cannot be read as an array of numbers: {error}") from error
    return _require_numbers(array, label)


def _require_numbers(array: Array, label: str) -> Array:
    if array.dtype.kind in "fiub":
        return array
    shown = f"dtype {array.dtype}"
    if array.size:
        shown += f", for example {array.reshape(-1)[0]!r}"
    raise DataError(
        f"{label} must hold real numbers; got {shown}. Turn text and categories into numbers first, "
        "or convert with `.astype(float)`"
    )


def _from_array(array: Array, name: str, layout: str, dtype: np.dtype[Any]) -> Sequences:
    if array.ndim == 2:
        array = (array.T if layout == "tnd" else array)[:, :, None]
    elif array.ndim == 3:
        array = {"ntd": array, "nct": array.swapaxes(1, 2), "tnd": array.swapaxes(0, 1)}[layout]
    else:
        hint = " For one sequence of one feature pass `x[None, :, None]`." if array.ndim == 1 else ""
        raise DataError(f"`{name}` must have shape (N, T) or {LAYOUTS[layout]}; got {array.shape}.{hint}")
    if 0 in array.shape:
        raise DataError(
            f"`{name}` must hold at least one sequence, step and feature; got (N, T, D) = {array.shape}. "
            "Look where it was sliced or filtered"
        )
    return Sequences(np.ascontiguousarray(array, dtype=dtype))


def _from_list(items: Sequence[Any], name: str, layout: str, dtype: np.dtype[Any]) -> Sequences:
    if len(items) == 0:
        raise DataError(f"`{name}` must hold at least one sequence; got an empty {type(items).__name__}")
    if _holds_scalars(items):
        raise DataError(
            f"`{name}` must be a list of sequences, each (T_i,) or (T_i, D); its first item is {items[0]!r}. "
            f"For one single sequence pass `[{name}]`"
        )
    arrays = [_item(item, index, name, layout) for index, item in enumerate(items)]
    counts = [array.shape[1] for array in arrays]
    for index, count in enumerate(counts):
        if count != counts[0]:
            raise DataError(_ragged(arrays, index, name, layout))
    lengths = np.array([len(array) for array in arrays], dtype=np.int64)
    values = np.zeros((len(arrays), int(lengths.max()), counts[0]), dtype=dtype)
    for row, array in zip(values, arrays, strict=True):
        row[: len(array)] = array
    return _padded(values, lengths)


def _item(item: Any, index: int, name: str, layout: str) -> Array:
    array = _as_array(item, f"sequence {index} of `{name}` (counting from 0)")
    if array.ndim == 1:
        array = array[:, None]
    elif array.ndim == 2 and layout == "nct":
        array = array.T
    elif array.ndim != 2:
        shape = "(D, T_i)" if layout == "nct" else "(T_i, D)"
        raise DataError(
            f"each sequence in `{name}` must have shape (T_i,) or {shape}; sequence {index} (counting from 0) has "
            f"{array.shape}"
        )
    if 0 in array.shape:
        raise DataError(
            f"sequence {index} of `{name}` (counting from 0) has no steps: (T_i, D) = {array.shape}. "
            "Drop empty sequences, and their labels, first"
        )
    return array


def _ragged(arrays: list[Array], index: int, name: str, layout: str) -> str:
    first, other = arrays[0].shape, arrays[index].shape
    hint = "Give every sequence the same features"
    if layout == "ntd" and first[0] == other[0]:
        hint = 'If features come before time, pass `layout="nct"`'
    return (
        f"all sequences in `{name}` must have the same number of features; sequence 0 has (T_i, D) = {first}, "
        f"sequence {index} (counting from 0) has {other}. {hint}"
    )


def _padded(values: Array, lengths: IntArray | None) -> Sequences:
    """Sequences of these lengths; without lengths where all are full."""
    if lengths is not None and bool(np.all(lengths == values.shape[1])):
        lengths = None
    return Sequences(values, lengths)


def _check_features(sequences: Sequences, name: str, layout: str, features: int | None) -> None:
    count, steps, present = sequences.values.shape
    if features is None or present == features:
        return
    message = f"`{name}` must have shape (N, T, {features}), as in `fit`; got (N, T, D) = {(count, steps, present)}."
    if steps == features and layout == "ntd":
        message += ' If features come before time, pass `layout="nct"`.'
    elif steps == features and layout == "nct":
        message += ' If time comes before features, pass `layout="ntd"`.'
    elif count == features and layout == "tnd":
        message += ' If the sequences come first, pass `layout="ntd"`.'
    if present == 1 and steps == features:
        message += f" A single sequence of shape (T, D) is passed as `{name}[None]`."
    raise DataError(message)


def _check_lengths(sequences: Sequences, name: str, minimum: int) -> None:
    steps = sequences.values.shape[1]
    lengths = np.full(sequences.count, steps) if sequences.lengths is None else sequences.lengths
    short = np.flatnonzero(lengths < minimum)
    if short.size:
        which = int(short[0])
        raise DataError(
            f"each sequence in `{name}` must have at least {minimum} steps; sequence {which} (counting from 0) has "
            f"{lengths[which]}, and {short.size} of {sequences.count} are too short. Drop them, or ask for fewer steps"
        )


def _check_finite(sequences: Sequences, name: str) -> None:
    if np.isfinite(sequences.values).all():
        return
    bad = np.argwhere(~np.isfinite(sequences.values))
    sequence, step, feature = (int(part) for part in bad[0])
    value = sequences.values[sequence, step, feature]
    raise DataError(
        f"`{name}` must be finite; sequence {sequence}, step {step}, feature {feature} (all counting from 0) is {value}, "
        f"and {len(bad)} values in all are not finite. Fill or interpolate them, or drop these sequences"
    )
