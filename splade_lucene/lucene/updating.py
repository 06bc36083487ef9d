"""Changes an impact index: deletes documents and adds others, as a whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from splade_lucene.core.files import atomic_folder
from splade_lucene.errors import IndexMismatchError, InputError
from splade_lucene.lucene.build_impacts import IndexSettings, write_impacts
from splade_lucene.lucene.card import FILE as CARD
from splade_lucene.lucene.card import IndexCard, read_card
from splade_lucene.lucene.completing import finish
from splade_lucene.lucene.docids import docids_of, read_docids
from splade_lucene.lucene.indexing import check_contents
from splade_lucene.lucene.java import lucene_version, stores
from splade_lucene.lucene.normalize import VectorSource
from splade_lucene.lucene.opening import open_index
from splade_lucene.vectors.check import check_vectors
from splade_lucene.vectors.manifest import Manifest

# Lucene never changes a file that it has written, so a copy of an index may share them; these are ours, or belong to one process.
_NOT_SHARED = {CARD, "write.lock"}
# What may differ between two encodings of which both go into one index: names of the same files, and what documents do not show.
_QUERIES = {"query_max_length", "query_top_k", "query_idf"}
_FREE = {"document.model", "document.revision", "document.subfolder", "precision", "origin"} | _QUERIES


def update_impact_index(
    index: Path | str,
    *,
    add: Path | str | None = None,
    delete: Path | str | None = None,
    threads: int | None = None,
    optimize: bool = True,
    advance: Callable[[int], None] = lambda count: None,
) -> IndexCard:
    """Deletes documents from an impact index, then adds others; to replace documents, do both.

    The new index is built beside the old one, shares its files on disk where the file system can, and then takes its place. A
    searcher that is open meanwhile keeps the old one.

    Args:
        index: the folder.
        add: what ``encode`` wrote, with the same model and settings as what the index holds.
        delete: a file of docids, one per line.
        threads: the number of indexing threads, as for :func:`build_impact_index`.
        optimize: merge all segments into one; else new documents stay in a segment of their own, and deleted ones take up space.
        advance: told the number of documents added since the last call.

    Returns:
        The card of the new index.

    Raises:
        InputError: ``add`` is not complete, has a docid that is in the index already, or has no text where the index stores it;
            ``delete`` has a docid that is not in the index, or has it twice.
        IndexMismatchError: ``index`` is no impact index, or ``add`` was encoded in another way.
        JavaError: Lucene failed.
    """
    index = Path(index).resolve()
    vectors, gone = (None if path is None else Path(path) for path in (add, delete))
    manifest = None if vectors is None else check_vectors(vectors)
    with atomic_folder(index, overwrite=True) as temporary:
        card = read_card(index, "impact")
        if vectors is not None and manifest is not None:
            _check_same(index, card, vectors, manifest)
        _share(index, temporary)
        reader = open_index(index, card)
        try:
            store_contents = stores(reader, "raw")
            doc_ids = [] if gone is None else _to_delete(gone, index, docids_of(reader))
        finally:
            reader.close()
        if vectors is not None and manifest is not None and (store_contents or card.filter_fields):
            check_contents(vectors, manifest)
        source = None if vectors is None else VectorSource(vectors, index, doc_ids, filter_fields=card.filter_fields)
        write_impacts(
            temporary,
            source,
            IndexSettings(threads, store_contents, optimize),
            postings=manifest.postings if manifest else 0,
            delete=doc_ids,
            advance=advance,
        )
        added, empty = (manifest.passages - manifest.empty, manifest.empty) if manifest else (0, 0)
        documents = card.documents - len(doc_ids) + added
        card = card._replace(documents=documents, empty=card.empty + empty, lucene=lucene_version())
        return finish(temporary, card, source)


def _check_same(index: Path, card: IndexCard, vectors: Path, manifest: Manifest) -> None:
    """Weights of different encoders do not add up to anything."""
    pairs = (
        ("encoder", card.encoder_values(), manifest.encoder.flat(), _FREE),
        ("settings", card.settings.to_json(), manifest.settings.to_json(), {"contents", "shard_size"}),
    )
    for what, before, now, free in pairs:
        for key in sorted((before.keys() | now.keys()) - free):
            if key.startswith("query."):
                continue
            if before.get(key) != now.get(key):
                raise IndexMismatchError(
                    f"{vectors} was encoded with the {what} value {key} = {now.get(key)}, {index} holds vectors with {before.get(key)}; "
                    "encode with the same, or build an index of its own"
                )


def _to_delete(file: Path, index: Path, doc_ids: Iterable[str]) -> list[str]:
    """The docids in a file, each of which must be in the index."""
    wanted = read_docids(file)
    missing = wanted.keys() - set(doc_ids)
    if missing:
        doc_id = min(missing, key=wanted.__getitem__)
        raise InputError(file, f"no document {doc_id!r} in {index}; remove the line", wanted[doc_id])
    return list(wanted)


def _share(index: Path, temporary: Path) -> None:
    """Links the files of an index into another folder, or copies them where links do not work."""
    for file in index.iterdir():
        if file.name not in _NOT_SHARED:
            try:
                os.link(file, temporary / file.name)
            except OSError:
                shutil.copy2(file, temporary / file.name)
