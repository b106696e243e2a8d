"""Several processes as torchrun starts them: the same program, told its number by the environment."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[3]


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    """This process's own, with one thread a process so that numbers do not depend on the machine's, and no network needed."""
    if sys.platform == "linux":
        more.setdefault("GLOO_SOCKET_IFNAME", "lo")
    paths = os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY)])
    return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", **more}


def start(count: int, *arguments: Any, **options: Any) -> list[subprocess.Popen[str]]:
    """Start `python ARGUMENTS` in so many processes that are to meet each other; their output in pipes."""
    port = str(free_port())
    started = []
    for rank in range(count):
        told = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count)}
        started.append(
            subprocess.Popen(
                [sys.executable, *map(str, arguments)], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=environment(**told, MASTER_ADDR="127.0.0.1", MASTER_PORT=port), **options,
            )
        )  # fmt: skip
    return started


def ended(running: list[subprocess.Popen[str]], seconds: float = 120) -> list[tuple[int, str, str]]:
    """Exit code, standard output and standard error of each; kills what does not end."""
    found = []
    try:
        for process in running:
            out, err = process.communicate(timeout=seconds)
            found.append((process.returncode, out, err))
    finally:
        for process in running:
            process.kill()
    return found
