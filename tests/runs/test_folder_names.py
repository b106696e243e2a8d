"""The folder of a run that nobody named: named for its recipe, and never one that is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from elman.runs.folder_names import default_folder


def test_the_first_free_folder(tmp_path):
    assert default_folder("sine-online") == Path("runs/sine-online")
    assert default_folder("sine-online", tmp_path) == tmp_path / "sine-online"
    (tmp_path / "sine-online").mkdir()
    assert default_folder("sine-online", tmp_path) == tmp_path / "sine-online-2"
    (tmp_path / "sine-online-2").write_text("a file takes the name too")
    assert default_folder("sine-online", tmp_path) == tmp_path / "sine-online-3"
    assert not (tmp_path / "sine-online-3").exists()


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("my/own recipe.toml", "own-recipe"),
        (r"C:\me\x.toml", "x"),
        ("../..", "run"),
        ("größe", "größe"),
        ("a:b*c", "a-b-c"),
    ],
)
def test_any_recipe_name_gives_one_folder_in_the_base(name, folder, tmp_path):
    assert default_folder(name, tmp_path) == tmp_path / folder
