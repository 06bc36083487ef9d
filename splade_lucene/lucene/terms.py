"""The terms of an open index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from splade_lucene.lucene.java import java_class, upcast


def terms_of(reader: Any, field: str = "contents") -> list[str]:
    """The distinct terms of a field, those of deleted documents included until segments are merged."""
    leaves = reader.leaves()
    found: set[str] = set()
    for number in range(leaves.size()):
        leaf = leaves.get(number).reader()
        terms = leaf.terms(field)
        if terms is not None:
            found.update(_walk(terms.iterator()))
    return sorted(found)


def _walk(iterator: Any) -> Iterator[str]:
    while (term := iterator.next()) is not None:
        yield term.utf8ToString()


def document_frequencies(reader: Any, field: str = "contents") -> dict[str, int]:
    """Term → the number of documents that have it; exact, deleted documents are not counted."""
    searcher = java_class("IndexSearcher")(upcast("IndexReader", reader))
    found = {}
    for text in terms_of(reader, field):
        query = upcast("Query", java_class("TermQuery")(java_class("Term")(field, text)))
        if count := searcher.count(query):
            found[text] = count
    return found
