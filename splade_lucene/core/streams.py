"""Where bytes come from and go to: files, members of a zip archive, and ``-`` for standard input and output."""

from __future__ import annotations

import codecs
import gzip
import io
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TextIO, cast

from splade_lucene.core.remote import RemotePath, is_url, local_path
from splade_lucene.errors import InputError

AnyPath = Path | zipfile.Path | RemotePath
"""A file or folder, on disk, in a zip archive or at a URL; ``Path("-")`` is standard input or output."""

STANDARD = Path("-")
# Bytes of the first line that are looked at to tell what kind of file this is.
_HEAD = 1 << 16
_GZIP_MAGIC = b"\x1f\x8b"


def as_path(name: AnyPath | str) -> AnyPath:
    """What a user's name of a file or folder means: a URL, or a path on disk."""
    if not isinstance(name, str):
        return name
    if not is_url(name) or Path(name).exists():
        return Path(name)
    return local_path(name) or RemotePath(name)


def is_standard(path: AnyPath) -> bool:
    """Whether a path is ``-``: standard input where a file is read, standard output where one is written."""
    return isinstance(path, Path) and path == STANDARD


def open_bytes(path: AnyPath) -> IO[bytes]:
    """Opens a file, plain, gzip (by its name; standard input by its first bytes), in a zip archive or at a URL, for its uncompressed bytes.

    Raises:
        InputError: it is standard input, which was read before.
    """
    if is_standard(path):
        return _standard_input().open()
    if isinstance(path, Path) and path.suffix == ".gz":
        return gzip.open(path, "rb")  # type: ignore[return-value]  # GzipFile is IO[bytes] in all but name
    if isinstance(path, RemotePath) and path.suffix == ".gz":
        return gzip.open(path.open(), "rb")  # type: ignore[return-value]  # as above
    return path.open("rb")


def first_line(path: AnyPath) -> bytes:
    """The first line that is not blank, or its beginning; what is read of standard input for that is kept for :func:`open_bytes`.

    Raises:
        OSError, EOFError, zlib.error, zipfile.BadZipFile: the file cannot be read.
    """
    if is_standard(path):
        return _standard_input().first_line()
    with open_bytes(path) as stream:
        return _first_line(stream)[-1]


@contextmanager
def as_file(path: Path | RemotePath) -> Iterator[Path]:
    """The file itself, or a temporary one with what standard input or a URL holds, for work that reads a file more than once."""
    if isinstance(path, Path) and not is_standard(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="splade-lucene-") as folder:
        copy = Path(folder) / ("stdin" if isinstance(path, Path) else path.stem if path.suffix == ".gz" else path.name)
        with open_bytes(path) as source, copy.open("wb") as target:
            shutil.copyfileobj(source, target)
        yield copy


@contextmanager
def standard_output() -> Iterator[TextIO]:
    """Standard output, flushed but not closed at the end of the block."""
    yield sys.stdout
    sys.stdout.flush()


class _StandardInput:
    """Standard input of the process: its beginning can be looked at before it is read once."""

    def __init__(self, source: IO[bytes]) -> None:
        self.source = source
        self._stream: IO[bytes] | None = None
        self._head: list[bytes] | None = None
        self._opened = False

    def first_line(self) -> bytes:
        if self._head is None:
            self._head = _first_line(self._uncompressed())
        return self._head[-1]

    def open(self) -> IO[bytes]:
        if self._opened:
            raise InputError("standard input", "can be read only once; name a file for the others")
        self._opened = True
        return cast(IO[bytes], io.BufferedReader(_Joined(b"".join(self._head or ()), self._uncompressed())))

    def _uncompressed(self) -> IO[bytes]:
        if self._stream is None:
            magic = self.source.read(len(_GZIP_MAGIC))
            joined = io.BufferedReader(_Joined(magic, self.source))
            self._stream = cast(IO[bytes], gzip.GzipFile(fileobj=joined) if magic == _GZIP_MAGIC else joined)
        return self._stream


class _Joined(io.RawIOBase):
    """Some bytes, then the rest of a stream, which is not closed with this."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head, self._rest = head, rest
        # What is there now, where a stream can tell: a pipe is not waited for.
        self._read = getattr(rest, "read1", rest.read)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # typeshed's Buffer is for 3.12
        data = self._head[: len(buffer)] or self._read(len(buffer))
        self._head = self._head[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


_latest: list[_StandardInput] = []


def _standard_input() -> _StandardInput:
    source = sys.stdin.buffer
    if not _latest or _latest[0].source is not source:
        _latest[:] = [_StandardInput(source)]
    return _latest[0]


def _first_line(stream: IO[bytes]) -> list[bytes]:
    """The lines up to the first that is not blank."""
    lines = [stream.readline(_HEAD)]
    while lines[-1] and not lines[-1].removeprefix(codecs.BOM_UTF8).strip():
        lines.append(stream.readline(_HEAD))
    return lines
