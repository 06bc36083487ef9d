"""Scores runs with ir_measures."""

from __future__ import annotations

from typing import Any, NamedTuple

from splade_lucene.core.ir_adapters import Qrels, Run, ir_qrels, scored_docs
from splade_lucene.errors import SpladeLuceneError

DEFAULT_MEASURES = "nDCG@10 R@100 RR@10"


class Scores(NamedTuple):
    """The scores of a run.

    Attributes:
        mean: measure → mean over the judged queries; a query that the run lacks counts 0.
        queries: measure → query id → value.
    """

    mean: dict[str, float]
    queries: dict[str, dict[str, float]]


def parse_measures(names: str) -> list[Any]:
    """ir_measures' objects for names separated by spaces.

    Raises:
        SpladeLuceneError: a name is unknown.
    """
    import ir_measures

    measures = []
    for name in names.split():
        try:
            measure = ir_measures.parse_measure(name)
            if measure.params.get("cutoff", 1) < 1:
                raise ValueError("the cutoff must be at least 1")  # pytrec_eval would end the process
            ir_measures.evaluator([measure], [])
            measures.append(measure)
        except (ValueError, NameError, KeyError, AssertionError) as error:
            examples = "nDCG@10, R@100, R@1000, RR@10, AP, P@5"
            raise SpladeLuceneError(f"unknown measure {name!r} ({error}); write it as ir_measures does: {examples}") from None
    if not measures:
        raise SpladeLuceneError(f"no measures given; the default is {DEFAULT_MEASURES!r}")
    return measures


def score_run(run: Run, qrels: Qrels, measures: str = DEFAULT_MEASURES) -> Scores:
    """Scores a run.

    Args:
        run: query id → hits, or scored documents as ir_measures and ir_datasets have them.
        qrels: our records, those of ir_measures or ir_datasets, or one of its data sets.
        measures: ir_measures' names, separated by spaces.

    Returns:
        Means over all judged queries, and the values of each query.

    Raises:
        SpladeLuceneError: a measure is unknown.
    """
    import ir_measures

    parsed = parse_measures(measures)
    judgments, scored = list(ir_qrels(qrels)), list(scored_docs(run))
    evaluator = ir_measures.evaluator(parsed, judgments)
    queries: dict[str, dict[str, float]] = {str(measure): {} for measure in parsed}
    for metric in evaluator.iter_calc(scored):
        queries[str(metric.measure)][metric.query_id] = metric.value
    means = evaluator.calc_aggregate(scored)
    return Scores({str(measure): float(means[measure]) for measure in parsed}, queries)
