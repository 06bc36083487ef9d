"""What a training run is told."""

from __future__ import annotations

from typing import NamedTuple

from splade_lucene.encoding.defaults import Lengths

# Steps where the user says nothing: a few minutes for a small model on one core.
STEPS, STEPS_STATIC, STEPS_TITLES = 200, 200, 90
BATCH = 32
LENGTHS = Lengths(128, 24)
"""The cheap lengths: half the time of 256 and 64."""


class Recipe(NamedTuple):
    """What is tried, and chosen on held-out queries.

    Attributes:
        score_scale: factor of scores before the softmax of the ranking loss, an inverse temperature.
        learning_rate: its peak; it rises during the first tenth of the steps and falls to 0 at the end.
        document_regularization: λ of the FLOPS regularizer of passages; it rises with the square of the step during the first third.
        query_regularization: likewise of queries; None where they are a table.
        table_learning_rate: of that table.
    """

    score_scale: float
    learning_rate: float
    document_regularization: float
    query_regularization: float | None
    table_learning_rate: float = 1e-2

    def __str__(self) -> str:
        return f"score scale {self.score_scale:g}, learning rate {self.learning_rate:g}, λ {self.document_regularization:g}"


JUDGED = (Recipe(1.0, 3e-4, 5e-3, 5e-3), Recipe(0.3, 2e-4, 5e-3, 5e-3))
STATIC = (Recipe(1.0, 3e-4, 1e-3, None), Recipe(0.3, 2e-4, 1e-3, None))
TITLES = (Recipe(1.0, 1e-4, 5e-3, 5e-3),)
TITLES_STATIC = (Recipe(1.0, 1e-4, 1e-3, None),)


def recipes(
    *, static: bool, titles: bool, score_scale: float | None = None, learning_rate: float | None = None, regularization: float | None = None
) -> tuple[Recipe, ...]:
    """What is tried by default, with what the user says in place of its parts; duplicates once."""
    found = (TITLES_STATIC if static else TITLES) if titles else STATIC if static else JUDGED
    changed = []
    for recipe in found:
        each = recipe
        if score_scale is not None:
            each = each._replace(score_scale=score_scale)
        if learning_rate is not None:
            each = each._replace(learning_rate=learning_rate)
        if regularization is not None:
            each = each._replace(document_regularization=regularization, query_regularization=None if static else regularization)
        changed.append(each)
    return tuple(dict.fromkeys(changed))


def default_steps(*, static: bool, titles: bool) -> int:
    """Steps where the user says nothing."""
    return STEPS_TITLES if titles else STEPS_STATIC if static else STEPS


class Budget(NamedTuple):
    """What the trained model may cost on held-out passages and queries.

    Attributes:
        flops: mean multiplications to score a query against a passage; None for any.
        document_terms: mean number of terms of a passage; None for any.
    """

    flops: float | None = None
    document_terms: float | None = None

    def __bool__(self) -> bool:
        return self.flops is not None or self.document_terms is not None

    def excess(self, flops: float, document_terms: float) -> float:
        """The cost as a multiple of the budget, of the two the larger; 0 without a budget."""
        found = [cost / limit for cost, limit in ((flops, self.flops), (document_terms, self.document_terms)) if limit is not None]
        return max(found, default=0.0)


class TrainingSettings(NamedTuple):
    """What holds for all steps.

    Attributes:
        steps: of the optimizer, at most.
        batch: queries of a step.
        lengths: tokens that passages and queries are cut at.
        seed: of what is drawn: held-out queries, negatives, the order, dropout.
        device: as torch calls it.
        budget: of the result.
    """

    steps: int
    batch: int = BATCH
    lengths: Lengths = LENGTHS
    seed: int = 1
    device: str = "auto"
    budget: Budget = Budget()
