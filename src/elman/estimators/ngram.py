"""The floor under a language model: counts of what followed the last few tokens.

An n-gram model of order n predicts a token from the n - 1 before it. Witten-Bell smoothing mixes each order with the one
below it, by how many different tokens have followed a context:

    p_n(w | c) = (count(c w) + distinct(c) p_{n-1}(w | c')) / (count(c) + distinct(c)),   p_0 = 1 / V

Source: I. Witten and T. Bell, "The Zero-Frequency Problem" (1991); S. Chen and J. Goodman (1998), section 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from elman.errors import DataError
from elman.files import Array

HIGHEST_ORDER = 6


class _Counts(NamedTuple):
    """Sorted contexts with how often and how variously each was followed, and sorted (context, token) pairs."""

    contexts: Array
    totals: Array
    distinct: Array
    pairs: Array
    pair_counts: Array


@final
@dataclass(frozen=True)
class NGram:
    """Counts of orders 1 to `order` over tokens 0 .. vocabulary - 1."""

    order: int
    vocabulary: int
    counts: tuple[_Counts, ...]

    @classmethod
    def fit(cls, tokens: Array, vocabulary: int, order: int | None = None) -> NGram:
        """Count `tokens` (T,). order None: the best of 1 to 6 on the last tenth of these tokens, counted on the rest."""
        if len(tokens) < 2:
            raise DataError(f"an n-gram model needs at least 2 tokens; got {len(tokens)}")
        highest = min(HIGHEST_ORDER, int(62 / np.log2(max(vocabulary, 2))), len(tokens))
        if order is None:
            cut = max(2, len(tokens) - max(1, len(tokens) // 10))
            order = 1
            if cut < len(tokens):
                trials = cls.fit(tokens[:cut], vocabulary, highest).losses(tokens, start=cut)
                order = int(np.argmin(trials)) + 1
        levels = range(1, min(order, highest) + 1)
        return cls(len(levels), vocabulary, tuple(_count(tokens, vocabulary, n) for n in levels))

    def loss(self, tokens: Array, start: int = 0) -> float:
        """Mean negative log likelihood of tokens[start:], in nats a token, each given those before it."""
        return float(self.losses(tokens, start)[-1])

    def losses(self, tokens: Array, start: int = 0) -> Array:
        """`loss` for every order from 1 up, (order,)."""
        p = np.full(len(tokens), 1.0 / self.vocabulary)
        losses: list[Array] = []
        for level, counts in enumerate(self.counts):
            if level >= len(tokens):  # no token has so many before it
                losses.append(losses[-1])
                continue
            contexts = _contexts(tokens, self.vocabulary, level)
            place = np.minimum(np.searchsorted(counts.contexts, contexts), len(counts.contexts) - 1)
            known = counts.contexts[place] == contexts
            pairs = contexts * self.vocabulary + tokens[level:]
            pair = np.minimum(np.searchsorted(counts.pairs, pairs), len(counts.pairs) - 1)
            observed = np.where(counts.pairs[pair] == pairs, counts.pair_counts[pair], 0)
            mixed = (observed + counts.distinct[place] * p[level:]) / (counts.totals[place] + counts.distinct[place])
            p[level:] = np.where(known, mixed, p[level:])
            losses.append(-np.log(p[start:]).mean())
        return np.array(losses)


def _contexts(tokens: Array, vocabulary: int, length: int) -> Array:
    """The `length` tokens before each token from number `length` on, as one whole number each."""
    numbers = np.zeros(len(tokens) - length, np.int64)
    for back in range(length, 0, -1):
        numbers = numbers * vocabulary + tokens[length - back : len(tokens) - back]
    return numbers


def _count(tokens: Array, vocabulary: int, order: int) -> _Counts:
    length = order - 1
    pairs, pair_counts = np.unique(
        _contexts(tokens, vocabulary, length) * vocabulary + tokens[length:], return_counts=True
    )
    contexts, starts = np.unique(pairs // vocabulary, return_index=True)
    totals = np.add.reduceat(pair_counts, starts)
    distinct = np.diff(np.append(starts, len(pairs)))
    return _Counts(contexts, totals, distinct, pairs, pair_counts)
