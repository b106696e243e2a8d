"""What programs do with modules beyond calling them: parametrise, share, freeze, copy, save, replace; and wrong input."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from tests.closeness import assert_all_close, assert_close
from tests.nn.twins import KINDS, D, H, N, T, inputs, results, states, twins
from torch.nn.utils import parametrizations, prune, rnn

import elman.nn


@pytest.mark.parametrize("kind", [*KINDS, *(f"{kind}Cell" for kind in KINDS)])
def test_state_dicts_go_both_ways(kind: str) -> None:
    theirs, ours = getattr(torch.nn, kind)(D, H), getattr(elman.nn, kind)(D, H)
    theirs.load_state_dict(ours.state_dict())
    ours.load_state_dict(theirs.state_dict())
    for a, b in zip(theirs.parameters(), ours.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("kind", KINDS)
def test_reset_parameters_draws_what_torch_draws(kind: str) -> None:
    theirs, ours = twins(kind, bidirectional=True, num_layers=2)
    for layer in (theirs, ours):
        torch.manual_seed(8)
        layer.reset_parameters()
    assert all(torch.equal(a, b) for a, b in zip(theirs.parameters(), ours.parameters(), strict=True))


def spectral(layer: Any) -> None:
    parametrizations.spectral_norm(layer, "weight_hh_l0")
    layer.eval()  # in training, every look at the weight changes it


def weight_norm(layer: Any) -> None:
    parametrizations.weight_norm(layer, "weight_hh_l0")


def pruned(layer: Any) -> None:
    mask = torch.ones_like(layer.weight_hh_l0)
    mask[::2] = 0
    prune.custom_from_mask(layer, "weight_hh_l0", mask)


def frozen(layer: Any) -> None:
    layer.weight_hh_l0.requires_grad_(False)
    layer.bias_ih_l0.requires_grad_(False)


def all_frozen(layer: Any) -> None:
    layer.requires_grad_(False)


def shared(layer: Any) -> None:
    layer.weight_hh_l1 = layer.weight_hh_l0
    layer.bias_hh_l1 = layer.bias_ih_l0


@pytest.mark.parametrize("change", [spectral, weight_norm, pruned, frozen, all_frozen, shared])
@pytest.mark.parametrize("kind", KINDS)
def test_changed_parameters(kind: str, change: Any, taken: list[str]) -> None:
    theirs, ours = twins(kind, num_layers=2)
    for layer in (theirs, ours):
        torch.manual_seed(5)
        change(layer)
    x = inputs()
    assert_all_close(results(ours, x, None), results(theirs, x, None))
    assert taken == ["forward", "backward"]


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
def test_the_old_weight_norm() -> None:
    found = []
    for layer in twins("LSTM"):
        torch.nn.utils.weight_norm(layer, "weight_hh_l0")
        with torch.no_grad():
            layer.weight_hh_l0_g.mul_(2)
        found.append(results(layer, inputs() * 0 + 1, None))
    assert_all_close(found[1], found[0])


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_that_need_no_gradient(kind: str) -> None:
    found = []
    for layer in twins(kind):
        torch.manual_seed(5)
        layer(inputs(), None)[0].sum().backward()
        found.append([p.grad for p in layer.parameters()])
    for theirs, ours in zip(*found, strict=True):
        assert_close(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize("kind", [*KINDS, *(f"{kind}Cell" for kind in KINDS)])
def test_copies_and_pickles(kind: str) -> None:
    module = getattr(elman.nn, kind)(D, H, layer_norm=True)
    x = inputs(dtype=torch.float32) if kind in KINDS else inputs(dtype=torch.float32)[0]
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert repr(other) == repr(module) and "layer_norm=True" in repr(other)
        for a, b in zip(_flat(other(x)), _flat(module(x)), strict=True):
            assert torch.equal(a, b)


def _flat(found: Any) -> list[torch.Tensor]:
    return [t for t in torch.utils._pytree.tree_leaves(found) if isinstance(t, torch.Tensor)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_optimiser_and_functional_call(kind: str) -> None:
    theirs, ours = twins(kind)
    x = inputs()
    for layer in (theirs, ours):
        optimiser = torch.optim.Adam(layer.parameters(), lr=0.1)
        for _ in range(3):
            optimiser.zero_grad()
            layer(x)[0].square().sum().backward()
            optimiser.step()
    other = {name: 2 * p.detach() for name, p in theirs.named_parameters()}
    for a, b in zip(
        _flat(torch.func.functional_call(ours, other, (x,))),
        _flat(torch.func.functional_call(theirs, other, (x,))),
        strict=False,
    ):
        assert_close(a.detach().numpy(), b.detach().numpy(), "float64 trained")
    for a, b in zip(_flat(ours(x)), _flat(theirs(x)), strict=True):
        assert_close(a.detach().numpy(), b.detach().numpy(), "float64 trained")


@pytest.mark.parametrize("kind", KINDS)
def test_checkpointing_and_hooks(kind: str) -> None:
    _, layer = twins(kind)
    x = inputs().requires_grad_()
    seen: list[int] = []
    layer.register_forward_hook(lambda *_: seen.append(1))
    total = torch.utils.checkpoint.checkpoint(layer, x, use_reentrant=False)[0].sum()
    (d,) = torch.autograd.grad(total, x)
    assert_close(d.numpy(), torch.autograd.grad(layer(x)[0].sum(), x)[0].numpy(), "float64 rounding")
    assert len(seen) >= 2


# Wrong input: PyTorch's own message, word for word.


def bad_inputs(kind: str) -> dict[str, tuple[Any, ...]]:
    h = torch.zeros(1, N, H, dtype=torch.float64)
    state = (h, h) if kind == "LSTM" else h
    wrong = {
        "four axes": (torch.zeros(1, T, N, D, dtype=torch.float64),),
        "features": (torch.zeros(T, N, D + 1, dtype=torch.float64),),
        "dtype": (torch.zeros(T, N, D),),
        "whole numbers": (torch.zeros(T, N, D, dtype=torch.int64),),
        "no steps": (torch.zeros(0, N, D, dtype=torch.float64),),
        "state of another batch": (torch.zeros(T, N + 1, D, dtype=torch.float64), state),
        "state of two axes": (torch.zeros(T, N, D, dtype=torch.float64), h[0] if kind != "LSTM" else (h[0], h[0])),
        "state of three axes": (torch.zeros(T, D, dtype=torch.float64), state),
        "packed state": (rnn.pack_sequence([torch.zeros(3, D, dtype=torch.float64)]), state),
        "device": (torch.zeros(T, N, D, dtype=torch.float64, device="meta"),),
    }
    if kind == "LSTM":
        del wrong["packed state"]  # PyTorch takes it
        wrong["cell state"] = (torch.zeros(T, N, D, dtype=torch.float64), (h, h[:, :1]))
    return wrong


@pytest.mark.parametrize("what", {**bad_inputs("GRU"), **bad_inputs("LSTM")})
@pytest.mark.parametrize("kind", KINDS)
def test_bad_input_is_refused_in_pytorchs_words(kind: str, what: str) -> None:
    if what not in bad_inputs(kind):
        pytest.skip("not for this kind")
    said = []
    for layer in twins(kind):
        with pytest.raises(Exception) as raised:
            layer(*bad_inputs(kind)[what])
        said.append((type(raised.value), str(raised.value)))
    assert said[0] == said[1]


@pytest.mark.parametrize("special", [{"layer_norm": True}, {"nonlinearity": "sigmoid"}])
@pytest.mark.parametrize("what", [w for w in bad_inputs("RNN") if w != "device"])
def test_what_pytorch_does_not_have_is_refused_in_its_words_too(what: str, special: dict[str, Any]) -> None:
    said = []
    for layer in (torch.nn.RNN(D, H, dtype=torch.float64), elman.nn.RNN(D, H, dtype=torch.float64, **special)):
        with pytest.raises(Exception) as raised:
            layer(*bad_inputs("RNN")[what])
        said.append((type(raised.value), str(raised.value)))
    assert said[0] == said[1]


@pytest.mark.parametrize("kind", ["RNN", "GRU"])
def test_projections_are_an_lstms(kind: str) -> None:
    for library in (torch.nn, elman.nn):
        with pytest.raises(ValueError, match="proj_size argument is only supported for LSTM, not RNN or GRU"):
            getattr(library, kind)(D, H, proj_size=3)


def test_unknown_nonlinearities() -> None:
    with pytest.raises(ValueError, match="Unknown nonlinearity 'swish'. Select from 'tanh', 'relu' or 'sigmoid'."):
        elman.nn.RNN(D, H, nonlinearity="swish")
    with pytest.raises(RuntimeError, match="Unknown nonlinearity: swish"):
        elman.nn.RNNCell(D, H, nonlinearity="swish")(torch.zeros(2, D))


def test_packed_sizes_that_do_not_add_up_are_refused() -> None:
    """Nothing is read beyond what is there."""
    _, layer = twins("GRU")
    data = torch.zeros(7, D, dtype=torch.float64)
    for sizes in ([4, 4], [3, 4], [4, 2], [4, 0, 3]):
        with pytest.raises((ValueError, RuntimeError)):
            layer(rnn.PackedSequence(data, torch.tensor(sizes)))


def test_states_of_the_right_size_and_another_dtype() -> None:
    theirs, ours = twins("GRU")
    for layer in (theirs, ours):
        with pytest.raises(RuntimeError):
            layer(inputs(), states("GRU", 1)[0].float())
