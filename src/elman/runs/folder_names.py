"""Where a run goes whose folder nobody named."""

from __future__ import annotations

import os
import re
from pathlib import Path


def default_folder(recipe_name: str, base: Path | str = Path("runs")) -> Path:
    """The first free one of `base/NAME`, `base/NAME-2`, `base/NAME-3`, ...; it is not made.

    Args:
        recipe_name: a name, or the path of a TOML file, whose stem is taken; what does not belong in a file name becomes `-`.
        base: the folder of runs.
    """
    stem = re.split(r"[/\\]", recipe_name.removesuffix(".toml"))[-1]
    name = re.sub(r"[^\w.-]+", "-", stem).strip("-.") or "run"
    folder, number = Path(base) / name, 1
    while os.path.lexists(folder):
        number += 1
        folder = Path(base) / f"{name}-{number}"
    return folder
