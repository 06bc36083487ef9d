"""Runs the points of a sweep, one after the other; what an interrupted sweep finished is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from splade_lucene.evaluation.cost import Timings
from splade_lucene.evaluation.judging import Judged, judge
from splade_lucene.evaluation.result_records import System
from splade_lucene.evaluation.tables import MAIN_MEASURE
from splade_lucene.experiment.steps import Steps
from splade_lucene.experiment.tuning.choosing import MeasuredPoint, most_promising
from splade_lucene.experiment.tuning.halves import LIKENESS, Halves, exact_judgments, halve
from splade_lucene.experiment.tuning.points import Point, single_points
from splade_lucene.experiment.tuning.timing import Entry, time_points
from splade_lucene.lucene.card import IndexCard
from splade_lucene.pipeline.progress import progress
from splade_lucene.pipeline.search import ImpactSearcher
from splade_lucene.pipeline.weights import StoredWeights, prune_collection, weigh_collection
from splade_lucene.records import SHARD_SIZE, Query

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel

_TIMED_QUERIES = 50

Load = Callable[[str, str], "SpladeModel"]
"""Loads a model by its name and precision."""


class Options(NamedTuple):
    """What holds for a whole sweep.

    Attributes:
        measures: ir_measures' names; points are chosen by nDCG@10 where it is among them, else by the first.
        max_points: how many points are measured at most.
        scale: impacts are ``round(weight × scale)``.
        hits: of each query.
        within: of the best, in the measure that points are chosen by.
    """

    measures: Sequence[str]
    max_points: int = 40
    scale: float = 100
    hits: int = 1000
    within: float = 0.005


class Swept(NamedTuple):
    """A sweep.

    Attributes:
        points: in the order in which they were measured; the first has all weights.
        reported: name of a point → what it scores on the half that nothing was chosen by.
        systems: name of a point → how it appears in tables.
        measure: that points are chosen by.
        halves: the judgments.
        judged: whether they are real, and not the first hits of the exact run.
        left: how many points were not measured because of ``max_points``.
    """

    points: list[MeasuredPoint]
    reported: dict[str, Judged]
    systems: dict[str, System]
    measure: str
    halves: Halves
    judged: bool
    left: int


class Sweep:
    """A sweep over a collection.

    Args:
        steps: on the collection.
        load: loads a model.
        bases: a point with all weights for each model; the first is what labels are relative to.
        options: what holds for all points.
    """

    def __init__(self, steps: Steps, load: Load, bases: Sequence[Point], options: Options) -> None:
        self._steps, self._load, self._bases, self._options = steps, load, bases, options
        self._weights: dict[str, StoredWeights] = {}
        self._models: dict[tuple[str, str], SpladeModel] = {}
        self._measured: dict[Point, MeasuredPoint] = {}
        self._reported: dict[str, Judged] = {}
        self._systems: dict[str, System] = {}
        self._openers: dict[Point, Callable[[], ImpactSearcher]] = {}
        qrels = steps.collection.qrels()
        self._judged = bool(qrels)
        self._measures = list(options.measures) if qrels else [LIKENESS, "R@10"]
        self._measure = MAIN_MEASURE if MAIN_MEASURE in self._measures else self._measures[0]
        self._halves = halve(qrels, steps.collection.source) if qrels else None

    def run(self) -> Swept:
        """Measures the points."""
        singles, most = list(dict.fromkeys(single_points(self._bases))), self._options.max_points
        with progress("tuning", "points", most) as advance:
            for point in singles[:most]:
                self._measure_point(point)
                advance(1)
            while len(self._measured) < most and (promising := most_promising(self._measured, singles, self._bases)) is not None:
                self._measure_point(promising)
                advance(1)
        timed = self._time(list(self._measured))
        points = [replace(each, timings=timed[each.point.name]) for each in self._measured.values()]
        assert self._halves is not None
        left = max(0, len(singles) - most)
        return Swept(points, self._reported, self._systems, self._measure, self._halves, self._judged, left)

    def _measure_point(self, point: Point) -> None:
        card = self._index(point)
        record = card.encoder
        assert record is not None
        base = self._bases[0]
        used = record.with_queries(max_length=point.query_max_length, top_k=point.query_top_k, idf=point.query_idf)
        settings = {name: value for name, value in card.settings.to_json().items() if name != "shard_size"}
        system = System(point.name, point.label(base), "impact", settings, used)
        self._systems[point.name] = system
        self._openers[point] = partial(
            ImpactSearcher,
            self._steps.indexes.path(self._index_system(point)),
            model=None if point.query_model else self._model(point),
            query_max_length=point.query_max_length,
            query_top_k=point.query_top_k,
            query_idf=point.query_idf,
        )
        searched = self._steps.runs.search(system, self._openers[point], card, timed=False)
        run = searched.run()
        if self._halves is None:
            self._halves = halve(list(exact_judgments(run)), self._steps.collection.source)
        names = " ".join(self._measures)
        chosen, self._reported[point.name] = (judge(run, half, names) for half in self._halves)
        assert searched.cost is not None
        speed = self._weights[point.weights_name].passages_per_second
        self._measured[point] = MeasuredPoint(point, point.label(base), chosen.scores[self._measure], searched.cost, None, speed)

    def _index(self, point: Point) -> IndexCard:
        system = self._index_system(point)
        if point.weights_name not in self._weights:
            passages = self._steps.collection.passages()
            with progress(f"encoding with {point.model}, {point.max_length} tokens, {point.precision}", "passages") as advance:
                self._weights[point.weights_name] = weigh_collection(
                    passages,
                    self._steps.folder / "weights" / point.weights_name,
                    self._model(point),
                    max_length=point.max_length,
                    shard_size=SHARD_SIZE,
                    advance=advance,
                )
        vectors = self._steps.folder / "encoded" / system.name
        weights, settings = self._weights[point.weights_name], point.encoding(self._options.scale)
        manifest = prune_collection(self._steps.collection.passages(), vectors, weights, settings, idf=point.query_model == "idf")
        return self._steps.indexes.of_vectors(system, vectors, manifest)

    def _index_system(self, point: Point) -> System:
        return System(point.index_name, point.label(self._bases[0]), "impact")

    def _model(self, point: Point) -> SpladeModel:
        key = point.model, point.precision
        if key not in self._models:
            self._models[key] = self._load(*key)
        return self._models[key]

    def _time(self, points: Sequence[Point]) -> Mapping[str, Timings]:
        queries = self._sample()
        folders = {point: self._steps.indexes.path(self._index_system(point)) for point in points}
        entries = [Entry(point.name, point.encoder_name, folders[point], self._openers[point]) for point in points]
        timed = time_points(entries, queries, k=self._options.hits)
        found = {}
        for point in points:
            speed = self._weights[point.weights_name].passages_per_second
            documents = self._measured[point].cost.documents
            found[point.name] = Timings(
                encode_seconds=documents / speed if speed else None,
                index_seconds=self._steps.indexes.index_seconds(self._index_system(point)),
                search_ms=timed[point.name].search_ms,
                query_ms=timed[point.name].query_ms,
                queries=len(queries),
            )
        return found

    def _sample(self) -> list[Query]:
        queries = self._steps.queries
        return list(queries[:: -(-len(queries) // _TIMED_QUERIES)])
