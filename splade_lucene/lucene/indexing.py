"""Builds impact indexes from encoded passages; an index is complete and counted, or not written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal

from splade_lucene.core.files import atomic_folder
from splade_lucene.core.processors import usable_processors
from splade_lucene.errors import InputError
from splade_lucene.lucene.anserini import index_collection
from splade_lucene.lucene.build_impacts import IndexSettings, write_impacts
from splade_lucene.lucene.card import IndexCard
from splade_lucene.lucene.completing import check_target, finish
from splade_lucene.lucene.filters import parse_filter_fields
from splade_lucene.lucene.java import lucene_version
from splade_lucene.lucene.normalize import VectorSource
from splade_lucene.vectors.check import check_vectors
from splade_lucene.vectors.manifest import SHARDS, Manifest
from splade_lucene.vectors.reader import read_vectors

Engine = Literal["lucene", "anserini"]


def build_impact_index(
    vectors: Path | str,
    index: Path | str,
    *,
    engine: Engine = "lucene",
    threads: int | None = None,
    store_contents: bool = False,
    filter_fields: Iterable[str] = (),
    optimize: bool = True,
    overwrite: bool = False,
    source: Mapping[str, str] | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> IndexCard:
    """Builds an impact index from a folder of vectors: term frequencies are the impacts.

    Args:
        vectors: what ``encode`` wrote.
        index: the folder to make; an existing one stays as it is until the new one is complete.
        engine: ``lucene`` sets term frequencies directly; ``anserini`` runs ``IndexCollection`` on tokens repeated ``impact`` times.
        threads: the number of indexing threads, each reading a shard at a time; if None, one per core, but for ``lucene`` a single one
            where that is faster. With one thread of ``lucene`` documents keep their order.
        store_contents: store the text of each passage, which ``encode`` must have kept.
        filter_fields: fields of passages to filter by, each ``name``, ``name:int`` or ``name:float``; ``encode`` must have kept them, with
            the text.
        optimize: merge all segments into one; else there is one for each time that Lucene's buffer was full.
        overwrite: replace an existing index.
        source: checksums of what it is built from, for the card.
        advance: told the number of documents added since the last call.

    Returns:
        The card of the index.

    Raises:
        InputError: ``vectors`` is not complete or was changed, ``index`` exists, or a vector is one that Anserini would corrupt, or has no
            text to store or a field of another kind.
        ValueError: ``filter_fields`` cannot be read.
        JavaError: Lucene failed, or the index does not hold as many documents as there are non-empty vectors.
    """
    vectors, index = Path(vectors), Path(index)
    manifest = check_vectors(vectors)
    return index_vectors(
        VectorSource(vectors, filter_fields=parse_filter_fields(filter_fields)),
        manifest,
        index,
        IndexSettings(threads, store_contents, optimize),
        engine=engine,
        overwrite=overwrite,
        source=source,
        advance=advance,
    )


def index_vectors(
    vectors: VectorSource,
    manifest: Manifest,
    index: Path,
    settings: IndexSettings,
    *,
    engine: Engine = "lucene",
    overwrite: bool = False,
    source: Mapping[str, str] | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> IndexCard:
    """:func:`build_impact_index` from vectors that were checked.

    Args:
        vectors: what to index; ``anserini`` takes all of the folder.
        manifest: of the vectors, and of them alone.
        index: as for :func:`build_impact_index`, and so all others.
        settings: see there.
        engine: see there.
        overwrite: see there.
        source: see there.
        advance: see there.
    """
    folder = vectors.folder
    if settings.store_contents or vectors.filter_fields:
        check_contents(folder, manifest)
    check_target(index)
    if vectors.filter_fields and engine != "lucene":
        raise InputError(folder, "is indexed with fields to filter by, which Anserini's engine does not know; use the engine lucene")
    with atomic_folder(index, overwrite=overwrite) as temporary:
        if engine == "lucene":
            write_impacts(temporary, vectors, settings, postings=manifest.postings, advance=advance)
        else:
            for _ in read_vectors(folder):
                pass  # Anserini silently loses what it cannot read: make sure that it can read everything
            index_collection(
                collection="JsonVectorCollection",
                input=folder / SHARDS,
                index=temporary,
                threads=settings.threads or usable_processors(),
                impact=True,
                store_raw=settings.store_contents,
                optimize=settings.optimize,
                advance=advance,
            )
        card = IndexCard(
            "impact",
            manifest.passages - manifest.empty,
            manifest.empty,
            lucene_version(),
            manifest.encoder,
            manifest.settings,
            source=source or {},
            filter_fields=vectors.filter_fields,
        )
        return finish(temporary, card, vectors)


def check_contents(vectors: Path, manifest: Manifest) -> None:
    """Makes sure that vectors come with the text of their passages.

    Raises:
        InputError: they do not.
    """
    if not manifest.settings.contents:
        raise InputError(vectors, "holds no text to store; encode with --store-contents")
