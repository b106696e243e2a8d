"""Where a time lies in the year, the week and the day, as points on circles.

Shapes: T times, F features.
"""

from __future__ import annotations

import numpy as np

from elman.data.times import Frequency
from elman.files import Array

_FINE = {"hour": 3, "minute": 3, "second": 3, "microsecond": 3, "day": 2, "business day": 2}


def calendar_features(times: Array, frequency: Frequency) -> Array:
    """Sine and cosine of a time's place in the year, the week and the day.

    Args:
        times: (T,) datetime64.
        frequency: of the series. Yearly steps have no features; monthly ones have the day of the year; daily ones also the day of
            the week; finer ones also the time of day.

    Returns:
        (T, F), with F 0, 2, 4 or 6.
    """
    circles = 0 if frequency.name == "year" else _FINE.get(frequency.name, 1)
    days = times.astype("datetime64[D]")
    year = (days - times.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64) / 365.25
    week = (days.astype(np.int64) % 7) / 7
    day = (times - days) / np.timedelta64(1, "D")
    angles = 2 * np.pi * np.stack([year, week, day], axis=1)[:, :circles]
    return np.concatenate((np.sin(angles), np.cos(angles)), axis=1)
