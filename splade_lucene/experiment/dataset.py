"""One data set of an evaluation: all systems on it, scored, compared and written down."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from splade_lucene.collections.judged import TRAINING_SPLITS
from splade_lucene.core.files import atomic_file, json_sha256
from splade_lucene.evaluation.cost import Cost, Latency, Timings, UnderLoad, latency
from splade_lucene.evaluation.judging import Judged, compare_with_baseline, judge, without_relevant
from splade_lucene.evaluation.numbers import DIFFERENCE, P_VALUE, write
from splade_lucene.evaluation.reference import published, published_documents, settings_match
from splade_lucene.evaluation.result_files import write_evidence, write_latency, write_passages, write_scores
from splade_lucene.evaluation.result_records import Dataset, Row, System
from splade_lucene.evaluation.results import place
from splade_lucene.evaluation.significance import paired, randomisation_tests, t_test, tally
from splade_lucene.evaluation.tables import MAIN_MEASURE
from splade_lucene.experiment.fusion_weight import UNTUNED, LearnedWeight
from splade_lucene.experiment.query_details import MOST_QUERIES, beginnings, gather, pick_queries
from splade_lucene.experiment.runs import Searched, sample
from splade_lucene.experiment.steps import EvaluationSettings, Steps
from splade_lucene.experiment.systems import TUNED, Systems
from splade_lucene.lucene.bm25_searcher import Bm25Searcher
from splade_lucene.lucene.card import IndexCard
from splade_lucene.pipeline.search import ImpactSearcher

Open = Callable[[], ImpactSearcher | Bm25Searcher]


class EvaluatedDataset(NamedTuple):
    """A data set and the rows of all systems on it."""

    dataset: Dataset
    rows: list[Row]


class DatasetEvaluation:
    """Runs all systems on one data set; existing vectors, indexes and runs that fit are kept.

    Args:
        steps: on the data set.
        systems: to run.
        out: the folder of the whole evaluation.
        measures: ir_measures' names.
        baseline: the name of the system that the others are compared with.
        settings: what holds for all.
    """

    def __init__(
        self, steps: Steps, systems: Systems, out: Path, *, measures: Sequence[str], baseline: str, settings: EvaluationSettings
    ) -> None:
        self._steps, self._systems, self._out = steps, systems, out
        self._measures, self._baseline, self._settings = measures, baseline, settings
        self._qrels = steps.collection.qrels()
        self._cards: dict[str, IndexCard] = {}
        self._openers: dict[str, Open] = {}
        self._runs: dict[str, Searched] = {}
        self._judged: dict[str, Judged] = {}
        self._notes: list[str] = []
        self._measure = MAIN_MEASURE if MAIN_MEASURE in self._measures else self._measures[0]
        self._weights: dict[str, LearnedWeight] = {}
        tuned = any(_is_tuned(system) for system in systems.all)
        training = steps.collection.training() if tuned else None
        self._training = training and training.only(sample(training.queries))

    def evaluate(self) -> EvaluatedDataset:
        """Does all of it."""
        for system in self._systems.all:
            self._runs[system.name] = self._search(system)
            self._judged[system.name] = judge(self._runs[system.name].run(), self._qrels, " ".join(self._measures))
        for system in self._systems.all:
            if system.name in self._weights:
                self._note_weight(system)
        folder = self._steps.folder
        write_scores(folder / "scores.csv", {name: judged.queries for name, judged in self._judged.items()})
        write_latency(folder / "latency.csv", {name: searched.times for name, searched in self._runs.items()})
        self._write_qrels(folder / "qrels.trec")
        self._write_evidence()
        rows = self._rows()
        return EvaluatedDataset(self._dataset(), rows)

    def _search(self, system: System) -> Searched:
        if system.kind == "fusion":
            weight = self._learned_weight(system) if _is_tuned(system) else None
            return self._steps.runs.fusion(system, [self._runs[name] for name in system.components], weight)
        index = self._steps.indexes.path(system)
        if system.kind == "bm25":
            self._cards[system.name] = self._steps.indexes.bm25(system)
            self._openers[system.name] = partial(Bm25Searcher, index)
        else:
            model = self._systems.models[system.name]
            self._cards[system.name] = self._steps.indexes.impact(system, model)
            self._openers[system.name] = partial(
                ImpactSearcher,
                index,
                model=model,
                query_max_length=system.record.query_max_length,
                query_idf=system.record.query_idf,
            )
        return self._steps.runs.search(system, self._openers[system.name], self._cards[system.name])

    def _learned_weight(self, system: System) -> float:
        """The weight of a tuned fusion: never learned from the queries that are evaluated."""
        if self._training is None:
            splits = " or ".join(TRAINING_SPLITS)
            self._notes.append(f"There are no training queries (a split {splits}), so {system.label} has the untuned weight {UNTUNED}.")
            return UNTUNED
        training = self._training
        runs = [
            self._steps.runs.search(self._named(name), self._openers[name], self._cards[name], training=training)
            for name in system.components
        ]
        learned = self._steps.runs.weight(system, runs, training, self._measure)
        self._weights[system.name] = learned
        return learned.weight

    def _note_weight(self, system: System) -> None:
        """Says what a learned weight gained, on the queries that it was learned from and on those of the evaluation."""
        learned, training = self._weights[system.name], self._training
        assert training is not None
        untuned = next(each for each in self._systems.all if each.components == system.components and each.fusion.weight == UNTUNED)
        tuned, half = self._judged[system.name], self._judged[untuned.name]
        differences = paired(tuned.queries[self._measure], half.queries[self._measure])
        counts, (randomised,) = tally(differences), randomisation_tests([differences])
        new, old = tuned.scores[self._measure], half.scores[self._measure]
        self._notes.append(
            f"{system.label}: the weight {learned.weight:g} of BM25 was learned on {len(training.queries):,} queries of the split "
            f"{training.split} ({self._measure} {write(learned.score)} there, {write(learned.untuned)} with {UNTUNED}). Here it scores "
            f"{write(new)}, and {write(old)} with {UNTUNED}: {write(new - old, DIFFERENCE)}, {counts.wins:,}/{counts.ties:,}/"
            f"{counts.losses:,} queries won, equal and lost, p {write(t_test(differences), P_VALUE)} in the paired t-test and "
            f"{write(randomised, P_VALUE)} in the randomisation test."
        )

    def _rows(self) -> list[Row]:
        comparisons = compare_with_baseline(self._judged, self._baseline)
        rows = []
        for system in self._systems.all:
            judged, searched = self._judged[system.name], self._runs[system.name]
            beside = published(self._steps.collection.name, system, judged.scores) if self._is_comparable(system) else {}
            row = Row(
                dataset=self._steps.collection.name,
                system=system.name,
                run=place(searched.file, self._out),
                run_sha256=searched.sha256,
                scores=judged.scores,
                published=beside,
                comparisons=comparisons.get(system.name, {}),
                missing=judged.missing,
                unjudged=judged.unjudged,
                cost=self._cost(system),
                timings=self._timings(system),
            )
            rows.append(row)
        return rows

    def _is_comparable(self, system: System) -> bool:
        """Whether published figures have the same split, hits and number of documents."""
        collection, settings = self._steps.collection, self._settings
        queries = len({qrel.query_id for qrel in self._qrels})
        if system.kind == "fusion" or not settings_match(
            collection.name, split=collection.split, queries=queries, hits=settings.hits, remove_query=self._steps.remove_query
        ):
            return False
        there, known = self._cards[system.name].documents, published_documents(self._steps.collection.name, system)
        if known is not None and known != there:
            self._notes.append(f"{system.label}: the index has {there:,} documents, the published one {known:,}, so they are not compared.")
        return known == there

    def _cost(self, system: System) -> Cost | None:
        return Cost.together(self._runs[name].cost for name in self._parts(system))

    def _timings(self, system: System) -> Timings:
        times, load = list(self._runs[system.name].times.values()), self._runs[system.name].load
        encode = [self._encode_seconds(name) for name in self._parts(system)]
        index = [self._steps.indexes.index_seconds(self._named(name)) for name in self._parts(system)]
        return Timings(
            encode_seconds=_sum(encode),
            index_seconds=_sum(index),
            search_ms=_milliseconds([each.search_ms for each in times]),
            query_ms=_milliseconds([each.encode_ms + each.search_ms for each in times]),
            queries=len(times),
            under_load=load and UnderLoad(load.threads, load.per_second, load.latency),
        )

    def _encode_seconds(self, name: str) -> float | None:
        system, card = self._named(name), self._cards[name]
        return 0.0 if system.kind == "bm25" else self._steps.indexes.encode_seconds(system, card.documents + card.empty)

    def _parts(self, system: System) -> tuple[str, ...]:
        return system.components or (system.name,)

    def _named(self, name: str) -> System:
        return next(system for system in self._systems.all if system.name == name)

    def _dataset(self) -> Dataset:
        collection, folder = self._steps.collection, self._steps.folder
        own = {searched.own_passage for searched in self._runs.values() if searched.own_passage is not None}
        if any(own):
            done = "as in BEIR, it is left out of every run" if self._steps.remove_query else "it is kept in every run"
            self._notes.append(f"For {max(own):,} of the queries a passage with the query's own id was found; {done}.")
        barren = without_relevant(self._qrels)
        if barren:
            self._notes.append(f"{barren:,} judged queries have no relevant passage; they count 0 for every system, as in trec_eval.")
        textless = len({qrel.query_id for qrel in self._qrels} - {query.query_id for query in self._steps.queries})
        if textless:
            self._notes.append(f"{textless:,} judged queries have no text; they count 0 for every system.")
        card = next(iter(self._cards.values()))
        return Dataset(
            name=collection.name,
            source=collection.source,
            split=collection.split,
            sha256=self._steps.sha256,
            documents=card.documents + card.empty,
            queries=len({qrel.query_id for qrel in self._qrels}),
            judgments=len(self._qrels),
            queries_without_relevant=barren,
            qrels=place(folder / "qrels.trec", self._out),
            scores=place(folder / "scores.csv", self._out),
            latency=place(folder / "latency.csv", self._out),
            evidence=place(folder / "evidence.jsonl", self._out),
            passages=place(folder / "passages.jsonl", self._out),
            notes=tuple(self._notes),
        )

    def _write_qrels(self, file: Path) -> None:
        with atomic_file(file) as stream:
            for qrel in self._qrels:
                stream.write(f"{qrel.query_id} 0 {qrel.doc_id} {qrel.relevance}\n")

    def _write_evidence(self) -> None:
        folder, measure = self._steps.folder, self._measures[0]
        wanted = set(pick_queries(self._judged, self._baseline, measure))
        queries = [query for query in self._steps.queries if query.query_id in wanted]
        if len(queries) < len(self._steps.queries):
            self._notes.append(f"Top 5 and matched terms are kept for the {MOST_QUERIES} queries that differ most in {measure}.")
        stamp = folder / "evidence.json"
        key = {
            "runs": {name: searched.sha256 for name, searched in self._runs.items()},
            "queries": json_sha256(queries),
            "corpus": self._steps.sha256,
            "qrels": json_sha256(self._qrels),
        }
        if stamp.is_file() and json.loads(stamp.read_text(encoding="utf-8")) == key:
            return
        stamp.unlink(missing_ok=True)
        evidence = gather(queries, self._qrels, self._judged, self._openers)
        shown = {hit.doc_id for each in evidence for hits in each.top.values() for hit in hits}
        write_evidence(folder / "evidence.jsonl", evidence)
        write_passages(folder / "passages.jsonl", beginnings(self._steps.collection.passages(), shown))
        with atomic_file(stamp) as stream:
            json.dump(key, stream, indent=1)


def _is_tuned(system: System) -> bool:
    return system.kind == "fusion" and system.fusion.weight == TUNED


def _sum(values: Sequence[float | None]) -> float | None:
    return None if None in values else sum(value for value in values if value is not None)


def _milliseconds(times: Sequence[float]) -> Latency:
    return latency([each / 1e3 for each in times])
