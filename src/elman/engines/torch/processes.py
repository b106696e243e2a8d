"""Several processes by torch.distributed: gloo between CPUs, NCCL between GPUs.

What is agreed on between calls goes by gloo in either case, from the host's memory; only gradients take the GPUs' way.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, TypeVar, final

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from elman.cells import State
from elman.engines.processes import Processes, rank_and_count
from elman.engines.torch.device import own_gpu
from elman.errors import ElmanError, ProcessError, UsageError
from elman.files import Array

T = TypeVar("T")

PATIENCE = timedelta(minutes=10)
"""How long a process waits for another one before it gives up."""

CLOSING_SECONDS = 0.1
"""How long gloo's threads have to let go of the last message. They need the interpreter for it: were that to end just then,
PyTorch would abort the process."""

HOST = torch.device("cpu")
NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@contextlib.contextmanager
def process_group(device: str) -> Iterator[Processes]:
    """Join the other processes where the environment says, and leave them at the end.

    Args:
        device: `cpu`, or `cuda` for a GPU to each process.

    Yields:
        The processes, of which this is one.

    Raises:
        UsageError: The environment is incomplete, or the device is another.
        DeviceError: There are fewer GPUs than processes.
        ProcessError: The processes do not find each other.
    """
    rank, count = rank_and_count()
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        raise UsageError(
            f"{' and '.join(missing)} must be set in the environment of each of {count} processes; "
            "start them with torchrun, which does that"
        )
    if rank >= count:
        raise UsageError(f"RANK must be below WORLD_SIZE = {count}; got {rank}. Start the processes with torchrun")
    kind = device.partition(":")[0]
    if kind not in ("cpu", "cuda") or device != kind:
        raise UsageError(
            f"`device` must be cpu or cuda in several processes, each of which takes a GPU of its own; got {device!r}"
        )
    if kind == "cuda":
        torch.cuda.set_device(own_gpu())
    place = f"{os.environ['MASTER_ADDR']}, port {os.environ['MASTER_PORT']}"
    try:
        dist.init_process_group("gloo" if kind == "cpu" else "cpu:gloo,cuda:nccl", timeout=PATIENCE)
    except (RuntimeError, ValueError, OverflowError) as error:
        reason = str(error).partition("\n")[0]
        taken = "EADDRINUSE" in reason or "address already in use" in reason.lower()
        step = (
            "The port is in use: give torchrun another --master-port"
            if taken
            else "Start all of them, with the same --master-addr and --master-port"
        )
        raise ProcessError(f"process {rank} of {count} did not meet the others at {place}: {reason}. {step}") from error
    try:
        yield TorchProcesses(rank, count)
    except ProcessError:
        raise  # the others are gone, and there is nobody to part from
    except BaseException:
        dist.destroy_process_group()
        raise
    else:
        dist.destroy_process_group()
    finally:
        time.sleep(CLOSING_SECONDS)


@final
class TorchProcesses(Processes):
    """The processes of a torch.distributed group."""

    def __init__(self, rank: int, count: int) -> None:
        self.rank, self.count = rank, count

    def total(self, values: Array) -> Array:
        return self._reduced(values, dist.ReduceOp.SUM)

    def largest(self, values: Array) -> Array:
        return self._reduced(values, dist.ReduceOp.MAX)

    def whole_state(self, part: State, count: int) -> State:
        room = -(-count // self.count)
        shares = [(r + 1) * count // self.count - r * count // self.count for r in range(self.count)]
        whole = []
        for rows in part:
            mine = torch.zeros((rows.shape[0], room, rows.shape[2]), dtype=torch.from_numpy(rows).dtype)
            mine[:, : rows.shape[1]] = torch.from_numpy(rows)
            all_rows = [torch.empty_like(mine) for _ in range(self.count)]
            with reporting_lost_process():
                dist.all_gather(all_rows, mine)
            own = [piece[:, :share] for piece, share in zip(all_rows, shares, strict=True)]
            whole.append(torch.cat(own, dim=1).numpy())
        return tuple(whole)

    def lead(self, function: Callable[[], T]) -> T:
        box: list[Any] = [None]
        if self.leads:
            try:
                box[0] = (function(), None)
            except ElmanError as error:
                box[0] = (None, error)
        with reporting_lost_process():
            dist.broadcast_object_list(box, src=0, device=HOST)
        outcome: tuple[T, ElmanError | None] = box[0]
        result, raised = outcome
        if raised is not None:
            raise raised
        return result

    def parallel(self, module: nn.Module) -> nn.Module:
        with reporting_lost_process():
            return DistributedDataParallel(module)

    def reporting_lost_process(self) -> contextlib.AbstractContextManager[None]:
        return reporting_lost_process()

    def _reduced(self, values: Array, how: Any) -> Array:
        tensor = torch.from_numpy(np.array(values, dtype=np.float64))
        with reporting_lost_process():
            dist.all_reduce(tensor, how)
        reduced: Array = tensor.numpy()
        return reduced


@contextlib.contextmanager
def reporting_lost_process() -> Iterator[None]:
    """Say plainly that another process is gone, where PyTorch tells of a closed connection or of waiting in vain."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        if isinstance(error, ElmanError):
            raise
        # PyTorch puts a place in its source before what happened, and advice behind it.
        reason = re.sub(r"^\[\S*\]\s*", "", str(error)).partition("\n")[0].partition(". ")[0]
        raise ProcessError(
            f"another process of this training is gone or does not answer ({reason}); what was saved last is kept. "
            "Start all processes again with --resume"
        ) from error
