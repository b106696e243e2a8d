"""Streaming by the forward pass alone: for engines that have no faster way to make one step.

Shapes: S sessions, T steps, D input features, O outputs.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np

from elman.cells import State
from elman.engines import checks
from elman.engines.contract import Engine, Stream
from elman.errors import UsageError
from elman.files import Array


@final
class ForwardStream(Stream):
    """Steps by calling the forward pass with T = 1; the slow and certain twin of faster streams."""

    def __init__(self, engine: Engine, sessions: int) -> None:
        checks.check_stream(engine.network, sessions)
        self.engine, self._sessions = engine, sessions
        self.state = None

    def step(self, x: Any) -> Array:
        wanted = (self._sessions,) if self.engine.network.tokens else (self._sessions, self.engine.network.input_size)
        x, single = self._shaped(x, wanted)
        return self._advance(x[:, None], single)[..., 0, :]

    def step_many(self, xs: Any) -> Array:
        steps = np.shape(xs)[1 if self._batched(xs) else 0]
        tail = () if self.engine.network.tokens else (self.engine.network.input_size,)
        xs, single = self._shaped(xs, (self._sessions, steps, *tail))
        return self._advance(xs, single)

    @property
    def state(self) -> State:
        return tuple(s.copy() for s in self._state)

    @state.setter
    def state(self, value: State | None) -> None:
        checked = checks.check_state(self.engine.network, value, self._sessions, self.engine.dtype)
        self._state = tuple(np.array(s) for s in checked)

    def _batched(self, xs: Any) -> bool:
        return np.ndim(xs) == (2 if self.engine.network.tokens else 3)

    def _shaped(self, x: Any, wanted: tuple[int, ...]) -> tuple[Array, bool]:
        """x in the wanted shape, and whether it came without its sessions axis."""
        x = np.asarray(x)
        single = self._sessions == 1 and (x.shape == wanted[1:] or (x.ndim == 0 and wanted == (1, 1)))
        if x.shape != wanted and not single:
            raise UsageError(f"`x` must have shape {wanted}; got {x.shape}")
        return x.reshape(wanted), single

    def _advance(self, xs: Array, single: bool) -> Array:
        outputs, self._state = self.engine.forward(xs, self._state)
        return outputs[0] if single else outputs
