"""An impact index that Anserini built gets a card of ours; its files stay as they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from splade_lucene.errors import IndexMismatchError, InputError, JavaError
from splade_lucene.lucene import jvm
from splade_lucene.lucene.card import FILE, IndexCard, write_card
from splade_lucene.lucene.docids import docids_are_unique
from splade_lucene.lucene.java import lucene_version, open_reader
from splade_lucene.lucene.terms import document_frequencies, terms_of
from splade_lucene.records import EncoderRecord, ImpactVector, VectorSettings

# Documents whose stored vectors are looked at.
_SAMPLE = 64


def adopt_index(
    index: Path, encoder: EncoderRecord, settings: VectorSettings, *, check: Callable[[list[str], list[ImpactVector]], None]
) -> IndexCard:
    """Writes the card of an index that was built elsewhere.

    Args:
        index: the folder.
        encoder: what encoded its documents, and what will encode queries.
        settings: how documents were encoded.
        check: told of all terms and of some stored documents; raises what is wrong with them.

    Raises:
        IndexMismatchError: the folder is no Lucene index, not one of impacts, or has a card already.
        InputError: a docid is a duplicate.
    """
    if (index / FILE).is_file():
        raise IndexMismatchError(f"{index} has a card already ({FILE}); remove that file to adopt the index again")
    jvm.start()
    try:
        reader = open_reader(index)
    except jvm.jnius().JavaException as error:
        raise IndexMismatchError(
            f"{index} is no index that Lucene {lucene_version()} can open ({jvm.reason(error)}); "
            "give the folder with the segments file of an index that this Lucene or an earlier one wrote"
        ) from None
    try:
        terms = terms_of(reader)
        if not terms:
            raise IndexMismatchError(f"{index} has no terms in the field contents, where Anserini puts impacts; give an impact index")
        if not docids_are_unique(reader):
            raise InputError(index, "has a docid twice; ids must be unique")
        check(terms, _stored(reader))
        frequencies = document_frequencies(reader) if encoder.query.kind == "idf" else None
        documents = reader.numDocs()
    except jvm.jnius().JavaException as error:
        raise JavaError(f"reading {index} failed: {jvm.reason(error)}{jvm.advice(error)}") from None
    finally:
        reader.close()
    card = IndexCard("impact", documents, 0, lucene_version(), encoder, settings, frequencies=frequencies)
    write_card(index, card)
    return card


def _stored(reader: Any) -> list[ImpactVector]:
    """The first documents, where the index stores them as they were given (``-storeRaw``)."""
    fields = reader.storedFields()
    found = []
    for number in range(min(_SAMPLE, reader.maxDoc())):
        raw = fields.document(number).get("raw")
        try:
            item = json.loads(raw) if raw else {}
            found.append(ImpactVector(str(item["id"]), item["vector"], item.get("contents")))
        except (ValueError, KeyError, TypeError):  # stored in another form, or not at all
            continue
    return found
