"""A folder of files, good and bad, and of small trained runs, that the tests of the command line read and must not change."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from tests.cli.command import elman, settings


def monthly(rows: int) -> str:
    """A series of `rows` months, with a season and a slope."""
    months = [f"{2000 + i // 12}-{i % 12 + 1:02d}" for i in range(rows)]
    values = [20 + 0.1 * i + 5 * np.sin(np.pi * i / 6) for i in range(rows)]
    return "t,y\n" + "".join(f"{t},{y:.4f}\n" for t, y in zip(months, values, strict=True))


def recordings(count: int, steps: int = 8, columns: Sequence[str] = ("a", "b"), classes: str = "AB") -> str:
    """A long table of `count` sequences of two classes, told apart by the mean of column b."""
    generator = np.random.default_rng(count)
    lines = [",".join(["id", *columns, "kind"])]
    for i in range(count):
        values = {"a": generator.normal(size=steps), "b": generator.normal(2 * (i % 2), 1, steps)}
        spare = generator.normal(size=steps)
        for k in range(steps):
            row = [f"{values.get(name, spare)[k]:.3f}" for name in columns]
            lines.append(",".join([f"s{i}", *row, classes[i % len(classes)]]))
    return "\n".join(lines) + "\n"


def archive(count: int, dimensions: int, classes: str = "AB") -> str:
    """A `.ts` file of `count` cases of 6 steps."""
    generator = np.random.default_rng(dimensions)
    head = (
        f"@problemName made\n@timeStamps false\n@dimensions {dimensions}\n@classLabel true {' '.join(classes)}\n@data\n"
    )
    cases = []
    for i in range(count):
        features = generator.normal(i % 2, 0.5, (dimensions, 6))
        cases.append(":".join([*(",".join(f"{v:.3f}" for v in row) for row in features), classes[i % len(classes)]]))
    return head + "\n".join(cases) + "\n"


MONTHS = monthly(60)
FILES: dict[str, str | bytes] = {
    "good.csv": MONTHS,
    "empty.csv": "",
    "header.csv": "t,y\n",
    "blank.csv": "\n\n",
    "words.csv": MONTHS.replace("\n2000-03,", "\n2000-03,about "),
    "nan.csv": MONTHS.replace(MONTHS.splitlines()[4], "2000-04,NaN"),
    "infinite.csv": MONTHS.replace(MONTHS.splitlines()[5], "2000-05,inf"),
    "latin.csv": MONTHS.encode() + "2005-01,caf\xe9\n".encode("latin-1"),
    "ragged.csv": MONTHS.replace("\n2000-07,", "\n2000-07,3,"),
    "doubled.csv": MONTHS.replace("t,y", "y,y"),
    "short.csv": monthly(9),
    "twice.csv": MONTHS + "2000-06,30\n",
    "gap.csv": MONTHS.replace(MONTHS.splitlines()[20] + "\n", ""),
    "named-months.csv": MONTHS.replace("2001-02", "Feb 2001"),
    "table.xls": b"\xd0\xcf\x11\xe0",
    "long.csv": recordings(24),
    "other.csv": recordings(8),
    "turned.csv": recordings(8, columns=("b", "a")),
    "more.csv": recordings(8, columns=("spare", "b", "a")),
    "fewer.csv": recordings(8, columns=("a",)),
    "unseen.csv": recordings(8, classes="AC"),
    "one-class.csv": recordings(8, classes="A"),
    "two-labels.csv": recordings(4).replace(",B\n", ",A\n", 1),
    "train.ts": archive(16, 2),
    "test.ts": archive(6, 2),
    "wide.ts": archive(6, 3),
    "one-class.ts": archive(6, 2, classes="A"),
    "unlabelled.ts": "@problemName made\n@timeStamps false\n@univariate true\n@classLabel false\n@data\n1,2,3\n",
    "cut.ts": "@problemName made\n@timeStamps false\n",
    "words.ts": archive(4, 1).replace(":A", ",x:A", 1),
    "text.txt": "the cat sat on the mat. " * 100,
    "empty.txt": "",
    "white.txt": " \n\n",
    "latin.txt": "caf\xe9 ".encode("latin-1") * 300,
    "tiny.txt": "hello",
    "broken.toml": 'task = "regression"\n[data\n',
    "latin.toml": 'task = "caf\xe9"\n'.encode("latin-1"),
    "not-a-run/thesis.tex": "ten years of work",
}  # fmt: skip
RUNS: dict[str, tuple[str, ...]] = {
    "labels": ("train", "classify-file", *settings(
        data__path="long.csv", data__series="id", data__label="kind", training__epochs=2)),
    "archive": ("train", "classify-file", *settings(data__path="train.ts", training__epochs=2)),
    "sums": ("train", "classify-sums", *settings(training__epochs=1, data__num_samples=40)),
    "table": ("train", "regress-table", *settings(
        data__path="long.csv", data__target="b", data__series="id", data__inputs='["a"]', training__epochs=2)),
    "sine": ("train", "sine-online", *settings(training__epochs=1)),
    "months": ("forecast", "good.csv", "--time", "t", "--target", "y", "--horizon", "3", *settings(
        training__epochs=2, data__folds=1)),
    "text": ("train", "text-file", *settings(
        data__path="text.txt", training__epochs=2, network__hidden_size=8, training__batch_size=4, training__steps=8,
        generate__length=20)),
}  # fmt: skip


@contextmanager
def inside(folder: Path) -> Iterator[Path]:
    """`folder` as the working folder."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield folder
    finally:
        os.chdir(before)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder: FILES, a run of each of RUNS, and runs that were damaged."""
    folder = tmp_path_factory.mktemp("place")
    for name, content in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with inside(folder):
        for name, command in RUNS.items():
            elman(*command, "--out", name).succeeded()
        _damage()
    return folder


def _damage() -> None:
    """Copies of the run `labels`, each damaged in its own way."""
    spoils: dict[str, Callable[[Path], object]] = {
        "no-model": lambda run: shutil.rmtree(run / "model"),
        "no-weights": lambda run: (run / "model" / "model.safetensors").unlink(),
        "no-recipe": lambda run: (run / "recipe.toml").unlink(),
        "no-result": lambda run: (run / "result.json").unlink(),
        "torn-result": lambda run: (run / "result.json").write_text('{"run": "lab', encoding="utf-8"),
        "torn-recipe": lambda run: (run / "recipe.toml").write_text('task = "class', encoding="utf-8"),
        "torn-weights": lambda run: (run / "model" / "model.safetensors").write_bytes(b"\x80\x00"),
        "torn-config": lambda run: (run / "model" / "config.json").write_text('{"format"', encoding="utf-8"),
        "later-version": _of_a_later_version,
        "torn-checkpoint": lambda run: next((run / "checkpoint").glob("state.*.safetensors")).write_bytes(b"\x80\x00"),
        "lost-checkpoint": lambda run: (run / "checkpoint" / "manifest.json").unlink(),
        "old-checkpoint": _with_a_checkpoint_of_0_1_0,
        "torn-metrics": lambda run: (run / "metrics.jsonl").write_text('oops\n{"epoch": 2}\n', encoding="utf-8"),
        "started": _of_a_training_that_was_killed,
    }  # fmt: skip
    for name, spoil in spoils.items():
        spoil(Path(shutil.copytree("labels", name)))


def _of_a_training_that_was_killed(run: Path) -> None:
    for name in ("model", "plots"):
        shutil.rmtree(run / name)
    for name in ("manifest.json", "result.json", "report.html"):
        (run / name).unlink()


def _with_a_checkpoint_of_0_1_0(run: Path) -> None:
    shutil.rmtree(run / "checkpoint")
    (run / "checkpoint").mkdir()
    (run / "checkpoint" / "state.safetensors").write_bytes(b"\x80\x00")


def _of_a_later_version(run: Path) -> None:
    for path in (run / "manifest.json", run / "model" / "manifest.json"):
        path.write_text(json.dumps({"format": 99, "elman": "9.9.9", "more": {}}), encoding="utf-8")


@pytest.fixture
def there(place: Path) -> Iterator[Path]:
    """The folder of files and runs, as the working folder. Write elsewhere."""
    with inside(place):
        yield place


@pytest.fixture
def scratch(place: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder of one's own that holds the same files and runs, as the working folder."""
    with inside(Path(shutil.copytree(place, tmp_path / "scratch"))) as folder:
        yield folder
