"""What a run costs: FLOPS, latency, index size. It is printed beside quality everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Latency:
    """Times of single queries in milliseconds."""

    mean: float
    p50: float
    p99: float


class QueryTime(NamedTuple):
    """What one query took in one thread, in milliseconds; 0 to encode it for BM25."""

    encode_ms: float
    search_ms: float


class Load(NamedTuple):
    """What queries that arrive from several threads at once cost, encoding included.

    Attributes:
        threads: each asks for a query when it has the hits of the one before.
        per_second: queries answered per second, all threads together.
        times: query id → milliseconds from the call to its hits.
    """

    threads: int
    per_second: float
    times: Mapping[str, float]

    @property
    def latency(self) -> Latency:
        """Of single queries."""
        return latency([each / 1e3 for each in self.times.values()])


@dataclass(frozen=True)
class Cost:
    """What a system costs on a data set, timings aside; a fusion costs what its systems cost together.

    Attributes:
        documents: in the index.
        flops: mean multiplications to score a query against a document (arXiv 2107.05720).
        terms_per_query: mean number of distinct terms of a query.
        terms_per_document: mean number of distinct terms of a document.
        index_bytes: of the index folder.
    """

    documents: int
    flops: float
    terms_per_query: float
    terms_per_document: float
    index_bytes: int

    @classmethod
    def from_notes(cls, notes: Mapping[str, Any]) -> Cost | None:
        """What ``search`` noted beside a run; None for runs made elsewhere."""
        names = [each.name for each in fields(cls)]
        return cls(**{name: notes[name] for name in names}) if notes.keys() >= set(names) else None

    @classmethod
    def together(cls, parts: Iterable[Cost | None]) -> Cost | None:
        """What a fusion of these costs: the sum, but for the documents, of which most counts; None where one is not known."""
        costs = list(parts)
        known = [cost for cost in costs if cost]
        if len(known) < len(costs):
            return None
        sums = {each.name: sum(getattr(part, each.name) for part in known) for each in fields(cls)}
        return cls(**(sums | {"documents": max(part.documents for part in known)}))


@dataclass(frozen=True)
class UnderLoad:
    """Queries that arrive from several threads at once, encoding included.

    Attributes:
        threads: each asks for a query when it has the hits of the one before: as many as there are processors.
        per_second: queries answered per second, all threads together.
        query_ms: of single queries.
    """

    threads: int
    per_second: float
    query_ms: Latency


@dataclass(frozen=True)
class Timings:
    """How long it took; the only figures beside ``Results.created`` that differ when an evaluation is run again.

    Attributes:
        encode_seconds: of all passages; 0 for BM25, None if they were encoded elsewhere.
        index_seconds: of building the index; None if it was built elsewhere.
        search_ms: of a query without encoding, one thread, after a warm-up.
        query_ms: likewise with encoding.
        queries: how many queries the latencies were measured on.
        under_load: of the same queries from several threads; None where it was not measured.
    """

    encode_seconds: float | None
    index_seconds: float | None
    search_ms: Latency
    query_ms: Latency
    queries: int
    under_load: UnderLoad | None = None


def latency(seconds: Sequence[float]) -> Latency:
    """Summarizes times given in seconds; zeros if there are none."""
    import numpy as np

    milliseconds = np.array(seconds if len(seconds) else [0.0]) * 1e3
    return Latency(float(milliseconds.mean()), *(float(value) for value in np.percentile(milliseconds, [50, 99])))


def flops(queries: Iterable[Mapping[str, Any]], document_frequencies: Mapping[str, int], documents: int) -> float:
    """The mean number of multiplications that scoring a query against a document takes.

    FLOPS of SPLADE (sec. 3 of arXiv 2107.05720, after arXiv 2004.05665): the sum over the vocabulary of the probability that a term
    is active in a query times the probability that it is active in a document.

    Args:
        queries: the terms of each query.
        document_frequencies: for at least all those terms, in how many documents they are.
        documents: the number of documents.

    Returns:
        The sum; 0 without queries or documents.

    Example:
        >>> flops([{"a": 1, "b": 2}, {"a": 3}], {"a": 5, "b": 10}, documents=10)
        1.0
    """
    bags = list(queries)
    if not bags or not documents:
        return 0.0
    return sum(document_frequencies[term] for bag in bags for term in bag) / len(bags) / documents
