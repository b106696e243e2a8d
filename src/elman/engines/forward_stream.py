"""Streaming by the forward pass alone: for engines that have no faster way to make one step.

Shapes: S sessions, T steps, D input features, O outputs.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np

from elman.cells import State
from elman.engines import checks
from elman.engines.contract import Engine, Stream
from elman.files import Array


@final
class ForwardStream(Stream):
    """Steps by calling the forward pass with T = 1; the slow and certain twin of faster streams.

    Args:
        engine: Whose forward pass it is.
        sessions: S, how many sequences are stepped together.
    """

    def __init__(self, engine: Engine, sessions: int) -> None:
        checks.check_stream(engine.network, sessions)
        self.engine, self._sessions = engine, sessions
        self.state = None

    def step(self, x: Any) -> Array:
        x, single = checks.check_step(self.engine.network, self._sessions, x)
        return self._advance(x[:, None], single)[..., 0, :]

    def step_many(self, xs: Any) -> Array:
        xs, single = checks.check_steps(self.engine.network, self._sessions, xs)
        return self._advance(xs, single)

    @property
    def state(self) -> State:
        return tuple(s.copy() for s in self._state)

    @state.setter
    def state(self, value: State | None) -> None:
        checked = checks.check_state(self.engine.network, value, self._sessions, self.engine.dtype)
        self._state = tuple(np.array(s) for s in checked)

    def _advance(self, xs: Array, single: bool) -> Array:
        outputs, self._state = self.engine.forward(xs, self._state)
        return outputs[0] if single else outputs
