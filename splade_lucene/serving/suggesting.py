"""A query to begin with, made from what an index holds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from splade_lucene.serving.catalog import Catalog
    from splade_lucene.serving.served_index import IndexSnapshot, ServedIndex

# Documents that are looked at.
_SAMPLES = 9
_WORDS = range(4, 13)
_MOST_WORDS = 9
# Without texts: how many words of the vocabulary are looked up, and the share of documents in which one may be.
_MOST_LOOKED_UP, _RARE, _WORD_LENGTHS = 1000, 0.05, range(6, 13)


def suggest_query(catalog: Catalog, served: ServedIndex, index: IndexSnapshot) -> str | None:
    """The beginning of a stored text that reads like a title, or a word that some documents share; None if there is nothing."""
    from splade_lucene.serving.service import text_of

    doc_ids = index.searcher.sample(_SAMPLES)
    texts = [text_of(catalog, served, index, doc_id) for doc_id in doc_ids]
    for text in texts:
        if text and (sentence := _title(text)):
            return sentence
    for text in texts:
        if text:
            return " ".join(text.split()[:_MOST_WORDS])
    return _frequent_word(index)


def _frequent_word(index: IndexSnapshot) -> str | None:
    """Of some words of the model's vocabulary the most frequent one that is still rare, where no text is stored."""
    if index.encoder is None:
        return None
    words = [token for token in index.encoder.model.vocabulary if token.isascii() and token.isalpha() and len(token) in _WORD_LENGTHS]
    found = index.searcher.document_frequencies(words[:: max(1, len(words) // _MOST_LOOKED_UP)])
    rare = {word: count for word, count in found.items() if 0 < count <= max(1, _RARE * index.card.documents)}
    return max(rare, key=rare.__getitem__, default=None)


def _title(text: str) -> str | None:
    sentence = re.split(r"(?<=[.?!])\s|\n", text.strip(), maxsplit=1)[0].strip(" .")
    return sentence if len(sentence.split()) in _WORDS and sentence.isprintable() else None
