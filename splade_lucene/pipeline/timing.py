"""Queries one after the other or from several threads, and what each takes."""

from __future__ import annotations

import time
from collections.abc import Iterator

from splade_lucene.core.ir_adapters import Queries, as_queries
from splade_lucene.evaluation.cost import Load, QueryTime
from splade_lucene.lucene.bm25_searcher import Bm25Searcher
from splade_lucene.lucene.threads import check_threads, run_in_threads
from splade_lucene.pipeline.search import ImpactSearcher


def query_load(
    searcher: ImpactSearcher | Bm25Searcher, queries: Queries, *, k: int = 1000, threads: int = 1, max_passage: bool = False
) -> Load:
    """The time that single queries take while each of several threads asks for one after the other, after a round to warm up.

    Args:
        searcher: of either kind.
        queries: the queries; each is asked for once a round.
        k: the number of hits of each.
        threads: from which queries arrive; each has its share of the cores to encode with.
        max_passage: find documents by the best of their passages.
    """
    check_threads(threads)
    texts = dict(as_queries(queries))
    times: dict[str, float] = {}
    whole = 0.0
    for _ in range(2):
        waiting = iter(texts.items())

        def ask(waiting: Iterator[tuple[str, str]] = waiting) -> None:
            for query_id, text in waiting:
                start = time.perf_counter()
                searcher.search(text, k, max_passage=max_passage)
                times[query_id] = (time.perf_counter() - start) * 1e3

        def stop(waiting: Iterator[tuple[str, str]] = waiting) -> None:
            for _ in waiting:
                pass

        begin = time.perf_counter()
        with searcher.cores_among(threads):
            run_in_threads([ask] * threads, stop)
        whole = time.perf_counter() - begin
    return Load(threads, len(times) / whole if whole else 0.0, {query_id: times[query_id] for query_id in texts})


def query_times(
    searcher: ImpactSearcher | Bm25Searcher, queries: Queries, *, k: int = 1000, max_passage: bool = False
) -> dict[str, QueryTime]:
    """Times queries one after the other in this thread, after a round to warm up.

    Args:
        searcher: of either kind.
        queries: our records, queries of ir_datasets, or one of its data sets.
        k: the number of hits of each.
        max_passage: find documents by the best of their passages.

    Returns:
        Query id → milliseconds to encode and to search it.
    """
    times: dict[str, QueryTime] = {}
    encodes = isinstance(searcher, ImpactSearcher)
    texts = dict(as_queries(queries))
    for _ in range(2):
        for query_id, text in texts.items():
            batch = searcher.run_batch({query_id: text}, k, max_passage=max_passage)
            times[query_id] = QueryTime(batch.prepare_seconds * 1e3 if encodes else 0.0, batch.search_seconds[query_id] * 1e3)
    return times
