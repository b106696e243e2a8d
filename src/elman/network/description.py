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

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from numbers import Integral
from typing import Any

import numpy as np

from elman.cells import Cell, make_cell
from elman.errors import UsageError
from elman.files import Array
from elman.network.initialisation import draw_parameters, set_forget_gate

INPUTS = ("dense", "one_hot", "embedding")
HEADS = ("every", "last")


@dataclass(frozen=True, kw_only=True, eq=False)
class Network:
    """Layers of one recurrent cell, and a linear head on every step or on the last valid one.

    Attributes:
        cell: `elman`, `gru` or `lstm`.
        input_size: D, or with tokens V.
        hidden_size: H.
        output_size: O.
        num_layers: L, each fed by the one below.
        nonlinearity: `tanh`, `relu` or `sigmoid`, for `elman` only.
        bias: whether the recurrent layers have biases.
        head_bias: whether the head has one.
        bidirectional: a second set of layers reads from the end; outputs of both stand side by side.
        dropout: share of a layer's outputs set to zero on the way to the layer above, in training only.
        inputs: `dense` numbers (N, T, D); `one_hot` tokens (N, T), each picking a column of the input weights; `embedding`
            tokens, each picking a row of a learned (V, E) table.
        embedding_size: E, with `embedding` only.
        head: on `every` step, or on the `last` valid one of a sequence (of both directions, each at its own end).
        parameters: arrays by name; empty until `initialise` or `with_parameters`.
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
        """A copy with fresh parameters in float64, drawn from NumPy's PCG64.

        Args:
            seed: of the generator, at least 0.
            scheme: initialisers by the beginning of a parameter's name; the longest that fits wins, "" fits all, and what none
                fits is `torch`. They are `torch` (PyTorch's defaults: uniform within 1/sqrt(H) in the recurrent layers and
                1/sqrt(fan in) in the head, standard normal for an embedding), `zero`, `constant(c)`, `uniform(low, high)`,
                `normal(mean, std)` and `orthogonal(gain)` (each gate's block by itself). The key `forget_gate` gives the
                bias of the LSTM's forget gate: bias_ih takes the value and bias_hh zero.

        Raises:
            UsageError: a key that fits no parameter, an initialiser that is not known, or a negative seed.

        >>> Network(cell="elman", input_size=1, hidden_size=2, output_size=1).initialise(0, {"": "constant(0.5)"}
        ...     ).parameters["head.weight"]
        array([[0.5, 0.5]])
        """
        if seed < 0:
            raise UsageError(f"`seed` must be at least 0; got {seed!r}")
        scheme = dict(scheme or {})
        forget_gate = scheme.pop("forget_gate", None)
        if forget_gate is not None and (self.cell != "lstm" or not self.bias):
            raise UsageError(
                "`forget_gate` sets the forget gate bias of an `lstm` with biases; "
                f"got cell={self.cell!r}, bias={self.bias}"
            )
        parameters = draw_parameters(
            self.shapes(), scheme, hidden_size=self.hidden_size, directions=self.directions, seed=seed
        )
        if forget_gate is not None:
            set_forget_gate(parameters, forget_gate, self.hidden_size)
        return replace(self, parameters=parameters)

    def with_parameters(self, parameters: Mapping[str, Array]) -> Network:
        """A copy that holds these parameters. Raises UsageError for names and shapes that are not this network's."""
        return replace(self, parameters=check_parameters(self, parameters))

    def config(self) -> dict[str, Any]:
        """The description as plain values, for JSON; `Network(**config)` is its inverse."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "parameters"}


def check_parameters(network: Network, parameters: Mapping[str, Array]) -> dict[str, Array]:
    """Copy parameters in the network's order.

    Args:
        network: whose parameters they are to be.
        parameters: arrays by name.

    Raises:
        UsageError: names or shapes do not fit; every one is listed.
    """
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


def _problems(network: Network) -> list[str]:
    """Every rule of a description that is broken."""
    problems = []
    try:
        make_cell(network.cell, network.nonlinearity)
    except UsageError as error:
        problems.append(str(error))
    choices: tuple[tuple[str, tuple[str, ...]], ...] = (("inputs", INPUTS), ("head", HEADS))
    for name, known in choices:
        if getattr(network, name) not in known:
            problems.append(f"`{name}` must be one of {', '.join(known)}; got {getattr(network, name)!r}")
    for name in ("input_size", "hidden_size", "output_size", "num_layers"):
        value = getattr(network, name)
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            problems.append(f"`{name}` must be a whole number of at least 1; got {value!r}")
    if not isinstance(network.dropout, int | float) or not 0 <= network.dropout < 1:
        problems.append(f"`dropout` must be at least 0 and below 1; got {network.dropout!r}")
    if network.inputs == "embedding" and network.embedding_size < 1:
        problems.append(f"`embedding_size` must be at least 1 with inputs='embedding'; got {network.embedding_size!r}")
    return problems
