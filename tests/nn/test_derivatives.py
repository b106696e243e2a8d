"""First and second derivatives by central differences, walks through a graph that is kept, and memory that goes with it."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import torch
from tests.closeness import assert_close, assert_same_bits
from tests.nn.twins import KINDS, D, H, N, inputs, states, twins
from torch.autograd import gradcheck, gradgradcheck

import elman.nn
from elman.nn import kernels


def leaves(kind: str, rows: int) -> list[torch.Tensor]:
    return [inputs()[:3].requires_grad_(), *(s.requires_grad_() for s in states(kind, rows))]


@pytest.mark.parametrize("nonlinearity", ["tanh", "sigmoid"])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"num_layers": 2, "dropout": 0.5}])
@pytest.mark.parametrize("kind", KINDS)
def test_by_differences(kind: str, options: dict[str, Any], nonlinearity: str) -> None:
    if nonlinearity == "sigmoid":
        if kind != "RNN":
            pytest.skip("the others have one nonlinearity")
        options = {**options, "nonlinearity": nonlinearity}
    layer = getattr(elman.nn, kind)(D, H, dtype=torch.float64, **options)
    rows = options.get("num_layers", 1) * (2 if "bidirectional" in options else 1)
    given = leaves(kind, rows)
    names = [name for name, _ in layer.named_parameters()]

    def run(x: torch.Tensor, *rest: torch.Tensor) -> tuple[torch.Tensor, ...]:
        torch.manual_seed(5)
        first, weights = rest[: len(given) - 1], rest[len(given) - 1 :]
        hx = first if kind == "LSTM" else first[0]
        outputs, last = torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (x, hx))
        return (outputs, *(last if kind == "LSTM" else (last,)))

    assert gradcheck(run, (*given, *layer.parameters()), fast_mode=True)
    assert gradgradcheck(run, (*given, *layer.parameters()), fast_mode=True)


@pytest.mark.parametrize("kind", [f"{kind}Cell" for kind in KINDS])
def test_cells_by_differences(kind: str) -> None:
    cell = getattr(elman.nn, kind)(D, H, dtype=torch.float64)
    x = torch.randn(20, D, dtype=torch.float64, requires_grad=True)
    first = [torch.randn(20, H, dtype=torch.float64, requires_grad=True) for _ in range(2 if kind == "LSTMCell" else 1)]
    names = [name for name, _ in cell.named_parameters()]

    def run(x: torch.Tensor, *rest: torch.Tensor) -> Any:
        hx = rest[: len(first)] if kind == "LSTMCell" else rest[0]
        return torch.func.functional_call(cell, dict(zip(names, rest[len(first) :], strict=True)), (x, hx))

    assert gradcheck(run, (x, *first, *cell.parameters()), fast_mode=True)
    assert gradgradcheck(run, (x, *first, *cell.parameters()), fast_mode=True)


@pytest.mark.parametrize("kind", KINDS)
def test_third_derivatives(kind: str) -> None:
    x = inputs()[:2]
    found = []
    for layer in twins(kind):
        leaf = x.clone().requires_grad_()
        total = (layer(leaf)[0] ** 3).sum()
        for _ in range(2):
            (d,) = torch.autograd.grad(total, leaf, create_graph=True)
            total = (d**2).sum()
        found.append(torch.autograd.grad(total, [leaf, *layer.parameters()]))
    for theirs, ours in zip(*found, strict=True):
        assert_close(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize("kind", KINDS)
def test_a_graph_may_be_walked_twice(kind: str, taken: list[str]) -> None:
    _, layer = twins(kind, num_layers=2)
    x = inputs().requires_grad_()
    total = (layer(x)[0] ** 2).sum()
    first = torch.autograd.grad(total, [x, *layer.parameters()], retain_graph=True)
    again = torch.autograd.grad(total, [x, *layer.parameters()])
    for a, b in zip(first, again, strict=True):
        assert_same_bits(a.numpy(), b.numpy())
    assert taken == ["forward", "backward", "backward"]


def test_two_graphs_at_a_time_do_not_mix() -> None:
    _, layer = twins("GRU")
    one, two = inputs().requires_grad_(), inputs().requires_grad_()
    first, second = layer(one)[0].sum(), layer(two)[0].sum()
    (d_one,) = torch.autograd.grad(first, one)
    (d_two,) = torch.autograd.grad(second, two)
    for x, d in ((one, d_one), (two, d_two)):
        (alone,) = torch.autograd.grad(layer(x)[0].sum(), x)
        assert_same_bits(d.numpy(), alone.numpy())


@pytest.mark.parametrize("kind", KINDS)
def test_one_tensor_may_be_both_states(kind: str) -> None:
    """Its gradient is the sum, and so is that of its gradient."""
    for order in (1, 2):
        found = []
        for layer in twins(kind):
            x = inputs()
            shared = torch.full((1, N, H), 0.3, dtype=torch.float64, requires_grad=True)
            torch.manual_seed(3)
            total = (
                layer(torch.randn(x.shape, dtype=x.dtype), (shared, shared) if kind == "LSTM" else shared)[0] ** 2
            ).sum()
            if order == 2:
                (d,) = torch.autograd.grad(total, shared, create_graph=True)
                total = (d**2).sum()
            (d,) = torch.autograd.grad(total, shared)
            found.append(d)
        assert_close(found[1].numpy(), found[0].numpy())


def test_an_output_that_is_not_used_has_no_gradient_to_pay_for() -> None:
    theirs, ours = twins("LSTM")
    x = inputs()
    found = []
    for layer in (theirs, ours):
        leaf = x.clone().requires_grad_()
        layer(leaf)[1][1].sum().backward()
        found.append(leaf.grad)
    assert_close(found[1].numpy(), found[0].numpy())


def test_weights_changed_before_the_backward_pass_are_refused() -> None:
    _, layer = twins("GRU")
    total = layer(inputs())[0].sum()
    with torch.no_grad():
        layer.weight_hh_l0.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        total.backward()


@pytest.mark.parametrize("change", ["in place", "data", "new", "numpy"])
def test_changed_weights_are_seen(change: str) -> None:
    _, layer = twins("GRU")
    x = inputs()
    with torch.no_grad():
        before = layer(x)[0]
        if change == "in place":
            layer.weight_hh_l0.mul_(2)
        elif change == "data":
            layer.weight_hh_l0.data.mul_(2)
        elif change == "new":
            layer.weight_hh_l0 = torch.nn.Parameter(2 * layer.weight_hh_l0)
        else:
            layer.weight_hh_l0.numpy()[:] *= 2
        after = layer(x)[0]
        twin = torch.nn.GRU(D, H, dtype=torch.float64)
        twin.load_state_dict(layer.state_dict())
        assert_close(after.numpy(), twin(x)[0].numpy())
        assert (after - before).abs().max() > 1e-3


def test_memory_goes_with_the_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[weakref.ref[torch.Tensor]] = []
    forward = kernels.forward

    def watched(*args: Any, **kwargs: Any) -> kernels.PassResults:
        results = forward(*args, **kwargs)
        assert results.saved is not None
        saved.append(weakref.ref(results.saved.untyped_storage()))
        return results

    monkeypatch.setattr(kernels, "forward", watched)
    _, layer = twins("LSTM")
    outputs, _ = layer(inputs().requires_grad_())
    assert saved[0]() is not None
    del outputs, _
    gc.collect()
    assert saved[0]() is None
