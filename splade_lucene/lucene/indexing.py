"""Builds the two kinds of index: impacts from encoded passages, BM25 from their text. An index is complete and counted, or not written."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from splade_lucene.core.files import atomic_folder, write_rejected
from splade_lucene.core.ir_adapters import Passages, as_passages
from splade_lucene.core.processors import usable_processors
from splade_lucene.core.rejects import RejectPolicy
from splade_lucene.errors import InputError, JavaError
from splade_lucene.lucene import jvm
from splade_lucene.lucene.analyzers import collection_options, java_analyzer, plan_analysis
from splade_lucene.lucene.anserini import index_collection
from splade_lucene.lucene.build_impacts import write_impacts
from splade_lucene.lucene.card import FILE as CARD
from splade_lucene.lucene.card import IndexCard, part_folders, write_card
from splade_lucene.lucene.defaults import DEFAULT_B, DEFAULT_K1, DEFAULT_LANGUAGE, FLAT, MULTIFIELD
from splade_lucene.lucene.docids import docids_are_unique
from splade_lucene.lucene.filters import parse_filter_fields
from splade_lucene.lucene.java import lucene_version, open_reader
from splade_lucene.lucene.normalize import Source
from splade_lucene.lucene.terms import document_frequencies
from splade_lucene.records import Passage
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
        Source(vectors, filter_fields=parse_filter_fields(filter_fields)),
        manifest,
        index,
        engine=engine,
        threads=threads,
        store_contents=store_contents,
        optimize=optimize,
        overwrite=overwrite,
        source=source,
        advance=advance,
    )


def index_vectors(
    vectors: Source,
    manifest: Manifest,
    index: Path,
    *,
    engine: Engine = "lucene",
    threads: int | None = None,
    store_contents: bool = False,
    optimize: bool = True,
    overwrite: bool = False,
    source: Mapping[str, str] | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> IndexCard:
    """:func:`build_impact_index` from vectors that were checked.

    Args:
        vectors: what to index; ``anserini`` takes all of the folder.
        manifest: of the vectors, and of them alone.
        index: as for :func:`build_impact_index`, and so all others.
        engine: see there.
        threads: see there.
        store_contents: see there.
        optimize: see there.
        overwrite: see there.
        source: see there.
        advance: see there.
    """
    folder = vectors.folder
    if store_contents or vectors.filter_fields:
        check_contents(folder, manifest)
    check_target(index)
    if vectors.filter_fields and engine != "lucene":
        raise InputError(folder, "is indexed with fields to filter by, which Anserini's engine does not know; use the engine lucene")
    with atomic_folder(index, overwrite=overwrite) as temporary:
        if engine == "lucene":
            write_impacts(
                temporary,
                vectors,
                postings=manifest.postings,
                threads=threads,
                store_contents=store_contents,
                optimize=optimize,
                advance=advance,
            )
        else:
            for _ in read_vectors(folder):
                pass  # Anserini silently loses what it cannot read: make sure that it can read everything
            index_collection(
                collection="JsonVectorCollection",
                input=folder / SHARDS,
                index=temporary,
                threads=threads or usable_processors(),
                impact=True,
                store_raw=store_contents,
                optimize=optimize,
                advance=advance,
            )
        card = IndexCard(
            "impact",
            manifest.passages - manifest.empty,
            manifest.empty,
            lucene_version(),
            manifest.encoder,
            manifest.settings.to_json(),
            source=source or {},
            filter_fields=vectors.filter_fields,
        )
        return finish(temporary, card, vectors)


def build_bm25_index(
    passages: Passages,
    index: Path | str,
    *,
    multifield: bool = False,
    k1: float = DEFAULT_K1,
    b: float = DEFAULT_B,
    language: str = DEFAULT_LANGUAGE,
    analyzer: str | None = None,
    threads: int = 1,
    overwrite: bool = False,
    bad: RejectPolicy | None = None,
    source: Mapping[str, str] | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> IndexCard:
    """Builds a BM25 index with Anserini's own BEIR collections and analyzers, by default for English (Porter stemming, stop words).

    Args:
        passages: the collection, streamed: our records, documents of ir_datasets, or one of its data sets.
        index: the folder to make; an existing one stays as it is until the new one is complete.
        multifield: index title and text as two fields of equal weight; else one field, title and text joined by a newline.
        k1: saturation of term frequency; recorded for the searcher.
        b: normalization by document length; recorded for the searcher.
        language: of the text, a two-letter code; its analyzer is recorded for the searcher, which analyzes queries with it.
        analyzer: ``porter``, ``krovetz`` or ``nostem`` for English, ``whitespace`` for text that is tokens already; the language's if None.
        threads: the number of indexing threads; the collection is split into as many files.
        overwrite: replace an existing index.
        bad: the policy of the reader of ``passages``; ``rejected.jsonl`` in ``index`` lists the lines that were left out.
        source: checksums of what it is built from, for the card.
        advance: told the number of documents added since the last call.

    Returns:
        The card of the index.

    Raises:
        InputError: ``index`` exists, or ``passages`` is malformed.
        JavaError: Anserini failed, the analyzer does not run in this Java, or the index does not hold all passages that have text.
        ValueError: ``k1`` or ``b`` is one that BM25 does not take, or there is no such language or analyzer.
    """
    if not 0 <= k1 < math.inf:
        raise ValueError(f"k1 must be a finite number from 0, not {k1}")
    if not 0 <= b <= 1:
        raise ValueError(f"b must be from 0 to 1, not {b}")
    analysis = plan_analysis(language, analyzer)
    index = Path(index)
    check_target(index)
    java_analyzer(analysis)  # Anserini would fail at the first passage, and say nothing
    with atomic_folder(index, overwrite=overwrite) as temporary:
        # Anserini reads files: the passages, checked, in the layout that its BEIR classes expect.
        corpus = temporary / "corpus"
        corpus.mkdir()
        try:
            total = _write_corpus(as_passages(passages), corpus, threads)
            counts = index_collection(
                collection="BeirMultifieldCollection" if multifield else "BeirFlatCollection",
                input=corpus,
                index=temporary,
                threads=threads,
                fields=["title"] if multifield else [],
                options=collection_options(analysis),
                advance=advance,
            )
        finally:
            shutil.rmtree(corpus)
        rejected = bad.rejected if bad else []
        write_rejected(temporary, rejected)
        card = IndexCard(
            "bm25",
            total - counts.empty,
            counts.empty,
            lucene_version(),
            None,
            {"k1": k1, "b": b, "fields": MULTIFIELD if multifield else FLAT, **analysis._asdict()},
            len(rejected),
            source or {},
        )
        return finish(temporary, card)


def check_target(index: Path) -> None:
    """``--overwrite`` replaces an index of ours, not a folder of something else."""
    if index.is_dir() and not ((index / CARD).is_file() or part_folders(index)) and any(index.iterdir()):
        raise InputError(index, "holds something that is no index of splade-lucene; give another name")


def _write_corpus(passages: Iterable[Passage], folder: Path, files: int) -> int:
    total = 0
    with ExitStack() as stack:
        streams = [stack.enter_context((folder / f"part-{number}.jsonl").open("w", encoding="utf-8")) for number in range(files)]
        for passage in passages:
            line = {"_id": passage.doc_id, "title": passage.title, "text": passage.text}
            streams[total % files].write(json.dumps(line) + "\n")
            total += 1
    if not total:
        raise InputError("the collection", "holds no passages")
    return total


def check_contents(vectors: Path, manifest: Manifest) -> None:
    """Makes sure that vectors come with the text of their passages.

    Raises:
        InputError: they do not.
    """
    if not manifest.settings.contents:
        raise InputError(vectors, "holds no text to store; encode with --store-contents")


def _frequencies(card: IndexCard, reader: Any) -> dict[str, int] | None:
    """What the query model ``idf`` needs of this index; None where queries have another."""
    return document_frequencies(reader) if card.encoder is not None and card.encoder.query.kind == "idf" else None


def finish(index: Path, card: IndexCard, source: Source | None = None) -> IndexCard:
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
