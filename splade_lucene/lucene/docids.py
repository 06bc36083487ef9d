"""The docids of an index, from Lucene itself."""

from __future__ import annotations

from typing import Any

from splade_lucene.lucene.entry import call
from splade_lucene.lucene.java import upcast


def docids_of(reader: Any) -> list[str]:
    """The docids of an open index in the order of its documents."""
    doc_ids: str = call("docids", reader=upcast("IndexReader", reader))
    return doc_ids.split("\n")[:-1]


def docids_are_unique(reader: Any) -> bool:
    """Whether no docid of an open index is there twice."""
    return bool(call("docids are unique", reader=upcast("IndexReader", reader)))
