"""What the recipes' sources give: the seeds' data as their texts have them, and a user's files read by name."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elman.data import python_topics
from elman.errors import DataError, UsageError
from elman.recipes import load_recipe, sources

ROWS = [("a", 1, 10, 5), ("a", 2, 20, 6), ("b", 3, 30, 7), ("b", 4, 40, 8), ("c", 5, 50, 9), ("c", 6, 60, 4)]


def write(path: Path, columns: str, order: str | None = None) -> str:
    """ROWS as a table with columns called `columns`, standing in `order`."""
    names = columns.split(",")
    kept = (order or columns).split(",")
    lines = [",".join(str(row[names.index(name)]) if name in names else "0" for name in kept) for row in ROWS]
    path.write_text("\n".join([",".join(kept), *lines]) + "\n", encoding="utf-8")
    return str(path)


def paired(path: str, target: str, **options: Any) -> Any:
    return sources.load("regression", "file", {"path": path, "target": target, **options}, 0)


def labelled_sequences(path: str, test_path: str, **options: Any) -> Any:
    return sources.load("classification", "file", {"path": path, "test_path": test_path, **options}, 0)


# The seeds ----------------------------------------------------------------------------------------------------------------------


def test_seed_000_has_fresh_sequences_to_test_on() -> None:
    data = sources.load("classification", "sums", {}, 3)
    assert data.X.shape == (1000, 10, 1)
    assert (data.y == (data.X.sum((1, 2)) > 5)).all()
    assert (data.test[1] == (data.test[0].sum((1, 2)) > 5)).all()
    assert not np.isin(data.X, data.test[0]).any(axis=(1, 2)).all()
    assert len(np.intersect1d(data.X, data.test[0])) < 20
    assert (sources.load("classification", "sums", {}, 3).X == data.X).all()
    assert (sources.load("classification", "sums", {}, 4).X != data.X).any()


def test_seed_001_is_the_sine_one_place_on() -> None:
    data = sources.load("regression", "sine-next", {}, 0)
    wave = np.sin(np.linspace(2, 10, 21))
    np.testing.assert_array_equal(data.X, wave[None, :20, None])
    np.testing.assert_array_equal(data.y, wave[None, 1:, None])


def test_seed_002_sets_the_last_fifty_windows_aside() -> None:
    data = sources.load("regression", "sine-windows", {}, 0)
    assert (data.X.shape, data.validation[0].shape) == ((100, 50, 50), (50, 50, 50))
    for records, first in ((data.X, 0), (data.validation[0], 100)):
        np.testing.assert_array_equal(np.diagonal(records[7]), np.sin(np.arange(first + 7, first + 57)))
        assert np.count_nonzero(records[7] - np.diag(np.diagonal(records[7]))) == 0
    np.testing.assert_array_equal(data.y[:, 0], np.sin(np.arange(50, 150)))
    np.testing.assert_array_equal(data.validation[1][:, 0], np.sin(np.arange(150, 200)))


def test_seed_003_has_300_stretches_of_half_a_turn() -> None:
    data = sources.load("regression", "sine-to-cosine", {}, 0)
    assert data.X.shape == data.y.shape == (1, 3000, 1)
    angles = np.linspace(17 * np.pi, 18 * np.pi, 10)
    np.testing.assert_allclose(data.X[0, 170:180, 0], np.sin(angles), atol=1e-12)
    np.testing.assert_allclose(data.y[0, 170:180, 0], np.cos(angles), atol=1e-12)


def test_seed_004_is_the_beginning_of_the_time_machine(data_dir: Path) -> None:
    data = sources.load("language", "time-machine", {"path": str(data_dir / "timemachine.txt")}, 0)
    assert data.train.startswith("the time machine by h g wells")
    assert len(data.train) == len(data.validation) == 10_000
    assert data.vocabulary.size == 28
    whole = sources.load(
        "language", "time-machine", {"path": str(data_dir / "timemachine.txt"), "max_tokens": 10**6}, 0
    )
    assert (len(whole.train), whole.validation) == (170_580, None)
    assert whole.train.startswith(data.train + data.validation)
    by_frequency = [letter for letter, _ in Counter(whole.train).most_common()]
    assert list(data.vocabulary.tokens) == ["<unk>", *by_frequency]
    assert by_frequency != [letter for letter, _ in Counter(data.train).most_common()]


# Numbers that a source cannot do with -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "source", "options", "says"),
    [
        ("language", "python-topics", {"characters": 0}, "`data.characters` must be at least 1; got 0"),
        ("language", "python-topics", {"characters": -5}, "`data.characters` must be at least 1; got -5"),
        ("language", "time-machine", {"max_tokens": -1}, "`data.max_tokens` must be at least 1; got -1"),
        ("language", "time-machine", {"validation_characters": -1}, "`data.validation_characters` must be at least 0; got -1"),
        ("forecasting", "file", {"path": "a.csv", "target": "y", "folds": -1}, "`data.folds` must be at least 0; got -1"),
        ("regression", "file", {"path": "a", "target": "y", "test_share": 1.0}, "`data.test_share` must be at least 0 and below 1"),
        ("classification", "sums", {"num_samples": 0}, "`num_samples` must be a whole number of at least 1; got 0"),
    ],
)  # fmt: skip
def test_numbers_out_of_range(task: str, source: str, options: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        sources.load(task, source, options, 0)


def test_python_topics_are_cut_at_the_length_asked_for() -> None:
    assert sources.load("language", "python-topics", {"characters": 77}, 0).train == python_topics()[:77]


# A user's tables ----------------------------------------------------------------------------------------------------------------


def test_inputs_are_remembered_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,t,u,y")
    data = paired(path, "y", series="id", time="t", test_share=0.0)
    assert (data.inputs, data.names, data.ids) == (["u"], ["y"], ["a", "b", "c"])
    assert [x.tolist() for x in data.X] == [[[10], [20]], [[30], [40]], [[50], [60]]]
    assert data.test is None
    recipe = load_recipe("regress-table", [f"data.path={path}", "data.target=y"]).with_inputs(data.inputs)
    assert recipe.source_options["inputs"] == ["u"]


def test_a_test_table_is_read_by_the_names_of_the_training_table(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,u,v,y")
    turned = write(tmp_path / "b.csv", "id,u,v,y", "w,y,v,id,u")
    data = paired(path, "y", series="id", test_path=turned)
    np.testing.assert_array_equal(np.concatenate(data.test[0]), np.concatenate(data.X))
    np.testing.assert_array_equal(np.concatenate(data.test[1]), np.concatenate(data.y))
    with pytest.raises(DataError, match=r"c\.csv has no column 'v'"):
        paired(path, "y", series="id", test_path=write(tmp_path / "c.csv", "id,u,v,y", "id,u,y"))


def test_the_last_share_is_set_aside_of_sequences_or_of_the_one_sequence_in_time(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,t,u,y")
    many = paired(path, "y", series="id", test_share=0.34)
    assert (len(many.X), len(many.test[0])) == (2, 1)
    assert many.test[0][0][:, 1].tolist() == [50, 60]
    one = paired(path, "y", inputs=["u"], test_share=0.5)
    assert (one.X[0][:, 0].tolist(), one.test[0][0][:, 0].tolist()) == ([10, 20, 30], [40, 50, 60])
    assert (one.y[0][:, 0].tolist(), one.test[1][0][:, 0].tolist()) == ([5, 6, 7], [8, 9, 4])


def test_several_targets_in_one_word(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "id,t,u,y")
    data = paired(path, "u, y", series="id", test_share=0.0)
    assert data.names == ["u", "y"]
    assert data.y[1].tolist() == [[30, 7], [40, 8]]


def test_labels_of_the_training_and_the_test_file(tmp_path: Path) -> None:
    def labelled(name: str, kinds: str, order: str = "id,u,v,kind") -> str:
        rows: dict[str, list[str]] = {"id": [], "u": [], "v": [], "kind": []}
        for i, kind in enumerate(kinds):
            for step in range(2):
                rows["id"].append(f"s{i}")
                rows["u"].append(str(10 * i + step))
                rows["v"].append(str(step))
                rows["kind"].append(kind)
        lines = zip(*(rows[column] for column in order.split(",")), strict=True)
        (tmp_path / name).write_text("\n".join([order, *(",".join(line) for line in lines)]) + "\n", encoding="utf-8")
        return str(tmp_path / name)

    train = labelled("train.csv", "ABAB")
    data = labelled_sequences(train, labelled("test.csv", "BA", "kind,v,id,u"), label="kind", series="id")
    assert (data.inputs, data.ids) == (["u", "v"], ["s0", "s1", "s2", "s3"])
    assert data.test[0][1].tolist() == data.X[1].tolist() == [[10, 0], [11, 1]]
    assert data.test[1].tolist() == ["B", "A"]
    with pytest.raises(
        DataError, match=r"z\.csv holds the label 'Y' and 1 more, which .*train\.csv does not \(known labels: A"
    ):
        labelled_sequences(train, labelled("z.csv", "AYZ"), label="kind", series="id")


def test_paths_of_a_recipe_are_made_absolute_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"path": "a.csv", "test_path": None, "target": "b.csv", "series": "c"}
    assert sources.absolute(given) == {**given, "path": str(tmp_path / "a.csv")}
