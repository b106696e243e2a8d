"""The processes that train one network together.

Every process runs the same training on the same batches in the same order; the engine alone gives each its share of a
batch's rows. So the order of data is a function of seed and epoch as ever, whatever the number of processes, and a
checkpoint is that of one process. What the clock, the disk or a signal decides, the processes must agree on: `largest`
and `lead` are for that. `distributed.py` makes a process one of several.
"""

from __future__ import annotations

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, final

from elman.cells import State
from elman.errors import UsageError
from elman.files import Array

T = TypeVar("T")


class Processes(ABC):
    """All processes of a training, seen from one of them.

    Attributes:
        rank: The number of this one, from 0.
        count: How many there are.
    """

    rank: int
    count: int

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and prints."""
        return self.rank == 0

    def rows(self, count: int) -> slice:
        """This process's share of the `count` rows of a batch; it may be empty."""
        return slice(self.rank * count // self.count, (self.rank + 1) * count // self.count)

    @abstractmethod
    def total(self, values: Array) -> Array:
        """Each value (float64) summed over the processes; the same bits in all of them."""

    @abstractmethod
    def largest(self, values: Array) -> Array:
        """The largest of each value (float64) over the processes."""

    @abstractmethod
    def whole_state(self, part: State, count: int) -> State:
        """Put a state together.

        Args:
            part: This process's own rows of it, arrays (L, n, H).
            count: How many rows there are in all, N.

        Returns:
            Arrays (L, N, H), the same in every process.
        """

    @abstractmethod
    def lead(self, function: Callable[[], T]) -> T:
        """What `function` returns or raises in process 0, which alone calls it, in every process."""

    @abstractmethod
    def parallel(self, module: Any) -> Any:
        """The PyTorch module as one whose backward pass averages gradients over the processes."""

    @abstractmethod
    def reporting_lost_process(self) -> contextlib.AbstractContextManager[None]:
        """Around work of such a module: a ProcessError says so where another process is gone."""


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

    def reporting_lost_process(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


ALONE = OneProcess()
_current: list[Processes] = [ALONE]


def current() -> Processes:
    """The processes that engines made now train with."""
    return _current[-1]


@contextlib.contextmanager
def training_with(processes: Processes) -> Iterator[None]:
    """Let engines made inside train with these processes."""
    _current.append(processes)
    try:
        yield
    finally:
        _current.pop()


def rank_and_count() -> tuple[int, int]:
    """This process's number and how many there are, as torchrun says in the environment; (0, 1) without it.

    Raises:
        UsageError: RANK or WORLD_SIZE is no whole number.
    """
    numbers = []
    for name, default in (("RANK", "0"), ("WORLD_SIZE", "1")):
        text = os.environ.get(name, default)
        if not text.isdigit():
            raise UsageError(f"{name} must be a whole number; got {text!r}. Start the processes with torchrun")
        numbers.append(int(text))
    return numbers[0], numbers[1]
