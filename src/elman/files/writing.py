"""Folders that are written whole, with a manifest: replaced at once, or brought up to date while a reader may come at any time."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import final

from elman.errors import RunError
from elman.files.atomic import (
    TEMPORARY_SUFFIX,
    fresh_token,
    replace_file,
    run_errors,
    sync_folder,
    temporary_beside,
    write_durably,
)
from elman.files.manifest import MANIFEST, Entry, EntryThread, check_name, manifest_bytes

_STORED = re.compile(r"[^.].*\.[0-9a-f]{8}(\.[^.]+)?")


@final
class FolderWriter:
    """Takes the files of a folder, one after the other, and writes the manifest that names them.

    Attributes:
        folder: where the files lie while they are written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._entries: dict[str, Entry] = {}
        self._inside: dict[str, FolderWriter] = {}

    def write(self, name: str, content: bytes | str) -> None:
        """Add a file.

        Args:
            name: of the file, with `/` where it lies in a folder inside.
            content: bytes, or text that is written as UTF-8.
        """
        data = content.encode("utf-8") if isinstance(content, str) else content
        path = self.folder / check_name(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self._entries[name] = Entry.of(data)

    def inside(self, name: str) -> FolderWriter:
        """The writer of a folder inside that has a manifest of its own, and so can be opened by itself."""
        if name not in self._inside:
            self._inside[check_name(name)] = FolderWriter(self.folder / name)
        return self._inside[name]

    def write_manifest(self) -> Entry:
        """Write the manifests of the folders inside, then the folder's own; no file may follow. Returns its entry."""
        for name, writer in self._inside.items():
            self._entries[f"{name}/{MANIFEST}"] = writer.write_manifest()
        data = manifest_bytes(self._entries)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / MANIFEST).write_bytes(data)
        return Entry.of(data)


@contextlib.contextmanager
def replace_folder(folder: Path | str, label: str) -> Iterator[FolderWriter]:
    """Write a folder anew: what the block writes takes the place of `folder` at once, when all of it is on disk.

    Should the block fail, the old folder stays as it is. Between two renames there is a moment without `folder`; a process that is
    killed in it leaves the old one beside, and `open_folder` tells where.

    Args:
        folder: the folder to make or to replace.
        label: a file that such folders have. A folder that holds something else, and neither it nor a manifest, is not touched.

    Raises:
        RunError: `folder` is not one to be replaced, or the system refused.
    """
    folder = Path(folder)
    _require_replaceable(folder, label)
    place = Path(os.path.abspath(folder))
    temporary = temporary_beside(place)
    with run_errors("write", folder, option=""):
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.mkdir()
            writer = FolderWriter(temporary)
            yield writer
            writer.write_manifest()
            _sync_tree(temporary)
            _exchange(temporary, place)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def folder_before(folder: Path) -> Path:
    """Where the folder that is being replaced lies for the moment between two renames."""
    place = Path(os.path.abspath(folder))
    return place.with_name(f".{place.name}-old")


def update_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Give a folder new files in place of those that its manifest names, so that it is never without a whole set.

    The files are written under names that are not in use, then the manifest is renamed over the old one, and from that moment on
    they count. Then the old files go. A process that is killed on the way leaves the old set or the new one, never a mixture;
    what it left beside is removed by the next update. Other folders inside are not looked at.

    Args:
        folder: made with its parents where it is missing.
        files: every file of the folder, by the name that it is asked for by.

    Raises:
        OSError: the system refused. The old set counts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / MANIFEST).exists():
        # From here on, files without a manifest mean that the manifest was lost.
        replace_file(folder / MANIFEST, manifest_bytes({}))
    places = {name: _stored_name(check_name(name)) for name in files}
    checksums = {name: EntryThread(data, places[name]) for name, data in files.items()}
    try:
        for name, data in files.items():
            write_durably(folder / places[name], data)
        replace_file(folder / MANIFEST, manifest_bytes({name: thread.entry() for name, thread in checksums.items()}))
    except OSError:
        for place in places.values():
            with contextlib.suppress(OSError):
                (folder / place).unlink()
        raise
    _remove_unnamed(folder, set(places.values()))


def write_manifest(folder: Path, names: Iterable[str]) -> None:
    """Write the manifest of files that lie in a folder already. Raises OSError.

    Args:
        folder: the folder.
        names: of the files that are to be read back; others may lie beside them.
    """
    replace_file(folder / MANIFEST, manifest_bytes({name: Entry.of((folder / name).read_bytes()) for name in names}))


def is_leftover(name: str) -> bool:
    """Whether a file or folder of this name was left behind by a writer that was killed."""
    return name.endswith(TEMPORARY_SUFFIX)


def remove_leftovers(folder: Path) -> None:
    """Remove what writers that were killed left in a folder; nobody else may be writing there."""
    for path in [folder / name for name in os.listdir(folder) if is_leftover(name)]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                path.unlink()


def stored_files(folder: Path) -> list[str]:
    """The names on disk of all files that updates have written into this folder."""
    return sorted(name for name in os.listdir(folder) if _STORED.fullmatch(name))


def _stored_name(name: str) -> str:
    """A name on disk that is not in use: `state.safetensors` becomes `state.4f0a91cc.safetensors`."""
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}.{fresh_token()}.{suffix}" if dot else f"{name}.{fresh_token()}"


def _remove_unnamed(folder: Path, stored: set[str]) -> None:
    """Remove what earlier updates wrote, those included that were killed."""
    for name in [*stored_files(folder), *filter(is_leftover, os.listdir(folder))]:
        if name not in stored:
            with contextlib.suppress(OSError):  # a reader has it open; the next update removes it
                (folder / name).unlink()


def _require_replaceable(folder: Path, label: str) -> None:
    if folder.is_dir() and not any((folder / name).is_file() for name in (MANIFEST, label)):
        contents = sorted(os.listdir(folder))
        if contents:
            raise RunError(
                f"{folder}: holds {contents[0]}{' and more' if len(contents) > 1 else ''}, but no {label}: it is not one of "
                "Elman's folders and was not touched. Choose another place."
            )
    elif folder.exists() and not folder.is_dir():
        raise RunError(f"{folder}: a file, not a folder. Choose another place.")


def _exchange(temporary: Path, place: Path) -> None:
    """Rename over `place`, keeping the old folder until the new one stands."""
    old = folder_before(place)
    if place.exists():
        shutil.rmtree(old, ignore_errors=True)
        os.replace(place, old)
    os.replace(temporary, place)
    sync_folder(place.parent)
    shutil.rmtree(old, ignore_errors=True)


def _sync_tree(folder: Path) -> None:
    """Wait until the disk has every file of the tree and every name in it."""
    for path, _, names in os.walk(folder, topdown=False):
        for name in names:
            with open(Path(path, name), "r+b") as file:
                os.fsync(file.fileno())
        sync_folder(Path(path))
