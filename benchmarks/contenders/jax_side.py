"""JAX at its best: the whole loop compiled, `lax.scan` over time (and over the pieces of an epoch)."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.contenders import problems

Made = tuple[Callable[[], object], Callable[[], dict[str, Any] | None]]


def start(threads: int) -> str:
    os.environ["JAX_PLATFORMS"] = "cpu"
    single = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ["XLA_FLAGS"] = single if threads == 1 else ""
    import jax

    return f"jax {jax.__version__}"


def make(kind: str, params: dict[str, Any]) -> Made:
    maker: Callable[[dict[str, Any]], Made] = globals()[f"_{kind}"]
    return maker(params)


def _cell(name: str) -> Callable[..., Any]:
    """A step: (weights, state, x) to the new state, whose first array is the output; PyTorch's layout and gates."""
    import jax
    import jax.numpy as jnp

    def rnn(w: Any, state: Any, x: Any) -> Any:
        return (jnp.tanh(x @ w[0].T + w[2] + state[0] @ w[1].T + w[3]),)

    def gru(w: Any, state: Any, x: Any) -> Any:
        (h,) = state
        i_r, i_z, i_n = jnp.split(x @ w[0].T + w[2], 3, axis=-1)
        h_r, h_z, h_n = jnp.split(h @ w[1].T + w[3], 3, axis=-1)
        r, z = jax.nn.sigmoid(i_r + h_r), jax.nn.sigmoid(i_z + h_z)
        return ((1 - z) * jnp.tanh(i_n + r * h_n) + z * h,)

    def lstm(w: Any, state: Any, x: Any) -> Any:
        h, c = state
        i, f, g, o = jnp.split(x @ w[0].T + w[2] + h @ w[1].T + w[3], 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c

    return {"rnn": rnn, "gru": gru, "lstm": lstm}[name]


def _layer(p: dict[str, Any]) -> Made:
    import jax
    import jax.numpy as jnp

    given = problems.layer(p)
    weights = tuple(jnp.asarray(given[name]) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    x, dy = jnp.asarray(given["x"]), jnp.asarray(given["dy"])
    cell = _cell(p["cell"])
    zero = tuple(jnp.zeros((p["N"], p["H"])) for _ in range(2 if p["cell"] == "lstm" else 1))

    def outputs(w: Any, x: Any) -> Any:
        def step(state: Any, x_t: Any) -> Any:
            after = cell(w, state, x_t)
            return after, after[0]

        return jax.lax.scan(step, zero, x)[1]

    @jax.jit
    def forward(w: Any, x: Any) -> Any:
        return outputs(w, x)

    @jax.jit
    def train(w: Any, x: Any) -> Any:
        found, pull = jax.vjp(outputs, w, x)
        return found, pull(dy)

    def run() -> Any:
        return jax.block_until_ready((train if p["mode"] == "train" else forward)(weights, x))

    def answer() -> dict[str, Any]:
        found = run()
        if p["mode"] != "train":
            return {"outputs": np.asarray(found)}
        found, (d_w, d_x) = found
        d_block = np.concatenate([np.asarray(d).ravel() for d in d_w])
        return {"outputs": np.asarray(found), "d_block": d_block, "d_x": np.asarray(d_x)}

    return run, answer


def _sgd(rate: float, clip: float | None = None) -> tuple[Any, Any]:
    import jax
    import jax.numpy as jnp

    def update(w: Any, g: Any, memory: Any) -> Any:
        if clip:
            norm = jnp.sqrt(sum(jnp.sum(a * a) for a in jax.tree.leaves(g)))
            g = jax.tree.map(lambda a: a * jnp.minimum(1, clip / (norm + 1e-6)), g)
        return jax.tree.map(lambda a, b: a - rate * b, w, g), memory

    return update, lambda w: ()


def _adam(rate: float) -> tuple[Any, Any]:
    import jax
    import jax.numpy as jnp

    def update(w: Any, g: Any, memory: Any) -> Any:
        t, m, v = memory
        t = t + 1
        m = jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, m, g)
        v = jax.tree.map(lambda a, b: 0.999 * a + 0.001 * b * b, v, g)
        scale = rate * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        return jax.tree.map(lambda a, x, y: a - scale * x / (jnp.sqrt(y) + 1e-8), w, m, v), (t, m, v)

    def fresh(w: Any) -> Any:
        zeros = jax.tree.map(jnp.zeros_like, w)
        return jnp.zeros(()), zeros, zeros

    return update, fresh


def _loop(w: Any, loss: Callable[..., Any], optimiser: tuple[Any, Any], pieces: Any, state: Any) -> Made:
    """All pieces in one compiled scan. loss(weights, state, piece) returns the loss and the state to carry on."""
    import jax

    update, fresh = optimiser

    @jax.jit
    def run_all(w: Any, memory: Any) -> Any:
        def step(carry: Any, piece: Any) -> Any:
            w, memory, state = carry
            (value, state), g = jax.value_and_grad(loss, has_aux=True)(w, jax.lax.stop_gradient(state), piece)
            w, memory = update(w, g, memory)
            return (w, memory, state), value

        (w, memory, _), losses = jax.lax.scan(step, (w, memory, state), pieces)
        return w, memory, losses

    memory = fresh(w)
    return lambda: jax.block_until_ready(run_all(w, memory)), lambda: None


def _weights(*shapes: tuple[int, ...]) -> Any:
    import jax.numpy as jnp

    generator = np.random.default_rng(0)
    return tuple(jnp.asarray(generator.uniform(-0.1, 0.1, s).astype(np.float32)) for s in shapes)


def _layer_shapes(gates: int, h: int, d: int, o: int) -> tuple[tuple[int, ...], ...]:
    return (gates * h, d), (gates * h, h), (gates * h,), (gates * h,), (o, h), (o,)


def _scan(cell: Any, w: Any, state: Any, x: Any) -> Any:
    import jax

    def step(state: Any, x_t: Any) -> Any:
        after = cell(w, state, x_t)
        return after, after[0]

    return jax.lax.scan(step, state, x)


def _cross_entropy(logits: Any, targets: Any) -> Any:
    import jax
    import jax.numpy as jnp

    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), targets[..., None], -1))


def _seed000(p: dict[str, Any]) -> Made:
    import jax.numpy as jnp

    x, y = problems.sums()
    x, y = jnp.asarray(x.reshape(32, 32, 10, 1).swapaxes(1, 2)), jnp.asarray(y.reshape(32, 32))
    cell = _cell("rnn")

    def loss(w: Any, state: Any, piece: Any) -> Any:
        (h,), _ = _scan(cell, w[:4], (jnp.zeros((32, 32)),), piece[0])
        return _cross_entropy(h @ w[4].T + w[5], piece[1]), state

    return _loop(_weights(*_layer_shapes(1, 32, 1, 2)), loss, _adam(1e-3), (x, y), ())


def _seed001(p: dict[str, Any]) -> Made:
    import jax.numpy as jnp

    wave = jnp.asarray(problems.sine())

    def loss(w: Any, h: Any, piece: Any) -> Any:
        h = jnp.tanh(jnp.concatenate((piece[0][None], h)) @ w[0])
        return jnp.sum((h @ w[1] - piece[1]) ** 2) / 2, h

    return _loop(_weights((7, 6), (6, 1)), loss, _sgd(0.1), (wave[:-1], wave[1:]), jnp.zeros(6))


def _seed003(p: dict[str, Any]) -> Made:
    import jax.numpy as jnp

    x, y = (jnp.asarray(a.reshape(300, 10, 1, 1)) for a in problems.cosine())
    cell = _cell("rnn")

    def loss(w: Any, state: Any, piece: Any) -> Any:
        state, h = _scan(cell, w[:4], state, piece[0])
        return jnp.mean((h @ w[4].T + w[5] - piece[1]) ** 2), state

    return _loop(_weights(*_layer_shapes(1, 32, 1, 1)), loss, _adam(0.02), (x, y), (jnp.zeros((1, 32)),))


def _seed004(p: dict[str, Any]) -> Made:
    import jax
    import jax.numpy as jnp

    x, y = (jnp.asarray(a.swapaxes(1, 2)) for a in problems.tokens())
    cell = _cell("rnn")

    def loss(w: Any, state: Any, piece: Any) -> Any:
        state, h = _scan(cell, w[:4], state, jax.nn.one_hot(piece[0], 28))
        return _cross_entropy(h @ w[4].T + w[5], piece[1]), state

    return _loop(_weights(*_layer_shapes(1, p["H"], 28, 28)), loss, _sgd(1.0, 1.0), (x, y), (jnp.zeros((32, p["H"])),))
