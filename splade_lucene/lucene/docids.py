"""The docids of an index, from Lucene itself."""

from __future__ import annotations

from typing import Any

from splade_lucene.lucene.java import own_class, upcast
from splade_lucene.lucene.method_handles import as_interface, static_method


def docids_of(reader: Any) -> list[str]:
    """The docids of an open index in the order of its documents."""
    doc_ids: str = _call("all", "String", reader)
    return doc_ids.split("\n")[:-1]


def docids_are_unique(reader: Any) -> bool:
    """Whether no docid of an open index is there twice."""
    unique: bool = _call("unique", "boolean", reader)
    return unique


def _call(name: str, returns: str, reader: Any) -> Any:
    """What a method of ``classes/splade_lucene/Docids.java`` says of an index."""
    function = as_interface("Function", static_method(own_class("Docids"), name, returns, "IndexReader"))
    every = upcast("IndexReader", reader)
    return function.apply(every)
