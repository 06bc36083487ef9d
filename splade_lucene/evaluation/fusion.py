"""Fuses two runs."""

from __future__ import annotations

from collections.abc import Sequence

from splade_lucene.evaluation.runs import Run
from splade_lucene.interchange import Run as AnyRun
from splade_lucene.interchange import as_run
from splade_lucene.records import Hit


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
        {'q': [Hit(docid='a', score=0.5), Hit(docid='b', score=0.5), Hit(docid='c', score=0.0)]}
    """
    first, second = as_run(first), as_run(second)
    fused: Run = {}
    for qid in dict.fromkeys([*first, *second]):
        total: dict[str, float] = {}
        for run, share in ((first, weight), (second, 1 - weight)):
            for docid, score in _normalised(run.get(qid, ())).items():
                total[docid] = total.get(docid, 0.0) + share * score
        best = sorted(total.items(), key=lambda item: (-item[1], item[0]))[:k]
        fused[qid] = [Hit(docid, score) for docid, score in best]
    return fused


def _normalised(hits: Sequence[Hit]) -> dict[str, float]:
    if not hits:
        return {}
    low, high = min(hit.score for hit in hits), max(hit.score for hit in hits)
    # Hits that all score the same are all the best there is.
    return {hit.docid: (hit.score - low) / (high - low) if high > low else 1.0 for hit in hits}
