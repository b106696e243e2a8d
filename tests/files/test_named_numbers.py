"""`name(number, number)`: what is read as such, and what is not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.files import parse_named_numbers


@pytest.mark.parametrize(
    ("text", "name", "numbers"),
    [
        ("cosine", "cosine", ()),
        ("  zero ( ) ", "zero", ()),
        ("step(100, 0.5)", "step", (100.0, 0.5)),
        (" normal( -1e-1 ,.01 ) ", "normal", (-0.1, 0.01)),
    ],
)
def test_names_with_their_numbers(text: str, name: str, numbers: tuple[float, ...]) -> None:
    assert parse_named_numbers(text) == (name, numbers)


def test_numbers_that_are_none_are_left_to_the_caller() -> None:
    parsed = parse_named_numbers("normal(nan, inf)")
    assert parsed is not None
    assert math.isnan(parsed[1][0]) and parsed[1][1] == math.inf


@pytest.mark.parametrize(
    "text", ["", "a b", "step(", "step)", "step(1)(2)", "step(1,)", "step(1,,2)", "step(x)", "f((1))"]
)
def test_another_form_is_none(text: str) -> None:
    assert parse_named_numbers(text) is None


@given(name=st.from_regex(r"[a-z_]+", fullmatch=True), numbers=st.lists(st.floats(allow_nan=False), max_size=4))
def test_what_is_written_in_this_form_is_read(name: str, numbers: list[float]) -> None:
    assert parse_named_numbers(f"{name}({', '.join(map(repr, numbers))})") == (name, tuple(numbers))
