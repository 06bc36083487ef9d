"""Learns the weight of a fusion on queries that are not those of the evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from splade_lucene.evaluation.fusion import fuse
from splade_lucene.evaluation.measures import score_run
from splade_lucene.evaluation.runs import Run
from splade_lucene.records import Qrel

# Twentieths: coarse steps first, then both sides of the best.
_WHOLE, _COARSE = 20, 2
UNTUNED = 0.5
"""The weight where there is nothing to learn from: both systems count the same."""


class LearnedWeight(NamedTuple):
    """What was learned.

    Attributes:
        weight: of the first system, from 0 to 1; the second has the rest.
        score: the mean on the training queries with it.
        untuned: with :data:`UNTUNED`.
    """

    weight: float
    score: float
    untuned: float


def learn_weight(first: Run, second: Run, qrels: Sequence[Qrel], measure: str, *, k: int) -> LearnedWeight:
    """Finds the weight of the min-max sum with the best mean, in steps of .05; of equal ones that nearest to one half.

    Args:
        first: the run of training queries whose weight is learned.
        second: the other run.
        qrels: their judgments.
        measure: ir_measures' name.
        k: hits of a fused query, as in the evaluation.
    """
    means: dict[int, float] = {}

    def mean(twentieths: int) -> float:
        if twentieths not in means:
            fused = fuse(first, second, weight=twentieths / _WHOLE, k=k)
            (means[twentieths],) = score_run(fused, qrels, measure).mean.values()
        return means[twentieths]

    def rank(twentieths: int) -> tuple[float, int]:
        return mean(twentieths), -abs(twentieths - _WHOLE // 2)

    coarse = max(range(0, _WHOLE + 1, _COARSE), key=rank)
    best = max((each for each in (coarse - 1, coarse, coarse + 1) if 0 <= each <= _WHOLE), key=rank)
    return LearnedWeight(best / _WHOLE, mean(best), mean(_WHOLE // 2))
