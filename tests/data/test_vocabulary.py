"""Units that join exactly, vocabularies in a fixed order, and their refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.data.vocabulary import UNITS, Vocabulary, join_units, split_units
from elman.errors import DataError, UsageError

TEXTS = st.text(st.characters(codec=None), max_size=60)  # lone surrogates too: a text may hold them


@pytest.mark.parametrize("unit", UNITS)
@given(text=TEXTS)
def test_splitting_and_joining_is_exact(unit, text):
    assert join_units(split_units(text, unit), unit) == text


@pytest.mark.parametrize("unit", UNITS)
@given(text=TEXTS.filter(bool))
def test_encoding_and_decoding_is_exact(unit, text):
    vocabulary = Vocabulary.of(text, unit=unit)
    ids = vocabulary.encode(text)
    assert ids.dtype == np.int64
    assert 0 not in ids
    assert vocabulary.decode(ids) == text
    np.testing.assert_array_equal(vocabulary.encode(split_units(text, unit)), ids)


@pytest.mark.parametrize("unit", UNITS)
@given(text=TEXTS.filter(bool), other=TEXTS)
def test_the_fast_path_agrees_with_a_dictionary(unit, text, other):
    vocabulary = Vocabulary.of(text, unit=unit)
    plain = Vocabulary.of(split_units(text, unit), unit=unit)
    assert vocabulary.tokens == plain.tokens
    index = {token: number for number, token in enumerate(vocabulary.tokens)}
    expected = [index.get(token, 0) for token in split_units(other, unit)]
    assert vocabulary.encode(other).tolist() == expected


@pytest.mark.parametrize("unit", UNITS)
@given(text=TEXTS.filter(bool))
def test_config_round_trip(unit, text):
    vocabulary = Vocabulary.of(text, unit=unit, reserved=("<pad>",))
    again = Vocabulary.from_config(json.loads(json.dumps(vocabulary.config())))
    assert (again.tokens, again.unit, again.reserved) == (vocabulary.tokens, unit, ("<unk>", "<pad>"))


def test_words():
    assert split_units("Don't  stop,\nnow!", "word") == ["Don't", "  ", "stop", ",", "\n", "now", "!"]


def test_order_is_frequency_then_token():
    assert Vocabulary.of("bbaacc d").tokens == ["<unk>", "a", "b", "c", " ", "d"]


def test_limits():
    text = "aaabbc"
    assert Vocabulary.of(text, min_frequency=2).tokens == ["<unk>", "a", "b"]
    assert Vocabulary.of(text, max_size=2).tokens == ["<unk>", "a"]
    assert Vocabulary.of(text, max_size=2).encode("abc").tolist() == [1, 0, 0]
    assert Vocabulary.of(text, reserved=("<s>", "<unk>"), max_size=3).tokens == ["<unk>", "<s>", "a"]


def test_reserved_tokens_are_not_counted_twice():
    vocabulary = Vocabulary.of(["<s>", "a", "<unk>"], unit="word", reserved=("<s>",))
    assert vocabulary.tokens == ["<unk>", "<s>", "a"]
    assert vocabulary.encode(["<s>", "a", "b"]).tolist() == [1, 2, 0]


def test_a_model_may_write_bytes_that_are_no_text():
    vocabulary = Vocabulary.of("é", unit="byte")
    assert vocabulary.decode(vocabulary.encode("é")[:1]) == "\ufffd"


def test_unknown_is_shown_as_such():
    assert Vocabulary.of("ab").decode([1, 0]) == "a<unk>"


def test_the_time_machine_has_28_characters(data_dir):
    from elman.data.text import letters_only, read_text

    vocabulary = Vocabulary.of(letters_only(read_text(data_dir / "timemachine.txt")))
    assert vocabulary.size == 28
    assert vocabulary.tokens[:4] == ["<unk>", " ", "e", "t"]


def refusals():
    vocabulary = Vocabulary.of("ab")
    config = vocabulary.config()
    return {
        "unit": (
            lambda: split_units("a", "line"),
            UsageError,
            "`unit` must be one of 'char', 'byte', 'word'; got 'line'",
        ),
        "empty": (lambda: Vocabulary.of(""), DataError, "at least one token; the text is empty"),
        "frequency": (
            lambda: Vocabulary.of("a", min_frequency=0),
            UsageError,
            "`min_frequency` must be at least 1; got 0",
        ),
        "size": (
            lambda: Vocabulary.of("a", max_size=1),
            UsageError,
            "`max_size` must exceed the 1 reserved tokens; got 1",
        ),
        "beyond": (lambda: vocabulary.decode([3]), DataError, "`ids` must be integers from 0 to 2"),
        "negative": (lambda: vocabulary.decode([-1]), DataError, "`ids` must be integers from 0 to 2"),
        "floats": (lambda: vocabulary.decode([1.0]), DataError, "got float64"),
        "no bytes": (lambda: join_units(["→"], "byte"), DataError, "must be characters 0 to 255; got '→'"),
        "config": (lambda: Vocabulary.from_config({"unit": "char"}), DataError, "damaged or foreign"),
        "twice": (
            lambda: Vocabulary.from_config({**config, "tokens": ["<unk>", "a", "a"]}),
            DataError,
            "distinct 'tokens'",
        ),
        "no unk": (lambda: Vocabulary.from_config({**config, "tokens": ["a", "b"]}), DataError, "begin with '<unk>'"),
    }


@pytest.mark.parametrize("case", refusals())
def test_refused_with_the_reason(case):
    call, kind, words = refusals()[case]
    with pytest.raises(kind) as raised:
        call()
    assert words in str(raised.value)
