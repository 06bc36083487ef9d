"""Queries in two halves: points are chosen by one and reported on the other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from splade_lucene.errors import InputError
from splade_lucene.evaluation.runs import Run
from splade_lucene.records import Qrel

LEAST_QUERIES = 4
EXACT_HITS = 10
"""First hits of the exact run that stand for judgments where there are none."""
LIKENESS = "Compat(p=0.8)"
"""Of two rankings, 1 where they are the same: rank-biased overlap (Webber et al., TOIS 2010), as ir_measures computes it against an ideal
ranking (Clarke et al., TOIS 2021)."""


class Halves(NamedTuple):
    """The judgments of each half of the queries."""

    choosing: list[Qrel]
    reporting: list[Qrel]


def halve(qrels: Sequence[Qrel], source: str) -> Halves:
    """Splits judgments by query: in the order of the checksums of the ids, every other one.

    Raises:
        InputError: there are too few queries for two halves.
    """
    ids = sorted({qrel.query_id for qrel in qrels}, key=lambda query_id: hashlib.sha256(query_id.encode()).hexdigest())
    if len(ids) < LEAST_QUERIES:
        raise InputError(source, f"has {len(ids)} judged queries; choosing on one half and reporting on the other needs {LEAST_QUERIES}")
    chosen = set(ids[::2])
    return Halves([q for q in qrels if q.query_id in chosen], [q for q in qrels if q.query_id not in chosen])


def exact_judgments(run: Run) -> Iterable[Qrel]:
    """The first hits of the exact run as judgments: the better the rank, the higher the grade."""
    for query_id, hits in run.items():
        for rank, hit in enumerate(hits[:EXACT_HITS]):
            yield Qrel(query_id, hit.doc_id, EXACT_HITS - rank)
