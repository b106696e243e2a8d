"""Where a recipe's data come from: the seeds' synthetic sources, texts, and files that a user brings.

Each source is a function whose arguments are the options it has under [data]. Paths are used as given; `seed` is the recipe's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from elman.data import frames, synthetic, text
from elman.data.columns import split_columns
from elman.data.frames import Series
from elman.data.ts_files import read_ts
from elman.data.vocabulary import Vocabulary
from elman.errors import DataError, UsageError
from elman.files import Array


@dataclass(frozen=True)
class Labelled:
    """Sequences and labels.

    Attributes:
        X: sequences to train on.
        y: their labels.
        test: sequences and labels to test on, or None.
        ids: names of the sequences.
        inputs: the columns that X was read from.
    """

    X: Any
    y: Any
    test: tuple[Any, Any] | None = None
    ids: Sequence[str] = ()
    inputs: Sequence[str] | None = None


@dataclass(frozen=True)
class Paired:
    """Input and target sequences.

    Attributes:
        X: inputs to train on.
        y: their targets.
        validation: inputs and targets to validate on, or None.
        test: inputs and targets to test on, or None.
        names: of the targets.
        ids: names of the sequences.
        inputs: the columns that X was read from.
    """

    X: Any
    y: Any
    validation: tuple[Any, Any] | None = None
    test: tuple[Any, Any] | None = None
    names: Sequence[str] = ("target",)
    ids: Sequence[str] = ()
    inputs: Sequence[str] | None = None


@dataclass(frozen=True)
class TextData:
    """A text to train on, one to validate on, and the vocabulary where it is that of a larger text."""

    train: str
    validation: str | None = None
    vocabulary: Vocabulary | None = None


@dataclass(frozen=True)
class SeriesData:
    """Time series; names of the variables; how many folds a backtest shall have; whether each has a model of its own."""

    series: list[Series]
    names: Sequence[str]
    folds: int
    per_series: bool = False


def sums(seed: int, num_samples: int = 1000, seq_length: int = 10, input_size: int = 1) -> Labelled:
    """Seed 000: is the sum of a random sequence above its expectation? As many fresh sequences to test on."""
    x, y = synthetic.sums(num_samples, seq_length, input_size, seed=seed)
    return Labelled(x, y, synthetic.sums(num_samples, seq_length, input_size, seed=seed + 1_000_003))


def labelled_file(
    path: str, test_path: str | None = None, label: str | None = None, series: str | None = None,
    time: str | None = None, inputs: list[str] | None = None,
) -> Labelled:  # fmt: skip
    """Labelled sequences from a `.ts` file, or from a long table (.csv, .tsv, .parquet) with columns `series` and `label`."""

    def read(file: str, names: list[str] | None) -> Labelled:
        if file.endswith(".ts"):
            x, y, _ = read_ts(file)
            if y is None:
                raise DataError(f"{file} has no class labels (@classLabel false); bring a file with labels")
            return Labelled(x, y, ids=[str(i) for i in range(len(x))])
        if label is None or series is None:
            raise UsageError(
                f"{file} is a table: say which column tells the sequences apart and which holds the label "
                "(data.series and data.label, or --series and --label)"
            )
        table = frames.sequences_from_frame(file, inputs=names, series=series, time=time, label=label)
        return Labelled(table.X, table.labels, ids=table.ids, inputs=table.input_names)

    whole = read(path, inputs)
    if test_path is None:
        return whole
    test = read(test_path, None if whole.inputs is None else list(whole.inputs))
    _check_test(test_path, test, path, whole)
    return replace(whole, test=(test.X, test.y))


def _check_test(test_path: str, test: Labelled, path: str, whole: Labelled) -> None:
    """Refuse a test file that a model of the training file could not be tested on, before anything is trained."""
    features, known = whole.X[0].shape[1], set(map(str, whole.y))
    if test.X[0].shape[1] != features:
        raise DataError(
            f"{test_path} has {test.X[0].shape[1]} features a step, but {path} has {features}; "
            "bring a test file like the training file"
        )
    unseen = sorted(set(map(str, test.y)) - known)
    if unseen:
        raise DataError(
            f"{test_path} holds the label {unseen[0]!r}"
            + f" and {len(unseen) - 1} more" * (len(unseen) > 1)
            + ", which "
            f"{path} does not (known labels: {', '.join(sorted(known)[:20])}); drop these sequences, or train with some"
        )


def sine_next(points: int = 20, start: float = 2.0, stop: float = 10.0) -> Paired:
    """Seed 001: sin at `points` places, and the same one place on."""
    x, y = synthetic.sine_next(points, start, stop)
    return Paired(x, y, names=("sin(t)",))


def sine_windows(total: int = 200, window: int = 50, validation_records: int = 50) -> Paired:
    """Seed 002: windows of sin(0), sin(1), ..., each value at its own input; the last records are for validation."""
    x, y = synthetic.sine_windows(total, window, validation_records)
    cut = len(x) - validation_records
    return Paired(x[:cut], y[:cut], validation=(x[cut:], y[cut:]), names=("sin(t)",))


def sine_to_cosine(pieces: int = 300, points: int = 10) -> Paired:
    """Seed 003: sin and cos at `points` places of each of `pieces` stretches of length pi."""
    x, y = synthetic.sine_to_cosine(pieces, points)
    return Paired(x, y, names=("cos(t)",))


def paired_file(
    path: str, target: str, inputs: list[str] | None = None, series: str | None = None, time: str | None = None,
    test_path: str | None = None, test_share: float = 0.2,
) -> Paired:  # fmt: skip
    """Inputs and an aligned target from a table, a row a step.

    Without `test_path`, the last `test_share` is set aside to test on: of the sequences, or of the one sequence in time.
    """
    if not 0 <= test_share < 1:
        raise UsageError(f"`data.test_share` must be at least 0 and below 1; got {test_share!r}")
    targets = split_columns(target)

    def read(file: str, names: list[str] | None) -> Any:
        return frames.sequences_from_frame(file, inputs=names, target=targets, series=series, time=time)

    table = read(path, inputs)
    x, y = table.X, table.y
    about: dict[str, Any] = {"names": targets, "ids": table.ids, "inputs": table.input_names}
    if test_path is not None:
        other = read(test_path, table.input_names)
        return Paired(x, y, test=(other.X, other.y), **about)
    if len(x) == 1:
        cut = len(x[0]) - round(len(x[0]) * test_share)
        test = ([x[0][cut:]], [y[0][cut:]]) if cut < len(x[0]) else None
        return Paired([x[0][:cut]], [y[0][:cut]], test=test, **about)
    cut = len(x) - round(len(x) * test_share)
    return Paired(x[:cut], y[:cut], test=(x[cut:], y[cut:]) if cut < len(x) else None, **about)


def series_file(
    path: str, target: str, time: str | None = None, series: str | None = None, folds: int = 3, per_series: bool = False
) -> SeriesData:
    """Time series from a table.

    Args:
        path: a .csv, .tsv or .parquet file.
        target: the column to forecast; several separated by commas.
        time: the column of times; None for numbered steps.
        series: the column that tells series apart; None for one series.
        folds: of the backtest.
        per_series: a model for each series, instead of one for all.
    """
    _at_least("folds", folds, 0)
    names = split_columns(target)
    return SeriesData(frames.series_from_frame(path, time=time, target=names, series=series), names, folds, per_series)


def time_machine(path: str | None = None, max_tokens: int = 10_000, validation_characters: int = 10_000) -> TextData:
    """Seed 004: the first characters of The Time Machine, letters and spaces only; the next ones for validation."""
    _at_least("max_tokens", max_tokens, 1)
    _at_least("validation_characters", validation_characters, 0)
    whole = text.letters_only(text.time_machine(path))
    return TextData(
        whole[:max_tokens],
        whole[max_tokens : max_tokens + validation_characters] or None,
        Vocabulary.of(whole, unit="char"),
    )


def python_topics(characters: int = 200_000) -> TextData:
    """The beginning of Python's own documentation topics, on every machine."""
    _at_least("characters", characters, 1)
    return TextData(text.python_topics()[:characters])


def text_file(path: str, encoding: str = "utf-8") -> TextData:
    """A text file of the user's."""
    return TextData(text.read_text(path, encoding))


SOURCES: dict[str, dict[str, Callable[..., Any]]] = {
    "classification": {"sums": sums, "file": labelled_file},
    "regression": {
        "sine-next": sine_next, "sine-windows": sine_windows, "sine-to-cosine": sine_to_cosine, "file": paired_file,
    },
    "forecasting": {"file": series_file},
    "language": {"time-machine": time_machine, "python-topics": python_topics, "file": text_file},
}  # fmt: skip


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise UsageError(f"`data.{name}` must be at least {least}; got {value!r}")


def load(task: str, source: str, options: dict[str, Any], seed: int) -> Any:
    """The data of a recipe."""
    function = SOURCES[task][source]
    return function(seed=seed, **options) if function is sums else function(**options)


@contextlib.contextmanager
def naming_file(path: str | None, next_step: str = "") -> Iterator[None]:
    """Name the file in complaints about data that do not name it themselves, and a next step."""
    try:
        yield
    except DataError as error:
        if path is None or path in str(error):
            raise
        words = str(error).removesuffix(".")
        raise DataError(f"{path}: {words}. {next_step}" if next_step else f"{path}: {words}") from error


def stacked(arrays: Sequence[Any]) -> Array:
    """All steps of all sequences, one under the other, (total steps, C)."""
    return np.concatenate([np.asarray(a).reshape(-1, np.shape(a)[-1]) for a in arrays])


def absolute(options: dict[str, Any]) -> dict[str, Any]:
    """The options with paths made absolute, so that a recipe can be run again from anywhere."""
    return {k: str(Path(v).absolute()) if k in ("path", "test_path") and v else v for k, v in options.items()}
