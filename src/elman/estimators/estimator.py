"""What the four tasks share: options, training, saving.

An estimator's constructor only stores its arguments; `fit` learns, and what is learned ends in an underscore. Estimators can be
cloned, searched over and copied by anything that speaks scikit-learn's `get_params` and `set_params`.
"""

from __future__ import annotations

import difflib
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from elman import training
from elman.data.batches import Batches
from elman.data.sequences import Sequences
from elman.engines import Engine, Loss, Optimiser, Stream, dtype_of, from_torch, make_engine, to_torch
from elman.errors import DeviceError, NotFittedError, RunError, UsageError
from elman.estimators.tags import sklearn_tags
from elman.files import Array, FolderReader, FolderWriter, open_folder, replace_folder
from elman.network import CONFIG, Network, read_model, write_model
from elman.training import Callbacks, Training

if TYPE_CHECKING:
    from elman.engines.torch.module import RecurrentNetwork


SHARED_OPTIONS = """
Network:
    cell: `gru`, `lstm` or `elman`.
    hidden_size: units in a layer.
    num_layers: layers, each reading the one below.
    nonlinearity: of an `elman` cell: `tanh`, `relu` or `sigmoid`.
    bias: whether the layers have biases.
    head_bias: whether the output layer has a bias.
    bidirectional: add layers that read from the end; such a network cannot stream.
    dropout: share of a layer's outputs dropped before the next layer, from 0 up to, not including, 1.
    initialisation: initialisers by the beginning of a parameter's name (see `Network.initialise`); None for PyTorch's.

Updates:
    optimiser: `adam`, `adamw`, `sgd` or `rmsprop`, with PyTorch's formulas.
    learning_rate: step size before any schedule.
    momentum: of `sgd` and `rmsprop`; 0 for none.
    nesterov: Nesterov's momentum, for `sgd`.
    weight_decay: pull of the weights towards zero; 0 for none.
    clip_value: cut each entry of the gradient to at most this size; None for no cut.
    clip_norm: scale the whole gradient down to at most this norm; None for no scaling.
    schedule: of the learning rate: `constant`, `cosine`, `linear`, `step(every, factor)`, `exponential(factor)` or
        `plateau(patience, factor)`.
    warmup: first epochs in which the learning rate climbs to its full size.

Training:
    epochs: passes over the data, at most.
    patience: stop after so many epochs without a better validation loss, and take the best epoch's weights; None for
        never.
    validation: share of the data set aside for validation, from 0 up to, not including, 1.
    batch_size: sequences in an update.
    shuffle: draw the sequences in a new order in each epoch.
    steps: cut sequences into pieces of so many steps, with an update after each; None for whole sequences.
    backprop_steps: steps that gradients go back in time; None for all.
    carry: let a piece go on from the state that the piece before it ended with, instead of from zero.

Computing:
    engine: `auto` for the quickest there is, or `native`, `reference`, `torch`.
    device: where the torch engine computes, such as `cpu` or `cuda`.
    dtype: `float32`, `float64`, or None for the engine's own.
    precision: of the torch engine: `float32`, or `bfloat16` for mixed precision.
    seed: of the weights, the order of the data, dropout and splits.
    checkpoint_seconds: seconds between checkpoints, where `fit` is told to write any; 0 for one after every call of
        the engine.
"""
"""The options that all estimators have, as `help` shows them in each one's description."""


@dataclass(kw_only=True, eq=False)
class Estimator(ABC):
    """What every estimator has: options, saving and loading, streaming.

    The options, all given by name to the constructor:

    {shared options}
    """

    cell: str = "gru"
    hidden_size: int = 32
    num_layers: int = 1
    nonlinearity: str = "tanh"
    bias: bool = True
    head_bias: bool = True
    bidirectional: bool = False
    dropout: float = 0.0
    initialisation: Mapping[str, str] | None = None
    optimiser: str = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    clip_value: float | None = None
    clip_norm: float | None = None
    schedule: str = "constant"
    warmup: int = 0
    epochs: int = 100
    patience: int | None = None
    validation: float = 0.2
    batch_size: int = 32
    shuffle: bool = True
    steps: int | None = None
    backprop_steps: int | None = None
    carry: bool = False
    engine: str = "auto"
    device: str = "cpu"
    dtype: str | None = None
    precision: str = "float32"
    seed: int = 0
    checkpoint_seconds: float = 10.0

    task: ClassVar[str] = ""
    measures: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        """Put the options that all share into the description of each estimator."""
        super().__init_subclass__(**options)
        if cls.__doc__:  # absent under `python -OO`
            cls.__doc__ = cls.__doc__.replace("{shared options}", _indented(SHARED_OPTIONS))

    @classmethod
    def parameter_names(cls) -> list[str]:
        """The names of the constructor's arguments."""
        return [f.name for f in fields(cls)]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments as they stand; `deep` is there for scikit-learn and changes nothing."""
        return {name: getattr(self, name) for name in self.parameter_names()}

    def set_params(self, **parameters: Any) -> Self:
        """Change arguments; every unknown name is told in one error. Returns the estimator."""
        known = self.parameter_names()
        unknown = [name for name in parameters if name not in known]
        if unknown:
            raise UsageError(f"{type(self).__name__} has no " + "; no ".join(did_you_mean(n, known) for n in unknown))
        for name, value in parameters.items():
            setattr(self, name, value)
        return self

    def clone(self, **changes: Any) -> Self:
        """An unfitted estimator with the same arguments, but for `changes`."""
        return type(self)(**{**self.get_params(), **changes})

    @abstractmethod
    def _learned(self) -> dict[str, Any]:
        """What `fit` learned beside the network, as plain JSON values."""

    @abstractmethod
    def _restore(self, learned: Mapping[str, Any]) -> None:
        """Take back what `_learned` gave."""

    def save(self, folder: str | Path) -> None:
        """Write the model into a folder of its own; an older model there is replaced.

        Args:
            folder: gets `config.json`, `model.safetensors`, and `manifest.json` with the checksum of each.

        Raises:
            RunError: the system refused, or the folder holds something that is no model.
        """
        self._fitted()
        with replace_folder(folder, CONFIG) as files:
            self.write_files(files)

    def write_files(self, files: FolderWriter) -> None:
        """Write the model's files into a folder that may get others beside them."""
        parameters = {name: _storable(value) for name, value in self.get_params().items()}
        extra = {"estimator": type(self).__name__, "parameters": parameters, "learned": self._learned()}
        write_model(files, self._fitted(), extra)

    @classmethod
    def load(cls, folder: str | Path, **changes: Any) -> Self:
        """The estimator that `save` wrote. Opens no pickle and runs no code from the folder.

        Args:
            folder: of the model.
            changes: options to take instead of the saved ones, such as engine="native" for a model trained on a GPU. Another engine
                than torch also leaves the saved device and precision behind.

        Raises:
            RunError: a file is missing or was changed after it was written, or the folder holds something else.
            UsageError: a change that is no option, or cannot be.
        """
        return cls.read_files(open_folder(folder), **changes)

    @classmethod
    def read_files(cls, files: FolderReader, **changes: Any) -> Self:
        """The estimator in a folder that is open; arguments and errors as of `load`."""
        network, config = read_model(files)
        folder = files.folder
        cls().set_params(**changes)  # names what is unknown
        if config.get("estimator") != cls.__name__:
            raise RunError(f"{folder} holds a {config.get('estimator')}, not a {cls.__name__}; use elman.load(folder)")
        try:
            estimator = cls(**{name: _restored(value) for name, value in config["parameters"].items()})
            if changes.get("engine", "torch") != "torch":
                estimator.set_params(device="cpu", precision="float32")
            for name, value in changes.items():
                setattr(estimator, name, value)
            estimator._adopt(network)
            estimator._restore(config["learned"])
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            if isinstance(error, DeviceError) or (changes and isinstance(error, UsageError)):
                raise
            raise RunError(f"{folder}/config.json cannot be read as a model: {error}; train again") from error
        return estimator

    def stream(self, sessions: int = 1) -> Stream:
        """An object that steps `sessions` independent sequences, value by value, its state readable and writable.

        It takes inputs in their own units (or token numbers) and gives, at each step, what the network says so far:
        values in the target's units, or for classes and tokens the logits. Raises UsageError for a bidirectional network,
        and for a Forecaster, which works on windows.
        """
        return self._make_engine(self._streaming_network()).stream(sessions)

    def to_torch(self) -> RecurrentNetwork:
        """The network as a plain PyTorch module: torch.nn's layers, the weights copied, outputs as the engines' give them.

        Scalers, labels and vocabulary stay here: the module takes and gives what the network does. Raises UsageError for
        sigmoid cells, and MissingExtraError without PyTorch.
        """
        return to_torch(self._fitted())

    def from_torch(self, module: Any, head: Any = None, *, embedding: Any = None) -> Self:
        """Go on with the weights of a PyTorch module: one that `to_torch` gave, or layers (see `elman.from_torch`).

        The estimator must be fitted, since scalers, labels and vocabulary are its own; cell and sizes inside may be others
        than before, what goes in and comes out may not. Returns the estimator. Raises UsageError.
        """
        mine = self._fitted()
        inputs = "dense" if mine.inputs == "embedding" else mine.inputs
        network = from_torch(module, head, embedding=embedding, inputs=inputs, head_on=mine.head)
        outside = ("input_size", "output_size", "inputs", "head", "bidirectional")
        problems = [
            f"`{name}` must be {getattr(mine, name)!r} as this {type(self).__name__}'s; got {getattr(network, name)!r}"
            for name in outside
            if getattr(network, name) != getattr(mine, name)
        ]
        if problems:
            raise UsageError("the module does not fit: " + "; ".join(problems))
        config = network.config()
        self.set_params(**{name: config[name] for name in self.parameter_names() if name in config})
        self._adopt(network)
        return self

    def _streaming_network(self) -> Network:
        """The network that `stream` steps: it answers at every step, in original units."""
        return replace(self._fitted(), head="every")

    def _fitted(self) -> Network:
        network: Network | None = getattr(self, "network_", None)
        if network is None:
            raise NotFittedError(f"this {type(self).__name__} is not fitted yet; call `fit` first, or `load` a model")
        return network

    def _adopt(self, network: Network) -> None:
        """Take a trained network, and make the engine that predicts with it."""
        self.network_ = network
        self._engine: Engine = self._make_engine(network)

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the engine, which may hold what cannot be copied; for `copy`, joblib and the like."""
        return {name: value for name, value in self.__dict__.items() if name != "_engine"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "network_" in state:
            self._adopt(state["network_"])

    def __sklearn_tags__(self) -> Any:
        return sklearn_tags(self.task)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "network_")

    @property
    def engine_name(self) -> str:
        """The name of the engine that this fitted model predicts with."""
        self._fitted()
        return self._engine.name

    @property
    def _dtype(self) -> str:
        """The type of number that the engine computes in."""
        return dtype_of(self.engine, self.dtype)

    def make_network(self, **sizes: Any) -> Network:
        """A fresh network of these sizes, with the estimator's options."""
        shared = ("cell", "hidden_size", "num_layers", "nonlinearity", "bias", "head_bias", "bidirectional", "dropout")
        network = Network(**{name: getattr(self, name) for name in shared}, **sizes)
        return network.initialise(self.seed, self.initialisation)

    def _make_engine(
        self, network: Network, loss: Loss | None = None, optimiser: Optimiser | None = None, **options: Any
    ) -> Engine:
        """The engine that the options name, for a network."""
        return make_engine(
            self.engine, network, loss, optimiser, dtype=self.dtype, device=self.device, precision=self.precision,
            **options,
        )  # fmt: skip

    def _optimiser(self) -> Optimiser:
        names = ("learning_rate", "momentum", "nesterov", "weight_decay", "clip_value", "clip_norm")
        return Optimiser(kind=self.optimiser, **{name: getattr(self, name) for name in names})

    def _train(
        self,
        network: Network,
        loss: Loss,
        batches: Batches,
        validation: Batches | None,
        data: Sequence[Array],
        scored: Batches | None = None,
        *,
        callbacks: Callbacks,
        checkpoint: str | Path | None,
        resume: bool,
        **changes: Any,
    ) -> None:
        """Train a network, and set `network_`, `history_`, `best_epoch_` and `seconds_`.

        Args:
            network: with its first parameters.
            loss: to minimise.
            batches: to train on.
            validation: to validate on, or None.
            data: what the batches are made from, so that a checkpoint of other data is not resumed.
            scored: see `training.train`.
            callbacks: those of `fit`, as are `checkpoint` and `resume`.
            checkpoint: a folder, or None.
            resume: go on from the checkpoint there.
            changes: to the `Training` that the options describe.
        """
        engine = self._make_engine(network, loss, self._optimiser(), backprop_steps=self.backprop_steps, seed=self.seed)
        plan = Training(
            epochs=self.epochs,
            patience=self.patience,
            schedule=training.parse_schedule(self.schedule, self.warmup),
            measures=self.measures,
            checkpoint_seconds=self.checkpoint_seconds,
        )
        skipped = {"epochs", "checkpoint_seconds", "device"}
        settings = {k: v for k, v in self.get_params().items() if k not in skipped}
        finished = training.train(
            engine,
            batches,
            replace(plan, **changes),
            validation=validation,
            scored=scored,
            callbacks=callbacks,
            checkpoint=None if checkpoint is None else Path(checkpoint),
            fingerprint=training.fingerprint_of({**settings, "loss": repr(loss), "engine": engine.name}, *data),
            resume=resume,
        )
        self._adopt(network.with_parameters(finished.parameters))
        self.history_, self.seconds_, self.best_epoch_ = finished.history, finished.seconds, finished.best

    def final_record(self) -> dict[str, Any]:
        """The history's record of the epoch whose weights were kept."""
        self._fitted()
        return self.history_[self.best_epoch_ if self.patience is not None else -1]


def _indented(text: str) -> str:
    """A text as it stands inside a class's description."""
    return textwrap.indent(text.strip(), "    ").lstrip()


def _storable(value: Any) -> Any:
    """An option for JSON, whose keys are text: a mapping with other keys (class labels) becomes a list of pairs."""
    if not isinstance(value, Mapping):
        return value
    text = all(isinstance(key, str) for key in value)
    return dict(value) if text else {"pairs": [[key, value[key]] for key in value]}


def _restored(value: Any) -> Any:
    """The inverse of `_storable`; lists come back as the tuples they were."""
    if isinstance(value, list):
        return tuple(value)
    pairs = value.get("pairs") if isinstance(value, dict) else None
    return dict(pairs) if isinstance(pairs, list) else value


def arrays_in(*parts: Sequences | Array | None) -> list[Array]:
    """Everything of these that training can see, for a fingerprint."""
    arrays: list[Array] = []
    for part in parts:
        if isinstance(part, Sequences):
            arrays += [part.values] if part.lengths is None else [part.values, part.lengths]
        elif part is not None:
            arrays.append(part)
    return arrays


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """`epoch` (did you mean `epochs`?)"""
    close = difflib.get_close_matches(name, known, 1)
    return f"`{name}` (did you mean `{close[0]}`?)" if close else f"`{name}` (known: {', '.join(known)})"


def check_share(name: str, value: float) -> float:
    """A share that must lie from 0 up to, not including, 1."""
    if not (isinstance(value, int | float) and 0 <= value < 1):
        raise UsageError(f"`{name}` must be at least 0 and below 1; got {value!r}")
    return float(value)


def validation_split(count: int, share: float, seed: int, groups: Array | None = None) -> tuple[Array, Array]:
    """Positions to train on and positions for validation, both sorted: `share` of `count`, at random, of each group alike."""
    generator = np.random.Generator(np.random.PCG64([seed, 1]))
    kinds = np.zeros(count, np.int64) if groups is None else groups
    chosen: list[Array] = []
    for kind in np.unique(kinds):
        members = np.flatnonzero(kinds == kind)
        chosen.append(generator.permutation(members)[: min(round(len(members) * share), len(members) - 1)])
    validation = np.sort(np.concatenate(chosen))
    return np.setdiff1d(np.arange(count), validation), validation


if Estimator.__doc__:
    Estimator.__doc__ = Estimator.__doc__.replace("{shared options}", _indented(SHARED_OPTIONS))
