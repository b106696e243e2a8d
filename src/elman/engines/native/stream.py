"""Streams on the C++ core: one call a step."""

from __future__ import annotations

from typing import Any, final

import numpy as np

from elman.cells import State
from elman.engines import checks
from elman.engines.contract import Engine, Stream
from elman.errors import UsageError
from elman.files import Array
from elman.native import _core


@final
class NativeStream(Stream):
    """Steps in one call of the core, which allocates nothing but the array that it returns.

    Arrays of the engine's dtype (int64 for tokens), and for single numbers Python's own, are taken as they are; anything
    else is converted first. The parameters are the engine's: a stream goes on with new ones where the engine has trained.

    Args:
        engine: Whose stream it is.
        core: The core's engine behind it.
        sessions: S, how many sequences are stepped together.
    """

    def __init__(self, engine: Engine, core: _core.Engine32, sessions: int) -> None:
        checks.check_stream(engine.network, sessions)
        self.engine, self._network, self._sessions = engine, engine.network, sessions
        made = _core.Stream32 if engine.dtype == np.float32 else _core.Stream64
        self._core = made(core, sessions)
        self._step = self._core.step

    def step(self, x: Any, out: Array | None = None) -> Array:
        """Make one step, as `Stream.step` says.

        Args:
            x: (S, D) numbers or (S,) tokens; for one session also (D,), or a number.
            out: Where the outputs go, an array of their shape and of the engine's dtype; None for a new one each time,
                safe to keep.

        Returns:
            The outputs (S, O), or (O,) where `x` came without its sessions axis; `out` where it is given.
        """
        outputs = self._step(x, out)
        return self._step_converted(x, out) if outputs is None else outputs

    def step_many(self, xs: Any) -> Array:
        xs, single = checks.check_steps(self._network, self._sessions, xs)
        outputs = self._core.step_many(self._converted(xs))
        return outputs[0] if single else outputs

    @property
    def state(self) -> State:
        return self._core.get_state()

    @state.setter
    def state(self, value: State | None) -> None:
        checked = checks.check_state(self._network, value, self._sessions, self.engine.dtype)
        self._core.set_state(tuple(np.ascontiguousarray(s) for s in checked))

    def _step_converted(self, x: Any, out: Array | None) -> Array:
        """A step for an x that the core does not take as it is."""
        x, single = checks.check_step(self._network, self._sessions, x)
        size = self._network.output_size
        shape = (size,) if single else (self._sessions, size)
        if out is not None:
            fits = isinstance(out, np.ndarray) and out.shape == shape and out.dtype == self.engine.dtype
            if not (fits and out.flags.c_contiguous and out.flags.writeable):
                came = f"{np.shape(out)}, {getattr(out, 'dtype', type(out).__name__)}"
                raise UsageError(
                    f"`out` must be a writable C-contiguous array {shape} of {self.engine.dtype}; got {came}"
                )
        outputs = self._step(self._converted(x), None if out is None else out.reshape(self._sessions, size))
        assert outputs is not None  # the core takes what is converted
        return outputs.reshape(shape) if out is None else out

    def _converted(self, x: Array) -> Array:
        """Tokens that the network has, as int64; or numbers in the engine's dtype."""
        if self._network.tokens:
            checks.check_inputs(self._network, x if x.ndim == 2 else x[:, None])
            return np.ascontiguousarray(x, np.int64)
        return np.ascontiguousarray(x, self.engine.dtype)
