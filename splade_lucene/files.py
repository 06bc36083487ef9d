"""Text files line by line with their place known, and files that appear whole or not at all."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import jsonlines

from splade_lucene.errors import InputError


class Lines:
    """Iterates over the lines of a UTF-8 file, plain or gzip, and knows the number of the last one.

    Attributes:
        path: the file.
        number: the number of the line that was yielded last, counted from 1.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        """Yields each line without its end (LF or CRLF); a byte order mark is dropped.

        Raises:
            InputError: the file cannot be read, is not UTF-8, or is a damaged gzip file.
        """
        try:
            with self._open() as stream:
                for raw in stream:
                    self.number += 1
                    text = raw.removeprefix(codecs.BOM_UTF8) if self.number == 1 else raw
                    yield text.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise InputError(self.path, f"not UTF-8 ({error.reason} at byte {error.start}); convert the file", self.number) from None
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(self.path, f"damaged gzip data ({error}); fetch the file again", self.number or None) from None
        except OSError as error:
            raise InputError(self.path, f"cannot be read ({error.strerror or error})") from None

    def _open(self) -> IO[bytes]:
        if self.path.suffix == ".gz":
            return gzip.open(self.path, "rb")  # type: ignore[return-value]  # GzipFile is IO[bytes] in all but name
        return self.path.open("rb")


def read_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields ``(line number, object)`` for each non-empty line of a JSONL file, plain or gzip.

    Raises:
        InputError: a line is not a JSON object, or the file cannot be read.
    """
    lines = Lines(path)
    with jsonlines.Reader(lines) as reader:
        objects = reader.iter(type=dict, skip_empty=True)
        while True:
            try:
                item = next(objects)
            except StopIteration:
                return
            except (jsonlines.InvalidLineError, RecursionError) as error:
                cause = error.__cause__
                reason = (
                    f"{cause.msg} at column {cause.colno}" if isinstance(cause, json.JSONDecodeError) else str(error).split(" (line")[0]
                )
                raise InputError(path, f"not a JSON object ({reason}); correct or remove the line", lines.number) from None
            yield lines.number, item


def read_pairs(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yields ``(line number, id, text)`` for each non-empty line ``id<TAB>text`` of a TSV file, plain or gzip.

    Raises:
        InputError: a line has no tab, or the file cannot be read.
    """
    lines = Lines(path)
    for line in lines:
        if line.strip():
            name, tab, text = line.partition("\t")
            if not tab:
                raise InputError(path, "no tab; a TSV line is id, tab, text", lines.number)
            yield lines.number, name, text


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[str]]:
    """Opens a text file that takes its name only when the block ends well; before that, ``path`` is as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def atomic_folder(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yields a temporary folder beside ``path`` that takes its place only when the block ends well.

    Args:
        path: the folder to make.
        overwrite: replace an existing folder; it stays as it is until the new one is complete.

    Raises:
        InputError: ``path`` exists and is not a folder, or ``overwrite`` is false.
    """
    if path.exists() and not (overwrite and path.is_dir()):
        raise InputError(path, "exists already; give another name" + (" or --overwrite" if path.is_dir() else ""))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        if not path.exists():
            temporary.replace(path)
            return
        old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".old"))
        path.replace(old)
        try:
            temporary.replace(path)
        except OSError:
            old.replace(path)
            raise
        shutil.rmtree(old)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
