"""A folder that is brought up to date: always the old set of files or the new one, whatever happens on the way."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from tests.files.trees import full_disk, refusing, tree

from elman.errors import RunError
from elman.files import MANIFEST, open_updated_folder, update_folder


def content(folder: Path, *names: str) -> dict[str, bytes] | None:
    """What a reader gets."""
    reader = open_updated_folder(folder)
    return None if reader is None else {name: reader.read(name) for name in names or ("a.bin", "b")}


OLD = {"a.bin": b"old a", "b": b"old b"}
NEW = {"a.bin": b"new a" * 9, "b": b"new b"}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "er"
    assert content(folder) is None
    for files in (OLD, NEW, NEW, OLD):
        update_folder(folder, files)
        assert content(folder) == files
        assert len(tree(folder)) == 3


def test_other_folders_and_files_inside_are_left_alone(tmp_path: Path) -> None:
    update_folder(tmp_path, OLD)
    update_folder(tmp_path / "refit", NEW)
    (tmp_path / "notes.txt").write_text("mine")
    update_folder(tmp_path, NEW)
    assert content(tmp_path) == NEW
    assert content(tmp_path / "refit") == NEW
    assert (tmp_path / "notes.txt").exists()


def test_files_that_are_no_longer_among_them_go(tmp_path: Path) -> None:
    update_folder(tmp_path, OLD)
    update_folder(tmp_path, {"a.bin": b"1"})
    assert content(tmp_path, "a.bin") == {"a.bin": b"1"}
    assert len(tree(tmp_path)) == 2


def test_a_changed_byte_is_refused_by_name(tmp_path: Path) -> None:
    update_folder(tmp_path, OLD)
    stored = next(name for name in tree(tmp_path) if name.startswith("a."))
    (tmp_path / stored).write_bytes(b"old b")
    with pytest.raises(RunError, match=rf"{stored} was changed after it was written: its SHA-256"):
        content(tmp_path)


def test_a_missing_file_and_a_missing_manifest_are_refused(tmp_path: Path) -> None:
    update_folder(tmp_path / "f", OLD)
    stored = next(name for name in tree(tmp_path / "f") if name.startswith("a."))
    (tmp_path / "f" / stored).unlink()
    with pytest.raises(RunError, match=f"{stored} is missing"):
        content(tmp_path / "f")
    update_folder(tmp_path / "m", OLD)
    (tmp_path / "m" / MANIFEST).unlink()
    with pytest.raises(
        RunError, match="m: manifest.json is missing, so the files there cannot be told whole from torn"
    ):
        content(tmp_path / "m")
    update_folder(tmp_path / "m", NEW)  # who starts over may write there
    assert content(tmp_path / "m") == NEW


def test_every_file_is_on_disk_before_the_manifest_names_it_and_the_old_ones_go_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update_folder(tmp_path, OLD)
    order: list[str] = []
    fsync, replace, unlink = os.fsync, os.replace, Path.unlink

    def synced(descriptor: int) -> None:
        order.append(f"sync {os.path.basename(os.readlink(f'/proc/self/fd/{descriptor}')).split('.')[0]}")
        fsync(descriptor)

    def replaced(source: Path, target: Path) -> None:
        order.append(f"rename {target.name}")
        replace(source, target)

    def unlinked(path: Path, **options: Any) -> None:
        order.append(f"remove {path.name.split('.')[0]}")
        unlink(path, **options)

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("descriptors have no names here")
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    monkeypatch.setattr(Path, "unlink", unlinked)
    update_folder(tmp_path, NEW)
    assert order == [
        "sync a", "sync b", "sync ", f"rename {MANIFEST}", f"sync {tmp_path.name}", "remove a", "remove b",
    ]  # fmt: skip


@pytest.mark.parametrize("call", ["os.fsync", "os.replace"])
def test_a_failure_keeps_the_old_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    update_folder(tmp_path, OLD)
    before = tree(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(call, refusing(errno.EROFS))
        with pytest.raises(OSError, match="Read-only file system"):
            update_folder(tmp_path, NEW)
    assert tree(tmp_path) == before


def test_a_full_disk_keeps_the_old_set(tmp_path: Path) -> None:
    update_folder(tmp_path, OLD)
    before = tree(tmp_path)
    with full_disk(50_000), pytest.raises(OSError, match="File too large"):
        update_folder(tmp_path, {"a.bin": bytes(100_000), "b": b""})
    assert tree(tmp_path) == before


def test_old_files_that_cannot_be_removed_go_with_the_next_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update_folder(tmp_path, OLD)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refusing(errno.EACCES))
        update_folder(tmp_path, NEW)
    assert content(tmp_path) == NEW
    assert len(tree(tmp_path)) == 5
    update_folder(tmp_path, OLD)
    assert len(tree(tmp_path)) == 3
