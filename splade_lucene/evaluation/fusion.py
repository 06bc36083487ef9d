"""Fuses two runs, by their scores or by their ranks.

ranx has both ways, but importing it takes longer than fusing (it compiles with numba), and it brings numba, llvmlite,
fastparquet and seaborn for what are twenty lines here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from splade_lucene.core.ir_adapters import Run as AnyRun
from splade_lucene.core.ir_adapters import as_run
from splade_lucene.evaluation.runs import Run
from splade_lucene.records import Hit

RANK_CONSTANT = 60
"""Of reciprocal rank fusion, as in Cormack, Clarke and Büttcher, SIGIR 2009."""


def fuse(first: AnyRun, second: AnyRun, *, weight: float = 0.5, k: int = 1000) -> Run:
    """Weighted sum of min-max-normalised scores; a document that a run lacks gets 0 from it.

    Args:
        first: query id → hits, or scored documents of ir_measures or ir_datasets.
        second: the same of the other system.
        weight: of the first run; the second has ``1 - weight``.
        k: the number of hits of each query.

    Returns:
        Query id → at most ``k`` hits, best first, equal scores in the order of docids.

    Example:
        >>> fuse({"q": [Hit("a", 9.0), Hit("b", 5.0)]}, {"q": [Hit("b", 30.0), Hit("c", 10.0)]})
        {'q': [Hit(doc_id='a', score=0.5), Hit(doc_id='b', score=0.5), Hit(doc_id='c', score=0.0)]}
    """
    return _summed(((as_run(first), weight), (as_run(second), 1 - weight)), _normalised, k)


def fuse_ranks(first: AnyRun, second: AnyRun, *, k: int = 1000) -> Run:
    """Reciprocal rank fusion: a document scores the sum of 1 / (60 + its rank) over the runs that have it.

    Args:
        first: query id → hits, best first, or scored documents of ir_measures or ir_datasets.
        second: the same of the other system.
        k: the number of hits of each query.

    Returns:
        Query id → at most ``k`` hits, best first, equal scores in the order of docids.

    Example:
        >>> fuse_ranks({"q": [Hit("a", 9.0), Hit("b", 5.0)]}, {"q": [Hit("b", 30.0)]})["q"][0].doc_id
        'b'
    """
    return _summed(((as_run(first), 1.0), (as_run(second), 1.0)), _reciprocal_ranks, k)


def _summed(
    runs: Sequence[tuple[Mapping[str, Sequence[Hit]], float]], scored: Callable[[Sequence[Hit]], Mapping[str, float]], k: int
) -> Run:
    fused: Run = {}
    for query_id in dict.fromkeys(query_id for run, _ in runs for query_id in run):
        total: dict[str, float] = {}
        for run, weight in runs:
            for doc_id, score in scored(run.get(query_id, ())).items():
                total[doc_id] = total.get(doc_id, 0.0) + weight * score
        best = sorted(total.items(), key=lambda item: (-item[1], item[0]))[:k]
        fused[query_id] = [Hit(doc_id, score) for doc_id, score in best]
    return fused


def _normalised(hits: Sequence[Hit]) -> dict[str, float]:
    if not hits:
        return {}
    low, high = min(hit.score for hit in hits), max(hit.score for hit in hits)
    # Hits that all score the same are all the best there is.
    return {hit.doc_id: (hit.score - low) / (high - low) if high > low else 1.0 for hit in hits}


def _reciprocal_ranks(hits: Sequence[Hit]) -> dict[str, float]:
    return {hit.doc_id: 1 / (RANK_CONSTANT + rank) for rank, hit in enumerate(hits, start=1)}
