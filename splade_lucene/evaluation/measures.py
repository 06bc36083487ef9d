"""Scores runs with ir_measures, each measure on the ranking that trec_eval sees."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from splade_lucene.core.ir_adapters import Qrels, Run, as_qrels, as_run
from splade_lucene.errors import InputError, SpladeLuceneError
from splade_lucene.evaluation.ranking import trec_order

DEFAULT_MEASURES = "nDCG@10 R@100 RR@10"

_EXAMPLES = "nDCG@10, R@100, R@1000, RR@10, AP, P@5"
# Names apart by white space, which parentheses protect.
_NAME = re.compile(r"(?:\([^)]*\)?|[^\s(])+")
# Values of parameters in messages.
_VALUES = {"cutoff": 10, "max_rel": 3, "recall": 0.5}
# trec_eval counts ranks in a long, its Python binding in an int.
_MAX_CUTOFF = 2**31 - 1
# gdeval.pl's $MAX_JUDGMENT.
_GDEVAL_MAX_GRADE = 4


class Scores(NamedTuple):
    """The scores of a run.

    Attributes:
        mean: measure → mean over the judged queries; a query that the run lacks counts 0.
        queries: measure → query id → value, queries in the order of the judgments.
    """

    mean: dict[str, float]
    queries: dict[str, dict[str, float]]


def parse_measures(names: str) -> list[Any]:
    """ir_measures' objects for names separated by spaces.

    Args:
        names: as ir_measures writes them (``nDCG@10``, ``RR(rel=2)@10``) or as trec_eval does (``ndcg_cut_10``, ``recip_rank``).

    Raises:
        SpladeLuceneError: a name is unknown, its parameters are missing or wrong, or it needs a package or judgments that are not there.
    """
    measures = [measure for name in _NAME.findall(names) for measure in _parse(name)]
    if not measures:
        raise SpladeLuceneError(f"no measures given; the default is {DEFAULT_MEASURES!r}")
    return list(dict.fromkeys(measures))


def score_run(run: Run, qrels: Qrels, measures: str = DEFAULT_MEASURES) -> Scores:
    """Scores a run.

    Every measure gets the ranking that trec_eval would see (:func:`~splade_lucene.evaluation.ranking.trec_order`), whichever of
    ir_measures' providers computes it; by themselves some break ties the other way round.

    Args:
        run: query id → hits, or scored documents as ir_measures and ir_datasets have them.
        qrels: our records, those of ir_measures or ir_datasets, or one of its data sets.
        measures: ir_measures' names, separated by spaces.

    Returns:
        Means over all judged queries, and the values of each query.

    Raises:
        SpladeLuceneError: a measure is unknown.
        InputError: a score is not finite, a query has a document twice, or a pair is judged twice with different relevance.
        TypeError: an id, a score or a grade is of a type that cannot be one.
    """
    parsed = parse_measures(measures)
    grades = _grades(qrels)
    rankings = {query_id: trec_order(hits) for query_id, hits in as_run(run).items() if query_id in grades and hits}
    values: dict[Any, dict[str, float]] = {measure: dict.fromkeys(grades, measure.DEFAULT) for measure in parsed}
    for provider, members in _by_provider(parsed).items():
        for measure, query_id, value in _calculate(provider, members, grades, rankings):
            values[measure][query_id] = value
    means: dict[str, float] = {}
    for measure, queries in values.items():
        aggregator = measure.aggregator()
        for value in queries.values():
            aggregator.add(value)
        means[str(measure)] = float(aggregator.result()) if queries else 0.0
    return Scores(means, {str(measure): queries for measure, queries in values.items()})


def _grades(qrels: Qrels) -> dict[str, dict[str, int]]:
    grades: dict[str, dict[str, int]] = {}
    for query_id, doc_id, relevance in as_qrels(qrels):
        if grades.setdefault(query_id, {}).setdefault(doc_id, relevance) != relevance:
            raise InputError("the judgments", f"query {query_id!r} and document {doc_id!r} are judged twice and differently; remove one")
    return grades


def _by_provider(measures: Sequence[Any]) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for measure in measures:
        found.setdefault(_provider(measure), []).append(measure)
    return found


def _calculate(
    provider: Any, measures: Sequence[Any], grades: Mapping[str, Mapping[str, int]], rankings: Mapping[str, Sequence[str]]
) -> Iterator[tuple[Any, str, float]]:
    """The values of measures that one provider computes: measure, query id, value.

    Providers get numbers for ids, since gdeval takes what follows a dash for the whole id and wants digits, and scores that fall by 1
    from hit to hit, so that none has a tie to break.
    """
    from ir_measures import Qrel, ScoredDoc

    if provider.NAME == "accuracy":
        yield from _accuracies(measures, grades, rankings)
        return
    depth = max(measure["cutoff"] for measure in measures) if provider.NAME == "gdeval" else None  # gdeval needs minutes for long runs
    if provider.NAME == "gdeval":
        _check_gdeval(measures, grades)
    names = list(grades)
    judgments, scored = [], []
    for number, query_id in enumerate(names):
        numbers = {doc_id: str(place) for place, doc_id in enumerate(grades[query_id])}
        judgments += [Qrel(str(number), numbers[doc_id], relevance) for doc_id, relevance in grades[query_id].items()]
        ranking = rankings.get(query_id, ())[:depth]
        for rank, doc_id in enumerate(ranking):
            scored.append(ScoredDoc(str(number), numbers.setdefault(doc_id, str(len(numbers))), float(len(ranking) - rank)))
    for metric in provider.evaluator(measures, judgments).iter_calc(scored):
        yield metric.measure, names[int(metric.query_id)], metric.value


def _accuracies(
    measures: Sequence[Any], grades: Mapping[str, Mapping[str, int]], rankings: Mapping[str, Sequence[str]]
) -> Iterator[tuple[Any, str, float]]:
    """ir_measures' Accuracy, which by itself divides by zero where everything retrieved is relevant.

    Of all pairs of a relevant and another document up to the cutoff, the part in which the relevant one comes first; 1 where there are
    relevant ones alone. Where none is retrieved, the query counts 0, as in all other measures.
    """
    for measure in measures:
        cutoff = measure.params.get("cutoff")
        for query_id, ranking in rankings.items():
            relevant, others, misplaced = 0, 0, 0
            for doc_id in ranking[:cutoff]:
                if grades[query_id].get(doc_id, 0) >= measure["rel"]:
                    relevant += 1
                    misplaced += others
                else:
                    others += 1
            if relevant:
                yield measure, query_id, 1.0 - misplaced / (others * relevant) if others else 1.0


def _check_gdeval(measures: Sequence[Any], grades: Mapping[str, Mapping[str, int]]) -> None:
    for query_id, judged in grades.items():
        for doc_id, relevance in judged.items():
            if relevance > _GDEVAL_MAX_GRADE:
                names = " and ".join(map(str, measures))
                raise InputError(
                    "the judgments",
                    f"{names} takes grades up to {_GDEVAL_MAX_GRADE}, and query {query_id!r} has document {doc_id!r} with {relevance}",
                )


def _parse(name: str) -> list[Any]:
    import ir_measures

    try:
        if re.split(r"\W", name)[0] in ir_measures.measures.registry:
            measures = [ir_measures.parse_measure(name)]
        else:
            with contextlib.redirect_stdout(sys.stderr):  # it prints which members of a group it leaves out
                measures = ir_measures.parse_trec_measure(name)
    except (ValueError, NameError, KeyError, TypeError, AttributeError):
        raise SpladeLuceneError(
            f"unknown measure {name!r}; write it as ir_measures or trec_eval does: {_EXAMPLES}, ndcg_cut_10, recip_rank"
        ) from None
    for measure in measures:
        try:
            _check(measure)
        except (ValueError, AssertionError, TypeError) as error:
            raise SpladeLuceneError(f"the measure {name!r} cannot be computed: {error}") from None
    return measures


def _check(measure: Any) -> None:
    """Makes sure that a measure can be computed.

    Raises:
        ValueError: it cannot, and why; some values would end the process once trec_eval has them.
        AssertionError: likewise, from ir_measures.
    """
    import ir_measures

    missing = [name for name, info in measure.SUPPORTED_PARAMS.items() if info.required and name not in measure.params]
    if missing:
        example = ",".join(f"{name}={_VALUES.get(name, 1)}" for name in missing if name != measure.AT_PARAM)
        at = f"@{_VALUES[measure.AT_PARAM]}" if measure.AT_PARAM in missing else ""
        raise ValueError(f"it needs {' and '.join(missing)}, as in {measure.NAME}{f'({example})' if example else ''}{at}")
    measure.validate_params()
    cutoff = measure.params.get("cutoff", 1)
    if not 1 <= cutoff <= _MAX_CUTOFF:
        raise ValueError(f"the cutoff must be from 1 to {_MAX_CUTOFF}")
    if ir_measures.pyndeval.supports(measure):
        raise ValueError("it needs judgments of subtopics, which are not read here")
    low, high = measure.params.get("min_rel", 0), measure.params.get("max_rel", 1)
    _provider(measure).evaluator([measure], [ir_measures.Qrel("0", "0", low), ir_measures.Qrel("0", "1", high)])


def _provider(measure: Any) -> Any:
    """The first of ir_measures' providers that computes a measure, as ir_measures itself picks it."""
    import ir_measures

    able = [provider for provider in ir_measures.DefaultPipeline.providers if provider.supports(measure)]
    there = next((provider for provider in able if provider.is_available()), None)
    if there is None:
        how = " or ".join(filter(None, (provider.install_instructions() for provider in able)))
        raise ValueError(f"nothing that is installed computes it; run: {how}" if how else "nothing computes it with these parameters")
    return there
