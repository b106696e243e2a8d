"""LanguageModel: what it measures, how it writes, and the floor beneath it."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
from tests.closeness import assert_close, assert_same_bits
from tests.estimators.subjects import TEXT, language_model

from elman.data.vocabulary import Vocabulary
from elman.engines import Batch, Loss, make_engine
from elman.errors import DataError, UsageError
from elman.estimators import LanguageModel
from elman.estimators.language_model import READ_AT_ONCE
from elman.estimators.ngram import NGram

LEARNING: dict[str, Any] = {"hidden_size": 16, "epochs": 40, "num_layers": 1, "dropout": 0.0, "validation": 0.0}


@pytest.fixture(scope="module")
def fitted() -> LanguageModel:
    return language_model().fit(TEXT)


@pytest.fixture(scope="module")
def learned() -> LanguageModel:
    return language_model(**LEARNING).fit(TEXT)


@pytest.mark.parametrize(
    "options",
    [{}, {"sampling": "random"}, {"embedding_size": 5}, {"unit": "word", "epochs": 120}, {"unit": "byte"},
     {"cell": "lstm", "epochs": 60},
     {"bidirectional": False, "num_layers": 2}],
    ids=str,
)  # fmt: skip
def test_it_learns_a_text_by_heart(options: dict[str, Any]) -> None:
    model = language_model(**{**LEARNING, **options}).fit(TEXT)
    assert model.history_[-1]["train_perplexity"] < model.history_[0]["train_perplexity"] / 3
    assert model.perplexity(TEXT) < 2.5


def test_a_uniform_model_is_as_perplexed_as_there_are_tokens() -> None:
    """Weights of zero say that every token is equally likely."""
    model = language_model(initialisation={"": "zero"}, learning_rate=0.0, epochs=1).fit(TEXT)
    size = model.vocabulary_.size
    found = model.measure(TEXT)
    assert_close(found["perplexity"], float(size))
    assert_close(found["loss"], math.log(size))
    assert_close(found["bits_per_character"], math.log2(size))
    assert_close(model.perplexity(TEXT), float(size))
    assert_close(model.bits_per_character(TEXT), math.log2(size))
    assert_close(model.score(TEXT), -math.log(size))
    assert_close(model.history_[0]["train_perplexity"], float(size))


def test_bits_are_told_by_character_and_byte_whatever_the_unit() -> None:
    """The whole text's bits but for its first token, over its length but for the share of a token."""
    text = "été à la côte, naïve. " * 40
    for unit in ("char", "byte", "word"):
        model = language_model(unit=unit, initialisation={"": "zero"}, learning_rate=0.0, epochs=1, validation=0.0).fit(
            text
        )
        tokens = len(model.vocabulary_.encode(text))
        bits = (tokens - 1) * math.log2(model.vocabulary_.size)
        found = model.measure(text)
        assert_close(found["bits_per_character"], bits / (len(text) * (1 - 1 / tokens)))
        assert_close(found["bits_per_byte"], bits / (len(text.encode()) * (1 - 1 / tokens)))


@pytest.mark.parametrize("length", [2, 3, READ_AT_ONCE, READ_AT_ONCE + 1, READ_AT_ONCE + 2, 2 * READ_AT_ONCE + 7])
def test_a_long_text_is_measured_as_one_stream(learned: LanguageModel, length: int) -> None:
    text = (TEXT * 10)[:length]
    tokens = learned.vocabulary_.encode(text)[None]
    engine = make_engine("reference", learned.network_, Loss(kind="cross_entropy"))
    wanted = engine.evaluate(Batch(tokens[:, :-1], tokens[:, 1:])).loss
    assert_close(learned.measure(text)["loss"], wanted)
    assert_close(learned.perplexity(text), math.exp(wanted))


def test_dropout_is_off_when_it_is_asked(fitted: LanguageModel) -> None:
    assert fitted.measure(TEXT) == fitted.measure(TEXT)
    assert fitted.network_.dropout == 0.2


def test_generating_is_a_function_of_the_seed(learned: LanguageModel) -> None:
    """Drawn so hot that two texts of 60 tokens are the same by chance once in 10^60."""
    hot = partial(learned.generate, "the cat", 60, temperature=50.0)
    assert hot(seed=1) == hot(seed=1) != hot(seed=2)
    assert hot() != hot()
    assert len(hot(seed=1)) == 60
    assert learned.generate("the cat", 0) == ""


def test_temperature_zero_and_one_choice_take_the_most_probable_token(learned: LanguageModel) -> None:
    wanted, text = "", "the cat"
    for _ in range(20):
        p = learned.predict_proba(text)
        best = int(np.argmax(np.where(np.arange(len(p)) == 0, 0, p)))
        wanted += learned.vocabulary_.tokens[best]
        text = "the cat" + wanted
    assert learned.generate("the cat", 20, temperature=0) == wanted
    assert learned.generate("the cat", 20, top_k=1, seed=5) == wanted
    assert learned.generate("the cat", 20, top_p=1e-9, seed=5) == wanted
    assert learned.generate("the cat", 20, temperature=1e-3, seed=5) == wanted
    assert learned.predict("the cat") == wanted[0]


def test_probabilities_of_the_next_token(learned: LanguageModel) -> None:
    p = learned.predict_proba("the ca")
    assert p.shape == (learned.vocabulary_.size,)
    assert_close(p.sum(), 1.0)
    assert learned.vocabulary_.tokens[int(p.argmax())] == "t"


def test_what_is_drawn_follows_the_probabilities(learned: LanguageModel) -> None:
    """The share of each first token over many seeds, within five standard errors; `<unk>` is never written."""
    p = learned.predict_proba("the ")
    p = np.where(np.arange(len(p)) == 0, 0, p)
    p /= p.sum()
    drawn = [learned.generate("the ", 1, seed=seed) for seed in range(600)]
    for token, share in zip(learned.vocabulary_.tokens, p, strict=True):
        assert abs(drawn.count(token) / 600 - share) <= 5 * math.sqrt(share * (1 - share) / 600) + 1e-9


def test_the_unknown_token_is_never_written() -> None:
    """Even by a model that finds nothing else as likely."""
    model = language_model(epochs=1, validation=0.0).fit(TEXT)
    module = model.to_torch()
    module.head.bias.data[0] = 50.0
    model.from_torch(module)
    assert model.predict("the") == "<unk>"
    assert "<unk>" not in model.generate("the", 50, seed=1) + model.generate("the", 50, temperature=0)


@pytest.mark.parametrize("stop", ["m", "mat", " s", "e d"])
def test_writing_stops_with_the_text_asked_for(learned: LanguageModel, stop: str) -> None:
    whole = learned.generate("the cat", 120, temperature=0)
    assert stop in whole
    assert learned.generate("the cat", 120, temperature=0, stop=stop) == whole[: whole.index(stop) + len(stop)]
    assert learned.generate("the cat", 5, temperature=0, stop="never") == whole[:5]


def test_words_and_bytes_are_joined_again() -> None:
    words = language_model(**{**LEARNING, "unit": "word", "epochs": 60}).fit(TEXT)
    assert words.generate("the cat", 4, temperature=0).split() == ["sat", "on"]
    accents = "été à la côte. " * 30
    model = language_model(**{**LEARNING, "unit": "byte", "epochs": 60}).fit(accents)
    assert "\ufffd" not in model.generate("été ", 40, temperature=0)
    assert model.generate("été", 6, temperature=0) == " à la"  # 6 bytes, of which two are one letter


def test_a_prompt_of_unknown_characters_is_read_as_unknown(learned: LanguageModel) -> None:
    assert len(learned.generate("ΩΩΩ", 5, seed=1)) == 5


def test_the_held_out_part_is_the_last_of_the_text() -> None:
    text = "abcabcabc " * 60 + "xyzxyzxyz " * 60
    model = language_model(validation=0.5, epochs=2).fit(text)
    assert set("xyz").isdisjoint(model.vocabulary_.tokens)
    assert model.vocabulary_.size == 5
    assert model.final_record()["validation_loss"] > model.final_record()["train_loss"]


def test_text_to_watch_of_ones_own() -> None:
    model = language_model(validation=0.0).fit(TEXT, validation_data=TEXT[:80])
    assert "validation_perplexity" in model.final_record()
    wanted = NGram.fit(model.vocabulary_.encode(TEXT), model.vocabulary_.size)
    assert_close(model.ngram_loss_, wanted.loss(model.vocabulary_.encode(TEXT[:80]), start=1))
    assert model.ngram_order_ == wanted.order


def test_the_watched_loss_is_that_of_the_held_out_text() -> None:
    """One row when there is little text: then the same stream as `measure`, but for the last piece that is not full."""
    model = language_model(validation=0.2, epochs=2, steps=9, patience=None).fit(TEXT)
    held = TEXT[len(TEXT) - round(len(TEXT) * 0.2) :]
    tokens = model.vocabulary_.encode(held)
    rows = max(1, min(2, (len(tokens) - 1) // 36))
    assert rows == 1
    whole = (len(tokens) - 1) // 9 * 9
    assert_close(model.history_[-1]["validation_loss"], model.measure(held[: whole + 1])["loss"])


def test_the_floor_stands_beside_the_model(learned: LanguageModel) -> None:
    found = learned.floor(TEXT, TEXT[:50])
    ngram = NGram.fit(learned.vocabulary_.encode(TEXT), learned.vocabulary_.size)
    assert found["order"] == ngram.order
    assert_close(found["loss"], ngram.loss(learned.vocabulary_.encode(TEXT[:50]), start=1))
    assert_close(found["perplexity"], math.exp(found["loss"]))
    assert set(found) == {"loss", "perplexity", "bits_per_character", "bits_per_byte", "order"}
    assert learned.ngram_loss_ is None
    assert learned.ngram_order_ is None
    assert np.isfinite(learned.floor(TEXT, "ab")["loss"])


def test_a_vocabulary_of_ones_own() -> None:
    vocabulary = Vocabulary.of(TEXT + "0123456789")
    model = language_model().fit(TEXT, vocabulary=vocabulary)
    assert model.vocabulary_ is vocabulary
    assert model.network_.output_size == vocabulary.size


def test_streaming_gives_the_logits(learned: LanguageModel) -> None:
    stream = learned.stream()
    tokens = learned.vocabulary_.encode("the cat")
    logits = [stream.step(token) for token in tokens][-1]
    e = np.exp(logits - logits.max())
    assert_close(e / e.sum(), learned.predict_proba("the cat"))


def test_sequential_reading_carries_the_state_and_random_does_not() -> None:
    one, other = (language_model(sampling=s).fit(TEXT) for s in ("sequential", "random"))
    assert (one.predict_proba("the") != other.predict_proba("the")).any()
    assert_same_bits(one.predict_proba("the"), language_model(sampling="sequential").fit(TEXT).predict_proba("the"))


@pytest.mark.parametrize(
    ("action", "error", "match"),
    [
        (lambda m: m.generate("", 5), UsageError, "`prompt` must not be empty; give the beginning of a text"),
        (lambda m: m.predict(""), UsageError, "`prompt` must not be empty"),
        (lambda m: m.generate("the", -1), UsageError, "`length` must be at least 0; got -1"),
        (lambda m: m.generate("the", 5, temperature=-1), UsageError, "`temperature` must be"),
        (lambda m: m.generate("the", 5, top_k=0), UsageError, "`top_k` must be"),
        (lambda m: m.measure("t"), DataError, "`text` must have at least 2 tokens to be measured; got 1"),
        (lambda m: m.measure(""), DataError, "at least 2 tokens to be measured; got 0"),
        (lambda m: m.floor(TEXT, "t"), DataError, "at least 2 tokens"),
        (lambda m: m.floor("t", TEXT), DataError, "at least 2 tokens"),
    ],
)
def test_questions_that_cannot_be_answered(
    learned: LanguageModel, action: Any, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        action(learned)


def test_a_bidirectional_model_cannot_write() -> None:
    model = language_model(bidirectional=True).fit(TEXT)
    assert model.perplexity(TEXT) > 1
    with pytest.raises(UsageError, match="a bidirectional network reads the future of a text and cannot write one"):
        model.generate("the", 5)


@pytest.mark.parametrize(
    ("text", "options", "match"),
    [
        (TEXT[:20], {}, r"the text has 18 tokens, fewer than the 22 that batches of 2 x 7 need"),
        ("", {}, "the text is empty"),
        (["a", "b"], {}, r"`X` must be one text \(str\); got list"),
        (b"bytes", {}, r"`X` must be one text \(str\); got bytes"),
        (TEXT[:40], {"validation": 0.02}, "the validation text has 1 tokens, at least 2 are needed"),
    ],
)
def test_texts_that_cannot_be_learned(text: Any, options: dict[str, Any], match: str) -> None:
    with pytest.raises(DataError, match=match):
        language_model(**options).fit(text)


def test_a_short_text_to_watch_is_measured_against_the_floor_too() -> None:
    model = language_model(validation=0.0).fit(TEXT, validation_data="ab")
    assert model.ngram_loss_ is not None
    assert np.isfinite(model.ngram_loss_)
