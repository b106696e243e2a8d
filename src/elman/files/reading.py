"""Folders with a manifest, read back: what is handed out is what was written, or the error names the file that is not."""

from __future__ import annotations

import contextlib
import mmap
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final

from elman.errors import FolderWarning, RunError
from elman.files.atomic import run_errors, system_error
from elman.files.manifest import FORMAT, MANIFEST, NEXT_STEP, Entry, EntryThread, read_manifest
from elman.files.plain_json import parse_json
from elman.files.writing import folder_before, stored_files

THREAD_BYTES = 1 << 20
"""Smaller files are checked before they are handed out: that takes less than starting a thread."""


@final
class FolderReader:
    """Hands out the files of one folder, each checked against the manifest as it is read.

    Attributes:
        folder: the folder.
        format: 2, or 1 for a folder of Elman 0.1.0, which has no checksums.
    """

    def __init__(self, folder: Path, entries: Mapping[str, Entry] | None, next_step: str = NEXT_STEP) -> None:
        self.folder = folder
        self._next_step = next_step
        self.format = 1 if entries is None else FORMAT
        self._entries = entries

    def __contains__(self, name: str) -> bool:
        """Whether the folder has a file of this name."""
        return (self.folder / name).is_file() if self._entries is None else name in self._entries

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            RunError: it is missing, cannot be read, or was changed after it was written; the message names it.
        """
        entry, path = self._find(name)
        with run_errors("read", path):
            data = path.read_bytes()
        if entry is not None:
            self._require_same(path, Entry.of(data), entry)
        return data

    @contextlib.contextmanager
    def checked(self, name: str) -> Iterator[Path]:
        """The path of a file, for a library that reads from one; a large file is checked meanwhile, at no cost of time.

        What the block makes of the file must not be used after an error.

        Raises:
            RunError: as `read` does, at the beginning or at the end of the block; it takes the place of an error that the block
                met in a changed file.
        """
        entry, path = self._find(name)
        if entry is None:
            yield path
            return
        if path.stat().st_size < THREAD_BYTES:
            self.read(name)
            yield path
            return
        with run_errors("read", path), open(path, "rb") as file:
            checksum = EntryThread(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        try:
            yield path
        finally:
            self._require_same(path, checksum.entry(), entry)

    def _find(self, name: str) -> tuple[Entry | None, Path]:
        """What the manifest says of a file, None without a manifest, and where it lies."""
        entry = None if self._entries is None else self._entries.get(name)
        path = self.folder / (entry.stored if entry and entry.stored else name)
        if name not in self or not path.is_file():
            raise RunError(f"{self.folder}: {name} is missing; {self._next_step}")
        return entry, path

    def _require_same(self, path: Path, now: Entry, entry: Entry) -> None:
        """Refuse a file that is no longer what the manifest says of it."""
        if now.size != entry.size:
            difference = f"it has {now.size:,} bytes, {MANIFEST} says {entry.size:,}"
        elif now.sha256 != entry.sha256:
            difference = f"its SHA-256 begins with {now.sha256[:12]}, {MANIFEST} says {entry.sha256[:12]}"
        else:
            return
        raise RunError(f"{path} was changed after it was written: {difference}; {self._next_step}")

    def read_json(self, name: str) -> dict[str, Any]:
        """The JSON object in a file. Raises RunError as `read` does, and where it is none."""
        data = self.read(name)
        try:
            return parse_json(data)
        except ValueError as error:
            raise RunError(f"{self.folder / name} cannot be read as JSON: {error}; {self._next_step}") from error

    def inside(self, name: str) -> FolderReader:
        """The reader of a folder inside that has a manifest of its own.

        Raises:
            RunError: it is missing, or it is not the one that was written together with this folder.
        """
        if self._entries is None:
            return FolderReader(self.folder / name, None)
        self.read(f"{name}/{MANIFEST}")
        return open_folder(self.folder / name)


def open_folder(
    folder: Path | str,
    *,
    what: str = "model",
    label: str = "config.json",
    whole: bool = True,
    next_step: str = NEXT_STEP,
) -> FolderReader:
    """Open a folder with a manifest, or one of format 1.

    A folder that `replace_folder` wrote is opened with a `FolderWarning` where it is of format 1, or has files that its manifest
    does not name.

    Args:
        folder: the folder.
        what: it holds, for messages.
        label: the JSON file whose `format` tells the format of a folder without a manifest.
        whole: whether the manifest names every file of the folder; if not, no file is missed before it is read, or too many.
        next_step: what a user can do about a folder that is not whole, for messages.

    Raises:
        RunError: files are missing, the manifest is missing or was changed, or the format is a later one.
    """
    folder = Path(folder)
    try:
        entries = read_manifest(folder, next_step=next_step)
    except (FileNotFoundError, NotADirectoryError):
        return _open_without_manifest(folder, what, label, whole, next_step)
    except OSError as error:
        raise system_error("read", folder / MANIFEST, error) from error
    missing = [name for name in entries if whole and not (folder / name).is_file()]
    if missing:
        raise RunError(f"{folder} is not a whole {what}: {_listed(missing)} missing; {next_step}")
    unnamed = _unnamed(folder, entries) if whole else []
    if unnamed:
        remark(
            f"{folder}: {_listed(unnamed)} not in {MANIFEST} and {'was' if len(unnamed) == 1 else 'were'} not read; "
            f"what belongs to the {what} is unchanged"
        )
    return FolderReader(folder, entries, next_step)


def open_updated_folder(folder: Path, *, next_step: str = NEXT_STEP) -> FolderReader | None:
    """Open a folder that `update_folder` writes.

    Args:
        folder: the folder, or where one may come to be.
        next_step: what a user can do about a folder that is not whole, for messages.

    Returns:
        Its reader; None where nothing was written to its end yet.

    Raises:
        RunError: the manifest was lost or changed, or a file that it names is missing.
    """
    try:
        entries = read_manifest(folder, next_step=next_step)
    except (FileNotFoundError, NotADirectoryError):
        if folder.is_dir() and stored_files(folder):
            raise RunError(
                f"{folder}: {MANIFEST} is missing, so the files there cannot be told whole from torn; {next_step}"
            ) from None
        return None
    except OSError as error:
        raise system_error("read", folder / MANIFEST, error) from error
    missing = [entry.stored for entry in entries.values() if not (folder / entry.stored).is_file()]
    if missing:
        raise RunError(f"{folder}: {_listed(missing)} missing; {next_step}")
    return FolderReader(folder, entries, next_step) if entries else None


def remark(message: str) -> None:
    """Tell of something that is no error. Each message is told once in a process, however often it comes up."""
    warnings.warn(message, FolderWarning, stacklevel=2)


def _open_without_manifest(folder: Path, what: str, label: str, whole: bool, next_step: str) -> FolderReader:
    if not (folder / label).is_file():
        before = folder_before(folder)
        if not folder.exists() and before.is_dir():
            raise RunError(
                f"{folder} was being replaced when that was stopped; the {what} before it is in {before}: "
                f"rename that to {folder.name}"
            )
        raise RunError(f"{folder} is not a whole {what}: {label} is missing; {next_step}")
    reader = FolderReader(folder, None, next_step)
    document = reader.read_json(label)
    written = document.get("format", 1)
    if written == FORMAT:
        raise RunError(f"{folder} is not a whole {what}: {MANIFEST} is missing, which names its files; {next_step}")
    if written != 1 or isinstance(written, bool):
        raise RunError(
            f"{folder / label} has format {written!r}, this Elman reads formats 1 and {FORMAT}; "
            f"it was written by Elman {document.get('elman', '?')}: install that version, or train again"
        )
    if whole:
        remark(
            f"{folder} was written by Elman {document.get('elman', '0.1.0')} in format 1, which has no checksums: a changed byte "
            "would not be noticed. Load it and save it again to add them"
        )
    return reader


def _unnamed(folder: Path, entries: Mapping[str, Entry]) -> list[str]:
    """Files of the folder that its manifest does not name; those of a system or an editor, with a dot in front, do not count."""
    whole = {name.removesuffix(f"/{MANIFEST}") for name in entries if name.endswith(f"/{MANIFEST}")}
    unnamed = []
    for path, inner, names in os.walk(folder):
        here = Path(path).relative_to(folder)
        inner[:] = [name for name in inner if not name.startswith(".") and (here / name).as_posix() not in whole]
        files = [(here / name).as_posix() for name in names if not name.startswith(".")]
        unnamed += [name for name in files if name != MANIFEST and name not in entries]
    return sorted(unnamed)


def _listed(names: Sequence[str]) -> str:
    """`a and b are`, of many names the first few, for a sentence that goes on with `missing`."""
    shown = " and ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{shown} {'is' if len(names) == 1 else 'are'}"
