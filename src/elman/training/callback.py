"""What wants to hear of a training: progress displays, run folders, a user's own code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, final

from elman.errors import UsageError


class Callback:
    """Hears of a training as it happens. Every method does nothing; override those you need.

    They are called in this order: `on_train_begin`, then `on_updates` and `on_epoch_end` as they come, then `on_train_end`.

    >>> class BestLoss(Callback):
    ...     def on_epoch_end(self, record):
    ...         self.loss = min(getattr(self, "loss", record["train_loss"]), record["train_loss"])
    """

    def on_train_begin(self, epochs: int, updates: int, history: Sequence[dict[str, Any]]) -> None:
        """Training starts, or is resumed.

        Args:
            epochs: the most epochs there will be.
            updates: about how many updates an epoch has.
            history: the records of the epochs before a resume; empty at a start.
        """

    def on_updates(self, epoch: int, updates: int, loss: float) -> None:
        """Some updates were made.

        Args:
            epoch: the running epoch, counted from 1.
            updates: updates made in it so far.
            loss: the epoch's mean training loss so far.
        """

    def on_epoch_end(self, record: dict[str, Any]) -> None:
        """An epoch is over.

        Args:
            record: the epoch's numbers by name: `epoch`, `train_loss`, `validation_loss`, `learning_rate`, ...
        """

    def on_train_end(self, reason: str) -> None:
        """Training is over.

        Args:
            reason: why, in words; the empty string where an error ended it.
        """


Callbacks = Iterable[Callback | Callable[[dict[str, Any]], Any]]
"""What `fit` takes: Callback objects, or functions that are called with each epoch's record."""


@final
class _EpochFunction(Callback):
    """A plain function, called with each epoch's record."""

    def __init__(self, function: Callable[[dict[str, Any]], Any]) -> None:
        self._function = function

    def on_epoch_end(self, record: dict[str, Any]) -> None:
        self._function(record)


def as_callbacks(callbacks: Callbacks) -> list[Callback]:
    """Every item as a Callback: a function becomes one that is called with each epoch's record.

    Raises:
        UsageError: an item is neither, or `callbacks` is not a list of items.
    """
    if isinstance(callbacks, Callback) or not isinstance(callbacks, Iterable):
        raise UsageError(f"`callbacks` must be a list; got {type(callbacks).__name__}. Write callbacks=[...]")
    made = []
    for item in callbacks:
        if isinstance(item, type) or not (isinstance(item, Callback) or callable(item)):
            raise UsageError(
                f"`callbacks` must hold Callback objects or functions of an epoch's record; got {item!r}"
                + (f". Make an object of the class: {item.__name__}()" if isinstance(item, type) else "")
            )
        made.append(item if isinstance(item, Callback) else _EpochFunction(item))
    return made
