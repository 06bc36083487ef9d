"""The runs of the systems on one data set; an existing one is kept if, and only if, it was made from the same input."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from splade_lucene.collections.judged import TrainingQueries
from splade_lucene.core.files import atomic_file, json_sha256
from splade_lucene.core.processors import usable_processors
from splade_lucene.evaluation.cost import Cost, Load, QueryTime
from splade_lucene.evaluation.fusion import fuse, fuse_ranks
from splade_lucene.evaluation.result_records import FusionSettings, System
from splade_lucene.evaluation.runs import Run, read_notes, read_run, write_run
from splade_lucene.experiment.fusion_weight import LearnedWeight, learn_weight
from splade_lucene.lucene.bm25_searcher import Bm25Searcher
from splade_lucene.lucene.card import IndexCard
from splade_lucene.pipeline.progress import say
from splade_lucene.pipeline.search import ImpactSearcher, search_queries
from splade_lucene.pipeline.timing import query_load, query_times
from splade_lucene.records import Query

# Queries that latencies are measured on, at most, evenly spread over all of them; the 99th percentile needs a few hundred.
_SAMPLE = 500


class Searched(NamedTuple):
    """A run on disk and what is known of it.

    Attributes:
        file: the TREC run.
        sha256: its checksum.
        hits_found: of all queries together.
        cost: sizes; None for a fusion.
        own_passage: queries among whose hits was the document with their id; None for a fusion.
        times: query id → times, of the queries that were timed.
        load: the same queries from several threads; None for a run from before this was measured.
    """

    file: Path
    sha256: str
    hits_found: int
    cost: Cost | None
    own_passage: int | None
    times: Mapping[str, QueryTime]
    load: Load | None

    @classmethod
    def from_notes(cls, file: Path, notes: Mapping[str, Any]) -> Searched:
        """Takes it from what is beside the run in ``RUN.json``."""
        times = {query_id: QueryTime(*each) for query_id, each in notes.get("times", {}).items()}
        load = Load(**notes["load"]) if notes.get("load") else None
        return cls(file, notes["sha256"], notes["hits_found"], Cost.from_notes(notes), notes.get("own_passage"), times, load)

    def run(self) -> Run:
        """The run, in trec_eval's order: read back, it is the same whether it was searched for now or before."""
        return read_run(self.file) if self.hits_found else {}


class Runs:
    """The runs of the systems on a data set.

    Args:
        collection: the name of the data set.
        queries: of the evaluation.
        folder: where runs go.
        hits: of each query.
        remove_query: leave the passage that has the query's id out.
        threads: the number of search threads; latencies are measured in one.
    """

    def __init__(self, collection: str, queries: Sequence[Query], folder: Path, *, hits: int, remove_query: bool, threads: int) -> None:
        self._collection, self._queries, self._folder = collection, queries, folder
        self._hits, self._remove_query, self._threads = hits, remove_query, threads

    def search(
        self,
        system: System,
        open_searcher: Callable[[], ImpactSearcher | Bm25Searcher],
        card: IndexCard,
        *,
        training: TrainingQueries | None = None,
        timed: bool = True,
    ) -> Searched:
        """The run of a system with an index.

        Args:
            system: its name is that of the run.
            open_searcher: of its index.
            card: of its index.
            training: other queries to search for, which are not timed; those of the evaluation if None.
            timed: whether to measure latencies as well.
        """
        queries = self._queries if training is None else training.queries
        encoder = {} if card.encoder is None else card.encoder.to_json()
        made_from = {
            "index": {"source": dict(card.source), "settings": card.settings.to_json(), "encoder": encoder, "lucene": card.lucene},
            "queries_sha256": json_sha256(queries),
            "hits": self._hits,
            "remove_query": self._remove_query,
            "query_idf": system.encoder.query_idf if system.encoder else None,
        }
        if system.encoder and card.encoder and system.encoder.query_top_k is not None:
            made_from["query_top_k"] = system.encoder.query_top_k
        if system.encoder and card.encoder and system.encoder.query_max_length != card.encoder.query_max_length:
            made_from["query_max_length"] = system.encoder.query_max_length

        split = system.kind == "impact" and system.vectors.split_words is not None

        def search() -> tuple[Run, dict[str, Any]]:
            with open_searcher() as searcher:
                run, info = search_queries(
                    searcher,
                    queries,
                    k=self._hits,
                    threads=self._threads,
                    remove_query=self._remove_query,
                    max_passage=split,
                )
                if training is not None or not timed:
                    return run, info.notes()
                some = sample(queries)
                times = query_times(searcher, some, k=self._hits, max_passage=split)
                load = query_load(searcher, some, k=self._hits, threads=usable_processors(), max_passage=split)
            return run, {**info.notes(), "times": times, "load": load._asdict()}

        return self._run(system.name if training is None else f"{system.name}.{training.split}", made_from, search)

    def weight(self, system: System, parts: Sequence[Searched], training: TrainingQueries, measure: str) -> LearnedWeight:
        """The weight of a fusion, learned from the runs of training queries; it is kept beside the runs.

        Args:
            system: the fusion.
            parts: the runs of its two components for the training queries.
            training: these queries.
            measure: whose mean is to be best.
        """
        key = {"runs": [part.sha256 for part in parts], "qrels": json_sha256(training.qrels), "measure": measure}
        file = self._folder / f"{system.name}.weight.json"
        if file.is_file() and (kept := json.loads(file.read_text(encoding="utf-8")))["made_from"] == key:
            return LearnedWeight(**kept["learned"])
        first, second = (part.run() for part in parts)
        learned = learn_weight(first, second, training.qrels, measure, k=self._hits)
        with atomic_file(file) as stream:
            json.dump({"made_from": key, "learned": learned._asdict()}, stream, indent=1)
        return learned

    def fusion(self, system: System, parts: Sequence[Searched], weight: float | None = None) -> Searched:
        """The run of a fusion, from the runs of its two components; ``weight`` takes the place of one that is learned."""
        settings = {**system.settings, **({} if weight is None else {"weight": weight})}
        fusion = FusionSettings(**settings)
        made_from = {"runs": [part.sha256 for part in parts], "settings": settings, "hits": self._hits}

        def search() -> tuple[Run, dict[str, Any]]:
            first, second = (part.run() for part in parts)
            times: dict[str, QueryTime] = {}
            loaded: dict[str, float] = {}
            run: Run = {}
            before, loads = [part.times for part in parts], [part.load for part in parts]
            for query_id in dict.fromkeys([*first, *second]):
                start = time.perf_counter()
                one = {query_id: first.get(query_id, [])}, {query_id: second.get(query_id, [])}
                if fusion.method == "rrf":
                    run |= fuse_ranks(*one, k=self._hits)
                else:
                    assert isinstance(fusion.weight, float)
                    run |= fuse(*one, weight=fusion.weight, k=self._hits)
                milliseconds = (time.perf_counter() - start) * 1e3
                if all(query_id in each for each in before):
                    times[query_id] = QueryTime(
                        sum(each[query_id].encode_ms for each in before), sum(each[query_id].search_ms for each in before) + milliseconds
                    )
                if all(load and query_id in load.times for load in loads):
                    loaded[query_id] = sum(load.times[query_id] for load in loads if load) + milliseconds
            threads = min((load.threads for load in loads if load), default=1)
            per_second = threads * len(loaded) * 1e3 / sum(loaded.values()) if loaded else 0.0
            load = Load(threads, per_second, loaded)._asdict() if loaded else None
            return run, {"times": times, "load": load}

        return self._run(system.name, made_from, search)

    def _run(self, name: str, made_from: Mapping[str, Any], search: Callable[[], tuple[Run, dict[str, Any]]]) -> Searched:
        file = self._folder / f"{name}.trec"
        as_read = json.loads(json.dumps(made_from))
        notes = read_notes(file) if file.is_file() else {}
        if notes.get("made_from") == as_read:
            say(self._collection, f"the run {name} is there")
            return Searched.from_notes(file, notes)
        run, found = search()
        write_run(file, run, tag=name, notes={**found, "hits_found": sum(map(len, run.values())), "made_from": made_from})
        say(self._collection, f"the run {name} is written")
        return Searched.from_notes(file, read_notes(file))


def sample(queries: Sequence[Query]) -> list[Query]:
    """At most 500 queries, evenly spread."""
    step = -(-len(queries) // _SAMPLE) if queries else 1
    return list(queries[::step])
