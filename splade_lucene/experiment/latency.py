"""How long single queries take."""

from __future__ import annotations

from collections.abc import Sequence

from splade_lucene.evaluation.result_files import QueryTime
from splade_lucene.lucene.bm25_searcher import Bm25Searcher
from splade_lucene.pipeline.search import ImpactSearcher
from splade_lucene.records import Query

# Queries that latencies are measured on, at most, evenly spread over all of them; the 99th percentile needs a few hundred.
SAMPLE = 500


def sample(queries: Sequence[Query]) -> list[Query]:
    """At most :data:`SAMPLE` queries, evenly spread."""
    step = -(-len(queries) // SAMPLE) if queries else 1
    return list(queries[::step])


def query_times(
    searcher: ImpactSearcher | Bm25Searcher, queries: Sequence[Query], *, k: int, max_passage: bool = False
) -> dict[str, QueryTime]:
    """Times queries one after the other in this thread, after a round to warm up.

    Args:
        searcher: of either kind.
        queries: the queries.
        k: the number of hits of each.
        max_passage: find documents by the best of their passages.

    Returns:
        Query id → milliseconds to encode and to search it.
    """
    times: dict[str, QueryTime] = {}
    encodes = isinstance(searcher, ImpactSearcher)
    for _ in range(2):
        for query in queries:
            batch = searcher.run_batch({query.query_id: query.text}, k, max_passage=max_passage)
            times[query.query_id] = QueryTime(batch.prepare_seconds * 1e3 if encodes else 0.0, batch.search_seconds[query.query_id] * 1e3)
    return times
