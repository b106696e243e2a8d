"""Text sources. Nothing here touches the network: the address is a file, or a port where nobody listens."""

from __future__ import annotations

import builtins
import hashlib

import pytest

from elman.data import text
from elman.data.text import letters_only, python_topics, read_text, time_machine
from elman.errors import DataError, UsageError

SMALL = "A little text.\r\nOf two lines.\n"


def test_read_text_keeps_every_character(tmp_path):
    (tmp_path / "a.txt").write_bytes(SMALL.encode())
    assert read_text(tmp_path / "a.txt") == SMALL
    assert read_text(str(tmp_path / "a.txt")) == SMALL


def test_a_byte_order_mark_is_dropped(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfabc")
    assert read_text(tmp_path / "a.txt") == "abc"
    assert read_text(tmp_path / "a.txt", encoding="UTF_8") == "abc"


def test_another_encoding(tmp_path):
    (tmp_path / "a.txt").write_bytes("é".encode("latin-1"))
    assert read_text(tmp_path / "a.txt", encoding="latin-1") == "é"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "is empty; give a file with text in it"),
        (b" \n\t ", "holds only white space (4 bytes)"),
        (b"one\ntwo \xff", "is not UTF-8: byte 0xff at offset 8 (line 2); re-save as UTF-8 or pass encoding="),
    ],
)
def test_a_bad_file_is_named(tmp_path, raw, words):
    file = tmp_path / "bad.txt"
    file.write_bytes(raw)
    with pytest.raises(DataError) as raised:
        read_text(file)
    assert str(raised.value).startswith(str(file))
    assert words in str(raised.value)


def test_no_file_a_folder_and_an_unknown_encoding(tmp_path):
    with pytest.raises(DataError, match="does not exist; check the path"):
        read_text(tmp_path / "none.txt")
    with pytest.raises(DataError, match="is a folder; give a text file in it"):
        read_text(tmp_path)
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(UsageError, match="`encoding` must be one that Python knows.*got 'utf-9'"):
        read_text(tmp_path / "a.txt", encoding="utf-9")


def test_letters_only():
    assert letters_only("  It's 1898!\n\r\nEnd.\rz\u2028y") == "it sendz y"


def test_the_seed_text_has_its_170_580_characters(data_dir):
    cleaned = letters_only(time_machine(data_dir / "timemachine.txt"))
    assert len(cleaned) == 170_580
    assert cleaned.startswith("the time machine by h g wells")


def test_python_topics_are_long_and_the_same_each_time():
    topics = python_topics()
    assert len(topics) > 100_000
    assert topics == python_topics()
    assert 'The "for" statement' in topics


def test_python_without_topics(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("pydoc_data"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DataError, match=r"without its documentation topics.*--set data.path=FILE"):
        python_topics()


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """A Time Machine of 30 bytes at a file: address, an own cache folder, and no ELMAN_DATA."""
    raw = SMALL.replace("\r\n", "\n").encode()
    source = tmp_path / "source" / "timemachine.txt"
    source.parent.mkdir()
    source.write_bytes(raw)
    monkeypatch.setattr(text, "TIME_MACHINE_URL", source.as_uri())
    monkeypatch.setattr(text, "TIME_MACHINE_BYTES", len(raw))
    monkeypatch.setattr(text, "TIME_MACHINE_SHA1", hashlib.sha1(raw).hexdigest())
    monkeypatch.setattr(text, "TIME_MACHINE_SHA256", hashlib.sha256(raw).hexdigest())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("ELMAN_DATA", raising=False)
    return source


def test_the_checksums_in_the_code_are_those_of_the_file(data_dir):
    raw = (data_dir / "timemachine.txt").read_bytes()
    found = (len(raw), hashlib.sha1(raw).hexdigest(), hashlib.sha256(raw).hexdigest())
    assert found == (text.TIME_MACHINE_BYTES, text.TIME_MACHINE_SHA1, text.TIME_MACHINE_SHA256)


def test_fetched_once_then_kept(offline, tmp_path):
    plain = offline.read_text()
    assert time_machine() == plain
    kept = tmp_path / "cache" / "elman" / "timemachine.txt"
    assert kept.read_text() == plain
    assert [file.name for file in kept.parent.iterdir()] == ["timemachine.txt"]
    offline.unlink()
    assert time_machine() == plain


def test_the_cache_folder_can_be_given(offline, tmp_path):
    time_machine(cache=tmp_path / "mine")
    assert (tmp_path / "mine" / "timemachine.txt").is_file()
    assert not (tmp_path / "cache").exists()


def test_a_damaged_copy_in_the_cache_is_fetched_again(offline, tmp_path):
    kept = tmp_path / "mine" / "timemachine.txt"
    kept.parent.mkdir()
    kept.write_text("torn")
    assert time_machine(cache=kept.parent) == offline.read_text()
    assert kept.read_text() == offline.read_text()


def test_a_cache_that_cannot_be_written_is_no_error(offline, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert time_machine(cache=tmp_path / "file") == offline.read_text()


def test_the_order_of_places(offline, tmp_path, monkeypatch):
    monkeypatch.setattr(text, "TIME_MACHINE_URL", "http://127.0.0.1:9/nobody")
    monkeypatch.setenv("ELMAN_DATA", str(offline.parent))
    assert time_machine() == offline.read_text()
    offline.write_text("another")
    mine = tmp_path / "mine.txt"
    mine.write_bytes(SMALL.encode())  # Windows line ends are undone
    assert time_machine(mine) == SMALL.replace("\r\n", "\n")
    with pytest.raises(DataError, match="timemachine.txt is not the text"):
        time_machine()


def test_another_text_is_refused_with_both_checksums(offline, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("another text")
    with pytest.raises(DataError) as raised:
        time_machine(other)
    message = str(raised.value)
    assert message.startswith(f"{other} is not the text of The Time Machine")
    assert f"expected {text.TIME_MACHINE_BYTES} bytes, sha1 {text.TIME_MACHINE_SHA1}" in message
    assert f"got 12 bytes, sha1 {hashlib.sha1(b'another text').hexdigest()}" in message


def test_a_wrong_download_is_refused_and_not_kept(offline, tmp_path):
    offline.write_text("a page that says: log in to this network")
    with pytest.raises(DataError, match="is not the text of The Time Machine"):
        time_machine()
    assert not (tmp_path / "cache").exists()


def test_without_a_network_it_says_how_to_give_the_file(offline, monkeypatch):
    monkeypatch.setattr(text, "TIME_MACHINE_URL", "http://127.0.0.1:9/nobody")
    with pytest.raises(DataError) as raised:
        time_machine()
    assert "could not be fetched from http://127.0.0.1:9/nobody" in str(raised.value)
    assert "`--set data.path=FILE`" in str(raised.value)
    assert "ELMAN_DATA=FOLDER" in str(raised.value)


def test_a_given_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="none.txt does not exist"):
        time_machine(tmp_path / "none.txt")
