"""The n-gram floor: Witten-Bell by hand, by a plain recount, and as a probability."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.closeness import assert_close

from elman.errors import DataError
from elman.estimators.ngram import NGram


def plain(train: list[int], test: list[int], vocabulary: int, order: int) -> list[float]:
    """p(w | c) = (count(c w) + distinct(c) p'(w | c')) / (count(c) + distinct(c)), counted anew for each token."""
    found = []
    for place, token in enumerate(test):
        p = 1 / vocabulary
        for length in range(min(order, place + 1)):
            context = tuple(test[place - length : place])
            followers = Counter(
                train[i + length] for i in range(len(train) - length) if tuple(train[i : i + length]) == context
            )
            if followers:
                p = (followers[token] + len(followers) * p) / (sum(followers.values()) + len(followers))
        found.append(-np.log(p))
    return found


def test_by_hand() -> None:
    """Training text a a b, three letters a b c, order 2.

    Unigrams: a 2, b 1, two distinct, of 3: p(a) = (2 + 2/3) / 5 = 8/15, p(b) = (1 + 2/3) / 5 = 1/3, p(c) = (2/3) / 5 = 2/15.
    After a: a 1, b 1, two distinct of 2: p(a | a) = (1 + 2 * 8/15) / 4 = 31/60, p(c | a) = (2 * 2/15) / 4 = 1/15.
    """
    model = NGram.fit(np.array([0, 0, 1]), 3, 2)
    assert_close(model.loss(np.array([0, 0])), -(np.log(8 / 15) + np.log(31 / 60)) / 2)
    assert_close(model.loss(np.array([0, 2]), start=1), -np.log(1 / 15))
    assert_close(model.loss(np.array([2, 1]), start=1), -np.log(1 / 3))  # nothing ever followed c


TOKENS = st.lists(st.integers(0, 3), min_size=2, max_size=30)


@given(train=TOKENS, test=TOKENS, order=st.integers(1, 4), start=st.integers(0, 1))
def test_by_a_plain_recount(train: list[int], test: list[int], order: int, start: int) -> None:
    model = NGram.fit(np.array(train), 4, order)
    for level, loss in enumerate(model.losses(np.array(test), start), 1):
        assert_close(loss, np.mean(plain(train, test, 4, level)[start:]))


@given(train=TOKENS, context=st.lists(st.integers(0, 3), max_size=4))
def test_probabilities_of_all_next_tokens_add_up_to_one(train: list[int], context: list[int]) -> None:
    model = NGram.fit(np.array(train), 4, 3)
    total = sum(np.exp(-model.loss(np.array([*context, token]), start=len(context))) for token in range(4))
    assert_close(total, 1.0)


def test_the_order_is_chosen_on_the_last_tenth() -> None:
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 4, 2000)
    assert NGram.fit(noise, 4).order <= 2
    trials = NGram.fit(noise[:1800], 4, 6).losses(noise, start=1800)
    assert NGram.fit(noise, 4).order == trials.argmin() + 1
    text = np.tile([0, 1, 0, 2, 0, 3, 1, 1], 200)
    assert NGram.fit(text, 4).order >= 3
    assert NGram.fit(text, 4).loss(text) < 0.1


def test_large_vocabularies_still_fit_into_whole_numbers() -> None:
    tokens = np.random.default_rng(0).integers(0, 100_000, 500)
    model = NGram.fit(tokens, 100_000, 6)
    assert model.order == 3  # 100,000^3 is below 2^62, 100,000^4 is not
    assert np.isfinite(model.loss(tokens))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_texts_shorter_than_the_order(count: int) -> None:
    train = np.tile([0, 1, 2, 1], 20)
    model = NGram.fit(train, 3, 5)
    test = train[:count]
    assert_close(model.loss(test), np.mean(plain(train.tolist(), test.tolist(), 3, 5)))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_counts_of_a_very_short_text(count: int) -> None:
    model = NGram.fit(np.arange(count) % 2, 2)
    assert 1 <= model.order <= count
    assert np.isfinite(model.loss(np.array([0, 1, 1, 0, 0])))


def test_too_little_to_count() -> None:
    with pytest.raises(DataError, match="an n-gram model needs at least 2 tokens; got 1"):
        NGram.fit(np.array([0]), 3)
