"""Scalers: bring each feature to a common size before training, and bring predictions back.

All are affine, feature by feature: scaled = (value - shift) / scale.

    standard   shift = mean,    scale = standard deviation (of the population, as in scikit-learn)
    minmax     shift = minimum, scale = maximum - minimum; the fitted values land in [0, 1]
    robust     shift = median,  scale = distance between the quartiles (the standard deviation where that is zero)
    none       shift = 0,       scale = 1

A constant feature has scale 1, so it becomes 0 and comes back as it was. Fit on the training part only: a scaler that
has seen the test part leaks it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from elman.errors import DataError, NotFittedError, UsageError
from elman.files import Array, FloatArray


@final
@dataclass(frozen=True, eq=False)
class Scaler:
    """(value - shift) / scale, feature by feature.

    Attributes:
        kind: standard, minmax, robust or none.
        shift: (D,) float64; None before `fit`.
        scale: (D,) float64, above 0; None before `fit`.

    >>> scaler = make_scaler("minmax").fit(np.array([[10.0], [30.0]]))
    >>> scaler.transform(np.array([[20.0]])).tolist()
    [[0.5]]
    """

    kind: str
    shift: FloatArray | None = None
    scale: FloatArray | None = None

    def fit(self, values: npt.ArrayLike) -> Scaler:
        """A new scaler of the same kind, measured on these values; this one stays as it is.

        Args:
            values: (M, D), finite.

        Raises:
            DataError: they are empty, of another shape, or not finite.
        """
        array = np.asarray(values, dtype=np.float64)
        if array.ndim != 2 or 0 in array.shape:
            raise DataError(f"`values` must have shape (M, D) with at least one row and column; got {array.shape}")
        if not np.isfinite(array).all():
            row, column = (int(part) for part in np.argwhere(~np.isfinite(array))[0])
            raise DataError(
                f"`values` must be finite to fit a scaler; row {row}, column {column} (counting from 0) is "
                f"{array[row, column]}. Fill or drop these rows"
            )
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            shift, scale = KINDS[self.kind](array)
        constant = array.max(axis=0) == array.min(axis=0)
        shift = np.where(constant & (self.kind != "none"), array[0], shift)
        return Scaler(self.kind, shift, np.where(constant | (scale <= 0) | ~np.isfinite(scale), 1.0, scale))

    def transform(self, values: npt.ArrayLike) -> Array:
        """Bring values to the common size.

        Args:
            values: (..., D), in original units.

        Returns:
            A new array of the same shape; float32 stays float32.

        Raises:
            NotFittedError: the scaler has not seen any data.
            DataError: another D.
        """
        array, shift, scale = self._prepare(values)
        return ((array - shift) / scale).astype(_float_type(array), copy=False)

    def inverse(self, values: npt.ArrayLike) -> Array:
        """Undo `transform`: values (..., D) back to original units. Raises as `transform` does."""
        array, shift, scale = self._prepare(values)
        return (array * scale + shift).astype(_float_type(array), copy=False)

    def config(self) -> dict[str, Any]:
        """Everything as plain JSON values: kind, and shift and scale once fitted."""
        if self.shift is None or self.scale is None:
            return {"kind": self.kind}
        return {"kind": self.kind, "shift": self.shift.tolist(), "scale": self.scale.tolist()}

    def _prepare(self, values: npt.ArrayLike) -> tuple[Array, FloatArray, FloatArray]:
        if self.shift is None or self.scale is None:
            raise NotFittedError(
                f"this {self.kind!r} scaler has not seen any data; call `fit(values)` and use what it returns"
            )
        array = np.asarray(values)
        if array.ndim == 0 or array.shape[-1] != len(self.shift):
            raise DataError(f"`values` must have shape (..., {len(self.shift)}), as in `fit`; got {array.shape}")
        return array, self.shift, self.scale


def make_scaler(kind: str) -> Scaler:
    """An unfitted scaler.

    Args:
        kind: "standard", "minmax", "robust" or "none".

    Raises:
        UsageError: any other name.
    """
    if kind not in KINDS:
        near = difflib.get_close_matches(str(kind), KINDS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"`kind` of a scaler must be one of {', '.join(map(repr, KINDS))}; got {kind!r}{hint}")
    return Scaler(kind)


def scaler_from_config(config: Mapping[str, Any]) -> Scaler:
    """The scaler that `config()` described, to the bit. Raises DataError where the description is not whole."""
    if not isinstance(config, Mapping) or "kind" not in config:
        raise DataError(
            f"`config` of a scaler must have the key 'kind'; got {config!r}. The model file is damaged or foreign"
        )
    empty = make_scaler(config["kind"])
    if "shift" not in config and "scale" not in config:
        return empty
    try:
        shift = np.array(config["shift"], dtype=np.float64)
        scale = np.array(config["scale"], dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"`config` of a scaler must have lists of numbers 'shift' and 'scale'; got {config!r}"
        ) from error
    if shift.ndim != 1 or shift.shape != scale.shape or not np.isfinite(shift).all() or not (scale > 0).all():
        raise DataError(f"`config` of a scaler needs 'shift' and positive 'scale' of one length; got {config!r}")
    return Scaler(empty.kind, shift, scale)


def _float_type(array: Array) -> np.dtype[Any]:
    return array.dtype if array.dtype.kind == "f" else np.dtype(np.float64)


def _standard(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    return values.mean(axis=0), values.std(axis=0)


def _minmax(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    low = values.min(axis=0)
    return low, values.max(axis=0) - low


def _robust(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    low, middle, high = np.quantile(values, (0.25, 0.5, 0.75), axis=0)
    spread = high - low
    return middle, np.where(spread > 0, spread, values.std(axis=0))


def _none(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    return np.zeros(values.shape[1]), np.ones(values.shape[1])


KINDS: dict[str, Callable[[FloatArray], tuple[FloatArray, FloatArray]]] = {
    "standard": _standard,
    "minmax": _minmax,
    "robust": _robust,
    "none": _none,
}
