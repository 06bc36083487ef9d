"""A batch of queries: threads that encode some while others search for theirs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from splade_lucene.lucene.threads import run_in_threads
from splade_lucene.records import Hit

# Queries that a thread encodes at a time. The same whatever the number of threads: which queries are encoded together may tip the
# rounding of an impact.
_CHUNK = 32

Prepared = TypeVar("Prepared")


class Batch(NamedTuple):
    """The result of a batch of queries and what it cost.

    Attributes:
        hits: query id → hits, best first, in the order of the queries.
        terms: query id → the terms that were searched for, with their weights.
        search_seconds: query id → wall time of the search, encoding excluded.
        prepare_seconds: time that encoding took, added up over the threads.
    """

    hits: dict[str, list[Hit]]
    terms: dict[str, Mapping[str, float]]
    search_seconds: dict[str, float]
    prepare_seconds: float


def run_batch(
    queries: Mapping[str, str],
    threads: int,
    *,
    prepare: Callable[[Sequence[str]], Sequence[Prepared]],
    search: Callable[[Sequence[Prepared]], Sequence[tuple[list[Hit], float]]],
    terms: Callable[[Prepared], Mapping[str, float]],
) -> Batch:
    """Encodes and searches for queries in several threads.

    Each thread encodes some queries, then searches for them in one call into Java, while others encode or search for theirs: all are
    busy to the end, and a GPU has work while processors search.

    Args:
        queries: query id → text.
        threads: their number.
        prepare: encodes texts.
        search: gives the hits of each encoded query, and the seconds that its search took.
        terms: of an encoded query, with their weights.
    """
    prepared: dict[str, Prepared] = {}
    found: dict[str, tuple[list[Hit], float]] = {}
    prepare_seconds: list[float] = []
    query_ids = list(queries)
    chunks = iter([query_ids[start : start + _CHUNK] for start in range(0, len(query_ids), _CHUNK)])

    def work() -> None:
        for chunk in chunks:
            start = time.perf_counter()
            encoded = prepare([queries[query_id] for query_id in chunk])
            prepare_seconds.append(time.perf_counter() - start)
            prepared.update(zip(chunk, encoded, strict=True))
            found.update(zip(chunk, search(encoded), strict=True))

    def stop() -> None:
        for _ in chunks:
            pass

    run_in_threads([work] * threads, stop)
    return Batch(
        {query_id: found[query_id][0] for query_id in queries},
        {query_id: terms(prepared[query_id]) for query_id in queries},
        {query_id: found[query_id][1] for query_id in queries},
        sum(prepare_seconds),
    )
