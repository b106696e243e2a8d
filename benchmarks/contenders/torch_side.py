"""PyTorch: torch.nn's layers and cells, and the seeds' own loops, written afresh as their texts have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.contenders import problems

LAYERS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
CELLS = {"rnn": nn.RNNCell, "gru": nn.GRUCell, "lstm": nn.LSTMCell}
Made = tuple[Callable[[], object], Callable[[], dict[str, Any] | None]]


def start(threads: int) -> str:
    torch.set_num_threads(threads)
    return f"torch {torch.__version__}, {threads} threads"


def make(kind: str, params: dict[str, Any]) -> Made:
    maker: Callable[[dict[str, Any]], Made] = globals()[f"_{kind}"]
    return maker(params)


def _gemm(p: dict[str, Any]) -> Made:
    a, b = torch.randn(p["size"], p["size"]), torch.randn(p["size"], p["size"])
    return lambda: a @ b, lambda: None


def _layer(p: dict[str, Any]) -> Made:
    given = problems.layer(p)
    module = LAYERS[p["cell"]](p["D"], p["H"])
    with torch.no_grad():
        for parameter, name in zip(module.parameters(), ("weight_ih", "weight_hh", "bias_ih", "bias_hh"), strict=True):
            parameter.copy_(torch.from_numpy(given[name]))
    train = p["mode"] == "train"
    x, dy = torch.from_numpy(given["x"]).requires_grad_(train), torch.from_numpy(given["dy"])

    def run() -> torch.Tensor:
        if not train:
            with torch.inference_mode():
                outputs: torch.Tensor = module(x)[0]
            return outputs
        module.zero_grad()
        x.grad = None
        outputs = module(x)[0]
        outputs.backward(dy)
        return outputs

    def answer() -> dict[str, Any]:
        found = {"outputs": run().detach().numpy()}
        if train:
            gradients = [q.grad for q in module.parameters()]
            found["d_block"] = np.concatenate([g.numpy().ravel() for g in gradients if g is not None])
            assert x.grad is not None
            found["d_x"] = x.grad.numpy()
        return found

    return run, answer


def _stream(p: dict[str, Any]) -> Made:
    cell, head = CELLS[p["cell"]](p["D"], p["H"]), nn.Linear(p["H"], 1)
    x = torch.ones(1, p["D"])
    state: Any = None

    def run() -> None:
        nonlocal state
        with torch.inference_mode():
            for _ in range(1000):
                state = cell(x, state)
                head(state[0] if p["cell"] == "lstm" else state)

    return run, lambda: None


class _Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.fc = nn.RNN(1, 32, batch_first=True), nn.Linear(32, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out, _ = self.rnn(x, torch.zeros(1, x.size(0), 32))
        logits: torch.Tensor = self.fc(out[:, -1, :])
        return logits


def _seed000(p: dict[str, Any]) -> Made:
    x, y = (torch.from_numpy(a) for a in problems.sums())
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=32, shuffle=True)
    model = _Classifier()
    criterion, optimiser = nn.CrossEntropyLoss(), torch.optim.Adam(model.parameters(), lr=1e-3)

    def epoch() -> None:
        for inputs, labels in loader:
            outputs = model(inputs)
            loss = criterion(outputs, labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            loss.item()
            (outputs.argmax(1) == labels).sum().item()

    return epoch, lambda: None


def _seed001(p: dict[str, Any]) -> Made:
    """Weights updated by hand after every step, as the text does it."""
    wave = torch.from_numpy(problems.sine())
    w1, w2 = torch.normal(0.0, 0.4, (7, 6)).requires_grad_(), torch.normal(0.0, 0.3, (6, 1)).requires_grad_()
    x, y = wave[:-1], wave[1:]

    def epoch() -> None:
        total = 0.0
        context = torch.zeros(1, 6)
        for j in range(20):
            xh = torch.cat((x[j : j + 1].reshape(1, 1), context), 1)
            context = torch.tanh(xh.mm(w1))
            loss = (context.mm(w2) - y[j : j + 1]).pow(2).sum() / 2
            total += loss.item()
            loss.backward()
            for w in (w1, w2):
                assert w.grad is not None
                w.data -= 0.1 * w.grad.data
                w.grad.data.zero_()
            context = context.detach()

    return epoch, lambda: None


def _seed003(p: dict[str, Any]) -> Made:
    x, y = (torch.from_numpy(a).reshape(300, 1, 10, 1) for a in problems.cosine())
    rnn, out = nn.RNN(1, 32, batch_first=True), nn.Linear(32, 1)
    optimiser = torch.optim.Adam([*rnn.parameters(), *out.parameters()], lr=0.02)
    criterion = nn.MSELoss()

    def run() -> None:
        state: torch.Tensor | None = None
        for step in range(300):
            hidden, state = rnn(x[step], state)
            prediction = torch.stack([out(hidden[:, t, :]) for t in range(10)], dim=1)
            state = state.detach()
            loss = criterion(prediction, y[step])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    return run, lambda: None


def _seed004(p: dict[str, Any]) -> Made:
    x, y = (torch.from_numpy(a) for a in problems.tokens())
    return _scratch(p, x, y) if p["scratch"] else _concise(p, x, y)


def _scratch(p: dict[str, Any], x: torch.Tensor, y: torch.Tensor) -> Made:
    """Dive into Deep Learning's loop: one-hot steps through matmul, updates by hand."""
    h = p["H"]
    shapes = ((28, h), (h, h), (h,), (h, 28), (28,))
    w_xh, w_hh, b_h, w_hq, b_q = parameters = [torch.normal(0, 0.01, s).requires_grad_() for s in shapes]
    criterion = nn.CrossEntropyLoss()

    def run() -> None:
        state = torch.zeros(32, h)
        for batch in range(8):
            state = state.detach()
            outputs = []
            for step in nn.functional.one_hot(x[batch].T, 28).float():
                state = torch.tanh(step @ w_xh + state @ w_hh + b_h)
                outputs.append(state @ w_hq + b_q)
            loss = criterion(torch.cat(outputs), y[batch].T.reshape(-1))
            loss.backward()
            _clip_and_step(parameters)
            loss.item()

    return run, lambda: None


def _concise(p: dict[str, Any], x: torch.Tensor, y: torch.Tensor) -> Made:
    layer, head = LAYERS[p["cell"]](28, p["H"]), nn.Linear(p["H"], 28)
    parameters = [*layer.parameters(), *head.parameters()]
    criterion = nn.CrossEntropyLoss()

    def run() -> None:
        state: Any = None
        for batch in range(8):
            if state is not None:
                state = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
            hidden, state = layer(nn.functional.one_hot(x[batch].T, 28).float(), state)
            loss = criterion(head(hidden.reshape(-1, p["H"])), y[batch].T.reshape(-1))
            loss.backward()
            _clip_and_step(parameters)
            loss.item()

    return run, lambda: None


def _clip_and_step(parameters: list[Any]) -> None:
    """Gradients clipped to a global norm of 1, then SGD with learning rate 1."""
    norm = torch.sqrt(sum(torch.sum(q.grad**2) for q in parameters))
    if norm > 1:
        for q in parameters:
            q.grad[:] *= 1 / norm
    with torch.no_grad():
        for q in parameters:
            q -= q.grad
            q.grad.zero_()
