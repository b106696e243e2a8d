"""What torch.nn does not have: the sigmoid, layer normalisation, resets in the middle of a sequence, and looking inside."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from tests.closeness import assert_all_close, assert_close, assert_same_bits
from tests.nn.twins import KINDS, D, H, N, T, inputs, results, states, twins
from torch.autograd import gradcheck, gradgradcheck
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence

import elman.nn
from elman.errors import UsageError

SORTED = [6, 4, 4, 1]
CELLS = [f"{kind}Cell" for kind in KINDS]


def flat(found: Any) -> list[np.ndarray]:
    return [t.detach().numpy() for t in torch.utils._pytree.tree_leaves(found) if isinstance(t, torch.Tensor)]


# The sigmoid


def sigmoid_by_hand(layer: Any, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
    found = []
    for step in x:
        a = step @ layer.weight_ih_l0.T + layer.bias_ih_l0 + h @ layer.weight_hh_l0.T + layer.bias_hh_l0
        h = 1 / (1 + torch.exp(-a))
        found.append(h)
    return torch.stack(found)


def test_the_sigmoid_by_hand(taken: list[str]) -> None:
    layer = elman.nn.RNN(D, H, nonlinearity="sigmoid", dtype=torch.float64)
    x, (h,) = inputs(), states("RNN", 1)
    assert_close(layer(x, h)[0].detach().numpy(), sigmoid_by_hand(layer, x, h[0]).detach().numpy())
    cell = elman.nn.RNNCell(D, H, nonlinearity="sigmoid", dtype=torch.float64)
    cell.load_state_dict({name[:-3]: p for name, p in layer.state_dict().items()})
    assert_close(cell(x[0], h[0]).detach().numpy(), layer(x[:1], h)[0][0].detach().numpy(), "float64 rounding")
    assert taken == ["forward", "step", "forward"]
    assert "nonlinearity=sigmoid" in repr(layer) and "nonlinearity=sigmoid" in repr(cell)


@pytest.mark.parametrize("lengths", [None, SORTED])
def test_the_sigmoid_by_kernels_and_by_the_loop(lengths: list[int] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = elman.nn.RNN(D, H, 2, "sigmoid", bidirectional=True, dropout=0.3, dtype=torch.float64)
    x, first = inputs(), states("RNN", 4)
    by_kernels = results(layer, x, first, lengths)
    monkeypatch.setattr(elman.nn.kernels, "AVAILABLE", False)
    assert_all_close(by_kernels, results(layer, x, first, lengths))


# Layer normalisation


def ln(a: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
    return gain * (a - a.mean(-1, keepdim=True)) / torch.sqrt(a.var(-1, unbiased=False, keepdim=True) + 1e-5)


def normalised_step(kind: str, p: dict[str, torch.Tensor], x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> Any:
    """The equations of `recurrence.py`, written out again."""
    i, r = x @ p["weight_ih"].T, h @ p["weight_hh"].T
    if kind == "RNN":
        return torch.tanh(ln(i + r, p["norm"]) + p["bias_ih"] + p["bias_hh"]), c
    if kind == "GRU":
        gains, two = (p["norm_ih"], p["norm_hh"]), 2 * H
        i, r = (
            torch.cat([ln(v[:, :two], g[:two]), ln(v[:, two:], g[two:])], -1)
            for v, g in zip((i, r), gains, strict=True)
        )
        i, r = i + p["bias_ih"], r + p["bias_hh"]
        reset, update = torch.sigmoid((i + r)[:, :H]), torch.sigmoid((i + r)[:, H:two])
        new = torch.tanh(i[:, two:] + reset * r[:, two:])
        return (1 - update) * new + update * h, c
    a = ln(i, p["norm_ih"]) + ln(r, p["norm_hh"]) + p["bias_ih"] + p["bias_hh"]
    c = torch.sigmoid(a[:, H : 2 * H]) * c + torch.sigmoid(a[:, :H]) * torch.tanh(a[:, 2 * H : 3 * H])
    return torch.sigmoid(a[:, 3 * H :]) * torch.tanh(ln(c, p["norm_c"]) + p["norm_c_bias"]), c


def with_random_norms(module: Any) -> Any:
    with torch.no_grad():
        for name, p in module.named_parameters():
            if "norm" in name:
                p.copy_(1 + 0.3 * torch.randn_like(p))
    return module


@pytest.mark.parametrize("kind", KINDS)
def test_layer_normalisation_by_hand(kind: str) -> None:
    layer = with_random_norms(getattr(elman.nn, kind)(D, H, layer_norm=True, dtype=torch.float64))
    cell = getattr(elman.nn, f"{kind}Cell")(D, H, layer_norm=True, dtype=torch.float64)
    cell.load_state_dict({name.replace("_l0", ""): p for name, p in layer.state_dict().items()})
    x, first = inputs(), states(kind, 1)
    h, c = (*(s[0] for s in first), torch.zeros(N, H, dtype=torch.float64))[:2]
    by_cell = first[0][0] if kind != "LSTM" else (first[0][0], first[1][0])
    parameters = {name[:-3]: p for name, p in layer.named_parameters()}
    outputs, _ = layer(x, first if kind == "LSTM" else first[0])
    for t in range(T):
        h, c = normalised_step(kind, parameters, x[t], h, c)
        by_cell = cell(x[t], by_cell)
        assert_close(outputs[t].detach().numpy(), h.detach().numpy())
        assert_close((by_cell[0] if kind == "LSTM" else by_cell).detach().numpy(), h.detach().numpy())


@pytest.mark.parametrize("kind", KINDS)
def test_layer_normalisation_in_every_form(kind: str) -> None:
    options = {"num_layers": 2, "bidirectional": True, "layer_norm": True, "dtype": torch.float64}
    layer = with_random_norms(getattr(elman.nn, kind)(D, H, **options))
    turned = getattr(elman.nn, kind)(D, H, **options, batch_first=True)
    turned.load_state_dict(layer.state_dict())
    x, first = inputs(), states(kind, 4)
    hx = first if kind == "LSTM" else first[0]
    expected = flat(layer(x, hx))
    assert_close(flat(turned(x.transpose(0, 1), hx))[0], expected[0].swapaxes(0, 1), "float64 rounding")
    one = flat(layer(x[:, 1], tuple(s[:, 1] for s in first) if kind == "LSTM" else first[0][:, 1]))
    assert_close(one[0], expected[0][:, 1], "float64 rounding")
    packed, last = layer(pack_padded_sequence(x, torch.tensor(SORTED)), hx)
    for n, steps in enumerate(SORTED):
        alone = flat(
            layer(
                x[:steps, n : n + 1],
                tuple(s[:, n : n + 1] for s in first) if kind == "LSTM" else first[0][:, n : n + 1],
            )
        )
        rows = [int(packed.batch_sizes[:t].sum()) + n for t in range(steps)]
        assert_close(packed.data[rows].detach().numpy(), alone[0][:, 0], "float64 rounding")
        for s, a in zip(flat(last), alone[1:], strict=True):
            assert_close(s[:, n], a[:, 0], "float64 rounding")


@pytest.mark.parametrize("kind", KINDS)
def test_layer_normalisation_has_derivatives(kind: str) -> None:
    layer = with_random_norms(getattr(elman.nn, kind)(D, H, layer_norm=True, dtype=torch.float64))
    x = inputs()[:2].requires_grad_()
    for check in (gradcheck, gradgradcheck):
        assert check(lambda x: layer(x)[0], (x,), fast_mode=True)
    layer(x)[0].square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in layer.parameters())


@pytest.mark.parametrize("kind", [*KINDS, *CELLS])
def test_layer_normalisation_changes_no_draw(kind: str) -> None:
    torch.manual_seed(3)
    plain = getattr(torch.nn, kind)(D, H)
    torch.manual_seed(3)
    ours = getattr(elman.nn, kind)(D, H, layer_norm=True)
    assert all(torch.equal(ours.state_dict()[name], p) for name, p in plain.state_dict().items())
    torch.manual_seed(3)
    ours.reset_parameters()
    for name, p in ours.state_dict().items():
        wanted = plain.state_dict().get(name, torch.zeros_like(p) if "bias" in name else torch.ones_like(p))
        assert torch.equal(p, wanted)


def test_layer_normalisation_with_projections_is_refused() -> None:
    with pytest.raises(UsageError, match="`layer_norm` must be False with `proj_size`"):
        elman.nn.LSTM(D, H, proj_size=2, layer_norm=True)


# Resets


def by_pieces(layer: Any, x: torch.Tensor, hx: Any, resets: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Each sequence by itself, each piece by itself, time first."""
    outputs = torch.zeros(T, N, H * (2 if layer.bidirectional else 1), dtype=x.dtype)
    directions = 2 if layer.bidirectional else 1
    first = list(hx) if isinstance(hx, tuple) else [hx]
    last = [torch.zeros_like(s) for s in first]
    for n in range(N):
        cuts = [0, *(t for t in range(1, T) if resets[t, n]), T]
        for start, end in itertools.pairwise(cuts):
            own = [torch.zeros_like(s[:, n : n + 1]) for s in first]
            for o, s in zip(own, first, strict=True):
                if start == 0 and not resets[0, n]:
                    o[0::directions] = s[0::directions, n : n + 1]
                if end == T and directions == 2:
                    o[1::2] = s[1::2, n : n + 1]
            found, after = layer(x[start:end, n : n + 1], tuple(own) if isinstance(hx, tuple) else own[0])
            outputs[start:end, n] = found[:, 0]
            for kept, s in zip(last, after if isinstance(after, tuple) else (after,), strict=True):
                if end == T:
                    kept[0::directions, n] = s[0::directions, 0]
                if start == 0 and directions == 2:
                    kept[1::2, n] = s[1::2, 0]
    return outputs, last


RESETS = {
    "here and there": [[0, 1, 0, 0], [0, 0, 0, 1], [1, 0, 0, 1], [0, 0, 0, 1], [1, 1, 0, 0], [0, 0, 0, 1]],
    "at the start": [[1, 1, 1, 1]] + [[0] * 4] * 5,
    "everywhere": [[1] * 4] * 6,
    "nowhere": [[0] * 4] * 6,
}


@pytest.mark.parametrize("resets", RESETS)
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_resets_are_pieces(kind: str, bidirectional: bool, resets: str, taken: list[str]) -> None:
    _, layer = twins(kind, num_layers=2, bidirectional=bidirectional)
    mask = torch.tensor(RESETS[resets]).bool()
    x, first = inputs(), states(kind, 4 if bidirectional else 2)
    hx: Any = first if kind == "LSTM" else first[0]
    with torch.no_grad():
        outputs, last = by_pieces(layer, x, hx, mask)
        taken.clear()
        found = layer(x, hx, resets=mask)
        assert taken == ["forward"]
    for a, b in zip(flat(found), [outputs.numpy(), *(s.numpy() for s in last)], strict=True):
        assert_close(a, b, "float64 rounding")
    layer.batch_first = True
    turned = flat(layer(x.transpose(0, 1), hx, resets=mask.T))
    assert_close(turned[0], outputs.transpose(0, 1).numpy(), "float64 rounding")
    for a, b in zip(turned[1:], last, strict=True):
        assert_close(a, b.numpy(), "float64 rounding")
    one = flat(layer(x[:, 3], tuple(s[:, 3] for s in first) if kind == "LSTM" else first[0][:, 3], resets=mask[:, 3]))
    assert_close(one[0], outputs[:, 3].numpy(), "float64 rounding")
    for a, b in zip(one[1:], last, strict=True):
        assert_close(a, b[:, 3].numpy(), "float64 rounding")


@pytest.mark.parametrize("kind", KINDS)
def test_no_gradient_passes_a_reset(kind: str) -> None:
    _, layer = twins(kind)
    x = inputs().requires_grad_()
    first = [s.requires_grad_() for s in states(kind, 1)]
    resets = torch.zeros(T, N, dtype=torch.bool)
    resets[3, :2] = True
    outputs, _ = layer(x, tuple(first) if kind == "LSTM" else first[0], resets=resets)
    outputs[4].sum().backward()
    assert x.grad is not None
    assert not x.grad[:3, :2].any() and x.grad[3:5, :2].all() and x.grad[:5, 2:].all() and not x.grad[5:].any()
    for s in first:
        assert s.grad is not None and not s.grad[:, :2].any() and s.grad[:, 2:].all()


def test_resets_without_a_state_and_of_one_step(taken: list[str]) -> None:
    _, layer = twins("LSTM")
    x, first = inputs()[:1], states("LSTM", 1)
    mask = torch.tensor([[True, False, False, True]])
    _, (h, _) = layer(x, first, resets=mask)
    zeroed = tuple(s * ~mask[..., None] for s in first)
    assert_same_bits(h.detach().numpy(), layer(x, zeroed)[1][0].detach().numpy())
    assert_same_bits(flat(layer(x, resets=mask))[0], flat(layer(x))[0])
    infinite = tuple(torch.full_like(s, float("inf")) for s in first)
    assert np.isfinite(flat(layer(x, infinite, resets=torch.ones_like(mask)))[0]).all()
    mask = torch.tensor(RESETS["here and there"]).bool()
    zeros = tuple(torch.zeros_like(s) for s in first)
    for a, b in zip(flat(layer(inputs(), resets=mask)), flat(layer(inputs(), zeros, resets=mask)), strict=True):
        assert a.shape == b.shape
    assert set(taken) == {"forward"}


@pytest.mark.parametrize("options", [{"nonlinearity": "sigmoid"}, {"layer_norm": True}])
def test_resets_of_what_pytorch_does_not_have(options: dict[str, Any]) -> None:
    layer = elman.nn.RNN(D, H, dtype=torch.float64, **options)
    x, (h,) = inputs(), states("RNN", 1)
    mask = torch.tensor(RESETS["here and there"]).bool()
    with torch.no_grad():
        outputs, (last,) = by_pieces(layer, x, h, mask)
        found = flat(layer(x, h, resets=mask))
    assert_close(found[0], outputs.numpy())
    assert_close(found[1], last.numpy())


@pytest.mark.parametrize(
    ("resets", "said"),
    [
        (torch.zeros(T, N), r"`resets` must be torch.bool of shape \(6, 4\); got torch.float32 \(6, 4\)"),
        (torch.zeros(N, T).bool(), r"`resets` must be torch.bool of shape \(6, 4\); got torch.bool \(4, 6\)"),
        ([True], r"`resets` must be torch.bool of shape \(6, 4\); got list"),
    ],
)
def test_resets_of_another_form_are_refused(resets: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        twins("GRU")[1](inputs(), resets=resets)


def test_resets_of_packed_sequences_are_refused() -> None:
    packed = pack_sequence([inputs()[:, 0]])
    with pytest.raises(UsageError, match="`resets` must be None with a PackedSequence"):
        twins("GRU")[1](packed, resets=torch.zeros(6).bool())


# Looking inside


@pytest.mark.parametrize("options", [{}, {"layer_norm": True}, {"dropout": 0.5}, {"batch_first": True}], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_a_trace_holds_what_forward_computes(kind: str, options: dict[str, Any]) -> None:
    layer = getattr(elman.nn, kind)(D, H, 2, bidirectional=True, dtype=torch.float64, **options)
    x, first = inputs(batch_first="batch_first" in options), states(kind, 4)
    hx = first if kind == "LSTM" else first[0]
    torch.manual_seed(2)
    outputs, state = layer(x, hx)
    torch.manual_seed(2)
    seen = layer.trace(x, hx)
    for a, b in zip(flat((seen.outputs, seen.state)), flat((outputs, state)), strict=True):
        assert_close(a, b)
    assert list(seen.layers) == ["l0", "l0_reverse", "l1", "l1_reverse"]
    top = torch.cat([seen.layers["l1"].states["h"], seen.layers["l1_reverse"].states["h"]], -1)
    assert_close(top.detach().numpy(), outputs.detach().numpy())
    for one in seen.layers.values():
        check_gates(kind, one, "batch_first" in options, "layer_norm" in options)


def check_gates(kind: str, one: elman.nn.LayerTrace, batch_first: bool, normalised: bool) -> None:
    """The states follow from the gates."""
    assert list(one.gates) == {"RNN": [], "GRU": ["r", "z", "n"], "LSTM": ["i", "f", "g", "o"]}[kind]
    shape = (N, T, H) if batch_first else (T, N, H)
    assert all(v.shape == shape for v in (*one.states.values(), *one.gates.values()))
    if kind == "LSTM" and not normalised:
        assert_close((one.gates["o"] * torch.tanh(one.states["c"])).detach().numpy(), one.states["h"].detach().numpy())


def test_the_gates_of_a_gru() -> None:
    layer = elman.nn.GRU(D, H, dtype=torch.float64)
    x, (h,) = inputs(), states("GRU", 1)
    one = layer.trace(x, h).layers["l0"]
    r, z, n = (one.gates[name] for name in "rzn")
    before = torch.cat([h, one.states["h"][:-1]])
    assert_close(((1 - z) * n + z * before).detach().numpy(), one.states["h"].detach().numpy())
    a = x @ layer.weight_ih_l0.T + layer.bias_ih_l0
    b = before @ layer.weight_hh_l0.T + layer.bias_hh_l0
    assert_close(torch.sigmoid((a + b)[..., :H]).detach().numpy(), r.detach().numpy())
    assert_close(torch.tanh(a[..., 2 * H :] + r * b[..., 2 * H :]).detach().numpy(), n.detach().numpy())


def test_a_trace_is_differentiable_and_takes_one_sequence() -> None:
    layer = elman.nn.LSTM(D, H, dtype=torch.float64)
    x = inputs()[:, 0].requires_grad_()
    seen = layer.trace(x)
    assert seen.outputs.shape == seen.layers["l0"].gates["f"].shape == (T, H)
    (d,) = torch.autograd.grad(seen.layers["l0"].gates["f"][2].sum(), x)
    assert d[:3].all() and not d[3:].any()


def test_what_cannot_be_traced_is_said() -> None:
    layer = elman.nn.LSTM(D, H, dtype=torch.float64)
    with pytest.raises(UsageError, match="`input` must be a tensor to be traced; got a PackedSequence"):
        layer.trace(pack_sequence([inputs()[:, 0]]))
    with pytest.raises(UsageError, match="`proj_size` must be 0 to be traced; got 3"):
        elman.nn.LSTM(D, H, proj_size=3).trace(inputs())
    with pytest.raises(RuntimeError, match="input.size"):
        layer.trace(inputs()[..., 1:])
