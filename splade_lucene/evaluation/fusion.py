"""Fuses runs, by their scores or by their ranks.

ranx has these methods, but importing it takes longer than fusing (it compiles with numba), and it brings numba, llvmlite,
fastparquet and seaborn for what are a few lines here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

from splade_lucene.core.ir_adapters import Run as AnyRun
from splade_lucene.core.ir_adapters import as_run
from splade_lucene.evaluation.runs import Run
from splade_lucene.records import Hit

RANK_CONSTANT = 60
"""Of reciprocal rank fusion, as in Cormack, Clarke and Büttcher, SIGIR 2009."""

Method = Literal["rrf", "sum", "max"]
METHODS: tuple[Method, ...] = get_args(Method)


def fuse_runs(
    runs: Sequence[AnyRun],
    *,
    method: Method = "rrf",
    weights: Sequence[float] | None = None,
    k: int = 1000,
    rank_constant: int = RANK_CONSTANT,
) -> Run:
    """Fuses any number of runs; a document that a run lacks gets 0 from it.

    Args:
        runs: each query id → hits, best first, or scored documents of ir_measures or ir_datasets.
        method: ``rrf``: the sum of weight / (rank constant + rank) over the runs; ``sum`` and ``max``: the sum or the largest of
            weight × score, where the scores of each run and query are min-max-normalised to 0…1 (CombSUM and CombMAX, Fox and Shaw,
            TREC-2).
        weights: one per run; if None, all the same: 1 each, for ``sum`` 1 divided by the number of runs.
        k: the number of hits of each query.
        rank_constant: of ``rrf``.

    Returns:
        Query id → at most ``k`` hits, best first, equal scores in the order of docids.

    Raises:
        ValueError: there are no runs, the method is unknown, ``k`` or the rank constant is below 1, or the weights are not as many as
            the runs, negative, infinite, or all 0.
        InputError: a run has a document twice for a query, or a score that is not finite.

    Example:
        >>> fuse_runs([{"q": [Hit("a", 9.0), Hit("b", 5.0)]}, {"q": [Hit("b", 30.0)]}], method="max")
        {'q': [Hit(doc_id='a', score=1.0), Hit(doc_id='b', score=1.0)]}
    """
    if method not in METHODS:
        raise ValueError(f"method is one of {', '.join(METHODS)}, not {method!r}")
    if not runs:
        raise ValueError("there are no runs to fuse")
    if k < 1:
        raise ValueError(f"k is the number of hits and must be at least 1, not {k}")
    if rank_constant < 1:
        raise ValueError(f"the rank constant must be at least 1, not {rank_constant}")
    if weights is None:
        weights = [1 / len(runs) if method == "sum" else 1.0] * len(runs)
    if len(weights) != len(runs):
        raise ValueError(f"{len(weights)} weights for {len(runs)} runs; give one per run")
    if not all(0 <= weight < math.inf for weight in weights) or not any(weights):
        raise ValueError(f"the weights must be numbers from 0, not all of them 0, unlike {', '.join(map(str, weights))}")

    def reciprocal_ranks(hits: Sequence[Hit]) -> Mapping[str, float]:
        return {hit.doc_id: 1 / (rank_constant + rank) for rank, hit in enumerate(hits, start=1)}

    join: Callable[[float, float], float] = max if method == "max" else float.__add__
    parts = [(as_run(run), float(weight)) for run, weight in zip(runs, weights, strict=True)]
    return _joined(parts, reciprocal_ranks if method == "rrf" else _normalised, join, k)


def fuse(first: AnyRun, second: AnyRun, *, weight: float = 0.5, k: int = 1000) -> Run:
    """Weighted sum of min-max-normalised scores of two runs; a document that a run lacks gets 0 from it.

    Args:
        first: query id → hits, or scored documents of ir_measures or ir_datasets.
        second: the same of the other system.
        weight: of the first run, from 0 to 1; the second has ``1 - weight``.
        k: the number of hits of each query.

    Returns:
        As :func:`fuse_runs`.

    Raises:
        ValueError: ``weight`` is not from 0 to 1, or ``k`` is below 1.
        InputError: a run has a document twice for a query, or a score that is not finite.

    Example:
        >>> fuse({"q": [Hit("a", 9.0), Hit("b", 5.0)]}, {"q": [Hit("b", 30.0), Hit("c", 10.0)]})
        {'q': [Hit(doc_id='a', score=0.5), Hit(doc_id='b', score=0.5), Hit(doc_id='c', score=0.0)]}
    """
    if not 0 <= weight <= 1:
        raise ValueError(f"weight is that of the first run and must be from 0 to 1, not {weight}")
    return fuse_runs((first, second), method="sum", weights=(weight, 1 - weight), k=k)


def fuse_ranks(first: AnyRun, second: AnyRun, *, k: int = 1000) -> Run:
    """Reciprocal rank fusion of two runs: a document scores the sum of 1 / (60 + its rank) over the runs that have it.

    Args:
        first: query id → hits, best first, or scored documents of ir_measures or ir_datasets.
        second: the same of the other system.
        k: the number of hits of each query.

    Returns:
        As :func:`fuse_runs`.

    Raises:
        ValueError: ``k`` is below 1.
        InputError: a run has a document twice for a query, or a score that is not finite.

    Example:
        >>> fuse_ranks({"q": [Hit("a", 9.0), Hit("b", 5.0)]}, {"q": [Hit("b", 30.0)]})["q"][0].doc_id
        'b'
    """
    return fuse_runs((first, second), method="rrf", k=k)


def _joined(
    runs: Sequence[tuple[Mapping[str, Sequence[Hit]], float]],
    scored: Callable[[Sequence[Hit]], Mapping[str, float]],
    join: Callable[[float, float], float],
    k: int,
) -> Run:
    fused: Run = {}
    for query_id in dict.fromkeys(query_id for run, _ in runs for query_id in run):
        total: dict[str, float] = {}
        for run, weight in runs:
            for doc_id, score in scored(run.get(query_id, ())).items():
                total[doc_id] = join(total.get(doc_id, 0.0), weight * score)
        best = sorted(total.items(), key=lambda item: (-item[1], item[0]))[:k]
        fused[query_id] = [Hit(doc_id, score) for doc_id, score in best]
    return fused


def _normalised(hits: Sequence[Hit]) -> dict[str, float]:
    if not hits:
        return {}
    low, high = min(hit.score for hit in hits), max(hit.score for hit in hits)
    # Hits that all score the same are all the best there is. Halves, for the whole range may be more than a float holds.
    span = high / 2 - low / 2
    return {hit.doc_id: (hit.score / 2 - low / 2) / span if span > 0 else 1.0 for hit in hits}
