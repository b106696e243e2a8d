"""Where a time lies in the year, the week and the day."""

from __future__ import annotations

import numpy as np
import pytest
from tests.closeness import assert_close

from elman.data.times import Frequency
from elman.estimators.calendar import calendar_features


def times(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[us]")


@pytest.mark.parametrize(
    ("name", "circles"),
    [("year", 0), ("quarter", 1), ("month", 1), ("week", 1), ("day", 2), ("business day", 2), ("hour", 3), ("minute", 3),
     ("second", 3)],
)  # fmt: skip
def test_how_many_circles_a_frequency_has(name: str, circles: int) -> None:
    found = calendar_features(times("2024-03-05", "2024-03-06"), Frequency(name, 1))
    assert found.shape == (2, 2 * circles)
    if circles:
        assert_close(found[:, :circles] ** 2 + found[:, circles:] ** 2, np.ones((2, circles)))


def test_places_on_the_circles() -> None:
    found = calendar_features(times("2024-01-01T06:00", "2024-07-01T18:00"), Frequency("hour", 24))
    sines, cosines = found[:, :3], found[:, 3:]
    angles = np.arctan2(sines, cosines) % (2 * np.pi) / (2 * np.pi)
    assert_close(angles[:, 0], np.array([0.0, 182 / 365.25]))  # days since New Year
    assert angles[0, 1] == angles[1, 1]  # both Mondays
    assert_close(angles[:, 2], np.array([0.25, 0.75]))  # 6 and 18 o'clock


def test_a_week_later_is_the_same_weekday_and_the_next_day_is_not() -> None:
    found = calendar_features(times("2024-03-05", "2024-03-12", "2024-03-06"), Frequency("day", 7))
    assert_close(found[0, [1, 3]], found[1, [1, 3]])
    assert np.abs(found[0, [1, 3]] - found[2, [1, 3]]).max() > 0.1
