"""The kernels as registered operators: PyTorch's own checks, torch.compile and torch.export, sequences of any length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from tests.closeness import assert_close, assert_same_bits
from tests.nn.twins import KINDS, SORTED, D, H, N, T, inputs, states, twins
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.library import opcheck
from torch.nn.utils.rnn import pack_padded_sequence

import elman.nn

OPS = torch.ops.elman
QUICK = ("test_schema", "test_autograd_registration", "test_faketensor")
MODES = {"RNN_TANH": "RNN", "RNN_RELU": "RNN", "RNN_SIGMOID": "RNN", "GRU": "GRU", "LSTM": "LSTM"}


@pytest.fixture(autouse=True)
def fresh_compiler() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def arguments(mode: str, *, packed: bool = False, dropout: bool = False, batch_first: bool = False) -> list[Any]:
    """What `elman::layers` takes, but for save: two layers, both directions."""
    kind = MODES[mode]
    options = {"nonlinearity": mode[4:].lower()} if kind == "RNN" else {}
    layer = getattr(elman.nn, kind)(D, H, 2, bidirectional=True, dtype=torch.float64, **options)
    x: torch.Tensor = inputs(batch_first=batch_first)
    sizes = None
    if packed:
        x, sizes, _, _ = pack_padded_sequence(x, torch.tensor(SORTED))
    rows = x.shape[:-1] if not batch_first else (T, N)
    masks = torch.rand(1, *rows, 2 * H, dtype=torch.float64) if dropout else None
    h, c = (*(s.requires_grad_() for s in states(kind, 4)), None)[:2]
    weights = list(layer.parameters())
    return [x.requires_grad_(), sizes, N, h, c, masks, weights, mode, H, 2, True, True, batch_first]


@pytest.mark.parametrize(
    "form", [{}, {"packed": True}, {"dropout": True}, {"packed": True, "dropout": True}, {"batch_first": True}], ids=str
)
@pytest.mark.parametrize("mode", ["RNN_SIGMOID", "GRU", "LSTM"])
def test_opcheck(mode: str, form: dict[str, bool]) -> None:
    given = arguments(mode, **form)
    assert set(opcheck(OPS.layers.default, (*given, True)).values()) == {"SUCCESS"}
    outputs, last_h, last_c, saved = OPS.layers(*given, True)
    d_c = torch.randn_like(last_c).requires_grad_() if mode == "LSTM" else None
    d = [torch.randn_like(outputs).requires_grad_(), torch.randn_like(last_h).requires_grad_(), d_c]
    wanted = [True, True, mode == "LSTM", *(True for _ in given[6])]
    checked = opcheck(OPS.layers_backward.default, (*given, saved.detach(), *d, wanted), test_utils=QUICK)
    assert set(checked.values()) == {"SUCCESS"}


@pytest.mark.parametrize("mode", ["RNN_SIGMOID", "GRU", "LSTM"])
def test_opcheck_of_the_second_derivative(mode: str) -> None:
    """Traced, it is PyTorch's own operators, step by step; for packed sequences those take no symbols for lengths."""
    plan = (mode, 2, 1, False, False, False)
    rows = {"GRU": 3, "LSTM": 4}.get(mode, 1) * 2
    x, *weights = (torch.randn(s, dtype=torch.float64, requires_grad=True) for s in ((2, 1, 1), (rows, 1), (rows, 2)))
    outputs, _, _, saved = OPS.layers(x, None, 1, None, None, None, weights, *plan, True)
    given = (
        x,
        None,
        1,
        None,
        None,
        None,
        weights,
        *plan,
        saved.detach(),
        torch.randn_like(outputs).requires_grad_(),
        None,
        None,
    )
    checked = opcheck(OPS.layers_backward.default, (*given, [True, False, False, True, True]))
    assert set(checked.values()) == {"SUCCESS"}


@pytest.mark.parametrize("mode", MODES)
def test_without_saving_the_numbers_are_the_same(mode: str) -> None:
    given = arguments(mode)
    for saving, plain in zip(OPS.layers(*given, True)[:3], OPS.layers(*given, False)[:3], strict=True):
        assert_same_bits(plain.detach().numpy(), saving.detach().numpy())


def test_a_backward_pass_needs_what_was_saved() -> None:
    outputs = OPS.layers(*arguments("GRU"), False)[0]
    with pytest.raises(RuntimeError, match="`saved` must come from elman::layers with save=True"):
        outputs.sum().backward()


@pytest.mark.parametrize("kind", KINDS)
def test_the_quick_way_gives_the_bits_of_the_operators(kind: str) -> None:
    found = []
    for mode in ("quick", "operators"):
        _, layer = twins(kind, num_layers=2, bidirectional=True)
        torch.manual_seed(9)
        x = inputs().requires_grad_()
        if mode == "quick":
            outputs = layer(x)[0]
        else:
            with _Seen() as seen:
                outputs = layer(x)[0]
            assert "elman.layers.default" in seen.names
        found.append([outputs, *torch.autograd.grad((outputs**2).sum(), [x, *layer.parameters()])])
    for a, b in zip(*found, strict=True):
        assert_same_bits(a.detach().numpy(), b.detach().numpy())


class _Seen(torch.utils._python_dispatch.TorchDispatchMode):
    """Names of the operators that are called."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))


class Reader(torch.nn.Module):
    """A layer and a head, as users have them."""

    def __init__(self, layer: torch.nn.Module) -> None:
        super().__init__()
        self.layer, self.head = layer, torch.nn.Linear(H, 2, dtype=torch.float64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        read: torch.Tensor = self.head(self.layer(x)[0])
        return read


def layer_nodes(graph: Any) -> list[str]:
    return [str(n.target) for n in graph.nodes if "elman" in str(n.target)]


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_whole_for_any_length(kind: str) -> None:
    graphs: list[Any] = []
    seen: set[int] = set()

    def backend(graph: torch.fx.GraphModule, example: Any) -> Any:
        graphs.append(layer_nodes(graph.graph))
        return torch._dynamo.lookup_backend("aot_eager")(graph, example)

    model = Reader(getattr(elman.nn, kind)(D, H, batch_first=True, dtype=torch.float64))
    compiled = torch.compile(model, backend=backend, fullgraph=True, dynamic=True)
    for count, steps in ((3, 4), (9, 50), (6, 8)):
        x = torch.randn(count, steps, D, dtype=torch.float64, requires_grad=True)
        found = []
        for module in (compiled, model):
            outputs = module(x)
            found.append([outputs, *torch.autograd.grad((outputs**2).sum(), [x, *model.parameters()])])
        for a, b in zip(*found, strict=True):
            assert_close(a.detach().numpy(), b.detach().numpy(), "float64 rounding")
        seen.add(len(graphs))
    assert len(seen) == 1, "another length was compiled anew"
    assert len(graphs[0]) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_cells(kind: str) -> None:
    cell = getattr(elman.nn, f"{kind}Cell")(D, H, dtype=torch.float64)
    x = torch.randn(3, D, dtype=torch.float64)
    compiled = torch.compile(cell, backend="aot_eager", fullgraph=True)
    actual, expected = compiled(x), cell(x)
    for a, b in zip(*((v if isinstance(v, tuple) else (v,)) for v in (actual, expected)), strict=True):
        assert_close(a.detach().numpy(), b.detach().numpy(), "float64 rounding")


def test_compiled_with_resets_of_one_step() -> None:
    layer = elman.nn.GRU(D, H, dtype=torch.float64)
    x, h, resets = inputs()[:1], states("GRU", 1)[0], torch.tensor([[True, False, True, False]])
    compiled = torch.compile(lambda x, h, r: layer(x, h, resets=r)[0], backend="aot_eager", fullgraph=True)
    assert_close(compiled(x, h, resets).detach().numpy(), layer(x, h, resets=resets)[0].detach().numpy())


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_exported_for_any_length(kind: str, strict: bool) -> None:
    model = Reader(getattr(elman.nn, kind)(D, H, dtype=torch.float64)).eval()
    steps, count = torch.export.Dim("steps", min=2, max=4096), torch.export.Dim("count", min=2, max=512)
    exported = torch.export.export(model, (inputs(),), dynamic_shapes={"x": {0: steps, 1: count}}, strict=strict)
    assert layer_nodes(exported.graph) == ["elman.layers.default"]
    for shape in ((3, 2, D), (300, 5, D)):
        x = torch.randn(shape, dtype=torch.float64)
        assert_close(exported.module()(x).detach().numpy(), model(x).detach().numpy(), "float64 rounding")


@pytest.mark.parametrize("kind", KINDS)
def test_fake_tensors(kind: str) -> None:
    with FakeTensorMode() as mode:
        layer = getattr(elman.nn, kind)(D, H, 2, batch_first=True, bidirectional=True)
        outputs, last = layer(torch.empty(N, T, D))
        assert outputs.shape == (N, T, 2 * H) and isinstance(outputs, torch._subclasses.FakeTensor)
        assert all(s.shape == (4, N, H) for s in (last if kind == "LSTM" else (last,)))
        outputs.sum().backward()
        assert {p.grad.shape == p.shape for p in layer.parameters()} == {True}
    assert mode is not None
