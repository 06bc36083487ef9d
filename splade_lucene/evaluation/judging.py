"""Systems on one data set: what each scores, and whether it is better than the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from splade_lucene.evaluation.measures import score_run
from splade_lucene.evaluation.result_files import TOP
from splade_lucene.evaluation.results import Comparison
from splade_lucene.evaluation.significance import holm, paired, randomisation_tests, t_test, tally
from splade_lucene.records import Hit, Qrel


class Judged(NamedTuple):
    """What is kept of a run once it is scored.

    Attributes:
        scores: measure → mean over the judged queries.
        queries: measure → query id → score.
        missing: judged queries without hits; they count 0.
        unjudged: queries of the run without judgments; they are left out.
        top: judged query id → its first hits.
    """

    scores: dict[str, float]
    queries: dict[str, dict[str, float]]
    missing: int
    unjudged: int
    top: dict[str, list[Hit]]


def judge(run: Mapping[str, Sequence[Hit]], qrels: Sequence[Qrel], measures: str) -> Judged:
    """Scores a run as trec_eval -c does: means are over all judged queries, those without hits count 0.

    Args:
        run: query id → hits, best first.
        qrels: the judgments.
        measures: ir_measures' names, separated by spaces.
    """
    judged = dict.fromkeys(qrel.query_id for qrel in qrels)
    scores = score_run(run, qrels, measures)
    return Judged(
        scores.mean,
        {measure: {query_id: values[query_id] for query_id in judged} for measure, values in scores.queries.items()},
        sum(not run.get(query_id) for query_id in judged),
        sum(query_id not in judged for query_id in run),
        {query_id: list(run.get(query_id, ())[:TOP]) for query_id in judged},
    )


def without_relevant(qrels: Sequence[Qrel]) -> int:
    """The number of judged queries without a single relevant document."""
    return len({qrel.query_id for qrel in qrels} - {qrel.query_id for qrel in qrels if qrel.relevance > 0})


def compare_with_baseline(systems: Mapping[str, Judged], baseline: str) -> dict[str, dict[str, Comparison]]:
    """Compares all other systems with the baseline, query by query.

    Args:
        systems: name → what it scored on the same judgments in the same measures.
        baseline: one of the names.

    Returns:
        Name → measure → comparison, p values corrected over the systems (Holm), each measure by itself.
    """
    others = [name for name in systems if name != baseline]
    found: dict[str, dict[str, Comparison]] = {name: {} for name in others}
    for measure, scores in systems[baseline].queries.items():
        differences = [paired(systems[name].queries[measure], scores) for name in others]
        t_values, random_values = [t_test(each) for each in differences], randomisation_tests(differences)
        corrected = zip(holm(t_values), holm(random_values), strict=True)
        for name, each, t_value, random_value, (t_holm, random_holm) in zip(
            others, differences, t_values, random_values, corrected, strict=True
        ):
            change = systems[name].scores[measure] - systems[baseline].scores[measure]
            found[name][measure] = Comparison(change, *tally(each), t_value, t_holm, random_value, random_holm)
    return found
