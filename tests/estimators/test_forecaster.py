"""Forecaster: what it learns, that nothing leaks back in time, intervals, many series, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.closeness import assert_close, assert_same_bits
from tests.estimators.subjects import SERIES, forecaster

from elman.data.frames import Series
from elman.engines import make_engine
from elman.errors import DataError, UsageError
from elman.estimators import Forecaster
from elman.estimators.baselines import forecast_errors

STEPS = np.arange(96.0)
WAVE = 20 + 3 * np.sin(STEPS * np.pi / 6)
TWO = np.stack((WAVE, 5 * np.cos(STEPS * np.pi / 6)), axis=1)
MONTHS = np.arange("2000-01", "2008-01", dtype="datetime64[M]").astype("datetime64[us]")
LEARNING: dict[str, Any] = {
    "window": 12,
    "season": 12,
    "hidden_size": 12,
    "epochs": 80,
    "patience": 10,
    "learning_rate": 0.01,
}


def truth(steps: int, start: int = 96) -> np.ndarray:
    return 20 + 3 * np.sin(np.arange(start, start + steps) * np.pi / 6)


@pytest.mark.parametrize("difference", ["none", "auto"])
@pytest.mark.parametrize("strategy", ["direct", "recursive"])
def test_it_continues_a_wave(strategy: str, difference: str) -> None:
    model = forecaster(**LEARNING, strategy=strategy, difference=difference, horizon=6).fit(WAVE)
    found = model.predict()
    assert found.shape == (6, 1)
    assert np.abs(found[:, 0] - truth(6)).max() < 0.7


def test_a_recursive_forecaster_reaches_any_horizon() -> None:
    model = forecaster(**LEARNING, strategy="recursive", difference="auto", horizon=2).fit(WAVE)
    assert np.abs(model.predict(horizon=30)[:, 0] - truth(30)).max() < 0.7
    assert_close(model.predict(horizon=1), model.predict()[:1])


def test_a_recursive_forecast_feeds_itself_its_own_answers() -> None:
    """Each further step is what the network answers to a history that the answers before it have joined."""
    model = forecaster(strategy="recursive", difference="none", transform="none", scale="none", epochs=3).fit(WAVE)
    history = WAVE[-6:]
    for value in model.predict(horizon=4)[:, 0]:
        outputs, _state = make_engine("auto", model.network_, dtype=model.dtype).forward(history[None, :, None])
        assert_close(outputs[0, -1, 0], value)
        history = np.append(history, value)


@pytest.mark.parametrize("strategy", ["direct", "recursive"])
def test_several_variables(strategy: str) -> None:
    model = forecaster(**LEARNING, strategy=strategy, horizon=4).fit(TWO)
    found = model.predict()
    assert found.shape == (4, 2)
    assert model.n_variables_ == 2
    later = np.arange(96, 100) * np.pi / 6
    assert np.abs(found - np.stack((20 + 3 * np.sin(later), 5 * np.cos(later)), axis=1)).max() < 1.0


def test_many_series_are_forecast_each_in_its_own_units() -> None:
    both = [WAVE, 1000 * WAVE[:70]]
    model = forecaster(**LEARNING, horizon=3).fit(both)
    found = model.predict()
    assert [f.shape for f in found] == [(3, 1), (3, 1)]
    assert np.abs(found[0][:, 0] - truth(3)).max() < 0.7
    assert np.abs(found[1][:, 0] / 1000 - truth(3, 70)).max() < 0.7
    swapped = model.forecast([Series("1", None, both[1][:, None]), Series("0", None, both[0][:, None])])
    assert [f.unique_id for f in swapped] == ["1", "0"]
    for ours, theirs in zip(swapped, found[::-1], strict=True):
        assert_same_bits(ours.mean, theirs)


def test_other_series_than_those_of_fit_bring_their_own_scale() -> None:
    model = forecaster(**LEARNING, difference="none", transform="none").fit(WAVE)
    far = Series("new", None, (WAVE * 100 - 7)[:, None])
    near = Series("other", None, WAVE[:, None])
    (one, two) = model.forecast([far, near])
    assert_close(one.mean, two.mean * 100 - 7)


def test_times_of_a_forecast() -> None:
    (months,) = forecaster(epochs=1).fit(Series("air", MONTHS, WAVE[:, None])).forecast()
    assert months.unique_id == "air"
    assert months.times.astype("datetime64[D]").astype(str).tolist() == ["2008-01-01", "2008-02-01", "2008-03-01"]
    (numbered,) = forecaster(epochs=1).fit(WAVE).forecast()
    assert numbered.times.tolist() == [96, 97, 98]
    model = Forecaster(horizon=3, epochs=1).fit(Series("air", MONTHS, WAVE[:, None]))
    assert model.season_ == 12
    assert model.window_ == 24


def test_the_calendar_is_an_input() -> None:
    """With a window of one step nothing but the calendar tells whether the wave rises or falls."""
    options: dict[str, Any] = {**LEARNING, "window": 1, "difference": "none", "transform": "none", "horizon": 1}
    dated = forecaster(**options).fit(Series("x", MONTHS, WAVE[:, None]))
    plain = forecaster(**options).fit(WAVE)
    assert dated.network_.input_size == 3
    assert plain.network_.input_size == 1
    heads = range(84, 96)
    told = [abs(dated.predict(Series("x", MONTHS[:end], WAVE[:end, None]))[0, 0] - WAVE[end]) for end in heads]
    blind = [abs(plain.predict(WAVE[:end])[0, 0] - WAVE[end]) for end in heads]
    assert max(told) < 0.7
    assert max(blind) > 1.2


@pytest.mark.parametrize("strategy", ["direct", "recursive"])
@pytest.mark.parametrize("dates", [None, MONTHS, np.arange(96) + 7], ids=["none", "months", "numbers"])
def test_a_saved_forecaster_goes_on_from_the_same_series(tmp_path: Path, dates: Any, strategy: str) -> None:
    model = forecaster(strategy=strategy, interval=0.8).fit([Series("a", dates, TWO), Series("b", dates, TWO * 2 + 1)])
    model.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    for ours, theirs in zip(loaded.forecast(), model.forecast(), strict=True):
        assert ours.unique_id == theirs.unique_id
        assert ours.times.tolist() == theirs.times.tolist()
        for name in ("mean", "low", "high"):
            assert_same_bits(getattr(ours, name), getattr(theirs, name))


def test_intervals() -> None:
    noisy = WAVE + np.random.default_rng(0).normal(size=96)
    model = forecaster(**LEARNING, horizon=3, interval=0.8).fit(noisy)
    (found,) = model.forecast()
    assert (found.low < found.mean).all()
    assert (found.mean < found.high).all()
    width = (found.high - found.low)[:, 0]
    assert (np.diff(width) >= 0).all()  # never narrower further ahead
    assert_close(model.predict_proba(), np.stack((found.low, found.high)))
    wider = forecaster(**LEARNING, horizon=3, interval=0.99).fit(noisy)
    assert (wider.forecast()[0].high - wider.forecast()[0].low)[:, 0].sum() > width.sum()
    assert_close(wider.predict(), model.predict())


def test_an_interval_reaches_as_far_as_forecasts_of_so_many_steps_were_off() -> None:
    model = forecaster(strategy="recursive", horizon=3).fit(WAVE)
    assert model.residuals_ is not None and model.residuals_.shape == (3, 1)
    model.residuals_ = np.array([[0.5], [1.0], [4.0]])
    (found,) = model.forecast(horizon=5)
    assert_close(found.high - found.mean, np.array([[0.5], [1.0], [4.0], [4.0], [4.0]]))
    assert_close(found.mean - found.low, np.array([[0.5], [1.0], [4.0], [4.0], [4.0]]))


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    generator = np.random.default_rng(1)
    noise = [generator.normal(size=60) for _ in range(12)]
    model = forecaster(horizon=1, window=2, difference="none", transform="none", interval=0.8, season=1, validation=0.4)
    model.fit([n[:-10] for n in noise])
    inside = []
    for back in range(10, 0, -1):
        for forecast, n in zip(model.forecast([n[:-back] for n in noise]), noise, strict=True):
            inside.append(forecast.low[0, 0] <= n[-back] <= forecast.high[0, 0])
    assert 0.65 < np.mean(inside) < 0.92


def test_without_validation_there_is_no_interval() -> None:
    (found,) = forecaster(validation=0.0, patience=None).fit(WAVE).forecast()
    assert np.isfinite(found.mean).all()
    assert np.isnan(found.low).all()
    assert np.isnan(found.high).all()


def test_the_interval_of_a_logarithm_stays_above_zero() -> None:
    small = np.abs(WAVE - 20) + 0.01
    (found,) = forecaster(transform="log", interval=0.99).fit(small).forecast()
    assert (found.low > 0).all()
    assert (found.high > found.mean).all()


def test_nothing_that_is_watched_is_learned() -> None:
    """Other values in the part set aside change nothing of the first training but the watched loss."""
    changed = WAVE.copy()
    changed[80:] = 50 + 9 * np.sin(STEPS[80:])
    options: dict[str, Any] = {"validation": 1 / 6, "patience": None, "refit": False, "transform": "auto", "epochs": 3}
    one, other = forecaster(**options).fit(WAVE), forecaster(**options).fit(changed)
    for name, p in one.network_.parameters.items():
        assert_same_bits(other.network_.parameters[name], p)
    assert one.preparation_ == other.preparation_
    assert [r["train_loss"] for r in one.history_] == [r["train_loss"] for r in other.history_]
    assert [r["validation_loss"] for r in one.history_] != [r["validation_loss"] for r in other.history_]


def test_refit_learns_what_was_watched_too() -> None:
    options: dict[str, Any] = {"epochs": 4, "patience": 4}
    kept, again = forecaster(**options, refit=False).fit(WAVE), forecaster(**options, refit=True).fit(WAVE)
    assert [r["validation_loss"] for r in kept.history_] == [r["validation_loss"] for r in again.history_]
    assert (kept.predict() != again.predict()).all()
    assert again.best_epoch_ == kept.best_epoch_
    assert again.epochs == 4
    assert again.patience == 4
    assert kept.residuals_ is not None
    assert again.residuals_ is not None
    assert_same_bits(again.residuals_, kept.residuals_)


def test_a_backtest_does_not_see_the_future() -> None:
    """Values after a fold's start change neither that fold's forecast nor any before it."""
    series = [s[:46] for s in SERIES]
    model = forecaster()
    plain = model.backtest(series, folds=3)
    changed = [s.copy() for s in series]
    for s in changed:
        s[43:] = -1000.0
    other = model.backtest(changed, folds=3)
    assert [fold.start for fold in plain.folds] == [37, 37, 40, 40, 43, 43]
    assert [fold.series for fold in plain.folds] == [0, 1] * 3
    for ours, theirs in zip(other.folds, plain.folds, strict=True):
        for name in ("mean", "low", "high"):
            assert_same_bits(getattr(ours.forecast, name), getattr(theirs.forecast, name))
    assert (other.folds[-1].actual == -1000).all()
    assert not hasattr(model, "network_")


def test_a_backtest_compares_with_the_truth_and_with_baselines() -> None:
    found = forecaster().backtest(WAVE, folds=2)
    actual = [f.actual for f in found.folds]
    assert [a[:, 0].tolist() for a in actual] == [WAVE[90:93].tolist(), WAVE[93:].tolist()]
    histories = [WAVE[:90, None], WAVE[:93, None]]
    wanted = forecast_errors(actual, [f.forecast.mean for f in found.folds], histories, 6)
    assert {name: found.metrics[name] for name in wanted} == wanted
    inside = [(f.forecast.low <= f.actual) & (f.actual <= f.forecast.high) for f in found.folds]
    assert found.metrics["coverage"] == np.mean(inside)
    assert list(found.baselines) == ["seasonal_naive", "naive", "drift"]
    naive = forecast_errors(actual, [np.repeat(h[-1:], 3, axis=0) for h in histories], histories, 6)
    assert found.baselines["naive"] == naive


def test_score_is_minus_the_scaled_error_of_the_last_steps() -> None:
    model = forecaster().fit(WAVE)
    guess = model.predict(WAVE[:-3])
    assert_close(model.score(WAVE), -forecast_errors([WAVE[-3:, None]], [guess], [WAVE[:-3, None]], 6)["mase"])


def test_a_window_of_its_own_choice_fits_short_series() -> None:
    model = Forecaster(horizon=2, epochs=1, season=6).fit(WAVE[:40])
    assert 1 <= model.window_ <= 24
    assert np.isfinite(model.predict()).all()


@pytest.mark.parametrize(
    ("series", "options", "error", "match"),
    [
        (WAVE[:20], {"window": 30}, DataError, r"series '0' has \d+ steps, fewer than the \d+ that a window of 30.* need; make"),
        (WAVE[:3], {}, DataError, "series '0' has 3 steps; with 3 of them set aside .* nothing is left to learn from; bring"),
        (WAVE[:8], {"window": 6}, DataError, "3 steps to learn from need; make `window` or `horizon` shorter"),
        (np.append(WAVE, np.nan), {}, DataError, r"series '0' must hold finite numbers; step 96 \(from 0\) of variable 0 is nan"),
        ([WAVE, np.append(np.inf, WAVE)], {}, DataError, r"series '1' must hold finite numbers; step 0"),
        ([WAVE, TWO], {}, DataError, r"all series must have as many variables; got \[1, 2\]"),
        ([], {}, DataError, "`X` holds no series; give at least one"),
        (np.zeros((3, 3, 3)), {}, DataError, r"series 0 \(from 0\) must have shape \(T,\) or \(T, C\)"),
        (np.zeros(0), {}, DataError, r"must have shape \(T,\) or \(T, C\) with T of at least 1; got \(0,\)"),
        (["a", "b"], {}, DataError, r"series 0 \(from 0\) must be numbers"),
        (WAVE, {"horizon": 0, "window": -1, "loss": "x"}, UsageError, "`horizon` must.*; `window` must.*; `loss` must be mae"),
        (WAVE, {"validation": 0.99}, DataError, "make `window` or `horizon` shorter, or bring a longer series"),
    ],
)  # fmt: skip
def test_what_is_refused(series: Any, options: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        forecaster(**options).fit(series)


@pytest.fixture(scope="module")
def fitted() -> Forecaster:
    return forecaster().fit(TWO)


@pytest.mark.parametrize("horizon", [4, 0, -1])
def test_horizons_that_were_not_trained(fitted: Forecaster, horizon: int) -> None:
    with pytest.raises(UsageError, match=f"`horizon` must be .*; got {horizon}"):
        fitted.predict(horizon=horizon)
    assert fitted.predict(horizon=2).shape == (2, 2)


def test_a_history_too_short(fitted: Forecaster) -> None:
    with pytest.raises(DataError, match="series '0' has 5 steps, fewer than the "):
        fitted.predict(TWO[:5])


@pytest.mark.parametrize("series", [WAVE, np.concatenate((TWO, TWO), axis=1)], ids=["one", "four"])
def test_a_history_of_other_variables(fitted: Forecaster, series: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"series '0' has \d variables?, .* 2"):
        fitted.predict(series)


def test_a_history_without_logarithm() -> None:
    model = forecaster(transform="log").fit(WAVE)
    with pytest.raises(DataError, match=r"series '0' .*above 0.*step 90"):
        model.predict(np.append(WAVE[:90], [0.0, 5.0]))


def test_zeros_in_the_part_set_aside_leave_no_logarithm_of_them() -> None:
    growing = np.exp(STEPS / 30) * (10 + 3 * np.sin(STEPS * np.pi / 3))
    growing[90] = 0.0
    model = forecaster(transform="auto").fit(growing)
    assert np.isfinite(model.predict()).all()


def test_no_stepping(fitted: Forecaster) -> None:
    with pytest.raises(
        UsageError, match="a Forecaster works on prepared windows and cannot be stepped; call `forecast`"
    ):
        fitted.stream()


def test_an_exactly_periodic_series_has_no_score() -> None:
    x = np.tile([1.0, 2.0, 3.0, 4.0], 12)
    forecaster = Forecaster(horizon=4, season=4, hidden_size=3, epochs=1).fit([x])
    with pytest.raises(DataError, match="every series of `X` repeats itself exactly every 4 steps.*`backtest` tells"):
        forecaster.score([x])
