"""The whole way on text that every machine has: the docstrings of Python's standard library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from splade_lucene.collections import pydocs
from splade_lucene.evaluation.cost import Latency
from splade_lucene.evaluation.fusion import fuse
from splade_lucene.evaluation.measures import score_run
from splade_lucene.evaluation.runs import Run, write_run
from splade_lucene.lucene.bm25_searcher import Bm25Searcher
from splade_lucene.lucene.indexing import build_bm25_index, build_impact_index
from splade_lucene.pipeline.encode import encode_collection
from splade_lucene.pipeline.progress import progress
from splade_lucene.pipeline.search import ImpactSearcher, query_latency, search_queries
from splade_lucene.records import Qrel, Query

HITS = 1000
MEASURES = "nDCG@10 R@100 RR@10"
# Shown as examples; picked before any run was seen.
_EXAMPLES = ("q03", "q37", "q65")


class System(NamedTuple):
    """One row of the demo's table.

    Attributes:
        name: BM25, SPLADE or their fusion.
        run: query id → hits.
        scores: measure → mean.
        documents: in the index.
        index_bytes: on disk.
        latency_ms: mean of single queries, encoding included.
        flops: see :func:`splade_lucene.evaluation.cost.flops`.
    """

    name: str
    run: Run
    scores: Mapping[str, float]
    documents: int
    index_bytes: int
    latency_ms: float
    flops: float


class DemoReport(NamedTuple):
    """What the demo found.

    Attributes:
        systems: BM25, SPLADE, fusion.
        examples: queries to show.
        relevant: query id → docid → grade.
        queries: the number of questions.
        encoder: the model with its lengths, for the caption.
    """

    systems: Sequence[System]
    examples: Sequence[Query]
    relevant: Mapping[str, Mapping[str, int]]
    queries: int
    encoder: str


def run_demo(folder: Path, *, model: str = "tiny", threads: int = 1) -> DemoReport:
    """Collects, encodes, indexes, searches and scores; shows the progress of each step on stderr.

    Args:
        folder: where vectors, indexes and runs go; what an earlier demo left there is replaced.
        model: as in :meth:`SpladeModel.load`.
        threads: for indexing.

    Returns:
        The results.

    Raises:
        SpladeLuceneError: a step failed.
    """
    from splade_lucene.encoding.model import SpladeModel

    with progress("1/4 collecting docstrings of the standard library", "passages") as advance:
        passages = pydocs.passages()
        advance(len(passages))
    queries, qrels = pydocs.questions({passage.doc_id for passage in passages})
    with progress("2/4 building the BM25 index", "documents", len(passages)) as advance:
        build_bm25_index(passages, folder / "index-bm25", threads=threads, overwrite=True, advance=advance)
    encoder = SpladeModel.load(model)
    with progress("3/4 encoding with SPLADE", "passages", len(passages)) as advance:
        manifest = encode_collection(passages, folder / "encoded", encoder, overwrite=True, advance=advance)
    with progress("4/4 building the impact index", "documents", len(passages)) as advance:
        build_impact_index(folder / "encoded", folder / "index-splade", overwrite=True, advance=advance)

    with Bm25Searcher(folder / "index-bm25") as searcher:
        bm25 = _system("BM25", searcher, queries, qrels)
    with ImpactSearcher(folder / "index-splade", model=encoder) as searcher:
        splade = _system("SPLADE", searcher, queries, qrels)
        query_length = searcher.query_max_length
    run = fuse(bm25.run, splade.run, k=HITS)
    fusion = System(
        "fusion",
        run,
        score_run(run, qrels, MEASURES).mean,
        splade.documents,
        bm25.index_bytes + splade.index_bytes,
        bm25.latency_ms + splade.latency_ms,
        bm25.flops + splade.flops,
    )
    systems = (bm25, splade, fusion)
    for system in systems:
        write_run(folder / f"{system.name.lower()}.trec", system.run, tag=system.name)
    relevant: dict[str, dict[str, int]] = {}
    for qrel in qrels:
        relevant.setdefault(qrel.query_id, {})[qrel.doc_id] = qrel.relevance
    return DemoReport(
        systems,
        [query for query in queries if query.query_id in _EXAMPLES],
        relevant,
        len(queries),
        f"{encoder.name}, passages cut at {manifest.settings['max_length']} tokens, queries at {query_length}",
    )


def _system(name: str, searcher: ImpactSearcher | Bm25Searcher, queries: Sequence[Query], qrels: Sequence[Qrel]) -> System:
    run, info = search_queries(searcher, queries, k=HITS)
    time: Latency = query_latency(searcher, queries, k=HITS)
    scores = score_run(run, qrels, MEASURES).mean
    return System(name, run, scores, info.documents, info.index_bytes or 0, time.mean, info.flops or 0.0)
