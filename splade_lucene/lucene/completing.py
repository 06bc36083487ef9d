"""The first and the last step of building an index of either kind: nothing of others is replaced, and all documents are counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from splade_lucene.errors import InputError, JavaError
from splade_lucene.lucene import jvm
from splade_lucene.lucene.card import FILE as CARD
from splade_lucene.lucene.card import IndexCard, part_folders, write_card
from splade_lucene.lucene.docids import docids_are_unique
from splade_lucene.lucene.java import open_reader
from splade_lucene.lucene.normalize import VectorSource
from splade_lucene.lucene.terms import document_frequencies


def check_target(index: Path) -> None:
    """``--overwrite`` replaces an index of ours, not a folder of something else."""
    if index.is_dir() and not ((index / CARD).is_file() or part_folders(index)) and any(index.iterdir()):
        raise InputError(index, "holds something that is no index of splade-lucene; give another name")


def finish(index: Path, card: IndexCard, source: VectorSource | None = None) -> IndexCard:
    """Counts the documents of an index, then writes its card.

    Args:
        index: the folder, still under its temporary name.
        card: what it must hold.
        source: the vectors that were put into it.

    Raises:
        InputError: a docid is a duplicate.
        JavaError: it cannot be opened, or holds more or fewer documents.
    """
    try:
        reader = open_reader(index)
    except jvm.jnius().JavaException as error:
        problem = f"what was written to {index} is no index ({jvm.reason(error)}) and was removed"
        raise JavaError(f"{problem}; is the disk full or read-only?") from None
    try:
        found = reader.numDocs()
        unique = source is None or docids_are_unique(reader)
        card = card._replace(frequencies=_frequencies(card, reader))
    finally:
        reader.close()
    if found != card.documents:
        problem = f"the index holds {found} documents where {card.documents} were expected and was removed"
        raise JavaError(f"{problem}; is the disk full, or Java's heap too small (--java-heap)?")
    if source is not None and not unique:
        source.check()
        raise JavaError(f"{source.folder} has an id twice; ids must be unique, so encode again with --overwrite")
    write_card(index, card)
    return card


def _frequencies(card: IndexCard, reader: Any) -> dict[str, int] | None:
    """What the query model ``idf`` needs of this index; None where queries have another."""
    return document_frequencies(reader) if card.encoder is not None and card.encoder.query.kind == "idf" else None
