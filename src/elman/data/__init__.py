"""Data on its way to a network: sources, encoders, scalers, windows and batches.

polars and narwhals are imported when a table is read, and what fetches texts when it is asked for, not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from elman.data.batches import Batches, SequenceBatches, SharedEpochs, TextBatches
from elman.data.frames import FrameSequences, Series, sequences_from_frame, series_from_frame
from elman.data.labels import Labels, class_weights
from elman.data.number_columns import number_column
from elman.data.scalers import Scaler, make_scaler, scaler_from_config
from elman.data.sequences import Sequences, as_sequences
from elman.data.synthetic import sine_next, sine_to_cosine, sine_windows, sums
from elman.data.table_files import read_table
from elman.data.times import Frequency, format_time, future_times, infer_frequency
from elman.data.vocabulary import Vocabulary, join_units, split_units
from elman.data.windows import WindowsOf, windows

if TYPE_CHECKING:
    from elman.data.text import letters_only, python_topics, read_text, time_machine
    from elman.data.ts_files import read_ts

__all__ = [
    "Batches",
    "FrameSequences",
    "Frequency",
    "Labels",
    "Scaler",
    "SequenceBatches",
    "Sequences",
    "Series",
    "SharedEpochs",
    "TextBatches",
    "Vocabulary",
    "WindowsOf",
    "as_sequences",
    "class_weights",
    "format_time",
    "future_times",
    "infer_frequency",
    "join_units",
    "letters_only",
    "make_scaler",
    "number_column",
    "python_topics",
    "read_table",
    "read_text",
    "read_ts",
    "scaler_from_config",
    "sequences_from_frame",
    "series_from_frame",
    "sine_next",
    "sine_to_cosine",
    "sine_windows",
    "split_units",
    "sums",
    "time_machine",
    "windows",
]

_TEXT = ("letters_only", "python_topics", "read_text", "time_machine")


def __getattr__(name: str) -> Any:
    """Import what reads texts where it is used: it brings urllib, and with that ssl and email."""
    if name in _TEXT:
        from elman.data import text

        return getattr(text, name)
    if name == "read_ts":
        from elman.data.ts_files import read_ts

        return read_ts
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
