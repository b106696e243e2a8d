"""Environment variables, threads and instruction sets."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tests.closeness import assert_same_bits
from tests.engines.cases import network

from elman.engines.native.engine import NativeEngine
from elman.native import _core

PROGRAM = "from elman.native import _core; print(_core.isa(), _core.threads())"


def run(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("isa", _core.available_isas())
def test_environment_forces_an_instruction_set(isa: str) -> None:
    assert run(ELMAN_ISA=isa, ELMAN_NUM_THREADS="3").stdout.split() == [isa, "3"]


def threads(**environment: str) -> int:
    """The threads of a process in which these variables, and no others on threads, are set."""
    unset = {"ELMAN_NUM_THREADS": "", "OMP_NUM_THREADS": ""}
    return int(run(**{**unset, **environment}).stdout.split()[1])


def test_the_limit_of_a_worker_process_is_kept() -> None:
    """joblib, Dask, Ray and torchrun tell their worker processes in OMP_NUM_THREADS how many threads they may use."""
    default = threads()
    assert threads(OMP_NUM_THREADS="1") == 1
    assert threads(OMP_NUM_THREADS="1,4") == 1
    assert threads(OMP_NUM_THREADS="1000") == default
    assert threads(OMP_NUM_THREADS="many") == threads(OMP_NUM_THREADS="0") == default
    assert threads(OMP_NUM_THREADS="1", ELMAN_NUM_THREADS=str(default + 1)) == default + 1


def test_an_unknown_instruction_set_says_which_there_are() -> None:
    assert "`ELMAN_ISA` must be one of" in run(ELMAN_ISA="mmx").stderr
    with pytest.raises(ValueError, match=r"`ELMAN_ISA` must be one of .*baseline.*; got 'mmx'"):
        _core.set_isa("mmx")


def test_engines_in_several_threads_at_once() -> None:
    """Whoever finds the pool taken works alone, to the same bits."""
    engines = [NativeEngine(network("gru", hidden_size=64)) for _ in range(4)]
    x = np.random.default_rng(0).standard_normal((32, 20, 3)).astype(np.float32)
    expected = engines[0].forward(x)[0]
    with ThreadPoolExecutor(4) as executor:
        for outputs in executor.map(lambda engine: [engine.forward(x)[0] for _ in range(10)], engines):
            for found in outputs:
                assert_same_bits(found, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_gets_threads_of_its_own() -> None:
    _core.set_threads(2)
    engine = NativeEngine(network("gru", hidden_size=64))
    x = np.random.default_rng(0).standard_normal((32, 20, 3)).astype(np.float32)
    expected = engine.forward(x)[0]
    child = os.fork()
    if child == 0:
        same = engine.forward(x)[0].tobytes() == expected.tobytes()
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0
