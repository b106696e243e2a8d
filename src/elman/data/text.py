"""Text sources: a file of the user's, Python's own documentation, and The Time Machine."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import tempfile
import urllib.request
from pathlib import Path

from elman.errors import DataError, RunError, UsageError
from elman.files import write_atomically

TIME_MACHINE_URL = "https://raw.githubusercontent.com/d2l-ai/d2l-zh/master/data/timemachine.txt"
TIME_MACHINE_BYTES = 178_979
TIME_MACHINE_SHA1 = "090b5e7e70c295757f55df93cb0a180b9691891a"
TIME_MACHINE_SHA256 = "8424dbd9532ac81f7e5f0b6add90e6952baea29158309d7d1bf3884f4e12c516"

_NEWLINE = re.compile(r"\r\n|\r|\n")
_NOT_LETTERS = re.compile(r"[^A-Za-z]+")


def read_text(path: str | os.PathLike[str], encoding: str = "utf-8") -> str:
    """The text of a file, every character as it is (line ends too); a byte order mark at the start is dropped.

    Args:
        path: of the file.
        encoding: one that Python knows.

    Raises:
        DataError: the file is missing, a folder, unreadable, empty, blank or not of this encoding.
        UsageError: Python does not know the encoding.
    """
    file = Path(path)
    raw = _read_bytes(file)
    try:
        text = raw.decode("utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding)
    except LookupError as error:
        raise UsageError(
            f"`encoding` must be one that Python knows, such as 'utf-8' or 'latin-1'; got {encoding!r}"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(_not_decodable(file, raw, error.start, encoding)) from error
    if not text.strip():
        what = "is empty" if not raw else f"holds only white space ({len(raw)} bytes)"
        raise DataError(f"{file} {what}; give a file with text in it")
    return text


def letters_only(text: str) -> str:
    """Lower-case letters and single spaces, as seed 004 cleans its corpus.

    In each line every run of other characters becomes one space, the line is stripped and lower-cased; the lines are
    joined with nothing between them (Dive into Deep Learning, section 8.2).

    >>> letters_only("The Time Machine, by\\n\\nH. G. Wells [1898]")
    'the time machine byh g wells'
    """
    return "".join(_NOT_LETTERS.sub(" ", line).strip().lower() for line in _NEWLINE.split(text))


def python_topics() -> str:
    """Python's own documentation topics, the text behind `help("for")`: about 460,000 characters, on every machine.

    Topics are sorted by name and joined with a blank line between. The text differs a little between versions of Python.

    Raises:
        DataError: this Python came without its topics.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise DataError(
            "this Python comes without its documentation topics (module `pydoc_data.topics`); install the full standard "
            "library, or train on a text file of yours with `--set data.path=FILE`"
        ) from error
    return "\n\n".join(topics[name].strip("\n") for name in sorted(topics)) + "\n"


def time_machine(path: str | os.PathLike[str] | None = None, *, cache: str | os.PathLike[str] | None = None) -> str:
    """The raw text of H. G. Wells, The Time Machine, as seed 004 uses it: 178,979 bytes, 3,221 lines.

    Looked for in this order: `path`; `timemachine.txt` in the folder $ELMAN_DATA; the same in `cache`; then it is downloaded
    (10 s at most to answer) and written into `cache` where that is possible. Size, SHA-1 and SHA-256 are checked wherever it came
    from (after Windows line ends were undone).

    Args:
        path: of the file; None looks in the other places.
        cache: a folder; None for $XDG_CACHE_HOME/elman or ~/.cache/elman.

    Raises:
        DataError: the file at `path` is another text, or there is no file and no network.
    """
    if path is not None:
        return _verified(_read_bytes(Path(path)), str(path))
    shared = os.environ.get("ELMAN_DATA")
    if shared and (file := Path(shared) / "timemachine.txt").is_file():
        return _verified(_read_bytes(file), str(file))
    copy = (Path(cache) if cache is not None else _cache_folder()) / "timemachine.txt"
    if copy.is_file():
        try:
            return _verified(_read_bytes(copy), str(copy))
        except DataError:
            pass  # a damaged copy of ours: fetch it again
    raw = _download(TIME_MACHINE_URL)
    text = _verified(raw, TIME_MACHINE_URL)
    _write_copy(copy, raw)
    return text


def _read_bytes(file: Path) -> bytes:
    if file.is_dir():
        raise DataError(f"{file} is a folder; give a text file in it")
    try:
        return file.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{file} does not exist; check the path (looked from {Path.cwd()})") from error
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}; check its permissions") from error


def _not_decodable(file: Path, raw: bytes, offset: int, encoding: str) -> str:
    line = raw.count(b"\n", 0, offset) + 1
    return (
        f"{file} is not {encoding.upper()}: byte 0x{raw[offset]:02x} at offset {offset} (line {line}); "
        "re-save as UTF-8 or pass encoding="
    )


def _verified(raw: bytes, origin: str) -> str:
    plain = raw.replace(b"\r\n", b"\n")
    expected = (TIME_MACHINE_BYTES, TIME_MACHINE_SHA1, TIME_MACHINE_SHA256)
    present = (len(plain), hashlib.sha1(plain, usedforsecurity=False).hexdigest(), hashlib.sha256(plain).hexdigest())
    if present != expected:
        raise DataError(
            f"{origin} is not the text of The Time Machine that the seed uses: expected {expected[0]} bytes, sha1 {expected[1]}, "
            f"sha256 {expected[2]}; got {present[0]} bytes, sha1 {present[1]}, sha256 {present[2]}. "
            f"Fetch {TIME_MACHINE_URL} again, or train on any text with the recipe for your own file"
        )
    return plain.decode("ascii")


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "elman"
    except RuntimeError:  # no home folder at all
        return Path(tempfile.gettempdir()) / "elman"


def _download(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bytes(answer.read(4 * TIME_MACHINE_BYTES))
    except (OSError, http.client.HTTPException) as error:
        raise DataError(
            f"The Time Machine could not be fetched from {url}: {error}. Get that file by other means and give it with "
            "`--set data.path=FILE`, or put it as timemachine.txt into a folder and set ELMAN_DATA=FOLDER"
        ) from error


def _write_copy(file: Path, raw: bytes) -> None:
    """Write a copy for the next time. A cache that cannot be written is no error."""
    with contextlib.suppress(OSError, RunError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, raw)
