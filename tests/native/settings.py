"""Fixtures of tests on the C++ core, for the `conftest.py` of their folders."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

_core = pytest.importorskip("elman.native._core", reason="Elman was installed without its C++ core")


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    """Each test starts from the same threads and instruction set, and leaves them as they were."""
    threads, isa = _core.threads(), _core.isa()
    yield
    _core.set_threads(threads)
    _core.set_isa(isa)
    _core.poison(False)


@pytest.fixture(params=_core.available_isas())
def isa(request: pytest.FixtureRequest) -> str:
    """Every instruction set that this machine can run, one after the other."""
    _core.set_isa(request.param)
    return str(request.param)
