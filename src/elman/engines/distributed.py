"""Making this process one of several that torchrun started."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from elman.engines.processes import ALONE, Processes, current, rank_and_count, training_with
from elman.errors import MissingExtraError, UsageError


@contextlib.contextmanager
def joined(engine: str, device: str = "cpu") -> Iterator[Processes]:
    """Join the processes that torchrun started, for the trainings inside; without torchrun, nothing happens.

    Args:
        engine: The name of the engine that will train.
        device: Where it will compute: `cpu`, or `cuda` for a GPU to each process.

    Yields:
        The processes, of which this is one.

    Raises:
        UsageError: The engine trains in one process only, or the environment is incomplete.
        ProcessError: The processes do not find each other.
    """
    _, count = rank_and_count()
    if count == 1 or current() is not ALONE:
        yield current()
        return
    if engine != "torch":
        raise UsageError(
            f"only the torch engine trains in several processes; got engine={engine!r} in one of {count}. "
            "Give --engine torch, or start without torchrun"
        )
    try:
        from elman.engines.torch.processes import process_group
    except ImportError as error:
        raise MissingExtraError(
            f"training in several processes needs PyTorch ({error}): pip install 'elman[torch]'"
        ) from error
    with process_group(device) as processes, training_with(processes):
        yield processes
