"""The processes that train one network together.

Every process runs the same training on the same batches in the same order; the engine alone gives each its share of a batch's
rows. So the order of data is a function of seed and epoch as ever, whatever the number of processes, and a checkpoint is that of
one process. What the clock, the disk or a signal decides, the processes must agree on: `largest` and `lead` are for that.
"""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, final

from elman.cells import Array, State
from elman.errors import MissingExtraError, UsageError

T = TypeVar("T")


class Processes(ABC):
    """All processes of a training, seen from one of them. rank: its number, from 0; count: how many there are."""

    rank: int
    count: int

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    def rows(self, count: int) -> slice:
        """This process's share of the rows of a batch; it may be empty."""
        return slice(self.rank * count // self.count, (self.rank + 1) * count // self.count)

    @abstractmethod
    def total(self, values: Array) -> Array:
        """Each value (float64) summed over the processes; the same bits in all of them."""

    @abstractmethod
    def largest(self, values: Array) -> Array:
        """The largest of each value (float64) over the processes."""

    @abstractmethod
    def whole_state(self, part: State, count: int) -> State:
        """The state of `count` rows, (L, N, H) each, from every process's own rows of it."""

    @abstractmethod
    def lead(self, function: Callable[[], T]) -> T:
        """What `function` returns or raises in process 0, which alone calls it, in every process."""

    @abstractmethod
    def parallel(self, module: Any) -> Any:
        """The PyTorch module as one whose backward pass averages gradients over the processes."""

    @abstractmethod
    def together(self) -> contextlib.AbstractContextManager[None]:
        """Around work of such a module: where another process is gone, a ProcessError says so."""


@final
class OneProcess(Processes):
    """Alone, with nobody to agree with."""

    rank, count = 0, 1

    def total(self, values: Array) -> Array:
        return values

    def largest(self, values: Array) -> Array:
        return values

    def whole_state(self, part: State, count: int) -> State:
        return part

    def lead(self, function: Callable[[], T]) -> T:
        return function()

    def parallel(self, module: Any) -> Any:
        return module

    def together(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


ALONE = OneProcess()
_joined: list[Processes] = [ALONE]


def current() -> Processes:
    """The processes that engines made now train with."""
    return _joined[-1]


def started() -> tuple[int, int]:
    """This process's number and how many there are, as torchrun says in the environment; (0, 1) without it."""
    numbers = []
    for name, default in (("RANK", "0"), ("WORLD_SIZE", "1")):
        text = os.environ.get(name, default)
        if not text.isdigit():
            raise UsageError(f"{name} must be a whole number; got {text!r}. Start the processes with torchrun")
        numbers.append(int(text))
    return numbers[0], numbers[1]


@contextlib.contextmanager
def joined(engine: str, device: str = "cpu") -> Iterator[Processes]:
    """Join the processes that torchrun started, for the trainings inside; without torchrun, nothing happens.

    engine, device: that will train. Raises UsageError for an engine that trains in one process only and for an
    incomplete environment, and ProcessError where the processes do not find each other.
    """
    _, count = started()
    if count == 1 or current() is not ALONE:
        yield current()
        return
    if engine != "torch":
        raise UsageError(
            f"only the torch engine trains in several processes; got engine={engine!r} in one of {count}. "
            "Give --engine torch, or start without torchrun"
        )
    try:
        from elman.engines.torch_processes import meet
    except ImportError as error:
        raise MissingExtraError(
            f"training in several processes needs PyTorch ({error}): pip install 'elman[torch]'"
        ) from error
    with meet(device) as processes:
        _joined.append(processes)
        try:
            yield processes
        finally:
            _joined.pop()
