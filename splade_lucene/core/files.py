"""Text files read line by line with line numbers; files and folders that are written whole or not at all."""

from __future__ import annotations

import codecs
import fcntl
import gzip
import hashlib
import io
import json
import os
import shutil
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from splade_lucene.core.atomic import OLD, TEMPORARY, naming, prefix, remove_stale_files, remove_stale_folders, swap, to_disk
from splade_lucene.core.ids import RULE, is_usable
from splade_lucene.core.locks import locked
from splade_lucene.core.rejects import Rejected, RejectPolicy
from splade_lucene.core.remote import refuse_url
from splade_lucene.core.streams import AnyPath, is_standard, open_bytes, standard_output
from splade_lucene.errors import InputError

# Bytes of a line, its end included. A longer one is no passage but a mistake (a whole collection in one JSON array, a file of
# zeros), and it would have to be held in memory several times over.
MAX_LINE = 1 << 25
# Lists the bad lines that were left out, beside what was made from the others.
REJECTED = "rejected.jsonl"
# A file that changed longer ago has another time when it changes again.
_SETTLED_NS = 5_000_000_000


class Lines:
    """Iterates over the lines of a UTF-8 file, plain or gzip, and knows the number of the last one.

    Args:
        path: the file.
        bad: told of lines that are too long or not UTF-8; stops at the first if None.

    Attributes:
        path: the file.
        number: the number of the line that was yielded last, counted from 1.
    """

    def __init__(self, path: AnyPath, bad: RejectPolicy | None = None) -> None:
        self.path = path
        self.number = 0
        self._bad = RejectPolicy() if bad is None else bad

    def __iter__(self) -> Iterator[str]:
        """Yields each line without its end (LF or CRLF); a byte order mark is dropped.

        Raises:
            InputError: the file cannot be read, is a damaged gzip file, or has a line that is not UTF-8 or over ``MAX_LINE`` bytes.
        """
        try:
            with open_bytes(self.path) as stream:
                while raw := stream.readline(MAX_LINE + 1):
                    self.number += 1
                    text = self._text(raw, stream)
                    if text is not None:
                        yield text
        except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
            kind = "zip" if isinstance(self.path, zipfile.Path) else "gzip"
            raise InputError(self.path, f"damaged {kind} data ({error}); fetch the file again", self.number or None) from None
        except OSError as error:
            raise InputError(self.path, f"cannot be read ({error.strerror or error}); check its name and permissions") from None

    def _text(self, raw: bytes, stream: IO[bytes]) -> str | None:
        """The text of a line; None if it is bad and that was accepted."""
        if len(raw) > MAX_LINE:
            while raw and not raw.endswith(b"\n"):
                raw = stream.readline(MAX_LINE)
            problem = f"longer than {MAX_LINE >> 20} MiB; write one passage per line, or split it"
            self._bad.handle(InputError(self.path, problem, self.number))
            return None
        try:
            return (raw.removeprefix(codecs.BOM_UTF8) if self.number == 1 else raw).decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            problem = f"not UTF-8 ({error.reason} at byte {error.start}); convert the file to UTF-8"
            self._bad.handle(InputError(self.path, problem, self.number))
            return None


def read_objects(path: AnyPath, bad: RejectPolicy | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields ``(line number, object)`` for each non-empty line of a JSONL file, plain or gzip.

    Args:
        path: the file.
        bad: told of lines that are no JSON objects; stops at the first if None.

    Raises:
        InputError: a line is not a JSON object, or the file cannot be read.
    """
    bad = RejectPolicy() if bad is None else bad
    lines = Lines(path, bad)
    for line in lines:
        if line.strip():
            try:
                item = parse_object(line, path, lines.number)
            except InputError as error:
                bad.handle(error)
            else:
                yield lines.number, item


def parse_object(text: str, path: AnyPath, line: int) -> dict[str, Any]:
    """The JSON object in a line of a file.

    Raises:
        InputError: there is none.
    """
    import jsonlines  # after other imports: a search of queries in a table reads none

    try:
        # Not whichever faster parser happens to be installed, which jsonlines would take: they differ in what they accept.
        with jsonlines.Reader([text], loads=json.loads) as reader:
            item: dict[str, Any] = reader.read(type=dict)
            return item
    except (jsonlines.InvalidLineError, RecursionError) as error:
        cause = error.__cause__
        reason = f"{cause.msg} at column {cause.colno}" if isinstance(cause, json.JSONDecodeError) else str(error).split(" (line")[0]
        raise InputError(path, f"not a JSON object ({reason}); correct or remove the line", line) from None


def check_ids(names: Iterable[str], path: AnyPath, line: int) -> None:
    """Makes sure that every tool can carry the ids in a line.

    Raises:
        InputError: one is too long or holds a control character.
    """
    for name in names:
        if not is_usable(name):
            raise InputError(path, f"the id {name!r} cannot be used; {RULE}", line)


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[str]]:
    """Opens a text file that gets its name when the block succeeds; until then ``path`` is unchanged.

    ``-`` is standard output.

    Raises:
        InputError: ``path`` is a folder, a device or a pipe, which a file must not replace.
        OSError: the file cannot be written; the error names ``path``.
    """
    if is_standard(path):
        with standard_output() as stream:
            yield stream
        return
    refuse_url(path)
    if path.exists() and not path.is_file():
        raise InputError(path, "is not a regular file, refusing to overwrite it; give another name")
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming(path):
        remove_stale_files(path)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix(path), suffix=TEMPORARY)
        fcntl.flock(handle, fcntl.LOCK_EX)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        except BaseException:  # Ctrl-C too leaves nothing behind
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def atomic_folder(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yields a temporary folder beside ``path`` that takes its place when the block succeeds.

    What killed processes left of the same folder is removed first.

    Args:
        path: the folder to make.
        overwrite: replace an existing folder; it is unchanged until the new one is complete, and is then replaced in one step
            where the system can swap names.

    Raises:
        InputError: ``path`` is ``-``, exists and is not a folder, or ``overwrite`` is false, or another process is writing it.
        OSError: the folder cannot be written; the error names ``path``.
    """
    if is_standard(path):
        raise InputError(path, "a folder cannot be written to standard output; give a name")
    if path.is_symlink():
        path = path.resolve()  # what it names is replaced, not the link
    with naming(path), locked(path):
        remove_stale_folders(path)
        if path.exists() and not (overwrite and path.is_dir()):
            raise InputError(path, "exists already; give another name" + (" or --overwrite" if path.is_dir() else ""))
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=prefix(path), suffix=TEMPORARY))
        try:
            yield temporary
            temporary.chmod(0o777 & ~_umask())
            to_disk(temporary)
            _publish(temporary, path)
        except BaseException:  # likewise
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def _publish(temporary: Path, path: Path) -> None:
    if not path.exists():
        temporary.replace(path)
        return
    if swap(temporary, path):
        shutil.rmtree(temporary)
        return
    old = Path(tempfile.mkdtemp(dir=path.parent, prefix=prefix(path), suffix=OLD))
    path.replace(old)
    try:
        temporary.replace(path)
    except OSError:
        old.replace(path)
        raise
    shutil.rmtree(old)


def write_rejected(folder: Path, rejected: Sequence[Rejected]) -> None:
    """Writes ``rejected.jsonl`` into a folder, a line for each bad line that was left out; without any, there is no such file."""
    import jsonlines

    file = folder / REJECTED
    lines = io.StringIO()
    jsonlines.Writer(lines, dumps=json.dumps).write_all(each._asdict() for each in rejected)
    text = lines.getvalue()
    if not text:
        file.unlink(missing_ok=True)
    elif not file.is_file() or file.read_text(encoding="utf-8") != text:
        with atomic_file(file) as stream:
            stream.write(text)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def known_file_sha256(path: Path) -> str:
    """As :func:`file_sha256`, but a file that did not change since this process read it is not read again.

    Its size and times tell, the time of the last change to it among them, which programs cannot set. That has to be some seconds ago:
    two changes right after each other may have the same time.
    """
    status = path.stat()
    if time.time_ns() - status.st_ctime_ns < _SETTLED_NS:
        return file_sha256(path)
    return _known_sha256(path, (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))


@lru_cache(maxsize=64)
def _known_sha256(path: Path, _identity: tuple[int, ...]) -> str:
    return file_sha256(path)


def json_sha256(value: Any) -> str:
    """The SHA-256 of a value's JSON as 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
