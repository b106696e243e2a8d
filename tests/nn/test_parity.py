"""Outputs, states and every gradient beside torch.nn's, over all that layers can be: to rounding in float64, and in float32
with an error no worse than twice PyTorch's own."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
from tests.closeness import assert_all_close, assert_close, assert_no_worse
from tests.nn.twins import KINDS, SORTED, UNSORTED, inputs, results, states, twins

import elman.nn

LENGTHS = {"padded": (None, True), "sorted": (SORTED, True), "unsorted": (UNSORTED, False)}
OPTIONS = list(product((1, 2), (False, True), (True, False)))
"""Layers, both directions, biases."""


def options_of(kind: str, nonlinearity: str, num_layers: int, bidirectional: bool, bias: bool) -> dict[str, Any]:
    chosen: dict[str, Any] = {"num_layers": num_layers, "bidirectional": bidirectional, "bias": bias}
    return {**chosen, "nonlinearity": nonlinearity} if kind == "RNN" else chosen


@pytest.mark.parametrize("given", [True, False], ids=["hx", "zeros"])
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("batch_first", [False, True], ids=["time first", "batch first"])
@pytest.mark.parametrize(("num_layers", "bidirectional", "bias"), OPTIONS)
@pytest.mark.parametrize(("kind", "nonlinearity"), [("RNN", "tanh"), ("RNN", "relu"), ("GRU", ""), ("LSTM", "")])
def test_float64(
    kind: str, nonlinearity: str, num_layers: int, bidirectional: bool, bias: bool, batch_first: bool, lengths: str,
    given: bool, taken: list[str],
) -> None:  # fmt: skip
    options = options_of(kind, nonlinearity, num_layers, bidirectional, bias)
    theirs, ours = twins(kind, batch_first=batch_first, **options)
    rows = num_layers * (2 if bidirectional else 1)
    x, first = inputs(batch_first=batch_first), states(kind, rows) if given else None
    lengths_of, enforce_sorted = LENGTHS[lengths]
    expected = results(theirs, x, first, lengths_of, enforce_sorted=enforce_sorted)
    actual = results(ours, x, first, lengths_of, enforce_sorted=enforce_sorted)
    assert_all_close(actual, expected)
    assert taken == ["forward", "backward"]


@pytest.mark.parametrize("batch_first", [False, True], ids=["time first", "batch first"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_contiguous(kind: str, batch_first: bool, taken: list[str]) -> None:
    theirs, ours = twins(kind, batch_first=batch_first, num_layers=2)
    with torch.no_grad():
        for name, p in theirs.named_parameters():
            if p.dim() == 2:
                turned = p.detach().T.contiguous().T
                setattr(theirs, name, torch.nn.Parameter(turned))
                setattr(ours, name, torch.nn.Parameter(turned.clone(memory_format=torch.preserve_format)))
                assert not getattr(ours, name).is_contiguous()
    x, first = inputs(batch_first=batch_first, contiguous=False), states(kind, 2, contiguous=False)
    assert not x.is_contiguous() and not first[0].is_contiguous()
    assert_all_close(results(ours, x, first), results(theirs, x, first))
    assert taken == ["forward", "backward"]


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("batch_first", [False, True], ids=["time first", "batch first"])
@pytest.mark.parametrize("probability", [0.4, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_dropout_draws_the_same_masks(
    kind: str, probability: float, batch_first: bool, bidirectional: bool, lengths: str, taken: list[str]
) -> None:
    options = {"num_layers": 3, "dropout": probability, "batch_first": batch_first, "bidirectional": bidirectional}
    theirs, ours = twins(kind, **options)
    x, first = inputs(batch_first=batch_first), states(kind, 6 if bidirectional else 3)
    lengths_of, enforce_sorted = LENGTHS[lengths]
    expected = results(theirs, x, first, lengths_of, enforce_sorted=enforce_sorted)
    actual = results(ours, x, first, lengths_of, enforce_sorted=enforce_sorted)
    zero = {name for name, v in expected.items() if not v.any()}
    assert bool(zero) == (probability == 1)
    assert zero == {name for name, v in actual.items() if not v.any()}
    assert_all_close(
        {n: v for n, v in actual.items() if n not in zero}, {n: v for n, v in expected.items() if n not in zero}
    )
    assert taken == ["forward", "backward"]
    other = results(ours, x, first, lengths_of, enforce_sorted=enforce_sorted, seed=5)
    assert probability == 1 or abs(other["outputs"] - actual["outputs"]).max() > 1e-3
    ours.eval(), theirs.eval()
    assert_all_close(results(ours, x, first), results(theirs, x, first))


@pytest.mark.parametrize(
    "size",
    [(1, 1, 1, 1), (3, 1, 2, 8), (1, 9, 3, 16), (2, 35, 1, 33), (9, 20, 17, 64), (16, 16, 64, 64), (1, 300, 9, 64)],
)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_float32_is_as_exact_as_pytorch(kind: str, bidirectional: bool, size: tuple[int, ...]) -> None:
    count, steps, features, hidden = size
    torch.manual_seed(4)
    made = getattr(torch.nn, kind)(features, hidden, 2, bidirectional=bidirectional, dtype=torch.float64)
    made.load_state_dict({name: p.float().double() for name, p in made.state_dict().items()})
    x = torch.randn(steps, count, features)
    found = []
    for library, dtype in ((elman.nn, torch.float32), (torch.nn, torch.float32), (torch.nn, torch.float64)):
        layer = getattr(library, kind)(features, hidden, 2, bidirectional=bidirectional, dtype=dtype)
        layer.load_state_dict(made.state_dict())
        found.append(results(layer, x.to(dtype), None))
    ours, theirs, exact = found
    for name in exact:
        if not exact[name].any():  # one step from a state of zeros
            assert_close(ours[name], exact[name].astype("float32"), zero=True)
        elif (
            exact[name].size < 64 or not abs(theirs[name] - exact[name]).any()
        ):  # the rounding of few numbers is chance
            assert_close(ours[name], exact[name].astype("float32"), "float32")
        else:
            assert_no_worse(ours[name], theirs[name], exact[name])


@pytest.mark.parametrize("kind", KINDS)
def test_one_sequence_without_a_batch(kind: str, taken: list[str]) -> None:
    theirs, ours = twins(kind, num_layers=2, bidirectional=True)
    x, first = inputs()[:, 0], tuple(s[:, 0] for s in states(kind, 4))
    for batch_first in (False, True):
        theirs.batch_first = ours.batch_first = batch_first
        assert_all_close(results(ours, x, first), results(theirs, x, first))
        assert_all_close(results(ours, x, None), results(theirs, x, None))
    assert taken == ["forward", "backward"] * 4


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_of_one_number_is_seen(kind: str) -> None:
    """That these comparisons can fail."""
    theirs, ours = twins(kind)
    x = inputs()
    changed = x.clone()
    changed[0, 0, 0] += 1e-9
    with pytest.raises(AssertionError, match="is not"):
        assert_all_close(results(ours, changed, None), results(theirs, x, None))
