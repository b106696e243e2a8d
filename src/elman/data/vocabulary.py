"""Text as numbers: units (characters, bytes or words) and the vocabulary that numbers them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
import numpy.typing as npt

from elman.errors import DataError, UsageError
from elman.files import Array, IntArray

UNITS = ("char", "byte", "word")
UNKNOWN = "<unk>"

# Runs of word characters (with apostrophes inside), runs of white space, single other characters: together, every
# character.
_WORD = re.compile(r"\w+(?:['’]\w+)*|\s+|[^\w\s]")


def split_units(text: str, unit: str) -> list[str]:
    """Cut a text into tokens so that `join_units` gives back exactly the same text.

    Args:
        text: any.
        unit: "char": characters (code points). "byte": the bytes of its UTF-8, each written as the character with that number
            (latin-1), so every token is one character. "word": words, each run of white space, and each other character.

    Raises:
        UsageError: an unknown unit.

    >>> split_units("Don't stop!", "word")
    ["Don't", ' ', 'stop', '!']
    >>> split_units("é", "byte")
    ['Ã', '©']
    """
    _check_unit(unit)
    if unit == "char":
        return list(text)
    if unit == "byte":
        return list(_bytes(text).decode("latin-1"))
    return _WORD.findall(text)


def join_units(tokens: Sequence[str], unit: str) -> str:
    """Tokens as text again. Bytes that are no UTF-8 (a model may write any) become the replacement character U+FFFD."""
    _check_unit(unit)
    text = "".join(tokens)
    if unit != "byte":
        return text
    try:
        raw = text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise DataError(f"`tokens` of unit 'byte' must be characters 0 to 255; got {text[error.start]!r}") from error
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace")


@final
@dataclass(frozen=True, eq=False)
class Vocabulary:
    """V tokens and their numbers.

    Attributes:
        tokens: by number: `<unk>` first, then the other reserved ones, then by falling frequency.
        unit: what texts are cut into: "char", "byte" or "word".
        reserved: tokens that have a number without being counted.

    >>> vocabulary = Vocabulary.of("abba cab", unit="char")
    >>> vocabulary.tokens
    ['<unk>', 'a', 'b', ' ', 'c']
    >>> vocabulary.encode("bad").tolist()
    [2, 1, 0]
    """

    tokens: list[str]
    unit: str
    reserved: tuple[str, ...] = (UNKNOWN,)

    @classmethod
    def of(
        cls,
        tokens: str | Sequence[str],
        *,
        unit: str = "char",
        min_frequency: int = 1,
        reserved: Sequence[str] = (UNKNOWN,),
        max_size: int | None = None,
    ) -> Vocabulary:
        """Count tokens and number them; ties of frequency are settled by the token itself.

        Args:
            tokens: a text, which is cut into units (fastest), or tokens already cut.
            unit: "char", "byte" or "word".
            min_frequency: tokens seen less often become `<unk>`.
            reserved: tokens that get a number without being counted; `<unk>` is put first if it is not.
            max_size: the largest V, reserved tokens included; the rarest are left out. None for no limit.

        Raises:
            DataError: there is no token.
            UsageError: an unknown unit, or a limit too small.
        """
        _check_unit(unit)
        names = tuple(dict.fromkeys((UNKNOWN, *reserved)))
        if min_frequency < 1:
            raise UsageError(f"`min_frequency` must be at least 1; got {min_frequency}")
        if max_size is not None and max_size <= len(names):
            raise UsageError(f"`max_size` must exceed the {len(names)} reserved tokens; got {max_size}")
        counts = _count(tokens, unit)
        if not counts:
            raise DataError("a vocabulary needs at least one token; the text is empty")
        frequent = [token for token, number in counts.items() if number >= min_frequency and token not in names]
        frequent.sort(key=lambda token: (-counts[token], token))
        if max_size is not None:
            frequent = frequent[: max_size - len(names)]
        return cls([*names, *frequent], unit, names)

    @property
    def size(self) -> int:
        """V, the number of tokens, `<unk>` included."""
        return len(self.tokens)

    def encode(self, text: str | Sequence[str]) -> IntArray:
        """A text, or tokens, as (number of tokens,) int64; what is not in the vocabulary becomes 0, `<unk>`."""
        if not isinstance(text, str):
            return self._look_up(text)
        if self.unit == "word":
            return self._look_up(split_units(text, "word"))
        points = np.minimum(_code_points(text, self.unit), len(self._table) - 1)
        return np.asarray(self._table[points])

    def decode(self, ids: npt.ArrayLike) -> str:
        """Numbers 0 .. V-1 as text. Raises DataError outside that range."""
        index = np.asarray(ids).reshape(-1)
        if index.size and (index.dtype.kind not in "iu" or index.min() < 0 or index.max() >= self.size):
            raise DataError(f"`ids` must be integers from 0 to {self.size - 1}; got {index.dtype} {index[:5]}")
        return join_units([self.tokens[number] for number in index.tolist()], self.unit)

    def config(self) -> dict[str, Any]:
        """Everything as plain JSON values: unit, reserved and all tokens."""
        return {"unit": self.unit, "reserved": list(self.reserved), "tokens": list(self.tokens)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Vocabulary:
        """The vocabulary that `config()` described. Raises DataError where the description is not whole."""
        try:
            tokens, unit, reserved = list(config["tokens"]), config["unit"], tuple(config["reserved"])
        except (KeyError, TypeError) as error:
            raise DataError(
                "`config` of a vocabulary must have 'unit', 'reserved' and 'tokens'; the model file is damaged or foreign"
            ) from error
        _check_unit(unit)
        if tokens[:1] != [UNKNOWN] or tuple(tokens[: len(reserved)]) != reserved or len(set(tokens)) != len(tokens):
            raise DataError(
                f"`config` of a vocabulary needs distinct 'tokens' that begin with {UNKNOWN!r} and the reserved ones"
            )
        return cls(tokens, unit, reserved)

    @cached_property
    def _index(self) -> dict[str, int]:
        return {token: number for number, token in enumerate(self.tokens)}

    @cached_property
    def _table(self) -> IntArray:
        """The number of each code point up to the largest one known, and one 0 more for all beyond."""
        known = {ord(token): number for number, token in enumerate(self.tokens) if len(token) == 1}
        table = np.zeros(max(known, default=0) + 2, dtype=np.int64)
        table[list(known)] = list(known.values())
        return table

    def _look_up(self, tokens: Sequence[str]) -> IntArray:
        index = self._index
        return np.fromiter((index.get(token, 0) for token in tokens), dtype=np.int64, count=len(tokens))


def _check_unit(unit: str) -> None:
    if unit not in UNITS:
        raise UsageError(f"`unit` must be one of {', '.join(map(repr, UNITS))}; got {unit!r}")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _code_points(text: str, unit: str) -> Array:
    if unit == "byte":
        return np.frombuffer(_bytes(text), dtype=np.uint8).astype(np.int64)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def _count(tokens: str | Sequence[str], unit: str) -> dict[str, int]:
    if not isinstance(tokens, str):
        return dict(Counter(tokens))
    if unit == "word":
        return dict(Counter(split_units(tokens, "word")))
    points, counts = np.unique(_code_points(tokens, unit), return_counts=True)
    return {chr(point): number for point, number in zip(points.tolist(), counts.tolist(), strict=True)}
