"""The steps of an evaluation on one data set. Each keeps an existing output if, and only if, it was made from the same input."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from splade_lucene.collections.judged import JudgedCollection, TrainingQueries
from splade_lucene.core.files import atomic_file
from splade_lucene.core.processors import usable_processors
from splade_lucene.errors import IndexMismatchError, InputError
from splade_lucene.evaluation.cost import Cost, Load, QueryTime
from splade_lucene.evaluation.fusion import fuse, fuse_ranks
from splade_lucene.evaluation.result_records import System
from splade_lucene.evaluation.runs import Run, read_notes, read_run, write_run
from splade_lucene.experiment.fusion_weight import LearnedWeight, learn_weight
from splade_lucene.lucene.bm25_indexing import build_bm25_index
from splade_lucene.lucene.bm25_searcher import Bm25Searcher
from splade_lucene.lucene.card import IndexCard, read_card
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.lucene.java import lucene_version
from splade_lucene.pipeline.encode import encode_collection
from splade_lucene.pipeline.progress import Advance, progress
from splade_lucene.pipeline.search import ImpactSearcher, search_queries
from splade_lucene.pipeline.timing import query_load, query_times
from splade_lucene.records import Bm25Settings, CardSettings, Query
from splade_lucene.vectors.manifest import Manifest, read_manifest

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel

_TIMES = "times.json"
# Queries that latencies are measured on, at most, evenly spread over all of them; the 99th percentile needs a few hundred.
_SAMPLE = 500


class EvaluationSettings(NamedTuple):
    """What holds for all systems and data sets.

    Attributes:
        hits: of each query.
        remove_query: leave the passage that has the query's id out of every run, as BEIR does, where a collection's queries and
            passages share their ids.
        threads: the number of search threads; latencies are measured in one.
        index_threads: the number of indexing threads; with one, the same passages always give an index of the same size.
        overwrite: replace vectors that were made from other passages or with other settings; without it they are an error.
    """

    hits: int = 1000
    remove_query: bool = True
    threads: int = 1
    index_threads: int = 1
    overwrite: bool = False


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


class Steps:
    """The steps on one data set.

    Args:
        collection: the data set.
        folder: where its vectors, indexes and runs go.
        settings: what holds for all.
    """

    def __init__(self, collection: JudgedCollection, folder: Path, settings: EvaluationSettings) -> None:
        self.collection, self.folder, self._settings = collection, folder, settings
        self.remove_query = settings.remove_query and collection.shared_ids
        self.queries = collection.queries()
        self.sha256 = collection.sha256()
        file = folder / _TIMES
        self._times: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}

    def bm25_index(self, system: System) -> IndexCard:
        """The BM25 index of a system."""
        index = self.index(system)
        source = {"corpus_sha256": self.sha256}
        multifield = len(system.settings["fields"]) > 1

        def build(advance: Advance) -> IndexCard:
            return build_bm25_index(
                self.collection.passages(),
                index,
                multifield=multifield,
                k1=system.settings["k1"],
                b=system.settings["b"],
                threads=self._settings.index_threads,
                overwrite=True,
                source=source,
                advance=advance,
            )

        return self._index(system, source, Bm25Settings(**system.settings), build)

    def impact_index(self, system: System, model: SpladeModel) -> IndexCard:
        """The impact index of a system; encodes what is not yet encoded."""
        vectors = self.folder / "encoded" / system.name
        try:
            manifest = self._encode(system, model, vectors)
        except InputError:  # made from other passages, or with other settings
            if not self._settings.overwrite:
                raise
            manifest = self._encode(system, model, vectors, overwrite=True)
        return self.index_of(system, vectors, manifest)

    def index_of(self, system: System, vectors: Path, manifest: Manifest) -> IndexCard:
        """The impact index of a system, of vectors that are there."""
        source = {"vectors_sha256": _sha256([shard.sha256 for shard in manifest.shards])}

        def build(advance: Advance) -> IndexCard:
            threads = self._settings.index_threads
            return build_impact_index(vectors, self.index(system), threads=threads, overwrite=True, source=source, advance=advance)

        return self._index(system, source, manifest.settings, build)

    def index(self, system: System) -> Path:
        """Where the index of a system is."""
        return self.folder / "indexes" / system.name

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
        queries = self.queries if training is None else training.queries
        encoder = {} if card.encoder is None else card.encoder.to_json()
        made_from = {
            "index": {"source": dict(card.source), "settings": card.settings.to_json(), "encoder": encoder, "lucene": card.lucene},
            "queries_sha256": _sha256(queries),
            "hits": self._settings.hits,
            "remove_query": self.remove_query,
            "query_idf": system.encoder.query_idf if system.encoder else None,
        }
        if system.encoder and card.encoder and system.encoder.query_top_k is not None:
            made_from["query_top_k"] = system.encoder.query_top_k
        if system.encoder and card.encoder and system.encoder.query_max_length != card.encoder.query_max_length:
            made_from["query_max_length"] = system.encoder.query_max_length

        split = system.settings.get("split_words") is not None

        def search() -> tuple[Run, dict[str, Any]]:
            with open_searcher() as searcher:
                run, info = search_queries(
                    searcher,
                    queries,
                    k=self._settings.hits,
                    threads=self._settings.threads,
                    remove_query=self.remove_query,
                    max_passage=split,
                )
                if training is not None or not timed:
                    return run, info.notes()
                some = sample(queries)
                times = query_times(searcher, some, k=self._settings.hits, max_passage=split)
                load = query_load(searcher, some, k=self._settings.hits, threads=usable_processors(), max_passage=split)
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
        key = {"runs": [part.sha256 for part in parts], "qrels": _sha256(training.qrels), "measure": measure}
        file = self.folder / "runs" / f"{system.name}.weight.json"
        if file.is_file() and (kept := json.loads(file.read_text(encoding="utf-8")))["made_from"] == key:
            return LearnedWeight(**kept["learned"])
        first, second = (part.run() for part in parts)
        learned = learn_weight(first, second, training.qrels, measure, k=self._settings.hits)
        with atomic_file(file) as stream:
            json.dump({"made_from": key, "learned": learned._asdict()}, stream, indent=1)
        return learned

    def fusion(self, system: System, parts: Sequence[Searched], weight: float | None = None) -> Searched:
        """The run of a fusion, from the runs of its two components; ``weight`` takes the place of one that is learned."""
        settings = {**system.settings, **({} if weight is None else {"weight": weight})}
        made_from = {"runs": [part.sha256 for part in parts], "settings": settings, "hits": self._settings.hits}

        def search() -> tuple[Run, dict[str, Any]]:
            first, second = (part.run() for part in parts)
            times: dict[str, QueryTime] = {}
            loaded: dict[str, float] = {}
            run: Run = {}
            before, loads = [part.times for part in parts], [part.load for part in parts]
            for query_id in dict.fromkeys([*first, *second]):
                start = time.perf_counter()
                one = {query_id: first.get(query_id, [])}, {query_id: second.get(query_id, [])}
                if settings["method"] == "rrf":
                    run |= fuse_ranks(*one, k=self._settings.hits)
                else:
                    run |= fuse(*one, weight=settings["weight"], k=self._settings.hits)
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

    def encode_seconds(self, system: System, passages: int) -> float | None:
        """The time of encoding all passages, from the rate of those that were encoded here; None if none were."""
        spent = self._times.get(f"encode {system.name}")
        return spent["seconds"] / spent["passages"] * passages if spent and spent["passages"] else None

    def index_seconds(self, system: System) -> float | None:
        """The time of building an index, None if it was not built here."""
        seconds: float | None = self._times.get(f"index {system.name}")
        return seconds

    def _encode(self, system: System, model: SpladeModel, vectors: Path, *, overwrite: bool = False) -> Manifest:
        before = None if overwrite else read_manifest(vectors)
        finished = before.passages if before else 0
        key = f"encode {system.name}"
        nothing = {"seconds": 0.0, "passages": 0}
        spent = self._times.get(key, nothing) if finished else nothing
        last, done = time.monotonic(), 0

        def tick(count: int) -> None:
            nonlocal last, done
            now, done = time.monotonic(), done + count
            if done > finished:  # those before were encoded earlier and are only compared
                spent["seconds"] += now - last
                spent["passages"] += count
                self._note_time(key, spent)
            last = now
            advance(count)

        with progress(f"{self.collection.name}: encoding with {system.record.model}", "passages") as advance:
            return encode_collection(
                self.collection.passages(),
                vectors,
                model,
                max_length=system.settings["max_length"],
                query_max_length=system.record.query_max_length,
                scale=system.record.scale,
                split_words=system.settings.get("split_words"),
                overlap=system.settings.get("overlap", 0),
                overwrite=overwrite,
                advance=tick,
            )

    def _index(self, system: System, source: Mapping[str, str], settings: CardSettings, build: Callable[[Advance], IndexCard]) -> IndexCard:
        try:
            card = read_card(self.index(system))
            if (dict(card.source), card.settings, card.lucene) == (source, settings, lucene_version()):
                self._say(f"the index {system.name} is there")
                return card
        except IndexMismatchError:
            pass  # none yet, or one that an interrupted build left
        start = time.monotonic()
        with progress(f"{self.collection.name}: indexing {system.name}", "documents") as advance:
            card = build(advance)
        self._note_time(f"index {system.name}", time.monotonic() - start)
        return card

    def _run(self, name: str, made_from: Mapping[str, Any], search: Callable[[], tuple[Run, dict[str, Any]]]) -> Searched:
        file = self.folder / "runs" / f"{name}.trec"
        as_read = json.loads(json.dumps(made_from))
        notes = read_notes(file) if file.is_file() else {}
        if notes.get("made_from") == as_read:
            self._say(f"the run {name} is there")
            return Searched.from_notes(file, notes)
        run, found = search()
        write_run(file, run, tag=name, notes={**found, "hits_found": sum(map(len, run.values())), "made_from": made_from})
        self._say(f"the run {name} is written")
        return Searched.from_notes(file, read_notes(file))

    def _note_time(self, key: str, value: Any) -> None:
        self._times[key] = value
        with atomic_file(self.folder / _TIMES) as stream:
            json.dump(self._times, stream, indent=1)

    def _say(self, what: str) -> None:
        print(f"{self.collection.name}: {what}", file=sys.stderr, flush=True)


def sample(queries: Sequence[Query]) -> list[Query]:
    """At most 500 queries, evenly spread."""
    step = -(-len(queries) // _SAMPLE) if queries else 1
    return list(queries[::step])


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
