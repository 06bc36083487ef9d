"""A query to begin with, made from what an index holds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from splade_lucene.serving.catalog import Catalog
    from splade_lucene.serving.served_index import OpenIndex, ServedIndex

# Documents that are looked at.
_SAMPLES = 9
_WORDS = range(4, 13)
_MOST_WORDS = 9


def suggest_query(catalog: Catalog, served: ServedIndex, index: OpenIndex) -> str | None:
    """The beginning of a stored text that reads like a title, or some words that several documents share; None if there is nothing."""
    from splade_lucene.serving.service import text_of

    doc_ids = index.searcher.sample(_SAMPLES)
    texts = [text_of(catalog, served, index, doc_id) for doc_id in doc_ids]
    for text in texts:
        if text and (sentence := _title(text)):
            return sentence
    for text in texts:
        if text:
            return " ".join(text.split()[:_MOST_WORDS])
    return None


def _title(text: str) -> str | None:
    sentence = re.split(r"(?<=[.?!])\s|\n", text.strip(), maxsplit=1)[0].strip(" .")
    return sentence if len(sentence.split()) in _WORDS and sentence.isprintable() else None
