"""Ours: the native engine, and its layers by themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.contenders import problems
from elman.engines import Loss, Optimiser, Pieces
from elman.engines.native.engine import NativeEngine
from elman.native import _core
from elman.network import Network

CORE_CELLS = {"rnn": _core.Cell.elman_tanh, "gru": _core.Cell.gru, "lstm": _core.Cell.lstm}
CELL_NAMES = {"rnn": "elman", "gru": "gru", "lstm": "lstm"}
Made = tuple[Callable[[], object], Callable[[], dict[str, Any] | None]]


def start(threads: int) -> str:
    _core.set_threads(threads)
    return f"elman, {_core.isa()}, {_core.threads()} threads"


def make(kind: str, params: dict[str, Any]) -> Made:
    maker: Callable[[dict[str, Any]], Made] = globals()[f"_{kind}"]
    return maker(params)


def _layer(p: dict[str, Any]) -> Made:
    given = problems.layer(p)
    layers = _core.Layers32(_core.Shape(cell=CORE_CELLS[p["cell"]], input_size=p["D"], hidden_size=p["H"]))
    block = np.concatenate([given[name].ravel() for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")])
    train = p["mode"] == "train"
    outputs, d_block, d_x = np.empty_like(given["dy"]), np.empty_like(block), np.empty_like(given["x"])
    h, d_h = np.empty((1, p["N"], p["H"]), np.float32), np.empty((1, p["N"], p["H"]), np.float32)
    c, d_c = (np.empty_like(h), np.empty_like(h)) if p["cell"] == "lstm" else (None, None)

    def run() -> None:
        layers.load_parameters(block)  # so that packing the weights is part of the time, as in training
        layers.forward(x=given["x"], h=None, c=None, outputs=outputs, last_h=h, last_c=c, save=train)
        if train:
            layers.backward(
                d_outputs=given["dy"], d_last_h=None, d_last_c=None, d_block=d_block, d_x=d_x, d_h=d_h, d_c=d_c
            )

    def answer() -> dict[str, Any]:
        run()
        return {"outputs": outputs, "d_block": d_block, "d_x": d_x} if train else {"outputs": outputs}

    return run, answer


def _stream(p: dict[str, Any]) -> Made:
    network = Network(cell=CELL_NAMES[p["cell"]], input_size=p["D"], hidden_size=p["H"], output_size=1).initialise(0)
    stream = NativeEngine(network).stream()
    x = np.ones(p["D"], np.float32)

    def run() -> None:
        step = stream.step
        for _ in range(1000):
            step(x)

    return run, lambda: None


def _training(
    network: Network, loss: Loss, optimiser: Optimiser, pieces: Pieces, backprop_steps: int | None = None
) -> Made:
    engine = NativeEngine(network, loss, optimiser, backprop_steps=backprop_steps)
    engine.train_steps(pieces)
    return lambda: engine.train_steps(pieces), lambda: None


def _seed000(p: dict[str, Any]) -> Made:
    x, y = problems.sums()
    network = Network(cell="elman", input_size=1, hidden_size=32, output_size=2, head="last").initialise(0)
    pieces = Pieces(x.reshape(32, 32, 10, 1), y.reshape(32, 32), None, np.ones(32, bool))
    return _training(network, Loss(kind="cross_entropy"), Optimiser(), pieces)


def _seed001(p: dict[str, Any]) -> Made:
    wave = problems.sine()
    network = Network(cell="elman", input_size=1, hidden_size=6, output_size=1, bias=False, head_bias=False)
    fresh = np.arange(20) == 0
    pieces = Pieces(wave[:-1].reshape(20, 1, 1, 1), wave[1:].reshape(20, 1, 1, 1), None, fresh)
    loss, optimiser = Loss(kind="half_mse", reduction="sum"), Optimiser(kind="sgd", learning_rate=0.1)
    return _training(network.initialise(0, {"": "normal(0, 0.4)"}), loss, optimiser, pieces)


def _seed002(p: dict[str, Any]) -> Made:
    x, y = problems.windows()
    network = Network(cell="elman", nonlinearity="sigmoid", input_size=50, hidden_size=100, output_size=1, bias=False,
                      head_bias=False, head="last").initialise(0, {"": "uniform(0, 1)"})  # fmt: skip
    pieces = Pieces(x[:, None], y.reshape(100, 1, 1), None, np.ones(100, bool))
    loss = Loss(kind="half_mse", reduction="sum")
    return _training(network, loss, Optimiser(kind="sgd", learning_rate=1e-4, clip_value=10.0), pieces, 5)


def _seed003(p: dict[str, Any]) -> Made:
    x, y = problems.cosine()
    network = Network(cell="elman", input_size=1, hidden_size=32, output_size=1).initialise(0)
    pieces = Pieces(x.reshape(300, 1, 10, 1), y.reshape(300, 1, 10, 1), None, np.arange(300) == 0)
    return _training(network, Loss(), Optimiser(learning_rate=0.02), pieces)


def _seed004(p: dict[str, Any]) -> Made:
    x, y = problems.tokens()
    network = Network(cell=CELL_NAMES[p["cell"]], input_size=28, hidden_size=p["H"], output_size=28, inputs="one_hot")
    network = network.initialise(0, {"": "normal(0, 0.01)"} if p["scratch"] else None)
    optimiser = Optimiser(kind="sgd", learning_rate=1.0, clip_norm=1.0)
    return _training(network, Loss(kind="cross_entropy"), optimiser, Pieces(x, y, None, np.arange(8) == 0))
