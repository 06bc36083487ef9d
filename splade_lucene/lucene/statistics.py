"""What an index holds, and the size of its parts on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from splade_lucene.lucene.card import read_card
from splade_lucene.lucene.java import postings_of
from splade_lucene.lucene.memory import decoded_bytes
from splade_lucene.lucene.opening import open_index

# Lucene's file names by what they hold; the rest are headers and ours.
_PARTS = {
    "postings": (".doc", ".pos", ".pay"),
    "terms": (".tim", ".tip", ".tmd"),
    "stored fields": (".fdt", ".fdx", ".fdm"),
    "doc values": (".dvd", ".dvm"),
    "norms": (".nvd", ".nvm"),
}


class IndexStatistics(NamedTuple):
    """Counts of all indexed fields of text together, and the bytes of the whole index.

    Attributes:
        documents: the number of documents.
        terms: the number of distinct terms, the same term in two fields counted twice.
        postings: the number of (term, document) pairs, likewise.
        length: the mean number of distinct terms of a document.
        bits_per_posting: of the postings and the term dictionary.
        memory: bytes of Java's heap that an impact index takes up when it is searched in memory; None for a BM25 index.
        bytes: by part: postings, terms, stored fields, doc values, norms, other.
    """

    documents: int
    terms: int
    postings: int
    length: float
    bits_per_posting: float
    memory: int | None
    bytes: Mapping[str, int]


def index_statistics(index: Path | str) -> IndexStatistics:
    """Counts and measures an index.

    Args:
        index: the folder of an index of either kind.

    Returns:
        The statistics.

    Raises:
        IndexMismatchError: the folder is no finished index of ours, or cannot be opened.
    """
    index = Path(index)
    card = read_card(index)
    names = card.fields
    reader = open_index(index, card)
    try:
        documents = reader.numDocs()
        leaves = reader.leaves()
        fields = [leaves.get(number).reader().terms(name) for number in range(leaves.size()) for name in names]
        terms = sum(field.size() for field in fields if field is not None)
        postings = postings_of(reader, names)
        memory = decoded_bytes(reader) if card.kind == "impact" else None
    finally:
        reader.close()
    parts = dict.fromkeys([*_PARTS, "other"], 0)
    for file in index.iterdir():
        parts[next((part for part, suffixes in _PARTS.items() if file.suffix in suffixes), "other")] += file.stat().st_size
    bits = 8 * (parts["postings"] + parts["terms"])
    return IndexStatistics(documents, terms, postings, postings / max(1, documents), bits / max(1, postings), memory, parts)
