"""A network: a description and named parameters, and no code.

Shapes: D input features (or V tokens), E embedding size, H hidden units, G gates of the cell, O outputs. Parameters carry
the names and layouts that torch.nn gives them, so weights go both ways without renaming:

    embedding.weight                                   (V, E)      only with inputs="embedding"
    weight_ih_l0, weight_ih_l0_reverse, weight_ih_l1   (G*H, D), (G*H, D), (G*H, H * directions)
    weight_hh_l0, ...                                  (G*H, H)
    bias_ih_l0, bias_hh_l0, ...                        (G*H,)      only with bias=True
    head.weight, head.bias                             (O, H * directions), (O,)
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from elman.cells import CELL_NAMES, Array, Cell, make_cell
from elman.errors import RunError, UsageError

INPUTS = ("dense", "one_hot", "embedding")
HEADS = ("every", "last")
INITIALISERS = ("torch", "zero", "constant", "uniform", "normal", "orthogonal")
FORMAT = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """Layers of one recurrent cell, and a linear head on every step or on the last valid one.

    cell: `elman`, `gru` or `lstm`. input_size: D, or the number of tokens V. hidden_size: H. output_size: O.
    num_layers: L, each fed by the one below. nonlinearity: `tanh`, `relu` or `sigmoid`, for `elman` only.
    bias, head_bias: whether the recurrent layers and the head have biases. bidirectional: a second set of layers runs
    from the end; outputs of both stand side by side. dropout: share of a layer's outputs set to zero on the way to
    the layer above, in training only. inputs: `dense` numbers (N, T, D); `one_hot` tokens (N, T), each picking a
    column of the input weights; `embedding` tokens, each picking a row of a learned (V, E) table. head: `every` step,
    or `last`: the last valid step of a sequence (of both directions, each at its own end).
    parameters: arrays by name; empty until `initialise` or `load`.
    """

    cell: str = "gru"
    input_size: int
    hidden_size: int
    output_size: int
    num_layers: int = 1
    nonlinearity: str = "tanh"
    bias: bool = True
    head_bias: bool = True
    bidirectional: bool = False
    dropout: float = 0.0
    inputs: str = "dense"
    embedding_size: int = 0
    head: str = "every"
    parameters: dict[str, Array] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise UsageError("; ".join(problems))

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def tokens(self) -> bool:
        """Whether inputs are token numbers instead of dense features."""
        return self.inputs != "dense"

    @property
    def recurrence(self) -> Cell:
        """The cell's mathematics."""
        return make_cell(self.cell, self.nonlinearity)

    @property
    def state_shape(self) -> tuple[int, int]:
        """(L * directions, H): a state array of N sequences is (L * directions, N, H)."""
        return self.num_layers * self.directions, self.hidden_size

    def layer_input_size(self, layer: int) -> int:
        """Features that go into `layer`, counted from 0."""
        if layer > 0:
            return self.hidden_size * self.directions
        return self.embedding_size if self.inputs == "embedding" else self.input_size

    def layer_names(self) -> list[str]:
        """`l0`, `l0_reverse`, `l1`, ...: a name for each row of a state, in its order."""
        ends = ("", "_reverse")[: self.directions]
        return [f"l{layer}{end}" for layer in range(self.num_layers) for end in ends]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every parameter's name and shape, in the order in which they are initialised and stored."""
        shapes: dict[str, tuple[int, ...]] = {}
        if self.inputs == "embedding":
            shapes["embedding.weight"] = (self.input_size, self.embedding_size)
        rows = self.recurrence.gates * self.hidden_size
        for index, name in enumerate(self.layer_names()):
            shapes[f"weight_ih_{name}"] = (rows, self.layer_input_size(index // self.directions))
            shapes[f"weight_hh_{name}"] = (rows, self.hidden_size)
            if self.bias:
                shapes[f"bias_ih_{name}"] = (rows,)
                shapes[f"bias_hh_{name}"] = (rows,)
        shapes["head.weight"] = (self.output_size, self.hidden_size * self.directions)
        if self.head_bias:
            shapes["head.bias"] = (self.output_size,)
        return shapes

    def initialise(self, seed: int, scheme: Mapping[str, str] | None = None) -> Network:
        """A copy with fresh parameters in float64, drawn from NumPy's PCG64 seeded with `seed`.

        scheme: initialisers by the beginning of a parameter's name, the longest that fits wins, "" fits all:
        `torch` (PyTorch's defaults: uniform within 1/sqrt(H) in the recurrent layers and 1/sqrt(fan in) in the head,
        standard normal for an embedding), `zero`, `constant(c)`, `uniform(low, high)`, `normal(mean, std)`,
        `orthogonal(gain)` (each gate's block by itself). The key `forget_gate` gives the LSTM's forget gate bias:
        bias_ih takes the value and bias_hh zero.

        >>> Network(cell="elman", input_size=1, hidden_size=2, output_size=1).initialise(0, {"": "constant(0.5)"}
        ...     ).parameters["head.weight"]
        array([[0.5, 0.5]])
        """
        if seed < 0:
            raise UsageError(f"`seed` must be at least 0; got {seed!r}")
        scheme = dict(scheme or {})
        forget_gate = scheme.pop("forget_gate", None)
        problems = [p for key in scheme for p in _scheme_problems(key, self.shapes())]
        parsed = {key: _parse_initialiser(text) for key, text in scheme.items()}
        if problems:
            raise UsageError("; ".join(problems))
        generator = np.random.Generator(np.random.PCG64(seed))
        parameters = {}
        for name, shape in self.shapes().items():
            key = max((k for k in parsed if name.startswith(k)), key=len, default=None)
            kind, numbers = ("torch", ()) if key is None else parsed[key]
            parameters[name] = self._draw(name, shape, kind, numbers, generator)
        if forget_gate is not None:
            self._set_forget_gate(parameters, _parse_initialiser(forget_gate))
        return replace(self, parameters=parameters)

    def with_parameters(self, parameters: Mapping[str, Array]) -> Network:
        """A copy that holds these parameters, after checking that names and shapes are this network's."""
        return replace(self, parameters=check_parameters(self, parameters))

    def config(self) -> dict[str, Any]:
        """The description as plain values, for JSON; `Network(**config)` is its inverse."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "parameters"}

    def _draw(
        self, name: str, shape: tuple[int, ...], kind: str, numbers: tuple[float, ...], generator: np.random.Generator
    ) -> Array:
        if kind == "torch":
            if name == "embedding.weight":
                return generator.standard_normal(shape)
            fan = self.hidden_size * (self.directions if name.startswith("head") else 1)
            return generator.uniform(-(fan**-0.5), fan**-0.5, shape)
        if kind == "normal":
            return generator.normal(numbers[0], numbers[1], shape)
        if kind == "uniform":
            return generator.uniform(numbers[0], numbers[1], shape)
        if kind == "orthogonal":
            return _orthogonal(shape, self.hidden_size, numbers[0], generator)
        return np.full(shape, numbers[0] if kind == "constant" else 0.0)

    def _set_forget_gate(self, parameters: dict[str, Array], initialiser: tuple[str, tuple[float, ...]]) -> None:
        kind, numbers = initialiser
        if self.cell != "lstm" or not self.bias or kind != "constant":
            raise UsageError(
                "`forget_gate` sets the forget gate bias of an `lstm` with biases, as constant(c); "
                f"got cell={self.cell!r}, bias={self.bias}, {kind!r}"
            )
        gate = slice(self.hidden_size, 2 * self.hidden_size)
        for name in self.layer_names():
            parameters[f"bias_ih_{name}"][gate] = numbers[0]
            parameters[f"bias_hh_{name}"][gate] = 0.0


def check_parameters(network: Network, parameters: Mapping[str, Array]) -> dict[str, Array]:
    """The parameters in the network's order, copied; a UsageError lists every name and shape that does not fit."""
    shapes = network.shapes()
    problems = [f"`{name}` is missing" for name in shapes if name not in parameters]
    problems += [f"`{name}` is not a parameter of this network" for name in parameters if name not in shapes]
    problems += [
        f"`{name}` must have shape {shape}; got {np.shape(parameters[name])}"
        for name, shape in shapes.items()
        if name in parameters and np.shape(parameters[name]) != shape
    ]
    if problems:
        raise UsageError("parameters do not fit the network: " + "; ".join(problems))
    return {name: np.array(parameters[name]) for name in shapes}


def save_model(folder: Path, network: Network, extra: Mapping[str, Any]) -> None:
    """Write `config.json` and `model.safetensors` into `folder`, which is replaced as a whole.

    extra: what belongs to the model beside the network (scalers, labels, vocabulary), as plain JSON values.
    """
    from safetensors.numpy import save

    from elman import version

    config = {"format": FORMAT, "elman": version.VERSION, "network": network.config(), **extra}
    with replacing(Path(folder)) as new:
        text = json.dumps(config, indent=2, allow_nan=False, ensure_ascii=False, default=_plain)
        (new / "config.json").write_text(text + "\n", encoding="utf-8")
        arrays = {name: np.ascontiguousarray(value) for name, value in network.parameters.items()}
        (new / "model.safetensors").write_bytes(save(arrays))


@contextlib.contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """An empty folder to write a model into; when all is written and on disk, it takes the place of `folder`."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise RunError(f"cannot write the model to {folder}: {error.strerror}; choose another folder") from error
    try:
        yield temporary
        _sync(temporary)
        _replace_folder(temporary, folder)
    except OSError as error:
        raise RunError(f"cannot write the model to {folder}: {error.strerror}; free space or choose another") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def load_model(folder: Path) -> tuple[Network, dict[str, Any]]:
    """The network of a model folder, with its parameters, and the rest of its config.json. Runs no code from it."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    folder = Path(folder)
    for name in ("config.json", "model.safetensors"):
        if not (folder / name).is_file():
            raise RunError(f"{folder} is not a whole model: {name} is missing; train again or copy the folder again")
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        written = config["format"]
        if written != FORMAT:
            raise RunError(
                f"{folder}/config.json has format {written!r}, this Elman reads format {FORMAT}; "
                f"it was written by Elman {config.get('elman', '?')}: install that version, or train again"
            )
        network = Network(**config.pop("network"))
        arrays = load_file(folder / "model.safetensors")
        if network.num_layers > len(arrays):
            raise ValueError(f"config.json tells of {network.num_layers} layers, but there are {len(arrays)} arrays")
        network = network.with_parameters(arrays)
    except (ValueError, KeyError, TypeError, RecursionError, OSError, SafetensorError) as error:
        raise RunError(f"{folder} cannot be read as a model: {error}; copy it again or train again") from error
    for name, value in network.parameters.items():
        if not np.isfinite(value).all():
            raise RunError(f"{folder}/model.safetensors: `{name}` holds numbers that are not finite; train again")
    return network, config


def _plain(value: Any) -> Any:
    """NumPy's numbers, as a search over a grid of options hands them in, as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} of type {type(value).__name__} cannot be saved in config.json")


def _replace_folder(temporary: Path, folder: Path) -> None:
    """Rename over `folder`, keeping the old one until the new one stands."""
    old = folder.with_name(f".{folder.name}-old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(temporary, folder)
    shutil.rmtree(old, ignore_errors=True)


def _sync(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _problems(network: Network) -> list[str]:
    """Every rule of a description that is broken."""
    problems = []
    choices: tuple[tuple[str, tuple[str, ...]], ...] = (("cell", CELL_NAMES), ("inputs", INPUTS), ("head", HEADS))
    for name, known in choices:
        if getattr(network, name) not in known:
            problems.append(f"`{name}` must be one of {', '.join(known)}; got {getattr(network, name)!r}")
    for name in ("input_size", "hidden_size", "output_size", "num_layers"):
        value = getattr(network, name)
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            problems.append(f"`{name}` must be a whole number of at least 1; got {value!r}")
    if network.cell in CELL_NAMES:
        allowed = make_cell(network.cell).nonlinearities
        if network.nonlinearity not in allowed:
            problems.append(
                f"`nonlinearity` of cell {network.cell!r} must be one of {', '.join(allowed)}; "
                f"got {network.nonlinearity!r}"
            )
    if not isinstance(network.dropout, int | float) or not 0 <= network.dropout < 1:
        problems.append(f"`dropout` must be at least 0 and below 1; got {network.dropout!r}")
    if network.inputs == "embedding" and network.embedding_size < 1:
        problems.append(f"`embedding_size` must be at least 1 with inputs='embedding'; got {network.embedding_size!r}")
    return problems


def _scheme_problems(key: str, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    if any(name.startswith(key) for name in shapes):
        return []
    return [f"`initialisation` key {key!r} fits no parameter; parameters are {', '.join(shapes)} (or forget_gate)"]


def _parse_initialiser(text: str) -> tuple[str, tuple[float, ...]]:
    """`normal(0, 0.4)` to its name and numbers."""
    match = re.fullmatch(r"\s*(\w+)\s*(?:\(([^()]*)\))?\s*", str(text))
    name = match[1] if match else ""
    counts = {"torch": 0, "zero": 0, "constant": 1, "uniform": 2, "normal": 2, "orthogonal": 1}
    try:
        numbers = tuple(float(part) for part in (match[2] or "").split(",") if part.strip()) if match else ()
    except ValueError:
        numbers = (np.nan,)
    if name == "orthogonal" and not numbers:
        numbers = (1.0,)
    if name not in counts or len(numbers) != counts[name] or not np.isfinite(numbers).all():
        raise UsageError(
            f"initialiser {text!r} is not known; use torch, zero, constant(c), uniform(low, high), normal(mean, std) "
            "or orthogonal(gain)"
        )
    return name, numbers


def _orthogonal(shape: tuple[int, ...], hidden: int, gain: float, generator: np.random.Generator) -> Array:
    """Rows (or columns) of each block of `hidden` rows made orthonormal, by QR of a normal matrix with its signs fixed."""
    if len(shape) < 2:
        raise UsageError("`orthogonal` is for matrices; give biases another initialiser, e.g. bias = 'zero'")
    block_rows = hidden if shape[0] % hidden == 0 else shape[0]
    blocks = []
    for _ in range(shape[0] // block_rows):
        normal = generator.standard_normal((max(block_rows, shape[1]), min(block_rows, shape[1])))
        q, r = np.linalg.qr(normal)
        q = q * np.sign(np.diag(r))
        blocks.append(q if block_rows >= shape[1] else q.T)
    return gain * np.concatenate(blocks)


__all__ = [
    "FORMAT",
    "HEADS",
    "INITIALISERS",
    "INPUTS",
    "Network",
    "check_parameters",
    "load_model",
    "replacing",
    "save_model",
]
