"""The estimators inside scikit-learn, which they do not need."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn.base
from sklearn.exceptions import FitFailedWarning
from sklearn.exceptions import NotFittedError as SklearnNotFittedError
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_estimator
from sklearn.utils.validation import check_is_fitted
from tests.closeness import assert_all_same_bits, assert_same_bits
from tests.estimators.subjects import LABELS, SERIES, SUBJECTS, TARGETS, Subject, X, classifier, forecaster, regressor

from elman.data import as_sequences
from elman.estimators import PerSeries

RAGGED = [x[: 3 + i % 4] for i, x in enumerate(X)]
GRID = {"hidden_size": [2, 5], "learning_rate": [0.001, 0.05]}


@pytest.fixture(params=SUBJECTS)
def subject(request: pytest.FixtureRequest) -> Subject:
    return SUBJECTS[request.param]


def search(estimator: Any, n_jobs: int = 1, **options: Any) -> Any:
    return GridSearchCV(estimator, GRID, cv=2, n_jobs=n_jobs, error_score="raise", **options)


@pytest.mark.parametrize(
    ("estimator", "x", "y"),
    [
        (classifier(validation=0.0, patience=None), X, LABELS),
        (classifier(validation=0.0, patience=None), RAGGED, LABELS.tolist()),
        (regressor(validation=0.0), X, TARGETS),
        (regressor(validation=0.0), RAGGED, [y[: len(x)] for x, y in zip(RAGGED, TARGETS, strict=True)]),
        (regressor(validation=0.0, output="last", steps=None), X, TARGETS[:, -1, 0]),
    ],
    ids=["classifier", "classifier-ragged", "regressor", "regressor-ragged", "regressor-last"],
)
def test_a_grid_search_finds_the_same_one_at_a_time_and_side_by_side(estimator: Any, x: Any, y: Any) -> None:
    alone, together = (search(estimator, n_jobs).fit(x, y) for n_jobs in (1, 2))
    scores = alone.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert len(set(scores)) > 1, "all candidates scored the same, so this shows nothing"
    assert_same_bits(together.cv_results_["mean_test_score"], scores)
    assert together.best_params_ == alone.best_params_
    assert_all_same_bits(dict(enumerate(together.predict(x))), dict(enumerate(alone.predict(x))))
    wanted = sklearn.base.clone(estimator).set_params(**alone.best_params_).fit(x, y)
    assert alone.score(x, y) == wanted.score(x, y)


def test_sequences_are_cut_into_folds_like_a_list() -> None:
    model = classifier(validation=0.0, patience=None)
    wanted = cross_val_score(model, RAGGED, LABELS, cv=2)
    assert_same_bits(cross_val_score(model, as_sequences(RAGGED), LABELS, cv=2), wanted)


def test_a_search_side_by_side_may_hand_over_arrays_that_cannot_be_written_to(tmp_path: Path) -> None:
    """joblib lends large arrays to its workers as files mapped into memory, for reading only."""
    lent = []
    for number, (estimator, data) in enumerate([(classifier(), (X, LABELS)), (regressor(), (X, TARGETS))]):
        joblib.dump(data, tmp_path / str(number))
        mapped = joblib.load(tmp_path / str(number), mmap_mode="r")
        lent.append(mapped[0])
        assert_same_bits(estimator.fit(*mapped).predict(mapped[0]), estimator.clone().fit(*data).predict(X))
    assert not any(x.flags.writeable for x in lent)


def test_folds_of_a_classification_are_stratified() -> None:
    """Sorted labels: plain folds would each lack a class, and fitting would be refused."""
    order = np.argsort(LABELS)
    model = classifier(validation=0.0, patience=None)
    scores = cross_val_score(model, X[order], LABELS[order], cv=2)
    assert_same_bits(scores, cross_val_score(model, X[order], LABELS[order], cv=StratifiedKFold(2)))


def test_scorers_find_labels_and_probabilities() -> None:
    model = classifier(validation=0.0, patience=None, epochs=20)
    found = cross_val_score(model, X, LABELS, cv=2, scoring="roc_auc")
    assert ((found >= 0) & (found <= 1)).all()
    assert set(cross_val_predict(model, X, LABELS, cv=2)) <= {"up", "down"}


def test_a_candidate_that_cannot_be_costs_the_others_nothing() -> None:
    grid = {"cell": ["gru", "rnn"]}
    with (
        pytest.warns(FitFailedWarning, match="`cell` must be one of"),
        pytest.warns(UserWarning, match="test scores are non-finite"),
    ):
        found = GridSearchCV(classifier(), grid, cv=2).fit(X, LABELS)
    assert found.best_params_ == {"cell": "gru"}


def test_in_a_pipeline() -> None:
    def doubled(x: Any) -> Any:
        return 2 * x

    line = make_pipeline(FunctionTransformer(doubled), classifier())
    line.set_params(sequenceclassifier__hidden_size=3)
    assert_same_bits(
        line.fit(X, LABELS).predict_proba(X), classifier(hidden_size=3).fit(2 * X, LABELS).predict_proba(2 * X)
    )
    assert line.classes_.tolist() == ["down", "up"]
    assert sklearn.base.is_classifier(line)


def test_what_they_are() -> None:
    kinds = {name: get_tags(subject.make()) for name, subject in SUBJECTS.items()}
    assert {name: tags.estimator_type for name, tags in kinds.items()} == {
        "classifier": "classifier", "regressor": "regressor", "forecaster": None, "language model": None,
    }  # fmt: skip
    assert sklearn.base.is_classifier(classifier()) and not sklearn.base.is_regressor(classifier())
    assert sklearn.base.is_regressor(regressor()) and not sklearn.base.is_classifier(regressor())
    assert [name for name, tags in kinds.items() if tags.target_tags.required] == ["classifier", "regressor"]
    assert [name for name, tags in kinds.items() if tags.input_tags.three_d_array] == ["classifier", "regressor"]
    assert get_tags(PerSeries()).estimator_type is None


def test_what_they_learned() -> None:
    for model in (classifier().fit(X, LABELS), regressor().fit(X, TARGETS)):
        assert model.n_features_in_ == 2


def test_scikit_learns_clone(subject: Subject) -> None:
    """Options that are mappings are copied, as scikit-learn does with all that is no estimator; what was learned is left behind."""
    fitted = subject.fitted(initialisation={"weight": "normal(0, 0.3)"})
    twin = sklearn.base.clone(fitted)
    assert twin.get_params() == fitted.get_params()
    with pytest.raises(SklearnNotFittedError):
        check_is_fitted(twin)
    check_is_fitted(fitted)
    assert_same_bits(subject.ask(twin.fit(*subject.data)), subject.ask(fitted))


def test_a_fit_that_fails_leaves_nothing_that_counts_as_fitted(subject: Subject) -> None:
    estimator = subject.make(epochs=0)
    with pytest.raises(ValueError, match="`epochs`"):
        estimator.fit(*subject.data)
    with pytest.raises(SklearnNotFittedError):
        check_is_fitted(estimator)


def test_models_of_many_series_are_cloned_and_searched_over() -> None:
    many = PerSeries(forecaster=forecaster(epochs=1))
    twin = sklearn.base.clone(many)
    assert twin.forecaster is not many.forecaster
    assert twin.forecaster.get_params() == many.forecaster.get_params()
    grid = {"forecaster__hidden_size": [2, 3]}
    whole = [(np.arange(2), np.arange(2))]  # both series in both parts: `score` cuts the last steps off itself
    found = GridSearchCV(many, grid, cv=whole, error_score="raise").fit(SERIES)
    assert found.best_params_["forecaster__hidden_size"] in (2, 3)
    assert found.best_estimator_.predict()[1].shape == (3, 1)
    assert many.forecaster.hidden_size == 4


LEFT_OUT = {
    "check_estimators_unfitted": "asking too early raises elman's own NotFittedError; there is no dependency to take another from",
    "check_n_features_in": "D, the features of a step, are counted; a table's columns are steps here",
    "check_n_features_in_after_fitting": "a table with fewer columns is shorter sequences, which are welcome",
    "check_complex_data": "refused in other words",
    "check_dtype_object": "tables of objects are refused, not guessed at",
    "check_estimators_empty_data_messages": "refused in other words",
    "check_estimators_nan_inf": "refused in other words",
    "check_estimator_sparse_tag": "refused in other words",
    "check_estimator_sparse_array": "refused in other words",
    "check_estimator_sparse_matrix": "refused in other words",
    "check_fit2d_predict1d": "refused in other words",
    "check_requires_y_none": "refused in other words",
}
LEFT_OUT_OF: dict[str, dict[str, str]] = {
    "classifier": {
        "check_classifiers_train": "a table with fewer columns is shorter sequences, which are welcome",
        "check_classifiers_regression_target": "refused in other words",
        "check_supervised_y_2d": "labels in a column are refused, not guessed at",
        "check_fit2d_1sample": "refused in other words",
    },
    "regressor": {},
}


@pytest.mark.filterwarnings("ignore:.*does not inherit from `sklearn.base.BaseEstimator`")  # by design: no dependency
@pytest.mark.parametrize("kind", LEFT_OUT_OF)
def test_scikit_learns_own_checks(kind: str) -> None:
    """All that make sense for sequences; a table (N, T) is N sequences of one feature."""
    options: dict[str, Any] = {"hidden_size": 8, "epochs": 40, "learning_rate": 0.02, "validation": 0.0}
    own: dict[str, Any] = {"patience": None} if kind == "classifier" else {"output": "last", "steps": None}
    estimator = {"classifier": classifier, "regressor": regressor}[kind](**options, **own)
    left_out = {**LEFT_OUT, **LEFT_OUT_OF[kind]}
    found = check_estimator(estimator, expected_failed_checks=left_out, on_skip=None, on_fail=None)
    by_status: dict[str, set[str]] = {}
    for check in found:
        by_status.setdefault(check["status"], set()).add(check["check_name"])
    assert by_status.get("failed", set()) == set()
    assert by_status["skipped"] == {"check_array_api_input"}
    assert left_out.keys() - by_status["xfail"] == set(), "these pass now and need no excuse"
    assert len(by_status["passed"]) > 30


def test_a_search_shows_itself_in_a_notebook() -> None:
    shown = search(classifier())._repr_html_()
    assert "SequenceClassifier" in shown and "GridSearchCV" in shown


def test_copies_keep_what_a_search_set() -> None:
    estimator = classifier().set_params(hidden_size=np.int64(3))
    for twin in (copy.copy(estimator), copy.deepcopy(estimator)):
        assert twin.get_params() == estimator.get_params()
