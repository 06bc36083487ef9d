"""Deletes documents as others do, who leave them in their segments; ``index --delete`` writes these again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from splade_lucene.lucene.card import read_card, write_card
from splade_lucene.lucene.java import java_class, open_reader, upcast
from splade_lucene.lucene.lucene_writer import _open


def mark_deleted(index: Path, doc_ids: Iterable[str]) -> None:
    """Marks documents as deleted and leaves their postings, terms and stored fields where they are."""
    writer = _open(index)
    for doc_id in doc_ids:
        term = java_class("Term")("id", doc_id)
        query = upcast("Query", java_class("TermQuery")(term))
        writer.deleteDocuments(query)
    writer.close()
    reader = open_reader(index)
    documents, places = reader.numDocs(), reader.maxDoc()
    reader.close()
    assert documents < places
    write_card(index, read_card(index)._replace(documents=documents))
