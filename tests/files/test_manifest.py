"""The manifest: what it says, and that every changed byte of it is seen."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elman.errors import RunError
from elman.files.manifest import FORMAT, MANIFEST, Entry, manifest_bytes, read_manifest
from elman.version import VERSION

ENTRIES = {"b.txt": Entry.of(b"bee"), "a/c.bin": Entry.of(b"\0" * 9, "a/c.00ff00ff.bin")}


def put(folder: Path, data: bytes) -> Path:
    (folder / MANIFEST).write_bytes(data)
    return folder


def test_it_says_the_format_the_version_and_the_checksum_of_each_file() -> None:
    document = json.loads(manifest_bytes(ENTRIES))
    assert (document["format"], document["elman"]) == (FORMAT, VERSION)
    assert document["files"] == {
        "a/c.bin": {"size": 9, "sha256": hashlib.sha256(b"\0" * 9).hexdigest(), "stored": "a/c.00ff00ff.bin"},
        "b.txt": {"size": 3, "sha256": hashlib.sha256(b"bee").hexdigest()},
    }


def test_the_same_files_give_the_same_bytes() -> None:
    assert manifest_bytes(ENTRIES) == manifest_bytes(dict(reversed(ENTRIES.items())))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_manifest(put(tmp_path, manifest_bytes(ENTRIES))) == ENTRIES
    assert read_manifest(put(tmp_path, manifest_bytes({}))) == {}


def test_every_changed_byte_is_seen(tmp_path: Path) -> None:
    whole = manifest_bytes(ENTRIES)
    for place in range(len(whole)):
        spoilt = bytearray(whole)
        spoilt[place] ^= 1
        with pytest.raises(RunError, match=rf"{MANIFEST} (was changed after it was written|has format 3)"):
            read_manifest(put(tmp_path, bytes(spoilt)))


@given(junk=st.binary(max_size=200))
def test_anything_else_is_refused_by_name(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    with pytest.raises(RunError, match=f"{MANIFEST} was changed"):
        read_manifest(put(tmp_path_factory.mktemp("junk"), junk))


def test_a_later_format_names_the_version_that_wrote_it(tmp_path: Path) -> None:
    put(tmp_path, json.dumps({"format": 3, "elman": "12.3", "files": {}, "sha256": ""}).encode())
    with pytest.raises(
        RunError, match=r"has format 3, this Elman reads formats 1 and 2; it was written by Elman 12\.3"
    ):
        read_manifest(tmp_path)


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "a/../../b", "a\\b", "c:/a", "./a", "a//b", "."])
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    for entries in ({"a": Entry(1, "0" * 64, name)}, {name: Entry(1, "0" * 64)}, {"": Entry(1, "0" * 64)}):
        with pytest.raises(RunError, match="is no name of a file inside the folder"):
            read_manifest(put(tmp_path, manifest_bytes(entries)))


def test_without_one_the_system_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_manifest(tmp_path)
