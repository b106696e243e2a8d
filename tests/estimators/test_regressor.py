"""SequenceRegressor: an answer at every step or at the end, in the targets' own units."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.closeness import assert_close, assert_same_bits
from tests.estimators.subjects import TARGETS, X, regressor

from elman.engines import make_engine
from elman.errors import DataError, UsageError
from elman.estimators import SequenceRegressor

TOTALS = TARGETS[:, -1]
SINE = np.sin(np.linspace(0, 30, 200))
RAGGED = [x[: 2 + i % 5] for i, x in enumerate(X)]
RAGGED_TARGETS = [y[: 2 + i % 5] for i, y in enumerate(TARGETS)]


@pytest.fixture(scope="module")
def fitted() -> SequenceRegressor:
    return regressor(epochs=10).fit(X, TARGETS)


def test_it_learns_every_step_in_the_targets_units() -> None:
    model = regressor(epochs=150, validation=0.0, hidden_size=8).fit(X, TARGETS)
    assert model.score(X, TARGETS) > 0.97
    assert model.predict(X).shape == (16, 6, 1)
    assert abs(model.predict(X).mean() - TARGETS.mean()) < 0.5  # about 10, where the scaled ones lie about 0


@pytest.mark.parametrize("y", [TOTALS, TOTALS[:, 0], TOTALS.tolist()], ids=["(N, 1)", "(N,)", "list"])
def test_it_learns_the_last_step(y: Any) -> None:
    model = regressor(epochs=150, validation=0.0, hidden_size=8, output="last", steps=None).fit(X, y)
    assert model.score(X, y) > 0.97
    assert model.predict(X).shape == np.shape(y)  # so that `y - predict` is a difference, and not a table of them


def test_a_saved_model_answers_in_the_same_shape(tmp_path: Path) -> None:
    for y in (TOTALS, TOTALS[:, 0]):
        model = regressor(output="last", steps=None).fit(X, y)
        model.save(tmp_path)
        assert_same_bits(SequenceRegressor.load(tmp_path).predict(X), model.predict(X))


def test_r2_is_the_textbooks(fitted: SequenceRegressor) -> None:
    got = fitted.predict(X)
    wanted = 1 - ((TARGETS - got) ** 2).sum() / ((TARGETS - TARGETS.mean()) ** 2).sum()
    assert_close(fitted.score(X, TARGETS), wanted)
    assert fitted.score(X, fitted.predict(X)) == 1.0
    constant = np.full_like(TARGETS, 5.0)
    assert fitted.score(X, constant) == 0.0


def test_r2_over_several_outputs_takes_each_ones_own_mean() -> None:
    both = np.concatenate((TARGETS, X[..., 1:] - 50), axis=2)
    model = regressor(epochs=10).fit(X, both)
    got = model.predict(X)
    assert got.shape == (16, 6, 2)
    spread = ((both - both.mean(axis=(0, 1))) ** 2).sum()
    assert_close(model.score(X, both), 1 - ((both - got) ** 2).sum() / spread)


@pytest.mark.parametrize("output", ["every", "last"])
def test_sequences_of_unequal_length(output: str) -> None:
    targets: Any = RAGGED_TARGETS if output == "every" else np.array([y[-1, 0] for y in RAGGED_TARGETS])
    steps = 3 if output == "every" else None
    model = regressor(epochs=150, validation=0.0, hidden_size=8, output=output, steps=steps).fit(RAGGED, targets)
    assert model.score(RAGGED, targets) > 0.95
    together = model.predict(RAGGED)
    if output == "every":
        assert isinstance(together, list)
        assert [len(rows) for rows in together] == [len(x) for x in RAGGED]
    for x, rows in zip(RAGGED, together, strict=True):
        assert_close(model.predict([x])[0], rows)


@pytest.mark.parametrize(("layout", "axes"), [("nct", (0, 2, 1)), ("tnd", (1, 0, 2))])
def test_layouts_of_inputs_and_targets(layout: str, axes: tuple[int, ...], fitted: SequenceRegressor) -> None:
    model = regressor(epochs=10, layout=layout).fit(X.transpose(axes), TARGETS.transpose(axes))
    assert_same_bits(model.predict(X.transpose(axes)), fitted.predict(X))


@settings(max_examples=15)
@given(order=st.permutations(range(16)))
def test_permuting_the_sequences_permutes_the_answers(fitted: SequenceRegressor, order: list[int]) -> None:
    assert_close(fitted.predict(X[order]), fitted.predict(X)[order])


def test_the_last_part_of_a_single_sequence_is_watched() -> None:
    """Split in time: what is watched is later than what is learned, and scales nothing."""
    x = SINE.reshape(1, -1, 1).copy()
    x[:, 150:] *= 100
    model = regressor(validation=0.25, epochs=2).fit(x, x)
    assert model.scaler_.scale is not None
    assert_close(model.scaler_.scale, x[:, :150].std(axis=(0, 1)))
    later = (x[:, 150:] - model.scaler_.shift) / model.scaler_.scale
    loss = make_engine("auto", model.network_, dtype=model.dtype).forward(later)[0] - later
    assert_close(model.final_record()["validation_loss"], float((loss**2).mean()))


def test_part_of_several_sequences_is_watched_at_random(fitted: SequenceRegressor) -> None:
    assert "validation_loss" in fitted.final_record()
    assert "validation_loss" not in regressor(validation=0.0).fit(X, TARGETS).final_record()
    own = regressor().fit(X[:12], TARGETS[:12], validation_data=(X[12:], TARGETS[12:]))
    scaled = (own.predict(X[12:]) - TARGETS[12:]) / own.target_scaler_.scale
    assert_close(own.final_record()["validation_loss"], float((scaled**2).mean()))


def test_scaling_is_only_a_change_of_units() -> None:
    """Inputs and targets in other units: the same network, and the answers in the other units."""
    model = regressor(epochs=5).fit(X, TARGETS)
    other = regressor(epochs=5).fit(X * 8 + 3, TARGETS * 0.5 - 7)
    assert_close(other.predict(X * 8 + 3), model.predict(X) * 0.5 - 7)


def test_epochs_of_so_many_updates_go_on_through_the_data() -> None:
    x = SINE.reshape(1, -1, 1)
    plain: dict[str, Any] = {"steps": 10, "shuffle": False, "validation": 0.0}
    whole = regressor(**plain, epochs=2).fit(x, x)
    parts = regressor(**plain, epochs=8, updates_per_epoch=5).fit(x, x)
    assert [len(m.history_) for m in (whole, parts)] == [2, 8]
    assert_same_bits(parts.predict(x), whole.predict(x))


def test_score_first() -> None:
    x = SINE.reshape(1, -1, 1)
    plain: dict[str, Any] = {"steps": None, "validation": 0.0, "carry": False, "epochs": 3}
    first, during = regressor(**plain, score_first=True).fit(x, x), regressor(**plain).fit(x, x)
    assert_close(first.history_[0]["train_loss"], during.history_[0]["train_loss"])  # one update an epoch: the same


@pytest.mark.parametrize("output", ["every", "last"])
def test_a_stream_is_predict_in_original_units(output: str, fitted: SequenceRegressor) -> None:
    model = (
        fitted
        if output == "every"
        else regressor(output="last", steps=None, bias=False, head_bias=False).fit(X, TOTALS)
    )
    stepped = model.stream(16).step_many(X)
    if output == "every":
        assert_close(stepped, model.predict(X))
    for t in (0, 5):
        wanted = model.predict(X[:, : t + 1])
        assert_close(stepped[:, t], wanted[:, -1] if output == "every" else wanted)
    one = model.stream()
    assert_close(np.stack([one.step(x) for x in X[0]]), stepped[0])
    with pytest.raises(UsageError, match=r"`stream` .*bidirectional"):
        regressor(bidirectional=True).fit(X, TARGETS).stream()


@pytest.mark.parametrize(
    ("options", "x", "y", "error", "match"),
    [
        ({}, X, TARGETS[:3], DataError, "`X` holds 16 sequences and `y` 3; they must be as many"),
        ({}, X, TARGETS[:, :4], DataError, r"sequence 0 \(from 0\) has 6 steps in `X` and 4 in `y`; .*output='last'"),
        ({}, RAGGED, RAGGED_TARGETS[::-1], DataError, r"sequence 0 \(from 0\) has 2 steps in `X` and 2|has . steps in `X`"),
        ({"output": "last", "steps": None}, X, TARGETS, DataError, r"`y` must have shape \(N, O\) with output='last'; got"),
        ({}, X, TARGETS * np.inf, DataError, "`y` must be finite"),
        ({}, X[:1, :2], TARGETS[:1, :2], DataError, "at least one sequence, step"),
        ({"validation": 0.01}, X, TARGETS, DataError, "`validation` = 0.01 of 16 sequences leaves none for validation"),
        ({"updates_per_epoch": 3}, X, TARGETS, UsageError, "`updates_per_epoch` .*set shuffle=False"),
        ({"updates_per_epoch": 0, "shuffle": False}, X, TARGETS, UsageError, "`updates_per_epoch` must be at least 1; got 0"),
        ({"output": "last"}, X, TOTALS, UsageError, "`steps` needs output='every'"),
        ({"loss": "x", "output": "y"}, X, TARGETS, UsageError, "`output` must be every or last; got 'y'; `loss` must be one of mse"),
    ],
)  # fmt: skip
def test_what_is_refused(options: dict[str, Any], x: Any, y: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        regressor(**options).fit(x, y)


def test_asking_with_other_features(fitted: SequenceRegressor) -> None:
    with pytest.raises(DataError, match=r"`X` must have shape \(N, T, 2\), as in `fit`"):
        fitted.predict(X[..., :1])


def noisy(count: int, seed: int) -> tuple[Any, Any]:
    """Sequences whose targets are twice the input, plus normal noise of deviation 0.5 in the first half and 2 in the second."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(count, 8, 1))
    noise = generator.normal(size=x.shape) * np.where(np.arange(8) < 4, 0.5, 2.0)[None, :, None]
    return x, 30 + 2 * x + noise


@pytest.mark.parametrize("options", [{"loss": "quantile", "quantiles": (0.05, 0.5, 0.95)}, {"loss": "gaussian"}])
def test_quantiles_enclose_as_much_as_they_say(options: dict[str, Any]) -> None:
    x, y = noisy(600, 0)
    model = SequenceRegressor(
        hidden_size=8, epochs=60, learning_rate=0.01, validation=0.0, batch_size=50, **options
    ).fit(x, y)  # fmt: skip
    new_x, new_y = noisy(600, 1)
    answers = model.predict_quantiles(new_x)
    assert answers.shape == (600, 8, 1, 3)
    assert (np.diff(answers, axis=-1) >= 0).all()
    inside = (answers[..., 0] <= new_y) & (new_y <= answers[..., 2])
    assert 0.85 < inside.mean() < 0.95
    width = (answers[..., 2] - answers[..., 0]).mean(axis=(0, 2))
    assert width[4:].mean() > 2 * width[:4].mean()
    assert np.abs(model.predict(new_x) - (30 + 2 * new_x)).mean() < 0.4


def test_gaussian_gives_any_quantile_and_quantile_those_it_learned() -> None:
    x, y = noisy(20, 0)
    quick = {"hidden_size": 3, "epochs": 2, "dtype": "float64"}
    gaussian = SequenceRegressor(loss="gaussian", **quick).fit(x, y)
    low, middle, high = np.moveaxis(gaussian.predict_quantiles(x, (0.1, 0.5, 0.9)), -1, 0)
    assert_close(middle, gaussian.predict(x))
    assert_close(high - middle, middle - low)
    learned = SequenceRegressor(loss="quantile", quantiles=(0.2, 0.6), **quick).fit(x, y)
    with pytest.raises(UsageError, match=r"must be those that were learned, \(0.2, 0.6\); got \(0.1,\)"):
        learned.predict_quantiles(x, (0.1,))
    with pytest.raises(UsageError, match="needs loss='quantile' or 'gaussian'; got loss='mse'"):
        SequenceRegressor(**quick).fit(x, y).predict_quantiles(x)


@pytest.mark.parametrize("loss", ["quantile", "gaussian"])
def test_streams_of_probabilistic_losses(loss: str) -> None:
    """A stream gives the quantiles as they were learned, or the means, in the targets' units."""
    x, y = noisy(20, 0)
    model = SequenceRegressor(loss=loss, hidden_size=3, epochs=2, dtype="float64").fit(x, y)
    stepped = model.stream().step_many(x[0])
    wanted = model.predict_quantiles(x[:1])[0].reshape(8, -1) if loss == "quantile" else model.predict(x[:1])[0]
    assert_close(np.sort(stepped, axis=-1), wanted)


@pytest.mark.parametrize("quantiles", [(), (0.5, 0.1), (0.0, 0.5), (0.5, 0.5)])
def test_quantiles_that_are_none(quantiles: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="`quantiles` must be numbers between 0 and 1 in rising order"):
        SequenceRegressor(loss="quantile", quantiles=quantiles).fit(X, TARGETS)
