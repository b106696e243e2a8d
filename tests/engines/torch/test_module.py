"""Networks to PyTorch modules and back: the same numbers, copies, and clear words for what the other side has not."""

from __future__ import annotations

import io
from typing import Any, final

import numpy as np
import pytest
import torch
from tests.closeness import assert_all_same_bits, assert_close
from tests.engines.cases import CELLS, TORCH_CELLS, case, network
from torch import nn

import elman.nn
from elman import from_torch, to_torch
from elman.cells import Cell, State, StepGradients
from elman.cells.by_name import CELLS as CELLS_BY_NAME
from elman.engines import make_engine
from elman.engines.torch.layers import make_layers
from elman.engines.torch.module import RecurrentNetwork
from elman.errors import UsageError
from elman.files import Array
from elman.network import Network


def as_torch(state: tuple[Any, ...]) -> Any:
    tensors = tuple(torch.tensor(s) for s in state)
    return tensors if len(tensors) > 1 else tensors[0]


@pytest.mark.parametrize("lengths", [False, True], ids=["whole", "ragged"])
@pytest.mark.parametrize("head", ["every", "last"])
@pytest.mark.parametrize("inputs", ["dense", "one_hot", "embedding"])
@pytest.mark.parametrize("cell", TORCH_CELLS)
def test_the_module_gives_the_networks_outputs(cell: str, inputs: str, head: str, lengths: bool) -> None:
    given = case(cell, inputs=inputs, input_size=6, head=head, lengths=lengths, num_layers=2, bidirectional=True)
    module = to_torch(given.network)
    x, each = torch.tensor(given.batch.inputs), given.batch.lengths
    y, last = module(x, as_torch(given.state), None if each is None else torch.tensor(each))
    outputs, state = given.engine("reference").forward(given.batch.inputs, given.state, each)
    assert_close(y.detach().numpy(), outputs)
    for ours, theirs in zip(last if isinstance(last, tuple) else (last,), state, strict=True):
        assert_close(ours.detach().numpy(), theirs)
    zero = tuple(np.zeros_like(s) for s in given.state)
    assert torch.equal(module(x)[0], module(x, as_torch(zero))[0])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("inputs", ["dense", "one_hot", "embedding"])
@pytest.mark.parametrize("cell", TORCH_CELLS)
def test_there_and_back(cell: str, inputs: str, bias: bool) -> None:
    made = network(cell, inputs=inputs, num_layers=2, bias=bias, head_bias=bias, dropout=0.25, head="last")
    back = from_torch(to_torch(made))
    assert back.config() == made.config()
    assert_all_same_bits(back.parameters, made.parameters)


@pytest.mark.parametrize("batch_first", [True, False])
def test_bare_layers(batch_first: bool) -> None:
    rnn = nn.LSTM(3, 4, 2, batch_first=batch_first, bidirectional=True)
    head = nn.Linear(8, 2)
    made = from_torch(rnn, head)
    x = torch.randn(5, 7, 3)
    y, _ = rnn(x if batch_first else x.transpose(0, 1))
    wanted = head(y if batch_first else y.transpose(0, 1)).detach().numpy()
    assert_close(make_engine("native", made).forward(x.numpy())[0], wanted, "float32")
    table = nn.Embedding(9, 3)
    tokens = torch.randint(0, 9, (5, 7))
    embedded = from_torch(rnn, head, embedding=table, head_on="last")
    assert (embedded.input_size, embedded.embedding_size, embedded.head) == (9, 3, "last")
    assert make_engine("native", embedded).forward(tokens.numpy())[0].shape == (5, 2)
    assert from_torch(rnn, head, inputs="one_hot").inputs == "one_hot"


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_layers_of_elman_nn(cell: str, batch_first: bool) -> None:
    """Bare, and in a module as `to_torch` makes them."""
    name, _, nonlinearity = cell.partition("-")
    kind = {"elman": elman.nn.RNN, "gru": elman.nn.GRU, "lstm": elman.nn.LSTM}[name]
    options = {"nonlinearity": nonlinearity} if nonlinearity else {}
    rnn = kind(3, 4, 2, batch_first=batch_first, bidirectional=True, dtype=torch.float64, **options)
    head = nn.Linear(8, 2, dtype=torch.float64)
    made = from_torch(rnn, head)
    assert (made.cell, made.nonlinearity) == (name, nonlinearity or "tanh")
    x = torch.randn(5, 7, 3, dtype=torch.float64)
    y, _ = rnn(x if batch_first else x.transpose(0, 1))
    wanted = head(y if batch_first else y.transpose(0, 1)).detach().numpy()
    assert_close(make_engine("reference", made).forward(x.numpy())[0], wanted)
    if batch_first:
        module = RecurrentNetwork(rnn, head, head_on="last")
        outputs = module(x)[0].detach().numpy()
        assert_close(make_engine("reference", from_torch(module)).forward(x.numpy())[0], outputs)


def test_half_precision_becomes_float32() -> None:
    made = from_torch(nn.GRU(3, 4).bfloat16(), nn.Linear(4, 2).bfloat16())
    assert {str(p.dtype) for p in made.parameters.values()} == {"float32"}


def test_weights_are_copies_either_way() -> None:
    made = network("gru")
    before = {name: p.copy() for name, p in made.parameters.items()}
    module = to_torch(made)
    back = from_torch(module)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(1)
    assert_all_same_bits(made.parameters, before)
    assert_all_same_bits(back.parameters, before)


def test_it_saves_trains_and_prints_as_modules_do() -> None:
    module = to_torch(network("lstm", inputs="embedding", input_size=6, dropout=0.5, num_layers=2))
    assert not module.training
    assert [name for name, _ in module.named_children()] == ["embedding", "rnn", "head"]
    assert {type(m) for m in module.children()} == {nn.Embedding, nn.LSTM, nn.Linear}
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    again = torch.load(file, weights_only=False)
    tokens = torch.randint(0, 6, (2, 5))
    assert torch.equal(again(tokens)[0], module(tokens)[0])
    again.load_state_dict(module.state_dict())
    module.train()
    module(tokens)[0].sum().backward()
    assert all(p.grad is not None for p in module.parameters())


def test_no_random_number_is_drawn() -> None:
    before = torch.get_rng_state()
    to_torch(network("gru"))
    make_engine("torch", network("gru"))
    assert torch.equal(before, torch.get_rng_state())


def test_sigmoid_cells_stay_here() -> None:
    with pytest.raises(UsageError, match="sigmoid cells, and torch.nn.RNN knows tanh and relu only"):
        to_torch(network("elman-sigmoid"))
    with pytest.raises(UsageError, match="`network` has no parameters yet"):
        to_torch(Network(input_size=1, hidden_size=2, output_size=1))
    assert len(CELLS) == len(TORCH_CELLS) + 1


def test_an_unknown_cell_has_no_module() -> None:
    made = network("lstm")
    object.__setattr__(made, "cell", "vanilla")
    with pytest.raises(UsageError, match="`cell` must be one of elman, gru, lstm; got 'vanilla'"):
        to_torch(made)
    with pytest.raises(UsageError, match="`cell` must be one of elman, gru, lstm; got 'vanilla'"):
        make_layers(made, 3, 1, False)


def test_a_cell_that_pytorch_lacks_has_no_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cell that Elman has and PyTorch lacks becomes no other cell."""
    monkeypatch.setitem(CELLS_BY_NAME, "leaky", Leaky)
    made = network("leaky")
    with pytest.raises(UsageError, match="`network` has 'leaky' cells, which torch.nn lacks"):
        to_torch(made)
    for name in ("torch", "native"):
        with pytest.raises(UsageError, match="`cell` 'leaky' has no .* in the .* engine; take engine='reference'"):
            make_engine(name, made)
    assert np.isfinite(make_engine("reference", made).forward(np.ones((2, 3, 3)))[0]).all()


@final
class Leaky(Cell):
    """h' = (h + W_ih x + b_ih) / 2; of its weights, W_hh and b_hh do nothing."""

    name = "leaky"
    gate_names = ("h",)
    state_names = ("h",)
    nonlinearities = ("tanh",)

    def step(self, projected: Array, state: State, weight_hh: Array, bias_hh: Array | None) -> tuple[State, State]:
        return ((state[0] + projected) / 2,), ()

    def step_backward(self, d_state: State, saved: State, weight_hh: Array) -> StepGradients:
        raise NotImplementedError

    def gates_of(self, saved: State) -> dict[str, Array]:
        return {}


HEAD = nn.Linear(4, 2)
REFUSED: dict[str, tuple[tuple[Any, ...], dict[str, Any], str]] = {
    "a projection": ((nn.LSTM(3, 6, proj_size=4), HEAD), {}, "`proj_size` of `module` must be 0.*; got 4"),
    "layer normalisation": (
        (elman.nn.GRU(3, 4, layer_norm=True), HEAD), {}, "`layer_norm` of `module` must be False.*; got True"),
    "a cell of elman.nn": ((elman.nn.GRUCell(3, 4), HEAD), {}, "`module` must be an nn.RNN.*; got GRUCell"),
    "another module": ((nn.Conv1d(3, 4, 1), HEAD), {}, "`module` must be an nn.RNN, nn.GRU or nn.LSTM, .*; got Conv1d"),
    "no head": ((nn.GRU(3, 4),), {}, "`head` must be an nn.Linear; got NoneType"),
    "another head": ((nn.GRU(3, 5), HEAD), {}, "`head` must take the 5 features of `module`; got 4"),
    "another table": (
        (nn.GRU(3, 4), HEAD), {"embedding": nn.Embedding(9, 2)}, "`embedding` must give the 3 features of `module`; got 2"),
    "a norm": ((nn.GRU(3, 4), HEAD), {"embedding": nn.Embedding(9, 3, max_norm=1.0)}, "`max_norm` of `embedding` must"),
    "two heads": ((to_torch(network("gru")), HEAD), {}, "`head` and `embedding` are for bare layers"),
    "a head on nothing": ((nn.GRU(3, 4), HEAD), {"head_on": "first"}, "`head` must be one of every, last; got 'first'"),
    "weights under other names": (
        (nn.utils.parametrizations.weight_norm(nn.GRU(3, 4), "weight_hh_l0"), HEAD), {}, "`weight_hh_l0` is missing"),
    "all at once": ((nn.Conv1d(3, 4, 1),), {}, "`module` must.*; `head` must"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_taken(name: str) -> None:
    arguments, options, match = REFUSED[name]
    with pytest.raises(UsageError, match=match):
        from_torch(*arguments, **options)
