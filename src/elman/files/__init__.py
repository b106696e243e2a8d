"""The ground floor: array types, plain JSON, and files and folders that are written whole and read back as they were written.

Nothing here knows a network, a training or a run.
"""

from __future__ import annotations

from elman.files.arrays import Array, FloatArray, IntArray
from elman.files.atomic import run_errors, sync_folder, system_error, write_atomically
from elman.files.fingerprints import fingerprint_of
from elman.files.manifest import FORMAT, MANIFEST
from elman.files.named_numbers import parse_named_numbers
from elman.files.plain_json import json_text, parse_json, plain
from elman.files.reading import FolderReader, open_folder, open_updated_folder
from elman.files.writing import (
    FolderWriter,
    is_leftover,
    remove_leftovers,
    replace_folder,
    update_folder,
    write_manifest,
)

__all__ = [
    "FORMAT",
    "MANIFEST",
    "Array",
    "FloatArray",
    "FolderReader",
    "FolderWriter",
    "IntArray",
    "fingerprint_of",
    "is_leftover",
    "json_text",
    "open_folder",
    "open_updated_folder",
    "parse_json",
    "parse_named_numbers",
    "plain",
    "remove_leftovers",
    "replace_folder",
    "run_errors",
    "sync_folder",
    "system_error",
    "update_folder",
    "write_atomically",
    "write_manifest",
]
