"""The docids of an index, from Lucene itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from splade_lucene.core.files import Lines
from splade_lucene.errors import InputError
from splade_lucene.lucene.entry import call
from splade_lucene.lucene.java import upcast


def docids_of(reader: Any) -> list[str]:
    """The docids of an open index in the order of its documents."""
    doc_ids: str = call("docids", reader=upcast("IndexReader", reader))
    return doc_ids.split("\n")[:-1]


def some_docids(reader: Any, most: int) -> list[str]:
    """Docids of documents that are spread evenly over an open index; all if it has no more."""
    doc_ids: str = call("some docids", reader=upcast("IndexReader", reader), most=most)
    return doc_ids.split("\n")[:-1]


def docids_are_unique(reader: Any) -> bool:
    """Whether the docids of an open index are unique."""
    return bool(call("docids are unique", reader=upcast("IndexReader", reader)))


def read_docids(file: Path) -> dict[str, int]:
    """Reads a file of docids, one per line, with the number of each line.

    Raises:
        InputError: a docid is there twice, or there is none.
    """
    lines = Lines(file)
    found: dict[str, int] = {}
    for line in lines:
        doc_id = line.strip()
        if found.setdefault(doc_id, lines.number) != lines.number and doc_id:
            raise InputError(file, f"duplicate id {doc_id!r}; remove it", lines.number)
    found.pop("", None)
    if not found:
        raise InputError(file, "holds no docids; write one per line")
    return found
