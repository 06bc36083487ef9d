"""Latencies of all points in turns, so that what else the machine does slows all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple, TypeVar

from splade_lucene.evaluation.cost import Latency, latency
from splade_lucene.lucene.impact_searcher import ImpactIndexSearcher
from splade_lucene.pipeline.progress import progress
from splade_lucene.pipeline.search import ImpactSearcher
from splade_lucene.records import Query

T = TypeVar("T")

ROUNDS = 5
"""After one to warm up."""


class Timed(NamedTuple):
    """The latency of a point: of each query the median over the rounds.

    Attributes:
        search_ms: without encoding.
        query_ms: with it.
    """

    search_ms: Latency
    query_ms: Latency


class Entry(NamedTuple):
    """What is timed.

    Attributes:
        name: of the point.
        encoder: points with the same encode queries alike, which is timed once a round.
        folder: of its index.
        open: its searcher.
    """

    name: str
    encoder: str
    folder: Path
    open: Callable[[], ImpactSearcher]


def time_points(entries: Sequence[Entry], queries: Sequence[Query], *, k: int, rounds: int = ROUNDS) -> dict[str, Timed]:
    """Times queries one after the other in one thread, all points in each round; all indexes in memory, or else all from disk.

    Args:
        entries: the points.
        queries: a sample.
        k: the number of hits of each.
        rounds: after one to warm up.
    """
    texts = [query.text for query in queries]
    encode: dict[str, list[list[float]]] = {entry.encoder: [] for entry in entries}
    search: dict[str, list[list[float]]] = {entry.name: [] for entry in entries}
    with ExitStack() as stack, progress("timing", "rounds", rounds + 1) as advance:
        encoders: dict[str, ImpactSearcher] = {}
        impacts: dict[str, list[dict[str, int]]] = {}
        for entry in entries:
            searcher = entry.open()
            impacts[entry.name] = searcher.query_encoder().encode_queries(texts)
            if entry.encoder in encoders:
                searcher.close()
            else:
                encoders[entry.encoder] = stack.enter_context(searcher)
        searchers = _open({entry.folder for entry in entries}, stack)
        for _ in range(rounds + 1):
            for name, searcher in encoders.items():
                encode[name].append(_times(partial(_encode, searcher), texts))
            for entry in entries:
                search[entry.name].append(_times(partial(_search, searchers[entry.folder], k), impacts[entry.name]))
            advance(1)
    found = {}
    for entry in entries:
        encoding, searching = (_medians(times[1:]) for times in (encode[entry.encoder], search[entry.name]))
        found[entry.name] = Timed(_summary(searching), _summary([one + other for one, other in zip(encoding, searching, strict=True)]))
    return found


def _open(indexes: Collection[Path], stack: ExitStack) -> dict[Path, ImpactIndexSearcher]:
    with ExitStack() as first:
        opened = {index: first.enter_context(ImpactIndexSearcher(index)) for index in indexes}
        uses = [use for searcher in opened.values() if (use := searcher.memory)]
        if sum(use.needed for use in uses) <= min(use.allowed for use in uses):
            for searcher in opened.values():
                searcher.load()
            stack.push(first.pop_all())
            return opened
    return {index: stack.enter_context(ImpactIndexSearcher(index, in_memory=False)) for index in indexes}


def _encode(searcher: ImpactSearcher, text: str) -> None:
    searcher.query_encoder().encode_queries([text])


def _search(searcher: ImpactIndexSearcher, k: int, impacts: Mapping[str, int]) -> None:
    searcher.search_impacts(impacts, k)


def _times(work: Callable[[T], None], queries: Sequence[T]) -> list[float]:
    """The milliseconds that each query takes."""
    found = []
    for query in queries:
        start = time.perf_counter()
        work(query)
        found.append((time.perf_counter() - start) * 1e3)
    return found


def _medians(rounds: Sequence[Sequence[float]]) -> list[float]:
    return [median(times) for times in zip(*rounds, strict=True)]


def _summary(milliseconds: Sequence[float]) -> Latency:
    return latency([each / 1e3 for each in milliseconds])
