"""The terms of an open index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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


def frequencies_in(reader: Any, searcher: Any, fields: Sequence[str], terms: Iterable[str]) -> dict[str, int]:
    """In how many documents each term occurs, fields added up; exact, deleted documents are not counted.

    Args:
        reader: Lucene's.
        searcher: likewise, of the same index.
        fields: where to count.
        terms: what to count.
    """
    # Until segments are merged, Lucene's own count has deleted documents as well.
    deleted = bool(reader.hasDeletions())
    found: dict[str, int] = {}
    for text in terms:
        for term in [java_class("Term")(field, text) for field in fields]:
            if deleted:
                query = upcast("Query", java_class("TermQuery")(term))
                count = searcher.count(query)
            else:
                count = reader.docFreq(term)
            found[text] = found.get(text, 0) + count
    return found
