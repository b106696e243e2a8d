"""Each test starts from the same threads and seed; those that need the kernels say so by the fixture `taken`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("elman.native._core", reason="Elman was installed without its C++ core")

from elman.nn import kernels  # noqa: E402


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.manual_seed(0)
    torch.set_num_threads(1)  # these are small, and other tests may run beside them
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which of the kernels were called: `forward`, `backward`, `step` or `step_backward`, one after the other."""
    calls: list[str] = []
    for name in ("forward", "backward", "step", "step_backward"):

        def counted(*args: object, _name: str = name, _do: object = getattr(kernels, name), **kwargs: object) -> object:
            calls.append(_name)
            return _do(*args, **kwargs)  # type: ignore[operator]

        monkeypatch.setattr(kernels, name, counted)
    return calls
