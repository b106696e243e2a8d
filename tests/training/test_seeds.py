"""The seeds' own loops, written plainly, beside the engines and the training loop: the same loss curve.

Each test starts both sides from the same weights and compares every epoch (or every group of updates) in float64.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.closeness import assert_all_close, assert_close
from torch import nn

from elman.data.batches import SequenceBatches, SharedEpochs, TextBatches
from elman.engines import Loss, Optimiser, make_engine
from elman.network import Network
from elman.training import Training, train


def losses(history: list[dict[str, Any]], name: str = "train_loss") -> list[float]:
    return [record[name] for record in history]


def test_seed_001_one_step_at_a_time(engine_name: str) -> None:
    """Plain NumPy: tanh of [input, context] w1, output w2, update after every step, context carried and detached."""
    data = np.sin(np.linspace(2, 10, 21))
    x, y = data[:-1], data[1:]
    network = Network(cell="elman", input_size=1, hidden_size=6, output_size=1, bias=False, head_bias=False)
    network = network.initialise(3, {"weight": "normal(0, 0.4)", "head": "normal(0, 0.3)"})
    p = network.parameters
    w1 = np.concatenate((p["weight_ih_l0"], p["weight_hh_l0"]), axis=1).T  # (7, 6)
    w2 = p["head.weight"].T.copy()  # (6, 1)
    wanted = []
    for _ in range(100):
        context, total = np.zeros((1, 6)), 0.0
        for j in range(20):
            xh = np.concatenate(([[x[j]]], context), axis=1)
            context = np.tanh(xh @ w1)
            error = (context @ w2)[0, 0] - y[j]
            total += error**2 / 2
            d_context = error * w2.T * (1 - context**2)
            w2 -= 0.1 * error * context.T
            w1 -= 0.1 * xh.T @ d_context
        wanted.append(total)
    engine = make_engine(
        engine_name, network, Loss(kind="half_mse", reduction="sum"), Optimiser(kind="sgd", learning_rate=0.1),
        dtype="float64",
    )  # fmt: skip
    batches = SequenceBatches(x.reshape(1, 20, 1), y.reshape(1, 20, 1), shuffle=False, steps=1, carry=True)
    found = train(engine, batches, Training(epochs=100))
    assert_close(losses(found.history), wanted, "float64 trained")
    assert_close(found.parameters["weight_hh_l0"], w1[1:].T, "float64 trained")
    assert wanted[-1] < wanted[0] / 4


def test_seed_002_windows_with_five_steps_back(engine_name: str) -> None:
    """Plain NumPy: sigmoid units, x_t alone at place t, the true gradient five steps back, each clipped by value."""
    wave = np.sin(np.arange(60.0))
    steps, hidden, records = 20, 8, 30
    x = np.stack([np.diag(wave[i : i + steps]) for i in range(records)])
    y = np.stack([wave[i + steps : i + steps + 1] for i in range(records)])
    network = Network(
        cell="elman", nonlinearity="sigmoid", input_size=steps, hidden_size=hidden, output_size=1, bias=False,
        head_bias=False, head="last",
    ).initialise(1, {"": "uniform(0, 1)"})  # fmt: skip
    u, w, v = (network.parameters[n].copy() for n in ("weight_ih_l0", "weight_hh_l0", "head.weight"))
    wanted = []
    for _ in range(3):
        epoch_losses = []
        for inputs, target in zip(x, y, strict=True):
            h = [np.zeros(hidden)]
            for t in range(steps):
                h.append(1 / (1 + np.exp(-(u @ inputs[t] + w @ h[-1]))))
            error = (v @ h[-1] - target)[0]
            epoch_losses.append(error**2 / 2)
            dv, du, dw, dh = error * h[-1][None], np.zeros_like(u), np.zeros_like(w), error * v[0]
            for t in range(steps, steps - 5, -1):
                da = dh * h[t] * (1 - h[t])
                du += np.outer(da, inputs[t - 1])
                dw += np.outer(da, h[t - 1])
                dh = w.T @ da
            for weight, gradient in ((u, du), (w, dw), (v, dv)):
                weight -= 1e-2 * np.clip(gradient, -0.5, 0.5)
        wanted.append(sum(epoch_losses))
    engine = make_engine(
        engine_name, network, Loss(kind="half_mse", reduction="sum"),
        Optimiser(kind="sgd", learning_rate=1e-2, clip_value=0.5), backprop_steps=5, dtype="float64",
    )  # fmt: skip
    found = train(engine, SequenceBatches(x, y, batch_size=1, shuffle=False, aligned=False), Training(epochs=3))
    assert_close(losses(found.history), wanted, "float64 trained")


def twin_of(network: Network) -> tuple[nn.Module, nn.Linear]:
    """torch.nn's layer and head with the network's weights."""
    kind = {"elman": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[network.cell]
    layer = kind(network.input_size, network.hidden_size, network.num_layers, batch_first=True).double()
    head = nn.Linear(network.hidden_size, network.output_size).double()
    with torch.no_grad():
        for name, value in network.parameters.items():
            owner = head if name.startswith("head.") else layer
            getattr(owner, name.removeprefix("head.")).copy_(torch.tensor(value))
    return layer, head


def parameters_of(layer: nn.Module, head: nn.Linear) -> dict[str, np.ndarray]:
    named = {name: p.detach().numpy() for name, p in layer.named_parameters()}
    return named | {f"head.{name}": p.detach().numpy() for name, p in head.named_parameters()}


@pytest.mark.parametrize("num_layers", [1, 2])
def test_seed_000_classify_sums(engine_name: str, num_layers: int) -> None:
    """torch.nn and torch.optim.Adam on shuffled mini-batches; mean loss and accuracy of each epoch."""
    generator = np.random.default_rng(0)
    x = generator.uniform(size=(100, 10, 1))
    labels = (x.sum(axis=(1, 2)) > 5).astype(np.int64)
    network = Network(cell="elman", input_size=1, hidden_size=16, output_size=2, num_layers=num_layers, head="last")
    network = network.initialise(2)
    batches = SequenceBatches(x, labels, batch_size=32, aligned=False, seed=7)
    layer, head = twin_of(network)
    optimiser = torch.optim.Adam([*layer.parameters(), *head.parameters()], lr=1e-3)
    wanted, accuracies = [], []
    for epoch in range(8):
        total = right = 0.0
        for pieces in batches.epoch(epoch):
            for index in range(len(pieces)):
                inputs, targets = (torch.tensor(a) for a in pieces[index][:2])
                outputs = head(layer(inputs)[0][:, -1])
                loss = nn.functional.cross_entropy(outputs, targets)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                total += loss.item() * len(targets)
                right += (outputs.argmax(1) == targets).sum().item()
        wanted.append(total / 100)
        accuracies.append(right / 100)
    engine = make_engine(
        engine_name, network, Loss(kind="cross_entropy"), Optimiser(learning_rate=1e-3), dtype="float64"
    )
    found = train(engine, batches, Training(epochs=8, measures=("accuracy",)))
    assert_close(losses(found.history), wanted, "float64 trained")
    assert_close(losses(found.history, "train_accuracy"), accuracies)
    assert_all_close(found.parameters, parameters_of(layer, head), "float64 trained")


def test_seed_003_cosine_from_sine(engine_name: str) -> None:
    """torch.nn and torch.optim.Adam, ten points a step, the state carried from step to step and detached.

    The first 150 updates are compared: this training then runs through a spike of the loss, which blows up rounding.
    """
    x, y = (
        np.concatenate([f(np.linspace(s * np.pi, (s + 1) * np.pi, 10)) for s in range(300)]) for f in (np.sin, np.cos)
    )
    network = Network(cell="elman", input_size=1, hidden_size=32, output_size=1).initialise(0)
    layer, head = twin_of(network)
    optimiser = torch.optim.Adam([*layer.parameters(), *head.parameters()], lr=0.02)
    wanted, hidden = [], None
    for s in range(300):
        piece = slice(10 * s, 10 * s + 10)
        states, hidden = layer(torch.tensor(x[piece]).reshape(1, 10, 1), hidden)
        hidden = hidden.detach()
        loss = nn.functional.mse_loss(head(states), torch.tensor(y[piece]).reshape(1, 10, 1))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        wanted.append(loss.item())
    engine = make_engine(engine_name, network, Loss(), Optimiser(learning_rate=0.02), dtype="float64")
    batches = SequenceBatches(x.reshape(1, -1, 1), y.reshape(1, -1, 1), shuffle=False, steps=10, carry=True)
    found = train(engine, SharedEpochs(batches, 10), Training(epochs=30))
    assert_close(losses(found.history)[:15], np.reshape(wanted, (30, 10)).mean(axis=1)[:15], "float64 trained")
    assert found.history[-1]["train_loss"] < 0.05


@pytest.mark.parametrize("sampling", ["sequential", "random"])
@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_seed_004_character_model(engine_name: str, cell: str, sampling: str) -> None:
    """torch.nn on one-hot inputs, SGD with rate 1, gradients clipped to norm 1, state carried or zeroed by piece."""
    tokens = np.array([ord(c) % 11 for c in "the time traveller for so it will be convenient to speak of him " * 8])
    network = Network(cell=cell, input_size=11, hidden_size=12, output_size=11, inputs="one_hot").initialise(4)
    batches = TextBatches(tokens, batch_size=4, steps=9, sampling=sampling, seed=1)
    layer, head = twin_of(network)
    every = [*layer.parameters(), *head.parameters()]
    optimiser = torch.optim.SGD(every, lr=1.0)
    wanted = []
    for epoch in range(3):
        (pieces,) = batches.epoch(epoch)
        state: Any = None
        total = 0.0
        for index in range(len(pieces)):
            state = None if pieces.fresh[index] else state
            one_hot = nn.functional.one_hot(torch.tensor(pieces.inputs[index]), 11).double()
            states, state = layer(one_hot, state)
            state = tuple(s.detach() for s in state) if cell == "lstm" else state.detach()
            loss = nn.functional.cross_entropy(
                head(states).reshape(-1, 11), torch.tensor(pieces.targets[index]).ravel()
            )
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(every, 1.0)
            optimiser.step()
            total += loss.item()
        wanted.append(total / len(pieces))
    engine = make_engine(
        engine_name, network, Loss(kind="cross_entropy"), Optimiser(kind="sgd", learning_rate=1.0, clip_norm=1.0),
        dtype="float64",
    )  # fmt: skip
    found = train(engine, batches, Training(epochs=3, measures=("perplexity",)))
    assert_close(losses(found.history), wanted, "float64 trained")
    assert_close(losses(found.history, "train_perplexity"), np.exp(wanted), "float64 trained")
    assert_all_close(found.parameters, parameters_of(layer, head), "float64 trained")
