"""The docids of an index in the order of its documents, in a file that opens at once whatever its length.

Lucene's hits carry document numbers; asking it for the docid of each takes far longer than the search.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from splade_lucene.errors import IndexMismatchError
from splade_lucene.lucene.functions import all_of, as_interface, chain, method
from splade_lucene.lucene.java import java_class, java_type, upcast

FILE = "splade_lucene.ids"
_HEADER = np.dtype("<u8")


class Docids:
    """Lucene's document numbers to docids. The file is mapped into memory, not read.

    Args:
        file: what :func:`write_docids` wrote: the number of docids, where each ends, and their UTF-8 bytes.

    Raises:
        IndexMismatchError: the file is not as long as it says.
    """

    def __init__(self, file: Path) -> None:
        size, width = file.stat().st_size, _HEADER.itemsize
        count = int(np.fromfile(file, _HEADER, 1)[0]) if size >= width else -1
        start = width * (1 + count)
        if count < 0 or size < start:
            raise IndexMismatchError(f"{file} is damaged; build the index again")
        self._ends = np.memmap(file, _HEADER, "r", width, (count,)) if count else np.empty(0, _HEADER)
        if size != start + (int(self._ends[-1]) if count else 0):
            raise IndexMismatchError(f"{file} is damaged; build the index again")
        self._text = memoryview(np.memmap(file, np.uint8, "r", start).data) if count else memoryview(b"")

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[str]:
        return (self[document] for document in range(len(self)))

    def __getitem__(self, document: int) -> str:
        start = self._ends[document - 1] if document else 0
        return bytes(self._text[start : self._ends[document]]).decode()


def write_docids(folder: Path, docids: Sequence[str]) -> None:
    """Writes docids, in the order of Lucene's document numbers, into an index folder."""
    encoded = [docid.encode() for docid in docids]
    ends = np.cumsum([len(docid) for docid in encoded], dtype=_HEADER)
    with (folder / FILE).open("wb") as stream:
        np.array([len(encoded)], _HEADER).tofile(stream)
        ends.tofile(stream)
        stream.write(b"".join(encoded))


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
