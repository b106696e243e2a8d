"""The manifest: which files belong to a folder, and the checksum of each.

`manifest.json` of a folder, its values shortened::

    {
      "format": 2,
      "elman": "0.2.0",
      "files": {
        "config.json": {"size": 1573, "sha256": "9c1b..."},
        "model.safetensors": {"size": 984, "sha256": "77ab..."},
        "models/000000/manifest.json": {"size": 412, "sha256": "01fe..."}
      },
      "sha256": "5a0d..."
    }

It names every file of the folder. Of a folder inside that has a manifest of its own, it names that manifest alone. A file may
lie under another name on disk than the one it is asked for by; then `stored` tells where. The last entry is the checksum of
the manifest itself, its own 64 digits counted as zeros.
"""

from __future__ import annotations

import hashlib
import mmap
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, final

from elman.errors import RunError
from elman.files.plain_json import json_text, parse_json
from elman.version import VERSION

MANIFEST = "manifest.json"
FORMAT = 2
"""Of folders that Elman writes. Format 1, without manifests, was that of Elman 0.1.0."""

NEXT_STEP = "copy the folder again, or train again"
"""What a user can do about a folder that is not whole."""

_NO_DIGEST = "0" * 64


@dataclass(frozen=True)
class Entry:
    """What the manifest says of one file.

    Attributes:
        size: bytes.
        sha256: 64 hexadecimal digits.
        stored: the file's name on disk; empty where it is the name that it is asked for by.
    """

    size: int
    sha256: str
    stored: str = ""

    @classmethod
    def of(cls, data: bytes | mmap.mmap, stored: str = "") -> Entry:
        """The entry of a file with this content."""
        return cls(len(data), hashlib.sha256(data).hexdigest(), stored)


@final
class EntryThread(threading.Thread):
    """Works out the entry of a file while the caller writes or reads that file: the lock of Python is not held meanwhile."""

    def __init__(self, data: bytes | mmap.mmap, stored: str = "") -> None:
        super().__init__(daemon=True)
        self._data, self._stored = data, stored
        self._entry: Entry | None = None
        self.start()

    def run(self) -> None:
        self._entry = Entry.of(self._data, self._stored)

    def entry(self) -> Entry:
        """The entry, waited for."""
        self.join()
        assert self._entry is not None
        return self._entry


def manifest_bytes(entries: Mapping[str, Entry]) -> bytes:
    """The content of `manifest.json` for these files, by name."""
    files = {
        name: {"size": e.size, "sha256": e.sha256, **({"stored": e.stored} if e.stored else {})}
        for name, e in sorted(entries.items())
    }
    document = {"format": FORMAT, "elman": VERSION, "files": files, "sha256": _NO_DIGEST}
    text = json_text(document, indent=2) + "\n"
    head, tail = text.rsplit(_NO_DIGEST, 1)
    return f"{head}{hashlib.sha256(text.encode()).hexdigest()}{tail}".encode()


def read_manifest(folder: Path, *, next_step: str = NEXT_STEP) -> dict[str, Entry]:
    """The entries of a folder's manifest, by file name.

    Args:
        folder: whose manifest it is.
        next_step: what a user can do about one that was changed, for messages.

    Raises:
        RunError: it cannot be read, was changed, or is of a later format.
        FileNotFoundError: there is none.
    """
    path = folder / MANIFEST
    data = path.read_bytes()
    try:
        document = parse_json(data)
        if isinstance(document.get("format"), int) and document["format"] > FORMAT:
            raise RunError(
                f"{path} has format {document['format']}, this Elman reads formats 1 and {FORMAT}; "
                f"it was written by Elman {document.get('elman', '?')}: install that version, or train again"
            )
        digest = str(document["sha256"])
        if len(digest) != len(_NO_DIGEST) or document["format"] != FORMAT or _digest_without(digest, data) != digest:
            raise ValueError("its own checksum differs")
        return {name: _entry(name, value) for name, value in document["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path} was changed after it was written ({error}); {next_step}") from error


def _digest_without(digest: str, data: bytes) -> str:
    """The checksum of the manifest with zeros in the place of its last mention of `digest`."""
    head, mention, tail = data.rpartition(digest.encode())
    return hashlib.sha256(head + _NO_DIGEST.encode() + tail).hexdigest() if mention else ""


def _entry(name: str, value: Any) -> Entry:
    entry = Entry(int(value["size"]), str(value["sha256"]), str(value.get("stored", "")))
    check_name(name)
    check_name(entry.stored or name)
    return entry


def check_name(name: str) -> str:
    """A file's name within its folder, with `/` between parts. Raises ValueError for one that leads out of it."""
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or str(path) != name:
        raise ValueError(f"{name!r} is no name of a file inside the folder")
    return name
