"""One file: the old content or the new, whatever happens on the way."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.files.trees import refusing, tree

from elman.errors import RunError
from elman.files import run_errors, system_error, write_atomically


def test_bytes_and_text_are_written_as_they_are(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", b"\x00\r\n")
    write_atomically(str(tmp_path / "b"), "é\n")
    assert tree(tmp_path) == {"a": b"\x00\r\n", "b": "é\n".encode()}


@pytest.mark.parametrize("call", ["os.replace", "os.fsync"])
def test_a_failed_write_keeps_the_old_content_and_leaves_no_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    write_atomically(tmp_path / "f.txt", "old")
    monkeypatch.setattr(call, refusing(errno.ENOSPC))
    with pytest.raises(RunError, match="f.txt: cannot write this .No space left on device"):
        write_atomically(tmp_path / "f.txt", "new")
    assert tree(tmp_path) == {"f.txt": b"old"}


def test_the_bytes_are_on_disk_before_the_name_is_and_then_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        order.append("folder" if os.path.isdir(f"/proc/self/fd/{descriptor}") else "file")
        fsync(descriptor)

    def replaced(*paths: Any) -> None:
        order.append("rename")
        replace(*paths)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    write_atomically(tmp_path / "f.txt", "new")
    if os.path.isdir("/proc/self/fd"):
        assert order == ["file", "rename", "folder"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_reader_never_sees_half_a_file_and_a_kill_leaves_a_whole_one(tmp_path: Path) -> None:
    path = tmp_path / "f"
    code = (
        "import itertools, sys; from elman.files import write_atomically\n"
        "for n in itertools.count(): write_atomically(sys.argv[1], bytes([65 + n % 2]) * 300_000)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", code, str(path)], env=environment) as writer:
        try:
            while not path.exists() and writer.poll() is None:
                time.sleep(0.005)
            for _ in range(30):
                assert path.read_bytes() in (b"A" * 300_000, b"B" * 300_000)
        finally:
            writer.kill()
    assert path.read_bytes() in (b"A" * 300_000, b"B" * 300_000)


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "No space left on device.*Free some space there, or choose another place with --out"),
        (errno.EACCES, "Permission denied.*Choose a folder you may write with --out, or change its permissions"),
        (errno.EROFS, "Read-only file system.*Choose a folder you may write"),
        (errno.ENOTDIR, "Not a directory.*A file stands where a folder is needed; choose another place"),
        (errno.EIO, "Input/output error.*Check the path"),
    ],
)
def test_what_the_system_refuses_is_said_with_a_next_step(number: int, says: str) -> None:
    with pytest.raises(RunError, match=f"^here: cannot write this .{says}"), run_errors("write", Path("here")):
        refusing(number)()


def test_reading_and_plain_python_have_other_next_steps() -> None:
    error = OSError(errno.ENOSPC, "No space left on device")
    assert str(system_error("read", Path("a"), error)).endswith("Check the path and its permissions.")
    assert str(system_error("write", Path("a"), error, option="")).endswith("or choose another place.")
