"""A set of queries searched in another engine: the run and what it cost, beside those of our own index."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

from splade_lucene.core.ir_adapters import Queries, as_queries
from splade_lucene.evaluation.cost import latency
from splade_lucene.evaluation.run_info import RunInfo
from splade_lucene.evaluation.runs import Run
from splade_lucene.integrations.engines.engine import SearchEngine
from splade_lucene.pipeline.query_encoder import bind_encoder
from splade_lucene.pipeline.search import SearchResult
from splade_lucene.records import Hit

# Queries encoded together.
_CHUNK = 32


def search_engine(
    engine: SearchEngine,
    queries: Queries,
    *,
    k: int = 1000,
    threads: int = 1,
    remove_query: bool = False,
    query_max_length: int | None = None,
    query_top_k: int | None = None,
    device: str = "auto",
    precision: str = "auto",
) -> SearchResult:
    """Searches an engine for a set of queries, encoded with the model that its index names.

    Args:
        engine: an open index.
        queries: our records, queries of ir_datasets, or one of its data sets.
        k: the number of hits of each.
        threads: the number of concurrent searches.
        remove_query: leave out the document that has the query's id.
        query_max_length: tokens a query is cut at; what the index says if None.
        query_top_k: search for this many tokens of a query, those of the largest weights; all if None.
        device: for the model, as in :meth:`SpladeModel.load`.
        precision: likewise.

    Returns:
        The run, scores as the engine gives them, with its notes.

    Raises:
        EngineError: the engine refuses or cannot be reached, or returns fewer hits than ``k``.
        IndexMismatchError: the model is no longer the one that the vectors were made with.
    """
    record = engine.record
    used = record.encoder.with_queries(max_length=query_max_length, top_k=query_top_k)
    encoder = bind_encoder(used, str(engine.address), device=device, precision=precision)
    exporter = engine.exporter(k + remove_query, {token: number for number, token in enumerate(encoder.vocabulary)})
    records = list(as_queries(queries))
    start = time.perf_counter()
    encoded = list(_encoded(encoder, [query.text for query in records]))
    encode_seconds = time.perf_counter() - start

    def search(impacts: Mapping[str, int]) -> tuple[list[Hit], float]:
        start = time.perf_counter()
        hits = engine.search(exporter.query(impacts)) if impacts else []
        return hits, time.perf_counter() - start

    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(search, encoded))
    run: Run = {query.query_id: hits for query, (hits, _) in zip(records, found, strict=True)}
    if remove_query:
        run = {query_id: [hit for hit in hits if hit.doc_id != query_id][:k] for query_id, hits in run.items()}
    info = RunInfo(
        kind=engine.address.engine,
        index=str(engine.address),
        export=record.to,
        documents=record.documents,
        queries=len(records),
        queries_without_terms=sum(not impacts for impacts in encoded),
        terms_per_query=sum(map(len, encoded)) / max(1, len(encoded)),
        hits=k,
        threads=threads,
        remove_query=remove_query,
        settings=record.settings,
        search_ms=latency([seconds for _, seconds in found]),
        encoder=used,
        encode_ms=encode_seconds * 1e3 / max(1, len(records)),
    )
    return SearchResult(run, info)


def _encoded(encoder: Any, texts: Sequence[str]) -> Iterator[dict[str, int]]:
    remaining = iter(texts)
    while some := list(islice(remaining, _CHUNK)):
        yield from encoder.encode_queries(some)
