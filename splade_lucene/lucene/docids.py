"""The docids of an index in the order of its documents, in a file that opens at once whatever its length.

Lucene's hits carry document numbers; asking it for the docid of each takes far longer than the search.
"""

from __future__ import annotations

import json
import mmap
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from splade_lucene.errors import IndexMismatchError
from splade_lucene.lucene.functions import all_of, as_interface, chain, method
from splade_lucene.lucene.java import java_class, java_type, upcast

FILE = "splade_lucene.docids"


class Docids:
    """Lucene's document numbers to docids. The text is mapped into memory, not read.

    Args:
        file: what :func:`write_docids` wrote.

    Raises:
        IndexMismatchError: the file, or the one that it refers to, is not as long as it says.
    """

    def __init__(self, file: Path) -> None:
        damaged = IndexMismatchError(f"{file} is damaged; build the index again")
        with file.open("rb") as stream:
            try:
                head = json.loads(stream.readline())
                count, kind, other, start = head["documents"], np.dtype(head["lengths"]), head["file"], head["start"]
                lengths = np.frombuffer(zlib.decompress(stream.read(head["deflated"])), kind)
            except (ValueError, KeyError, TypeError, zlib.error):
                raise damaged from None
            place = file.parent / other if other else file
            start = start if other else stream.tell()
        # Where each docid begins in the file, and the last one ends.
        self._bounds = np.cumsum(np.concatenate(([start], lengths)), dtype=np.int64)
        end = int(self._bounds[-1])
        if len(lengths) != count or not place.is_file() or place.stat().st_size < end:
            raise damaged
        self._text: mmap.mmap | bytes = b""
        if end:
            with place.open("rb") as stream:
                self._text = mmap.mmap(stream.fileno(), end, access=mmap.ACCESS_READ)

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def __iter__(self) -> Iterator[str]:
        return iter(self.take(range(len(self))))

    def take(self, documents: Sequence[float]) -> list[str]:
        """The docids of documents; their numbers may be floats, as Java's streams have them."""
        numbers = np.asarray(documents, np.int64)
        starts, ends, text = self._bounds[numbers], self._bounds[numbers + 1], self._text
        return [text[start:end].decode() for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


def write_docids(folder: Path, docids: Sequence[str]) -> None:
    """Writes docids, in the order of Lucene's document numbers, into an index folder.

    A line of JSON, then the length of each in bytes, deflated, then the docids, unless one of Lucene's own files holds them in a row:
    its doc values of the field ``id`` do, and then the line says where.
    """
    encoded = [docid.encode() for docid in docids]
    lengths = np.array([len(docid) for docid in encoded], np.int64)
    kind = np.min_scalar_type(int(lengths.max(initial=0)))
    text = b"".join(encoded)
    name, start = _in_doc_values(folder, text)
    deflated = zlib.compress(lengths.astype(kind).tobytes())
    head = {"documents": len(encoded), "lengths": kind.str, "deflated": len(deflated), "file": name, "start": start}
    with (folder / FILE).open("wb") as stream:
        stream.write(json.dumps(head).encode() + b"\n" + deflated)
        if name is None:
            stream.write(text)


def _in_doc_values(folder: Path, text: bytes) -> tuple[str | None, int]:
    """The file of doc values that holds a text, byte for byte, and where in it; None if there is none."""
    for file in sorted(folder.glob("*.dvd")) if text else ():
        with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as values:
            start = values.find(text)
            if start >= 0:
                return file.name, start
    return None, 0


def docids_of(reader: Any) -> list[str]:
    """The docids of an open index in the order of its documents."""
    every = upcast("IndexReader", reader)
    values = java_class("MultiDocValues").getBinaryValues(every, "id")
    advance = method("BinaryDocValues", "advanceExact", "boolean", "int").bindTo(values)
    value = method("BinaryDocValues", "binaryValue", "BytesRef").bindTo(values)
    ignored = java_class("MethodHandles").dropArguments(value, 0, java_type("Object"))
    docid = chain(all_of(advance, returning=ignored), method("BytesRef", "utf8ToString", "String"))
    function = as_interface("IntFunction", docid)
    # No docid holds white space.
    between = upcast("CharSequence", java_class("String")(" "))
    joining = java_class("Collectors").joining(between)
    docids: str = java_class("IntStream").range(0, reader.maxDoc()).mapToObj(function).collect(joining)
    return docids.split()
