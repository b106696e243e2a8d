"""SequenceClassifier: labels of any kind, layouts, unequal lengths, class weights, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.closeness import assert_close, assert_same_bits
from tests.estimators.subjects import LABELS, X, classifier

from elman.engines import make_engine
from elman.errors import DataError, RunError, UsageError
from elman.estimators import SequenceClassifier
from elman.estimators.estimator import validation_split

CODES = (LABELS == "up").astype(int)


@pytest.fixture(scope="module")
def fitted() -> SequenceClassifier:
    return classifier(epochs=20).fit(X, LABELS)


def test_it_learns(fitted: SequenceClassifier) -> None:
    learned = classifier(epochs=80, patience=None, validation=0.0).fit(X, LABELS)
    assert learned.score(X, LABELS) == 1.0
    assert learned.history_[-1]["train_accuracy"] == 1.0
    assert learned.history_[-1]["train_loss"] < 0.2 < learned.history_[0]["train_loss"]


def test_probabilities_are_the_softmax_of_the_networks_outputs(fitted: SequenceClassifier) -> None:
    p = fitted.predict_proba(X)
    assert p.shape == (16, 2)
    assert p.dtype == np.float64
    assert_close(p.sum(axis=1), np.ones(16))
    assert fitted.scaler_.shift is not None
    assert fitted.scaler_.scale is not None
    scaled = (X - fitted.scaler_.shift) / fitted.scaler_.scale
    logits = make_engine("auto", fitted.network_, dtype=fitted.dtype).forward(scaled)[0].astype(np.float64)
    assert_close(p, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
    assert (fitted.predict(X) == fitted.classes_[p.argmax(axis=1)]).all()
    assert fitted.score(X, LABELS) == (fitted.predict(X) == LABELS).mean()


def test_confusion(fitted: SequenceClassifier) -> None:
    labels = np.where(np.arange(16) < 5, "up", LABELS)  # so that one mistake is commoner than the other
    found = fitted.confusion(X, labels)
    said = fitted.predict(X)
    for row, true in enumerate(["down", "up"]):
        for column, taken in enumerate(["down", "up"]):
            assert found[row, column] == ((labels == true) & (said == taken)).sum()
    assert found[0, 1] != found[1, 0]
    assert np.trace(found) / found.sum() == fitted.score(X, labels)


@pytest.mark.parametrize(
    "names",
    [("down", "up"), (False, True), (-3, 7), (np.int8(1), np.int8(2)), (1.0, 2.0)],
    ids=lambda n: type(n[0]).__name__,
)
def test_labels_of_any_kind_come_back_as_they_are(
    tmp_path: Path, names: tuple[Any, Any], fitted: SequenceClassifier
) -> None:
    labels = np.array(names)[CODES]
    model = classifier(epochs=20).fit(X, labels)
    assert model.classes_.tolist() == list(names)
    assert model.classes_.dtype == labels.dtype
    assert model.predict(X).dtype == labels.dtype
    assert_same_bits(model.predict_proba(X), fitted.predict_proba(X))
    model.save(tmp_path / "model")
    loaded = SequenceClassifier.load(tmp_path / "model")
    assert loaded.predict(X).tolist() == model.predict(X).tolist()
    assert loaded.classes_.dtype == labels.dtype
    assert model.fit(X, labels.tolist()).classes_.tolist() == list(names)


@pytest.mark.parametrize(("layout", "axes"), [("nct", (0, 2, 1)), ("tnd", (1, 0, 2))])
def test_layouts(layout: str, axes: tuple[int, ...], fitted: SequenceClassifier) -> None:
    model = classifier(epochs=20, layout=layout).fit(X.transpose(axes), LABELS)
    assert_same_bits(model.predict_proba(X.transpose(axes)), fitted.predict_proba(X))


def test_lists_of_unequal_length() -> None:
    ragged = [x[: 2 + i % 5] for i, x in enumerate(X)]
    labels = np.array([x[:, 0].sum() > 0 for x in ragged])
    model = classifier(epochs=80, patience=None, validation=0.0).fit(ragged, labels)
    assert model.score(ragged, labels) == 1.0
    together = model.predict_proba(ragged)
    for i, x in enumerate(ragged):
        assert_close(model.predict_proba([x]), together[i : i + 1])
        assert_close(model.predict_proba(x[None]), together[i : i + 1])


@settings(max_examples=15)
@given(order=st.permutations(range(16)))
def test_permuting_the_sequences_permutes_the_answers(fitted: SequenceClassifier, order: list[int]) -> None:
    assert_close(fitted.predict_proba(X[order]), fitted.predict_proba(X)[order])


def test_more_sequences_than_one_batch_of_predictions(fitted: SequenceClassifier) -> None:
    many = np.tile(X, (40, 1, 1))
    assert_close(fitted.predict_proba(many), np.tile(fitted.predict_proba(X), (40, 1)))


def test_class_weights_pull_towards_a_class() -> None:
    noise = np.random.default_rng(0).standard_normal((60, 4, 1))
    labels = np.array(["rare"] * 10 + ["common"] * 50)

    def rare(weight: Any) -> float:
        model = classifier(class_weight=weight, epochs=15, patience=None, validation=0.0, hidden_size=2).fit(
            noise, labels
        )
        return float(model.predict_proba(noise)[:, 1].mean())

    assert rare({"rare": 50.0}) > rare("balanced") + 0.1 > rare(None) + 0.2
    assert abs(rare("balanced") - 0.5) < 0.2
    assert rare({"rare": 1.0}) == rare({"rare": 1.0, "common": 1}) == pytest.approx(rare(None), abs=1e-9)


@pytest.mark.parametrize("names", [("down", "up"), (0, 1), (False, True)])
def test_class_weights_by_label_survive_saving(tmp_path: Path, names: tuple[Any, Any]) -> None:
    labels = np.array(names)[CODES]
    model = classifier(class_weight={names[0]: 2.0, names[1]: 1.0}).fit(X, labels)
    model.save(tmp_path / "model")
    loaded = SequenceClassifier.load(tmp_path / "model")
    assert loaded.class_weight == model.class_weight
    assert_same_bits(loaded.fit(X, labels).predict_proba(X), model.predict_proba(X))


def test_the_part_set_aside_has_every_class_and_scales_nothing() -> None:
    """Scalers are fitted on the training part only: validation data may be a thousand times as large."""
    rest, unseen = validation_split(16, 0.25, 1, CODES)
    assert sorted([*rest, *unseen]) == list(range(16))
    assert set(CODES[unseen]) == {0, 1}
    huge = X.copy()
    huge[unseen] *= 1000
    model = classifier().fit(huge, LABELS)
    assert model.scaler_.shift is not None
    assert model.scaler_.scale is not None
    assert_close(model.scaler_.shift, huge[rest].reshape(-1, 2).mean(axis=0))
    assert_close(model.scaler_.scale, huge[rest].reshape(-1, 2).std(axis=0))


def test_validation_data_of_ones_own() -> None:
    model = classifier(validation=0.0).fit(X[:12], LABELS[:12], validation_data=(X[12:], LABELS[12:]))
    assert_close(model.final_record()["validation_accuracy"], model.score(X[12:], LABELS[12:]))
    with pytest.raises(DataError, match="`y` holds the label 'sideways'"):
        classifier().fit(X, LABELS, validation_data=(X[:1], ["sideways"]))


def test_resuming_sees_lengths_and_validation_data(tmp_path: Path) -> None:
    """Zeros that are padding are not zeros that were measured; other sequences to watch are another training."""
    padded = X.copy()
    padded[0, 4:] = 0
    ragged = [padded[0, :4], *padded[1:]]
    plain = classifier(validation=0.0, patience=None)
    plain.fit(padded, LABELS, checkpoint=tmp_path / "one")
    with pytest.raises(RunError, match="other data or other settings"):
        plain.clone().fit(ragged, LABELS, checkpoint=tmp_path / "one", resume=True)
    watching = classifier(validation=0.0)
    watching.fit(X, LABELS, validation_data=(X, LABELS), checkpoint=tmp_path / "two")
    with pytest.raises(RunError, match="other data or other settings"):
        watching.clone().fit(X, LABELS, validation_data=(X + 1, LABELS), checkpoint=tmp_path / "two", resume=True)


def test_a_stream_says_at_each_step_what_predict_says_of_what_it_has_seen(fitted: SequenceClassifier) -> None:
    logits = fitted.stream(16).step_many(X)
    for t in range(6):
        p = fitted.predict_proba(X[:, : t + 1])
        e = np.exp(logits[:, t])
        assert_close(e / e.sum(axis=1, keepdims=True), p)


@pytest.mark.parametrize(
    ("x", "y", "error", "match"),
    [
        (X, LABELS[:15], DataError, "`X` holds 16 sequences and `y` 15 labels; they must be as many"),
        (X, ["same"] * 16, DataError, "at least two classes to tell apart; all 16 labels are 'same'"),
        (X, np.linspace(0, 1, 16), DataError, "`y` must be class labels; .* looks like a measurement"),
        (X * np.nan, LABELS, DataError, "`X` must be finite; sequence 0, step 0, feature 0"),
        (X[:0], LABELS[:0], DataError, "at least one sequence"),
        (X[:2], LABELS[:2], DataError, "`validation` = 0.25 of 2 sequences leaves none for validation"),
    ],
)
def test_data_that_cannot_be_used(x: Any, y: Any, error: type[Exception], match: str) -> None:
    labels = np.array(["down", "up"]) if len(y) == 2 else y
    with pytest.raises(error, match=match):
        classifier().fit(x, labels)


def test_asking_with_other_features_names_the_layout(fitted: SequenceClassifier) -> None:
    with pytest.raises(
        DataError, match=r'`X` must have shape \(N, T, 2\), as in `fit`; .* \(16, 2, 6\).*pass `layout="nct"`'
    ):
        fitted.predict(X.transpose(0, 2, 1))
    with pytest.raises(
        DataError, match=r"`X` must have shape \(N, T, 2\), as in `fit`; got \(N, T, D\) = \(16, 6, 1\)"
    ):
        fitted.predict(X[..., :1])
    with pytest.raises(DataError, match="`X` holds 16 sequences and `y` 3 labels"):
        fitted.score(X, LABELS[:3])


@pytest.mark.parametrize("weight", [{"sideways": 1.0}, {"up": -1.0}, {"up": float("nan")}, "even"])
def test_class_weights_that_cannot_be(weight: Any) -> None:
    with pytest.raises(UsageError, match="`class_weight`"):
        classifier(class_weight=weight).fit(X, LABELS)
