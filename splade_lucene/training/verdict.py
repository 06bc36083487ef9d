"""Whether the trained model replaces the original."""

from __future__ import annotations

from typing import Any, NamedTuple

from splade_lucene.evaluation.significance import paired, t_test
from splade_lucene.evaluation.table import markdown_table
from splade_lucene.training.heldout import MEASURE, Evaluation

_SIGNIFICANT = 0.05


class Verdict(NamedTuple):
    """Both models on held-out queries that nothing was chosen by.

    Attributes:
        before: the original.
        after: the trained one.
        p: of the two-sided paired t-test.
        replaces: whether the trained model is better, or where only cost was to fall, not significantly worse.
        why: a sentence.
    """

    before: Evaluation
    after: Evaluation
    p: float
    replaces: bool
    why: str

    def table(self) -> str:
        """Markdown."""
        rows: list[dict[str, Any]] = [
            {
                "held-out": name,
                MEASURE: f"{each.score:.4f}",
                "FLOPS": f"{each.flops:.2f}",
                "terms per query": f"{each.query_terms:.1f}",
                "terms per passage": f"{each.document_terms:.1f}",
            }
            for name, each in (("before", self.before), ("after", self.after))
        ]
        return markdown_table(rows)


def judge_training(before: Evaluation, after: Evaluation, *, cheaper: bool) -> Verdict:
    """Compares two models query by query.

    Args:
        before: the original.
        after: the trained one, on the same queries.
        cheaper: what was wanted is a lower cost (a budget, or training without judgments, whose held-out titles are only a proxy): then
            the trained model replaces the original unless it is significantly worse.
    """
    difference = after.score - before.score
    p = t_test(paired(after.queries, before.queries))
    worse = difference < 0 and p < _SIGNIFICANT
    replaces = not worse if cheaper else difference > 0
    figures = f"{MEASURE} {before.score:.4f} → {after.score:.4f} on {len(before.queries)} held-out queries, paired t-test p = {p:.2g}"
    if replaces:
        return Verdict(before, after, p, True, f"the trained model replaces the original ({figures})")
    less = "is significantly worse" if cheaper else "does not improve on the original"
    return Verdict(before, after, p, False, f"the original is kept, as the trained model {less} ({figures})")
