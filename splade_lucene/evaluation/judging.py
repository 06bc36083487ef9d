"""Systems on one data set: what each scores, and whether it is better than the baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from splade_lucene.evaluation.measures import score_run
from splade_lucene.evaluation.result_files import TOP
from splade_lucene.evaluation.result_records import Comparison
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
        strangers: why nothing in the run is judged, where that is so: a sentence of :func:`explain_strangers`.
    """

    scores: dict[str, float]
    queries: dict[str, dict[str, float]]
    missing: int
    unjudged: int
    top: dict[str, list[Hit]]
    strangers: str | None = None


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
        explain_strangers(run, qrels),
    )


def explain_strangers(run: Mapping[str, Sequence[Hit]], qrels: Iterable[Qrel]) -> str | None:
    """Says so where nothing that is judged occurs in a run, the usual sign of judgments and ids of something else.

    Returns:
        A sentence with an id of each side, to follow the name of the run; None where something judged was retrieved, or nothing at all.

    Example:
        >>> explain_strangers({"q1": [Hit("7.txt", 2.0)]}, [Qrel("q1", "7", 1)])
        "no judged document occurs in it (it has documents like '7.txt', the judgments like '7'), so it scores 0; do the ids agree?"
    """
    documents: dict[str, set[str]] = {}
    for query_id, doc_id, _ in qrels:
        documents.setdefault(query_id, set()).add(doc_id)
    hits = {query_id: found for query_id, found in run.items() if found}
    shared = [query_id for query_id in hits if query_id in documents]
    if not hits or not documents:
        return None
    if not shared:
        theirs, ours = next(iter(documents)), next(iter(hits))
        what = f"none of its queries is judged (it has queries like {ours!r}, the judgments like {theirs!r})"
        return f"{what}, so it scores 0; are these the right judgments?"
    if any(hit.doc_id in documents[query_id] for query_id in shared for hit in hits[query_id]):
        return None
    theirs, ours = next(iter(documents[shared[0]])), hits[shared[0]][0].doc_id
    what = f"no judged document occurs in it (it has documents like {ours!r}, the judgments like {theirs!r})"
    return f"{what}, so it scores 0; do the ids agree?"


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
