"""What a run costs: FLOPS, latency, index size. It is printed beside quality everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple


class Latency(NamedTuple):
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
