"""Fresh parameters: PyTorch's defaults, or initialisers chosen by the beginning of a parameter's name.

Shapes: H hidden units; every other size stands in the parameter's own shape.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from elman.errors import UsageError
from elman.files import Array, parse_named_numbers

Initialiser = tuple[str, tuple[float, ...]]
"""The name of an initialiser, and its numbers."""

INITIALISERS = {"torch": 0, "zero": 0, "constant": 1, "uniform": 2, "normal": 2, "orthogonal": 1}
"""How many numbers each initialiser takes."""


def draw_parameters(
    shapes: Mapping[str, tuple[int, ...]], scheme: Mapping[str, str], *, hidden_size: int, directions: int, seed: int
) -> dict[str, Array]:
    """Draw every parameter, in the order of `shapes`, from NumPy's PCG64.

    Args:
        shapes: shapes by parameter name.
        scheme: initialisers by the beginning of a parameter's name; the longest that fits wins, `torch` where none does.
        hidden_size: H.
        directions: 2 where the head reads the states of both directions, else 1.
        seed: of the generator.

    Returns:
        Arrays of float64 by name.

    Raises:
        UsageError: a key of `scheme` fits no parameter, or an initialiser is not known.
    """
    problems = [f"`initialisation` key {key!r} fits no parameter; parameters are {', '.join(shapes)} (or forget_gate)"
                for key in scheme if not any(name.startswith(key) for name in shapes)]  # fmt: skip
    parsed = {key: parse_initialiser(text) for key, text in scheme.items()}
    if problems:
        raise UsageError("; ".join(problems))
    generator = np.random.Generator(np.random.PCG64(seed))
    parameters = {}
    for name, shape in shapes.items():
        key = max((k for k in parsed if name.startswith(k)), key=len, default=None)
        kind, numbers = ("torch", ()) if key is None else parsed[key]
        if kind == "torch":
            inputs = hidden_size * (directions if name.startswith("head") else 1)
            parameters[name] = _as_torch(name, shape, inputs, generator)
        else:
            parameters[name] = _draw(shape, kind, numbers, hidden_size, generator)
    return parameters


def set_forget_gate(parameters: dict[str, Array], text: str, hidden_size: int) -> None:
    """Give the forget gate of every LSTM layer the bias in `constant(c)`: bias_ih takes it, and bias_hh zero.

    Args:
        parameters: those of an LSTM with biases, changed in place; gates lie in the order i f g o.
        text: the initialiser.
        hidden_size: H.

    Raises:
        UsageError: it is another initialiser than `constant(c)`.
    """
    kind, numbers = parse_initialiser(text)
    if kind != "constant":
        raise UsageError(f"`forget_gate` sets a bias as constant(c); got {text!r}")
    gate = slice(hidden_size, 2 * hidden_size)
    for name, value in parameters.items():
        if name.startswith("bias_"):
            value[gate] = numbers[0] if name.startswith("bias_ih_") else 0.0


def parse_initialiser(text: str) -> Initialiser:
    """Read `normal(0, 0.4)` and the like; `orthogonal` alone has a gain of 1. Raises UsageError for what is none."""
    name, numbers = parse_named_numbers(text) or ("", ())
    if name == "orthogonal" and not numbers:
        numbers = (1.0,)
    if INITIALISERS.get(name) != len(numbers) or not np.isfinite(numbers).all():
        raise UsageError(
            f"initialiser {text!r} is not known; use torch, zero, constant(c), uniform(low, high), normal(mean, std) "
            "or orthogonal(gain)"
        )
    return name, numbers


def _as_torch(name: str, shape: tuple[int, ...], inputs: int, generator: np.random.Generator) -> Array:
    """PyTorch's defaults: a standard normal for an embedding, else uniform within 1 / sqrt(inputs)."""
    if name == "embedding.weight":
        return generator.standard_normal(shape)
    return generator.uniform(-(inputs**-0.5), inputs**-0.5, shape)


def _draw(
    shape: tuple[int, ...], kind: str, numbers: tuple[float, ...], hidden_size: int, generator: np.random.Generator
) -> Array:
    if kind == "normal":
        return generator.normal(numbers[0], numbers[1], shape)
    if kind == "uniform":
        return generator.uniform(numbers[0], numbers[1], shape)
    if kind == "orthogonal":
        return _orthogonal(shape, hidden_size, numbers[0], generator)
    return np.full(shape, numbers[0] if kind == "constant" else 0.0)


def _orthogonal(shape: tuple[int, ...], hidden_size: int, gain: float, generator: np.random.Generator) -> Array:
    """Rows (or columns) of each block of H rows made orthonormal, by QR of a normal matrix with its signs fixed."""
    if len(shape) < 2:
        raise UsageError("`orthogonal` is for matrices; give biases another initialiser, e.g. bias = 'zero'")
    block_rows = hidden_size if shape[0] % hidden_size == 0 else shape[0]
    blocks = []
    for _ in range(shape[0] // block_rows):
        normal = generator.standard_normal((max(block_rows, shape[1]), min(block_rows, shape[1])))
        q, r = np.linalg.qr(normal)
        q = q * np.sign(np.diag(r))
        blocks.append(q if block_rows >= shape[1] else q.T)
    return gain * np.concatenate(blocks)
