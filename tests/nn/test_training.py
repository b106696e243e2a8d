"""Two programs that users have, trained with torch.nn and with elman.nn: the same curve, to rounding."""

from __future__ import annotations

import pytest
import torch
from tests.closeness import assert_close
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import elman.nn

TEXT = "the quick brown fox jumps over the lazy dog and then it sleeps in the sun until the evening comes. " * 4


def language_curve(library: object, kind: str) -> list[float]:
    """A character model with an embedding, two layers with dropout, carried state, clipping and Adam."""
    torch.manual_seed(0)
    letters = sorted(set(TEXT))
    text = torch.tensor([letters.index(c) for c in TEXT])
    embedding = torch.nn.Embedding(len(letters), 12, dtype=torch.float64)
    layer = getattr(library, kind)(12, 24, 2, batch_first=True, dropout=0.2, dtype=torch.float64)
    head = torch.nn.Linear(24, len(letters), dtype=torch.float64)
    parameters = [*embedding.parameters(), *layer.parameters(), *head.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=0.02)
    rows = text[: len(text) // 4 * 4].reshape(4, -1)
    losses: list[float] = []
    state = None
    for start in [*range(0, rows.shape[1] - 21, 20)] * 6:
        if start == 0:
            state = None
        hidden, state = layer(embedding(rows[:, start : start + 20]), state)
        state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        loss = torch.nn.functional.cross_entropy(head(hidden).flatten(0, 1), rows[:, start + 1 : start + 21].flatten())
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_a_language_model(kind: str, taken: list[str]) -> None:
    expected = language_curve(torch.nn, kind)
    assert taken == []
    actual = language_curve(elman.nn, kind)
    assert taken == ["forward", "backward"] * len(actual)
    assert actual[-1] < 0.8 * actual[0]
    assert_close(torch.tensor(actual).numpy(), torch.tensor(expected).numpy(), "float64 trained")


def test_a_classifier_of_sequences_of_many_lengths(taken: list[str]) -> None:
    curves = []
    for library in (torch.nn, elman.nn):
        torch.manual_seed(0)
        layer = library.LSTM(3, 16, bidirectional=True, dtype=torch.float64)
        head = torch.nn.Linear(32, 2, dtype=torch.float64)
        optimiser = torch.optim.SGD([*layer.parameters(), *head.parameters()], lr=0.5, momentum=0.9)
        x = torch.randn(12, 30, 3, dtype=torch.float64)
        lengths = torch.randint(1, 13, (30,))
        lengths[7] = 12
        y = (torch.stack([x[: int(t), n].sum() for n, t in enumerate(lengths)]) > 0).long()
        losses = []
        for _ in range(25):
            packed, _ = layer(pack_padded_sequence(x, lengths, enforce_sorted=False))
            hidden, _ = pad_packed_sequence(packed)
            loss = torch.nn.functional.cross_entropy(head(hidden.sum(0) / lengths[:, None]), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        curves.append(losses)
    assert curves[1][-1] < 0.6 * curves[1][0]
    assert_close(torch.tensor(curves[1]).numpy(), torch.tensor(curves[0]).numpy(), "float64 trained")
    assert taken == ["forward", "backward"] * 25
