from __future__ import annotations

import gzip
import hashlib
import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from splade_lucene.core import files
from splade_lucene.core.files import Lines, atomic_file, atomic_folder, file_sha256, known_file_sha256, read_objects
from splade_lucene.errors import InputError


def at(file: Path, line: int, reason: str = "") -> str:
    return f"^{re.escape(str(file))}, line {line}: .*{reason}"


def contents(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def names(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


@pytest.fixture
def umask_027() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("one\ntwo\n", ["one", "two"]),
        ("one\r\ntwo\r\n", ["one", "two"]),
        ("one\n\nno end", ["one", "", "no end"]),
        ("\ufeffone\ntwo", ["one", "two"]),
        ("  é 日本 \u2028 \x85 \x0b\n", ["  é 日本 \u2028 \x85 \x0b"]),
        ("", []),
    ],
    ids=["lf", "crlf", "no end", "bom", "unicode line separators do not split", "empty"],
)
def test_lines_come_without_their_ends(tmp_path: Path, name: str, raw: str, expected: list[str]) -> None:
    file = tmp_path / name
    file.write_bytes(gzip.compress(raw.encode()) if file.suffix == ".gz" else raw.encode())
    lines = Lines(file)
    assert list(lines) == expected
    assert lines.number == len(expected)


def test_a_byte_order_mark_is_dropped_only_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes("one\n\ufefftwo\n".encode())
    assert list(Lines(file)) == ["one", "\ufefftwo"]


def test_lines_know_the_number_of_the_line_just_yielded(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("one\ntwo\nthree\n")
    lines = Lines(file)
    assert [(text, lines.number) for text in lines] == [("one", 1), ("two", 2), ("three", 3)]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_another_encoding_is_refused_with_its_line(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"plain\n" + "é\n".encode(encoding))
    with pytest.raises(InputError, match=at(file, 2, "not UTF-8")):
        list(Lines(file))


def test_truncated_gzip_is_refused_after_the_last_whole_line(tmp_path: Path) -> None:
    file = tmp_path / "a.txt.gz"
    texts = [f"{number} {number**5}" for number in range(20_000)]
    whole = gzip.compress("\n".join(texts).encode())
    file.write_bytes(whole[: len(whole) // 2])
    got: list[str] = []
    with pytest.raises(InputError, match="damaged gzip data") as failure:
        for text in Lines(file):
            got.append(text)
    assert 0 < len(got) < len(texts)
    assert got == texts[: len(got)]
    assert re.match(at(file, len(got)), str(failure.value))


def test_changed_gzip_data_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.txt.gz"
    whole = bytearray(gzip.compress(b"one\ntwo\n"))
    whole[-8] ^= 1  # the checksum
    file.write_bytes(whole)
    with pytest.raises(InputError, match="damaged gzip data"):
        list(Lines(file))


def test_plain_text_named_gz_is_refused_without_naming_a_line_zero(tmp_path: Path) -> None:
    file = tmp_path / "a.txt.gz"
    file.write_text("one\n")
    with pytest.raises(InputError, match="gzip") as failure:
        list(Lines(file))
    assert str(failure.value).startswith(str(file))
    assert "line 0" not in str(failure.value)


@pytest.mark.parametrize("name", ["absent.txt", "absent.txt.gz", "."])
def test_what_cannot_be_opened_is_an_input_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=rf"^{re.escape(str(tmp_path / name))}: cannot be read"):
        list(Lines(tmp_path / name))


def test_objects_come_with_their_line_numbers_and_empty_lines_are_skipped(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\r\n   \n{"b": "\\u00e9"}')
    assert list(read_objects(file)) == [(1, {"a": 1}), (4, {"b": "é"})]


@pytest.mark.parametrize(
    "broken",
    ['{"a": ', "[1]", "null", "7", '"text"', '{"a": 1} {"b": 2}', "text", "{'a': 1}", '{"a": ' + "1" * 5000 + "}", "[" * 100_000],
    ids=["cut", "array", "null", "number", "string", "two", "text", "quotes", "huge number", "deep nesting"],
)
def test_a_line_that_is_no_object_is_refused_with_its_line(tmp_path: Path, broken: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(f'{{"a": 1}}\n\n{broken}\n{{"b": 2}}\n')
    objects = read_objects(file)
    assert next(objects) == (1, {"a": 1})
    with pytest.raises(InputError, match=at(file, 3, "not a JSON object")):
        next(objects)


def test_read_objects_passes_on_what_is_wrong_with_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'{"a": 1}\n{"a": "\xe9"}\n')
    with pytest.raises(InputError, match=at(file, 2, "not UTF-8")):
        list(read_objects(file))


def test_an_atomic_file_appears_only_at_the_end_and_replaces_the_old(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    target.parent.mkdir()
    target.write_text("old")
    with atomic_file(target) as stream:
        stream.write("é\n")
        stream.flush()
        assert target.read_text() == "old"
    assert target.read_bytes() == "é\n".encode()
    assert names(target.parent) == ["a.txt"]


def test_an_atomic_file_makes_its_parents(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "b" / "c" / "a.txt") as stream:
        stream.write("text")
    assert contents(tmp_path) == {"b/c/a.txt": "text"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("before", [{}, {"a.txt": "old"}], ids=["absent", "present"])
def test_an_atomic_file_whose_block_raises_leaves_everything_as_it_was(
    tmp_path: Path, error: type[BaseException], before: dict[str, str]
) -> None:
    for name, text in before.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(error), atomic_file(tmp_path / "a.txt") as stream:
        stream.write("new")
        raise error
    assert contents(tmp_path) == before


@pytest.mark.usefixtures("umask_027")
def test_files_and_folders_get_the_mode_that_the_umask_gives(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "a.txt"):
        pass
    with atomic_folder(tmp_path / "folder", overwrite=False):
        pass
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o750
    assert os.umask(0o027) == 0o027


def test_an_atomic_folder_appears_only_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder"
    with atomic_folder(target, overwrite=False) as folder:
        (folder / "a.txt").write_text("text")
        assert not target.exists()
        assert folder.parent == target.parent  # the same file system
    assert contents(tmp_path) == {"new/folder/a.txt": "text"}


def test_an_atomic_folder_refuses_what_exists(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="exists already"), atomic_folder(tmp_path / "folder", overwrite=False):
        pytest.fail("the block must not run")
    assert names(tmp_path) == ["folder"]


def test_overwriting_keeps_the_old_folder_until_the_new_one_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    (target / "deep").mkdir(parents=True)
    (target / "deep" / "old.txt").write_text("old")
    with atomic_folder(target, overwrite=True) as folder:
        (folder / "new.txt").write_text("new")
        assert contents(target) == {"deep/old.txt": "old"}
    assert contents(target) == {"new.txt": "new"}
    assert names(tmp_path) == ["folder"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("before", [{}, {"folder/old.txt": "old"}], ids=["absent", "present"])
def test_an_atomic_folder_whose_block_raises_leaves_everything_as_it_was(
    tmp_path: Path, error: type[BaseException], before: dict[str, str]
) -> None:
    for name, text in before.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    with pytest.raises(error), atomic_folder(tmp_path / "folder", overwrite=True) as folder:
        (folder / "new.txt").write_text("new")
        raise error
    assert contents(tmp_path) == before
    assert len(names(tmp_path)) == len(before)


def test_overwriting_a_file_with_a_folder_leaves_no_debris(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("a file")
    with pytest.raises((InputError, OSError)), atomic_folder(tmp_path / "folder", overwrite=True) as folder:
        (folder / "new.txt").write_text("new")
    assert names(tmp_path) == ["folder"]
    assert (tmp_path / "folder").read_text() == "a file"


def test_the_checksum_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert file_sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_checksum_is_computed_again_only_where_the_file_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, read = tmp_path / "weights", 0

    def counted(path: Path) -> str:
        nonlocal read
        read += 1
        return file_sha256(path)

    monkeypatch.setattr(files, "file_sha256", counted)
    file.write_bytes(b"one")
    one, two = (hashlib.sha256(content).hexdigest() for content in (b"one", b"two"))
    assert (known_file_sha256(file), known_file_sha256(file), read) == (one, one, 2)  # it may change again within the clock's tick
    later = time.time_ns() + 60_000_000_000
    monkeypatch.setattr(time, "time_ns", lambda: later)
    assert (known_file_sha256(file), known_file_sha256(file), read) == (one, one, 3)
    # Other content of the same size, and with the same time of modification.
    before = file.stat()
    while file.stat().st_ctime_ns == before.st_ctime_ns:
        file.write_bytes(b"two")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert (known_file_sha256(file), known_file_sha256(file), read) == (two, two, 4)
