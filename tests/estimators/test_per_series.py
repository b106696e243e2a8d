"""A forecaster for each series: each is what it would be alone, and one that fails costs the others nothing."""

from __future__ import annotations

import copy
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from tests.closeness import assert_close, assert_same_bits
from tests.estimators.long_series import models
from tests.estimators.subjects import SERIES, forecaster
from tests.files.trees import reseal, stored

from elman.data import Series
from elman.errors import DataError, ElmanError, NotFittedError, RunError, UsageError
from elman.estimators import Forecaster, Outcome, PerSeries, load
from elman.training.checkpoint import FILE

REPOSITORY = Path(__file__).resolve().parents[2]
DAYS = np.arange("2020-01-01", "2020-02-18", dtype="datetime64[D]").astype("datetime64[us]")
MONTHS = np.arange("2016-01", "2020-01", dtype="datetime64[M]").astype("datetime64[us]")
DATED = [Series("daily / a", DAYS, SERIES[0][:, None]), Series("monthly", MONTHS, SERIES[1][:, None])]
SHORT = Series("short", None, SERIES[0][:10, None])
NAMED = [Series("a", None, SERIES[0][:, None]), SHORT, Series("b", None, SERIES[1][:, None])]


def per_series(n_jobs: int | None = 1, **options: Any) -> PerSeries:
    return PerSeries(forecaster=forecaster(**options), n_jobs=n_jobs)


@pytest.fixture(scope="module")
def fitted() -> PerSeries:
    return per_series(season=None, window=None).fit(DATED)


@pytest.fixture(scope="module")
def partly() -> PerSeries:
    with pytest.warns(
        UserWarning, match="1 of 3 series have no model .* the first is 'short': series 'short' has 7 steps"
    ):
        return per_series().fit(NAMED)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_each_model_is_the_one_that_its_series_alone_would_give(n_jobs: int) -> None:
    template = forecaster(season=None, window=None)
    many = PerSeries(forecaster=template, n_jobs=n_jobs)
    assert many.fit(DATED) is many
    assert list(many.models_) == ["daily / a", "monthly"]
    assert many.errors_ == {}
    assert not hasattr(template, "network_")
    for s, found in zip(DATED, many.forecast(horizon=2), strict=True):
        (wanted,) = template.clone().fit([s]).forecast(horizon=2)
        assert (found.unique_id, found.times.tolist()) == (wanted.unique_id, wanted.times.tolist())
        for ours, alone in zip(found[2:], wanted[2:], strict=True):
            assert_same_bits(ours, alone)
    assert [model.season_ for model in many.models_.values()] == [7, 12]


def test_answers_have_the_shapes_of_a_forecasters(fitted: PerSeries) -> None:
    assert [mean.shape for mean in fitted.predict()] == [(3, 1), (3, 1)]
    assert [ends.shape for ends in fitted.predict_proba()] == [(2, 3, 1), (2, 3, 1)]
    assert [mean.shape for mean in fitted.predict(DATED[:1], horizon=1)] == [(1, 1)]
    assert fitted.predict(DATED[1]).shape == (3, 1)
    alone = per_series().fit(SERIES[0])
    assert alone.predict().shape == (3, 1)
    assert alone.predict_proba().shape == (2, 3, 1)


def test_series_are_known_by_name(fitted: PerSeries) -> None:
    turned = fitted.forecast(DATED[::-1])
    assert [f.unique_id for f in turned] == ["monthly", "daily / a"]
    assert_same_bits(turned[0].mean, fitted.forecast()[1].mean)
    with pytest.raises(
        DataError, match=r"series '0' was not among those fitted \(daily / a, monthly\); fit again with it"
    ):
        fitted.forecast(SERIES)


def test_a_series_that_fails_costs_the_others_nothing(partly: PerSeries) -> None:
    assert list(partly.models_) == ["a", "b"]
    assert isinstance(partly.errors_["short"], DataError)
    assert [f.unique_id for f in partly.forecast()] == ["a", "b"]
    with pytest.raises(
        DataError,
        match="series 'short' has no model; leave it out, or fit again: series 'short' has 7 steps, fewer than",
    ):
        partly.forecast(NAMED)


def test_where_none_can_be_fitted_the_first_error_is_raised() -> None:
    with pytest.raises(DataError, match="^series 'short' has 7 steps, fewer than"):
        per_series().fit([SHORT])
    with pytest.raises(
        UsageError, match="none of 3 series could be fitted; the first is 'a': `horizon` must be at least 1"
    ):
        per_series(horizon=0).fit(NAMED)
    assert not hasattr(per_series(), "models_")


def test_score_is_the_mean_over_the_series(fitted: PerSeries) -> None:
    alone = [fitted.models_[s.unique_id].score([s]) for s in DATED]
    assert alone[0] != alone[1]
    assert_close(np.array(fitted.score(DATED)), np.array(sum(alone) / 2))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_backtest_is_each_series_own(n_jobs: int) -> None:
    arrived: list[Outcome] = []
    found = per_series(n_jobs).backtest(NAMED, folds=2, on_outcome=lambda outcome, count, of: arrived.append(outcome))
    assert sorted(outcome.name for outcome in arrived) == ["a", "b", "short"]
    assert list(found.by_series) == ["a", "b"]
    assert "'short' has" in str(found.errors["short"])
    own = [forecaster().backtest([s], folds=2) for s in (NAMED[0], NAMED[2])]
    for ours, alone in zip(found.by_series.values(), own, strict=True):
        assert ours.metrics == alone.metrics
        assert ours.baselines == alone.baselines
    assert own[0].metrics["mae"] != own[1].metrics["mae"]
    for name in ("mae", "coverage", "mase"):
        assert_close(np.array(found.metrics[name]), np.mean([b.metrics[name] for b in own]))
    assert found.baselines.keys() == own[0].baselines.keys()
    assert_close(np.array(found.baselines["drift"]["mae"]), np.mean([b.baselines["drift"]["mae"] for b in own]))


def test_the_series_in_which_a_baseline_is_as_good() -> None:
    """A straight line is drift's own; the season, which a long training learns, is not."""
    noise = np.random.default_rng(3).normal(0, 0.05, 48)
    line = np.arange(48.0) * 3
    season = 10 + np.tile([0.0, 5, 1, 7, 2, 3], 8) + noise
    found = per_series(epochs=60, difference="none").backtest([line, season], folds=2)
    best = {name: min(b.baselines, key=lambda n: b.baselines[n]["mae"]) for name, b in found.by_series.items()}
    beaten = {n: best[n] for n, b in found.by_series.items() if b.baselines[best[n]]["mae"] <= b.metrics["mae"]}
    assert found.beaten == beaten
    assert found.beaten["0"] == "drift"


def test_save_and_load(partly: PerSeries, tmp_path: Path) -> None:
    partly.models_["a"].save(tmp_path / "model")  # which is replaced
    partly.save(tmp_path / "model")
    loaded = PerSeries.load(str(tmp_path / "model"))
    assert loaded.forecaster.get_params() == partly.forecaster.get_params()
    assert {name: str(error) for name, error in loaded.errors_.items()} == {
        name: str(error) for name, error in partly.errors_.items()
    }
    for ours, theirs in zip(loaded.forecast(), partly.forecast(), strict=True):
        assert ours.unique_id == theirs.unique_id
        assert_same_bits(ours.mean, theirs.mean)
    assert sorted(os.listdir(tmp_path)) == ["model"]
    assert sorted(os.listdir(tmp_path / "model")) == ["config.json", "manifest.json", "models"]
    alone = Forecaster.load(tmp_path / "model" / "models" / "000001")
    assert_same_bits(alone.predict(), partly.models_["b"].predict())


def test_loading_what_is_something_else(partly: PerSeries, tmp_path: Path) -> None:
    partly.save(tmp_path / "many")
    partly.models_["a"].save(tmp_path / "one")
    with pytest.raises(RunError, match="holds a model for each of many series; use PerSeries.load"):
        load(tmp_path / "many")
    with pytest.raises(RunError, match="holds a Forecaster, not a PerSeries; use elman.load"):
        PerSeries.load(tmp_path / "one")
    with pytest.raises(RunError, match="nowhere is not a whole set of models: config.json is missing"):
        PerSeries.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "spoilt",
    [{"series": []}, {"series": "ab"}, {"series": [1, 2]}, {"errors": []}, {"series": ["a"] * 9}],
)
def test_loading_what_is_not_whole(partly: PerSeries, tmp_path: Path, spoilt: dict[str, Any]) -> None:
    partly.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps({**config, **spoilt}), encoding="utf-8")
    with pytest.raises(RunError, match=r"config.json was changed after it was written"):
        PerSeries.load(tmp_path)
    reseal(tmp_path)
    with pytest.raises(RunError, match="train again"):
        PerSeries.load(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "models/000001/config.json", "models/000001/model.safetensors"])
def test_a_changed_byte_of_any_model_is_refused_by_name(partly: PerSeries, tmp_path: Path, name: str) -> None:
    partly.save(tmp_path / "m")
    path = tmp_path / "m" / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    with pytest.raises(RunError, match=f"m/{name} was changed after it was written"):
        PerSeries.load(tmp_path / "m")


def test_models_that_changed_places_are_refused(partly: PerSeries, tmp_path: Path) -> None:
    partly.save(tmp_path / "m")
    models = tmp_path / "m" / "models"
    for old, new in (("000000", "x"), ("000001", "000000"), ("x", "000001")):
        (models / old).rename(models / new)
    with pytest.raises(RunError, match="models/000000/manifest.json was changed after it was written"):
        PerSeries.load(tmp_path / "m")


def test_copies_and_pickles_answer_the_same(fitted: PerSeries) -> None:
    for twin in (copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
        assert_same_bits(np.stack(twin.predict()), np.stack(fitted.predict()))
    assert not hasattr(fitted.clone(), "models_")
    assert fitted.clone(n_jobs=3).n_jobs == 3
    assert fitted.clone().forecaster is not fitted.forecaster


def test_get_params_and_set_params() -> None:
    many = per_series()
    assert many.get_params(deep=False) == {"forecaster": many.forecaster, "n_jobs": 1}
    assert many.get_params()["forecaster__horizon"] == 3
    assert many.set_params(n_jobs=2, forecaster__horizon=5) is many
    assert (many.n_jobs, many.forecaster.horizon) == (2, 5)
    other = Forecaster(horizon=9)
    many.set_params(forecaster__season=4, forecaster=other)
    assert many.forecaster is other
    assert other.season == 4
    with pytest.raises(
        UsageError, match=r"PerSeries has no `jobs` .*; no `forecaster__horizn` \(did you mean `forecaster__horizon`"
    ):
        many.set_params(jobs=1, forecaster__horizn=2)


@pytest.mark.parametrize(
    ("options", "x", "error", "match"),
    [
        ({"forecaster": 3}, SERIES, UsageError, "`forecaster` must be a Forecaster; got int"),
        ({"n_jobs": 0}, SERIES, UsageError, "`n_jobs` must be a whole number other than 0"),
        ({}, [DATED[0], DATED[0]], DataError, "unique_id of its own; 'daily / a' comes twice"),
        ({}, [], DataError, "`X` holds no series"),
    ],
)
def test_what_is_refused(options: dict[str, Any], x: Any, error: type[ElmanError], match: str) -> None:
    for ask in (PerSeries(**options).fit, PerSeries(**options).backtest):
        with pytest.raises(error, match=match):
            ask(x)


def test_not_fitted_yet(tmp_path: Path) -> None:
    many = per_series()
    for ask in (
        many.forecast,
        many.predict,
        many.predict_proba,
        lambda: many.score(SERIES),
        lambda: many.save(tmp_path),
    ):
        with pytest.raises(
            NotFittedError, match="this PerSeries is not fitted yet; call `fit` first, or `load` its models"
        ):
            ask()


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C goes to a group of processes")
def test_ctrl_c_stops_all_workers_at_once_and_what_they_did_is_resumed(tmp_path: Path) -> None:
    """No worker says a word or stays; every series goes on from its own checkpoint, to the bits of one never stopped."""
    paths = (str(REPOSITORY / "src"), str(REPOSITORY), os.environ.get("PYTHONPATH", ""))
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.estimators.long_series", str(tmp_path)], start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    # Its workers hold the pipes too: all of them must go, if it comes to that.
    lifeline = threading.Timer(120, os.killpg, (process.pid, signal.SIGKILL))
    lifeline.start()
    folders = [tmp_path / number for number in ("000000", "000001")]
    while not all(map(epochs_done, folders)) and process.poll() is None:
        time.sleep(0.005)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate()
    lifeline.cancel()
    assert (out, err, process.returncode) == ("stopped\n", "", 1)
    more = max(map(epochs_done, folders)) + 20
    again = models(more).fit(SERIES, checkpoint=tmp_path, resume=True)
    fresh = models(more).fit(SERIES)
    for ours, wanted in zip(again.predict(), fresh.predict(), strict=True):
        assert_same_bits(ours, wanted)


def epochs_done(folder: Path) -> int:
    """How many epochs the checkpoint in a folder has behind it; 0 without one."""
    path = stored(folder, FILE)
    if path is None:
        return 0
    with safe_open(path, framework="numpy") as file:
        epoch: int = json.loads(file.metadata()["elman"])["epoch"]
    return epoch
