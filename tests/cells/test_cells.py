"""One step of each cell: against torch's cells, against formulas, and its derivative by central differences."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.closeness import assert_close, assert_same_bits, assert_slope

from elman.cells import CELL_NAMES, Cell, make_cell
from elman.cells.cell import sigmoid

Array = NDArray[Any]

KINDS = ("elman-tanh", "elman-relu", "elman-sigmoid", "gru", "lstm")
N, H = 3, 5


def cell_of(kind: str) -> Cell:
    name, _, nonlinearity = kind.partition("-")
    return make_cell(name, nonlinearity or "tanh")


def step_inputs(cell: Cell, seed: int = 0, n: int = N, h: int = H) -> dict[str, Array]:
    """Random projected, states, weight_hh and bias_hh, by name."""
    generator = np.random.default_rng(seed)
    rows = cell.gates * h
    given = {
        "projected": generator.standard_normal((n, rows)),
        "weight_hh": 0.6 * generator.standard_normal((rows, h)),
        "bias_hh": generator.standard_normal(rows),
    }
    return given | {f"state {name}": generator.standard_normal((n, h)) for name in cell.state_names}


def state_of(cell: Cell, given: dict[str, Array]) -> tuple[Array, ...]:
    return tuple(given[f"state {name}"] for name in cell.state_names)


def run(cell: Cell, given: dict[str, Array], bias: bool = True) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    bias_hh = given["bias_hh"] if bias else None
    return cell.step(given["projected"], state_of(cell, given), given["weight_hh"], bias_hh)


@pytest.mark.parametrize(("n", "h"), [(3, 5), (1, 1), (7, 63), (100, 7)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", [k for k in KINDS if k != "elman-sigmoid"])
def test_step_is_torchs(kind: str, bias: bool, n: int, h: int) -> None:
    """torch's cell reads x with W_ih; here x is the projection itself and W_ih the identity."""
    cell = cell_of(kind)
    given = step_inputs(cell, n=n, h=h)
    t = {name: torch.tensor(value) for name, value in given.items()}
    made: Any = {"gru": torch.nn.GRUCell, "lstm": torch.nn.LSTMCell}.get(kind)
    rows = cell.gates * h
    if made is None:
        twin: Any = torch.nn.RNNCell(rows, h, bias, nonlinearity=kind.partition("-")[2], dtype=torch.float64)
    else:
        twin = made(rows, h, bias, dtype=torch.float64)
    with torch.no_grad():
        twin.weight_ih.copy_(torch.eye(rows, dtype=torch.float64))
        twin.weight_hh.copy_(t["weight_hh"])
        if bias:
            twin.bias_ih.zero_()
            twin.bias_hh.copy_(t["bias_hh"])
        state = tuple(t[f"state {name}"] for name in cell.state_names)
        wanted = twin(t["projected"], state if kind == "lstm" else state[0])
    wanted = wanted if kind == "lstm" else (wanted,)
    for ours, theirs in zip(run(cell, given, bias)[0], wanted, strict=True):
        assert_close(ours, theirs.numpy())


def test_sigmoid_step_is_its_formula() -> None:
    cell = cell_of("elman-sigmoid")
    given = step_inputs(cell)
    a = given["projected"] + given["state h"] @ given["weight_hh"].T + given["bias_hh"]
    assert_close(run(cell, given)[0][0], 1 / (1 + np.exp(-a)))
    assert_close(run(cell, given, bias=False)[0][0], 1 / (1 + np.exp(-(a - given["bias_hh"]))))


@pytest.mark.parametrize("kind", KINDS)
def test_derivative_by_central_differences(kind: str) -> None:
    """The slope of sum(g * state after), for random g, in everything that goes into a step."""
    cell = cell_of(kind)
    given = step_inputs(cell, seed=1)
    generator = np.random.default_rng(2)
    g = tuple(generator.standard_normal((N, H)) for _ in cell.state_names)

    def value(name: str, replaced: Array) -> float:
        after, _ = run(cell, {**given, name: replaced})
        return float(sum((a * b).sum() for a, b in zip(after, g, strict=True)))

    back = cell.step_backward(g, run(cell, given)[1], given["weight_hh"])
    found = {
        "projected": back.projected,
        "bias_hh": back.recurrent.sum(axis=0),
        "weight_hh": back.recurrent.T @ given["state h"],
    } | {f"state {name}": d for name, d in zip(cell.state_names, back.state, strict=True)}
    assert set(found) == set(given)
    for name, gradient in found.items():
        assert_slope(partial(value, name), given[name], gradient, count=5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_changes_nothing_that_goes_in(kind: str) -> None:
    cell = cell_of(kind)
    given = step_inputs(cell)
    kept = {name: value.copy() for name, value in given.items()}
    after, saved = run(cell, given)
    held = [a.copy() for a in (*after, *saved)]
    cell.step_backward(after, saved, given["weight_hh"])
    for name, value in given.items():
        assert_same_bits(value, kept[name])
    for a, b in zip((*after, *saved), held, strict=True):
        assert_same_bits(a, b)


@pytest.mark.parametrize("kind", KINDS)
def test_types_are_kept(kind: str) -> None:
    cell = cell_of(kind)
    given = {name: value.astype(np.float32) for name, value in step_inputs(cell).items()}
    after, saved = run(cell, given)
    back = cell.step_backward(after, saved, given["weight_hh"])
    for array in (*after, *saved, back.projected, back.recurrent, *back.state, *cell.gates_of(saved).values()):
        assert array.dtype == np.float32


def test_gates_of_gru() -> None:
    """In PyTorch's order r, z, n: each gate from its own block of rows alone."""
    cell = cell_of("gru")
    given = step_inputs(cell)
    gates = cell.gates_of(run(cell, given)[1])
    assert list(gates) == list(cell.gate_names) == ["r", "z", "n"]
    u = given["state h"] @ given["weight_hh"].T + given["bias_hh"]
    (a_r, a_z, a_n), (u_r, u_z, u_n) = np.split(given["projected"], 3, 1), np.split(u, 3, 1)
    assert_close(gates["r"], 1 / (1 + np.exp(-a_r - u_r)))
    assert_close(gates["z"], 1 / (1 + np.exp(-a_z - u_z)))
    assert_close(gates["n"], np.tanh(a_n + gates["r"] * u_n))


def test_gates_of_lstm() -> None:
    """In PyTorch's order i, f, g, o."""
    cell = cell_of("lstm")
    given = step_inputs(cell)
    (h, c), saved = run(cell, given)
    gates = cell.gates_of(saved)
    assert list(gates) == list(cell.gate_names) == ["i", "f", "g", "o"]
    a = given["projected"] + given["state h"] @ given["weight_hh"].T + given["bias_hh"]
    for name, block in zip(gates, np.split(a, 4, 1), strict=True):
        assert_close(gates[name], np.tanh(block) if name == "g" else 1 / (1 + np.exp(-block)))
    assert_close(c, gates["f"] * given["state c"] + gates["i"] * gates["g"])
    assert_close(h, gates["o"] * np.tanh(c))


def test_the_simple_cell_has_no_gates() -> None:
    cell = cell_of("elman-tanh")
    assert cell.gates == 1
    assert cell.gates_of(run(cell, step_inputs(cell))[1]) == {}


def test_names() -> None:
    assert CELL_NAMES == ("elman", "gru", "lstm")
    assert [make_cell(name).name for name in CELL_NAMES] == list(CELL_NAMES)
    assert [make_cell(name).state_names for name in CELL_NAMES] == [("h",), ("h",), ("h", "c")]
    assert make_cell("elman").nonlinearities == ("tanh", "relu", "sigmoid")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_is_exact_in_both_tails(dtype: type) -> None:
    a: Array = np.array([-1e30, -700.0, -80.0, -1.0, 0.0, 1.0, 80.0, 1e30], dtype)
    found = sigmoid(a)
    assert found.dtype == dtype
    with np.errstate(over="ignore", under="ignore"):
        wanted: Array = np.array([1 / (1 + np.exp(-np.longdouble(x))) for x in a]).astype(dtype)
    assert_close(found, wanted, "float64" if dtype is np.float64 else "float32")
    assert found[4] == 0.5
    assert found[0] == 0
    assert found[-1] == 1
    if dtype is np.float64:
        assert_close(found[1], np.exp(-700.0))  # 1 / (1 + exp(700)) would be as small, but is not lost here
