"""Killed after any line of elman.files, a writer leaves the old content or the new one, and the next writer goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def kills(way: str, folder: Path) -> list[dict[str, Any]]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    script = Path(__file__).with_name("killed.py")
    command = [sys.executable, str(script), way, str(folder)]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return [json.loads(line) for line in answer.stdout.splitlines()]


@pytest.mark.parametrize("way", ["update", "replace", "atomic"])
def test_a_kill_after_any_line_leaves_the_old_or_the_new(tmp_path: Path, way: str) -> None:
    records = kills(way, tmp_path)
    for had_one in (True, False):
        mine = [record for record in records if record["had_one"] == had_one]
        assert len(mine) > 10
        assert [record["killed"] for record in mine] == [True] * (len(mine) - 1) + [False]
        before = "old" if had_one else "nothing"
        # Of a replaced folder the old one lies beside for a moment, and the reader says where.
        between = [record for record in mine if "was being replaced when that was stopped" in record["left"]]
        assert len(between) <= (2 if way == "replace" and had_one else 0)
        ends = [record["left"] for record in mine if record not in between]
        assert set(ends) == {before, "new"}
        assert (ends[0], ends[-1]) == (before, "new")
        assert all(a == b or (a, b) == (before, "new") for a, b in pairwise(ends)), "one line decides"
        assert {record["again"] for record in mine} == {"new"}
