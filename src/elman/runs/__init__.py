"""The run folder, and the tables, pictures and report made from it."""

from __future__ import annotations

from elman.runs.folder_names import default_folder
from elman.runs.run import Run
from elman.runs.table import rows, runs_in

__all__ = ["Run", "default_folder", "rows", "runs_in"]
