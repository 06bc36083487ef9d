"""Query by query: how far each system is from the baseline, and why; what the page's script shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from splade_lucene.evaluation.result_files import TOP, Evidence, QueryScores, read_evidence, read_evidence_passages, read_scores
from splade_lucene.evaluation.result_records import Dataset, Results
from splade_lucene.evaluation.results import locate
from splade_lucene.evaluation.tables import main_measure
from splade_lucene.records import Passage

DETAILED_QUERIES = 1500
"""The number of queries that a page details, over all data sets: about 5 kB each. Those that differ most come first."""

_DECIMALS = 4
_DIGITS = 5  # of scores: those of reciprocal rank fusion are small
_TERMS = 10
_SNIPPET = 220
_EXAMPLES = 5


@dataclass(frozen=True)
class Example:
    """A query with its score from the baseline and from a system."""

    query_id: str
    text: str
    baseline: float
    system: float


@dataclass(frozen=True)
class QueryDifferences:
    """A system against the baseline.

    Attributes:
        number: of the system, its place in ``Results.systems``.
        sorted: the differences, largest first.
        gains: the queries that gain most.
        losses: the queries that lose most.
    """

    number: int
    sorted: Sequence[float]
    gains: Sequence[Example]
    losses: Sequence[Example]

    @property
    def counts(self) -> tuple[int, int, int]:
        """Queries won, equal and lost."""
        won, lost = sum(value > 0 for value in self.sorted), sum(value < 0 for value in self.sorted)
        return won, len(self.sorted) - won - lost, lost


@dataclass(frozen=True)
class Queries:
    """The queries of a data set.

    Attributes:
        measure: what is compared.
        differences: one per system other than the baseline.
        payload: for the script: ``ids``, ``scores`` by number of the system, and what is known of the queries and passages.
        detailed: the number of queries that the payload details.
        kept: how many the evidence on disk does.
    """

    measure: str
    differences: Sequence[QueryDifferences] = ()
    payload: Mapping[str, Any] = field(default_factory=dict)
    detailed: int = 0
    kept: int = 0


def read_queries(results: Results, dataset: Dataset, folder: Path) -> Queries:
    """Reads the files of a data set and keeps what the page shows.

    Args:
        results: the evaluation.
        dataset: one of its data sets.
        folder: of the results.

    Raises:
        InputError: a file is missing or malformed.
    """
    measure = main_measure(results)
    scores = _rounded(read_scores(locate(dataset.scores, folder)), measure)
    numbers = {system.name: number for number, system in enumerate(results.systems) if system.name in scores}
    base = scores.get(results.baseline)
    if not base:
        return Queries(measure)
    ids = list(base)
    gaps = {
        name: {query_id: scores[name].get(query_id, 0.0) - base[query_id] for query_id in ids}
        for name in numbers
        if name != results.baseline
    }
    details, kept = _Details(results, numbers), 0
    if dataset.evidence and dataset.passages:
        chosen = _chosen(ids, gaps, DETAILED_QUERIES // len(results.datasets))
        passages = read_evidence_passages(locate(dataset.passages, folder))
        for evidence in read_evidence(locate(dataset.evidence, folder)):
            kept += 1
            if evidence.query_id in chosen:
                details.add(evidence, passages, {name: gaps[name][evidence.query_id] for name in gaps})
    differences = []
    for name, values in gaps.items():
        order = sorted(ids, key=lambda query_id: -values[query_id])
        examples = [Example(query_id, details.text(query_id), base[query_id], base[query_id] + values[query_id]) for query_id in order]
        gains = [each for each in examples[:_EXAMPLES] if each.system > each.baseline]
        losses = [each for each in examples[: -_EXAMPLES - 1 : -1] if each.system < each.baseline]
        differences.append(QueryDifferences(numbers[name], [values[query_id] for query_id in order], gains, losses))
    payload = {
        "measure": measure,
        "baseline": numbers[results.baseline],
        "systems": {number: results.systems[number].label for number in numbers.values()},
        "ids": ids,
        "scores": {numbers[name]: [scores[name].get(query_id, 0.0) for query_id in ids] for name in numbers},
        "queries": details.queries,
        "passages": details.passages,
    }
    return Queries(measure, differences, payload, len(details.queries), kept)


def decisive_pair(winner: Sequence[str], loser: Sequence[str], relevant: Mapping[str, int]) -> tuple[str, str] | None:
    """Two passages that two systems rank the other way round, chosen so that they explain why one has the better score.

    Args:
        winner: docids of the first hits of the system with the better score.
        loser: docids of the first hits of the other.
        relevant: docid → grade.

    Returns:
        The passage that the winner ranks higher and the one that the loser ranks higher: as different in grade as possible, then as high as
        possible in both rankings. None if both agree on the order of all these hits, or the worse passage would have to explain it.
    """

    def place(ranking: Sequence[str], doc_id: str) -> int:
        return ranking.index(doc_id) if doc_id in ranking else len(ranking)

    pairs = [
        (relevant.get(low, 0) - relevant.get(high, 0), place(winner, high), place(loser, low), high, low)
        for high, low in product(winner, loser)
        if place(winner, high) < place(winner, low) and place(loser, low) < place(loser, high)
    ]
    gap, _, _, high, low = min(pairs, default=(1, 0, 0, "", ""))
    return (high, low) if gap <= 0 else None


class _Details:
    """Gathers what the script shows of single queries; passages are stored once and named by their number."""

    def __init__(self, results: Results, numbers: Mapping[str, int]) -> None:
        self.results, self.numbers = results, numbers
        self.queries: dict[str, dict[str, Any]] = {}
        self.passages: list[list[str]] = []
        self._places: dict[str, int] = {}

    def text(self, query_id: str) -> str:
        return str(self.queries[query_id]["text"]) if query_id in self.queries else ""

    def add(self, evidence: Evidence, passages: Mapping[str, Passage], gaps: Mapping[str, float]) -> None:
        def place(doc_id: str) -> int:
            if doc_id not in self._places:
                passage = passages.get(doc_id, Passage(doc_id, ""))
                self._places[doc_id] = len(self.passages)
                self.passages.append([doc_id, passage.title, _snippet(passage.text)])
            return self._places[doc_id]

        top = {name: evidence.top.get(name, ())[:TOP] for name in self.numbers}
        self.queries[evidence.query_id] = {
            "text": evidence.text,
            "relevant": len(evidence.relevant),
            "grades": {
                place(hit.doc_id): evidence.relevant[hit.doc_id] for hits in top.values() for hit in hits if hit.doc_id in evidence.relevant
            },
            "top": {self.numbers[name]: [[place(hit.doc_id), round(hit.score, _DIGITS)] for hit in hits] for name, hits in top.items()},
            "why": {self.numbers[name]: why for name, gap in gaps.items() if (why := self._why(evidence, name, gap, place))},
        }

    def _why(self, evidence: Evidence, name: str, gap: float, place: Callable[[str], int]) -> dict[str, Any] | None:
        base = self.results.baseline
        winner, loser = (name, base) if gap >= 0 else (base, name)
        first, second = ([hit.doc_id for hit in evidence.top.get(system, ())[:TOP]] for system in (winner, loser))
        pair = decisive_pair(first, second, evidence.relevant)
        if pair is None:
            return None
        high, low = pair
        views = []
        for system in self._with_terms(evidence, winner, loser):
            matches = evidence.matches[system]
            of_high, of_low = matches.get(high, {}), matches.get(low, {})
            terms = {term: of_high.get(term, 0) - of_low.get(term, 0) for term in {**of_high, **of_low}}
            order = sorted((term for term in terms if terms[term]), key=lambda term: -abs(terms[term]))
            rest = sum(terms[term] for term in order[_TERMS:])
            views.append(
                [
                    self.numbers[system],
                    round(sum(terms.values()), _DIGITS),
                    [[term, round(terms[term], _DIGITS)] for term in order[:_TERMS]],
                    len(order[_TERMS:]),
                    round(rest, _DIGITS),
                ]
            )
        return {"winner": self.numbers[winner], "loser": self.numbers[loser], "high": place(high), "low": place(low), "views": views}

    def _with_terms(self, evidence: Evidence, *systems: str) -> list[str]:
        """The systems whose terms can be looked at: a fusion has those of its components."""
        names: list[str] = []
        for system in systems:
            names += [system] if system in evidence.matches else self.results.system(system).components
        return [name for name in dict.fromkeys(names) if name in evidence.matches and name in self.numbers]


def _rounded(scores: QueryScores, measure: str) -> dict[str, dict[str, float]]:
    """The scores as the page has them: differences of these are what both the plots and the script sort by."""
    return {
        system: {query_id: round(value, _DECIMALS) for query_id, value in values.get(measure, {}).items()}
        for system, values in scores.items()
    }


def _chosen(ids: Iterable[str], gaps: Mapping[str, Mapping[str, float]], limit: int) -> set[str]:
    order = sorted(ids, key=lambda query_id: -max((abs(values[query_id]) for values in gaps.values()), default=0.0))
    return set(order[:limit])


def _snippet(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SNIPPET else text[:_SNIPPET].rsplit(" ", 1)[0] + " …"
