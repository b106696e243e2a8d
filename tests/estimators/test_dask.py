"""A real Dask cluster of this machine's processes gives the same bits as doing one after the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.estimators.on_a_cluster import results

REPOSITORY = Path(__file__).resolve().parents[2]


def test_a_cluster_does_what_one_process_does(tmp_path: Path) -> None:
    paths = (str(REPOSITORY / "src"), str(REPOSITORY), os.environ.get("PYTHONPATH", ""))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.estimators.on_a_cluster", str(tmp_path)], timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    workers = found.pop("processes")
    assert len(set(workers)) == 2
    assert found.pop("own process") not in workers
    assert found.pop("a worker died") == ["done"], "its job goes to another worker"
    wanted = results(1)
    assert found == json.loads(json.dumps(wanted))
    assert "`hidden_size` must be" in wanted["models"]["refused"]
    assert "short" in wanted["errors"]
    assert len(wanted["series"]) == 2
