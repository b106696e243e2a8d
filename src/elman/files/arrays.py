"""The types of arrays that signatures name. Shapes stand in the docstrings, in the letters of the package."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""Numbers of any type, or texts."""

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
