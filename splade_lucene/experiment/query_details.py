"""Collects the details behind a figure: each query's text, the first hits of each system, and the terms that matched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from splade_lucene.evaluation.judging import Judged
from splade_lucene.evaluation.result_files import Evidence
from splade_lucene.lucene.bm25_searcher import Bm25Searcher
from splade_lucene.pipeline.search import ImpactSearcher
from splade_lucene.records import Passage, Qrel, Query

# Queries with evidence, at most: those with the largest differences from the baseline.
MOST_QUERIES = 300
# Terms of each document, at most: those that add most.
MOST_TERMS = 20
# Characters of a passage.
_BEGINNING = 400


def pick_queries(systems: Mapping[str, Judged], baseline: str, measure: str) -> list[str]:
    """The queries that evidence is gathered for: all, or where there are many those on which systems differ most from the baseline."""
    base = systems[baseline].queries[measure]
    if len(base) <= MOST_QUERIES:
        return list(base)
    most = {query_id: max(abs(each.queries[measure][query_id] - score) for each in systems.values()) for query_id, score in base.items()}
    picked = set(sorted(most, key=lambda query_id: (-most[query_id], query_id))[:MOST_QUERIES])
    return [query_id for query_id in base if query_id in picked]


def gather(
    queries: Sequence[Query],
    qrels: Sequence[Qrel],
    systems: Mapping[str, Judged],
    searchers: Mapping[str, Callable[[], ImpactSearcher | Bm25Searcher]],
) -> list[Evidence]:
    """The evidence of queries.

    Args:
        queries: those that are wanted.
        qrels: the judgments.
        systems: name → what it scored, with its first hits.
        searchers: name → opens it, of the systems with an index.
    """
    texts = {query.query_id: query.text for query in queries}
    relevant: dict[str, dict[str, int]] = {query_id: {} for query_id in texts}
    for qrel in qrels:
        if qrel.relevance > 0 and qrel.query_id in relevant:
            relevant[qrel.query_id][qrel.doc_id] = qrel.relevance
    shown = {
        query_id: list(dict.fromkeys(hit.doc_id for each in systems.values() for hit in each.top.get(query_id, ()))) for query_id in texts
    }
    matches: dict[str, dict[str, dict[str, dict[str, float]]]] = {query_id: {} for query_id in texts}
    for name, open_searcher in searchers.items():
        with open_searcher() as searcher:
            for query_id, documents in searcher.contributions(texts, shown).items():
                matches[query_id][name] = {doc_id: dict(list(terms.items())[:MOST_TERMS]) for doc_id, terms in documents.items()}
    return [
        Evidence(
            query_id, text, relevant[query_id], {name: each.top.get(query_id, []) for name, each in systems.items()}, matches[query_id]
        )
        for query_id, text in texts.items()
    ]


def beginnings(passages: Iterator[Passage], doc_ids: set[str]) -> Iterator[Passage]:
    """Of a collection, the passages that evidence shows, their text cut."""
    for passage in passages:
        if passage.doc_id in doc_ids:
            text = passage.text if len(passage.text) <= _BEGINNING else f"{passage.text[:_BEGINNING]}…"
            yield passage._replace(text=text)
