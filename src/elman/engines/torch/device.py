"""Where PyTorch computes: a device by its name, or an error that says what there is."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch

from elman.engines.processes import Processes
from elman.errors import DeviceError


def own_device(name: str, dtype: torch.dtype, processes: Processes) -> torch.device:
    """Find the device called `name`, and try it.

    Args:
        name: PyTorch's name; in several processes, `cuda` is each one's own GPU.
        dtype: What it must hold.
        processes: Those that train together.

    Raises:
        DeviceError: PyTorch does not know the device, it is not there, or it cannot hold `dtype`.
    """
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise DeviceError(f"`device` must be cpu, cuda, cuda:1 or another of PyTorch's; got {name!r}") from error
    if device.type == "meta":
        raise DeviceError("`device` must be one that computes; got 'meta', which holds no numbers")
    if processes.count > 1 and device.type == "cuda":
        device = torch.device("cuda", own_gpu())
    if device.type == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            f"`device` {name!r} needs a GPU that PyTorch {torch.__version__} can use, and finds none; take device='cpu', "
            "or install a PyTorch with CUDA"
        )
    try:
        torch.zeros(1, dtype=dtype, device=device)
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise DeviceError(f"`device` {name!r} cannot be used with {dtype}: {reason}; take device='cpu'") from error
    return device


def own_gpu() -> int:
    """The number of the GPU that is this process's own.

    Raises:
        DeviceError: There are fewer GPUs than processes.
    """
    number, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if number >= there:
        raise DeviceError(
            f"each process needs a GPU of its own, and this machine has {there} for process {number} (from 0); start as "
            "many with --nproc-per-node as there are GPUs, or take device='cpu'"
        )
    return number


@contextlib.contextmanager
def within_memory(device: torch.device) -> Iterator[None]:
    """A clear word where the device's memory is full."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise DeviceError(
            f"the memory of {device} is full ({str(error).partition(chr(10))[0]}); make `batch_size`, `steps` or "
            "`hidden_size` smaller"
        ) from error
