"""JSON: a line for each object (JSONL), one array of objects, or objects over several lines; all are read as streams."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import re
import zipfile
import zlib
from collections.abc import Collection, Iterator
from typing import IO, Any, NoReturn

from splade_lucene.collections.formats.base import FileFormat, FileRow
from splade_lucene.collections.formats.lines import estimate_lines
from splade_lucene.core.files import MAX_LINE, read_objects
from splade_lucene.core.rejects import RejectPolicy
from splade_lucene.core.streams import AnyPath, first_line, open_bytes
from splade_lucene.errors import InputError

_CHUNK = 1 << 16
_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


def _sniff(head: bytes) -> bool:
    return _start(head) in (b"{", b"[")


def _start(head: bytes) -> bytes:
    return head.removeprefix(codecs.BOM_UTF8).lstrip()[:1]


def _read(file: AnyPath, bad: RejectPolicy, wanted: Collection[str] | None) -> Iterator[FileRow]:
    head = _head(file)
    if _start(head) != b"[" and head.strip() != b"{":
        yield from (FileRow(number, item) for number, item in read_objects(file, bad))
        return
    try:
        with open_bytes(file) as stream:
            yield from _Values(file, stream, bad)
    except UnicodeDecodeError as error:
        raise InputError(file, f"not UTF-8 ({error.reason}); convert the file to UTF-8") from None
    except (EOFError, zlib.error, zipfile.BadZipFile, OSError) as error:
        raise InputError(file, f"cannot be read ({error}); fetch the file again") from None


def _head(file: AnyPath) -> bytes:
    try:
        return first_line(file).removeprefix(codecs.BOM_UTF8)
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, OSError):
        return b""  # reading it says what is wrong


class _Values:
    """The objects of an array, or one after the other, with the lines that they end in; only the one at hand is in memory."""

    def __init__(self, file: AnyPath, stream: IO[bytes], bad: RejectPolicy) -> None:
        self._file, self._bad = file, bad
        self._stream = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        self._text, self._at, self._line = "", 0, 1

    def __iter__(self) -> Iterator[FileRow]:
        if self._skip_space() != "[":
            while self._skip_space():
                yield from self._objects()
            return
        self._at += 1
        if self._skip_space() == "]":
            self._at += 1
        else:
            yield from self._objects()
            while self._expect(",]") == ",":
                yield from self._objects()
        if self._skip_space():
            self._fail("text after the end of the array")

    def _objects(self) -> Iterator[FileRow]:
        """The next value, if it is an object."""
        item = self._value()
        if isinstance(item, dict):
            yield FileRow(self._line, item)
        else:
            self._bad.handle(InputError(self._file, "an item is not a JSON object; correct or remove it", self._line))

    def _expect(self, characters: str) -> str:
        found = self._skip_space()
        if not found or found not in characters:
            self._fail(f"expected {' or '.join(map(repr, characters))}")
        self._at += 1
        return found

    def _skip_space(self) -> str:
        """Moves to the next character that is no white space and returns it; nothing at the end."""
        while True:
            match = _SPACE.match(self._text, self._at)
            end = match.end() if match else self._at
            self._line += self._text.count("\n", self._at, end)
            self._at = end
            if end < len(self._text):
                return self._text[end]
            if not self._more(_CHUNK):
                return ""

    def _value(self) -> Any:
        self._skip_space()
        wanted = _CHUNK
        while True:
            try:
                item, end = _DECODER.raw_decode(self._text, self._at)
            except (json.JSONDecodeError, RecursionError) as error:
                if len(self._text) - self._at > MAX_LINE:
                    self._fail(f"an item is longer than {MAX_LINE >> 20} MiB")
                if not self._more(wanted):
                    self._fail(error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply")
                wanted *= 2
            else:
                self._line += self._text.count("\n", self._at, end)
                self._at = end
                return item

    def _more(self, count: int) -> bool:
        new = self._stream.read(count)
        self._text, self._at = self._text[self._at :] + new, 0
        return bool(new)

    def _fail(self, reason: str) -> NoReturn:
        raise InputError(self._file, f"not JSON objects ({reason}); correct it, or write one object per line", self._line)


FORMAT = FileFormat("JSON", (".jsonl", ".json", ".ndjson"), _sniff, _read, estimate_lines)
