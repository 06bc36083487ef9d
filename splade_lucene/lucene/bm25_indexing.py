"""Builds BM25 indexes from the text of passages, with Anserini; complete and counted, or not written."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

from splade_lucene.core.files import atomic_folder, write_rejected
from splade_lucene.core.ir_adapters import Passages, as_passages
from splade_lucene.core.rejects import RejectPolicy
from splade_lucene.errors import InputError
from splade_lucene.lucene.analyzers import collection_options, java_analyzer, plan_analysis
from splade_lucene.lucene.anserini import index_collection
from splade_lucene.lucene.card import IndexCard
from splade_lucene.lucene.completing import check_target, finish
from splade_lucene.lucene.defaults import DEFAULT_B, DEFAULT_K1, DEFAULT_LANGUAGE, FLAT, MULTIFIELD
from splade_lucene.lucene.java import lucene_version
from splade_lucene.records import Bm25Settings, Passage


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
            Bm25Settings(k1, b, MULTIFIELD if multifield else FLAT, *analysis),
            len(rejected),
            source or {},
        )
        return finish(temporary, card)


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
