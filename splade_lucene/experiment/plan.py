"""What a collection will cost, from measurements on a sample of it: time, bytes, memory and latency, each with how it was estimated."""

from __future__ import annotations

import math
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle, islice, pairwise
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from splade_lucene.core.processors import usable_processors
from splade_lucene.errors import InputError
from splade_lucene.lucene.card import folder_bytes
from splade_lucene.lucene.impact_searcher import ImpactIndexSearcher
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.lucene.statistics import index_statistics
from splade_lucene.pipeline.encode import EncodingSettings, encode_collection
from splade_lucene.records import SHARD_SIZE, ImpactVector, Passage
from splade_lucene.vectors.manifest import SHARDS, Manifest
from splade_lucene.vectors.reader import read_vectors
from splade_lucene.vectors.writer import VectorWriter

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel

# Passages looked through for the sample, the sample, those that are encoded before times count, and the first of those that do.
_LOOKED_AT, SAMPLE, _WARM, _FIRST = 100_000, 1024, 32, 64
# Documents of the index that stands for a larger one: copies of the sample, so the terms are as frequent as they will be. Another one of
# a quarter of them shows how latency grows.
_COPIES, _QUARTER = 20_000, 4
# Queries timed, words of each, and hits of each.
_QUERIES, _WORDS, _HITS = 40, 8, 1000


class SampledCollection(NamedTuple):
    """A collection and a sample of it.

    Attributes:
        documents: how many passages it has.
        sample: passages from all over it, as far as it was looked at.
        read_seconds: to read a passage.
    """

    documents: int
    sample: Sequence[Passage]
    read_seconds: float


class Plan(NamedTuple):
    """What a collection will cost on machines like this one.

    Attributes:
        documents: how many passages there are.
        terms: tokens with an impact of a passage.
        cores: that encoding used here, or 0 for a GPU.
        read_seconds: to read all passages, in the one process that deals them out.
        encode_seconds: to encode all of them here.
        index_seconds: to index them here, with one thread.
        vector_bytes: of the files of vectors.
        index_bytes: of the index.
        memory_bytes: of the index, decoded for a search in memory.
        peak_bytes: of this process while it encoded.
        search_ms: of a query against all of them, in one thread, in memory.
        encoded: how many passages were encoded for this.
        indexed: how many copies of them were indexed.
    """

    documents: int
    terms: float
    cores: int
    read_seconds: float
    encode_seconds: float
    index_seconds: float
    vector_bytes: float
    index_bytes: float
    memory_bytes: float
    peak_bytes: float
    search_ms: float
    encoded: int
    indexed: int


def sample_collection(passages: Iterable[Passage], documents: int | None = None) -> SampledCollection:
    """Draws a sample of all lengths from the first hundred thousand passages of a collection.

    Args:
        passages: the collection, streamed; not read to its end.
        documents: how many passages it has, as far as known.

    Raises:
        InputError: there are none.
    """
    start = time.perf_counter()
    looked_at = list(islice(passages, _LOOKED_AT))
    seconds = time.perf_counter() - start
    if not looked_at:
        raise InputError("the collection", "holds no passages")
    sample = _evenly(looked_at, SAMPLE)
    known = len(looked_at) if len(looked_at) < _LOOKED_AT else max(documents or 0, len(looked_at))
    return SampledCollection(known, sample, seconds / len(looked_at))


def plan(collection: SampledCollection, model: SpladeModel, settings: EncodingSettings, *, seconds: float = 30.0) -> Plan:
    """Measures what a sample costs, and works out what the collection will.

    Bytes and times grow with the number of passages: the terms of a collection are about as frequent in it as in a sample. They are
    measured on an index of up to 20,000 copies of the sample's passages, and the latency on that and on one a quarter as large, since a
    search costs something for each query and something for each document.

    Args:
        collection: with its sample.
        model: the encoder.
        settings: how passages will be encoded.
        seconds: after so long no more of the sample is encoded.

    Returns:
        The estimates.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        encode_collection(collection.sample[:_WARM], folder / "warm", model, settings=settings)
        out, manifest, encoded, encode_seconds = _encode(collection.sample, folder, model, settings, seconds)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        passages = collection.documents * manifest.passages / encoded
        vectors = [vector for vector in read_vectors(out) if vector.vector]
        if not vectors:
            raise InputError("the sample", "quantized to nothing; there is nothing to index")
        bytes_each = sum(file.stat().st_size for file in (out / SHARDS).iterdir()) / manifest.passages
        found = passages * (1 - manifest.empty / manifest.passages)
        queries = model.encode_queries([" ".join(each.contents.split()[:_WORDS]) for each in collection.sample[:_QUERIES]])
        copies = max(_QUARTER, min(_COPIES, round(found)))
        _index(folder / "warm-index", manifest, vectors, copies // _QUARTER)  # Java compiles what it will do
        small, small_seconds = _index(folder / "small", manifest, vectors, copies // _QUARTER)
        large, large_seconds = _index(folder / "large", manifest, vectors, copies)
        index_seconds = _Line.through(copies // _QUARTER, small_seconds, copies, large_seconds)
        ms = [_search_ms(each, queries) for each in (small, large)]
        growth = _Growth(copies // _QUARTER, copies, found, _more_terms(vectors, found, len(model.vocabulary)))
        index_bytes = growth.of(folder_bytes(small), folder_bytes(large))
        memory_bytes = growth.of(*(index_statistics(each).memory or 0 for each in (small, large)))
    return Plan(
        round(passages),
        manifest.postings / manifest.passages,
        usable_processors() if model.device_type == "cpu" else 0,
        collection.documents * collection.read_seconds,
        encode_seconds.of(passages),
        index_seconds.of(found),
        passages * bytes_each,
        index_bytes,
        memory_bytes,
        peak,
        ms[1] + max(0.0, (ms[1] - ms[0]) / (copies - copies // _QUARTER) * (found - copies)),
        manifest.passages,
        copies,
    )


class _Growth(NamedTuple):
    """From two indexes of the same terms to one of more documents and more terms."""

    small: int
    large: int
    documents: float
    more_terms: float

    def of(self, small: float, large: float) -> float:
        """What grows with the documents, and what is there for each term however many there are."""
        slope = max(0.0, (large - small) / (self.large - self.small))
        return slope * self.documents + max(0.0, large - slope * self.large) * self.more_terms


def _more_terms(vectors: Sequence[ImpactVector], documents: float, vocabulary: int) -> float:
    """How many times as many distinct terms as the vectors a collection has, by Heaps' law; at most the model's vocabulary."""
    half, whole = (len(set().union(*(vector.vector for vector in some))) for some in (vectors[: len(vectors) // 2], vectors))
    exponent = math.log2(whole / half) if half else 0.0
    grown: float = max(1.0, documents / len(vectors)) ** exponent
    return min(vocabulary / whole, grown)


class _Line(NamedTuple):
    """What a run takes: something to start and end, and something for each passage."""

    start: float
    each: float

    @classmethod
    def through(cls, small: int, small_seconds: float, large: int, large_seconds: float) -> _Line:
        """The line through two runs; through the larger one and nothing, where the clock says that less took longer."""
        each = (large_seconds - small_seconds) / (large - small) if large > small else 0.0
        if each <= 0:
            return cls(0.0, large_seconds / large)
        return cls(max(0.0, large_seconds - each * large), each)

    def of(self, count: float) -> float:
        """The seconds for so many."""
        return self.start + self.each * count


class _Encoded(NamedTuple):
    """A part of the sample, encoded."""

    out: Path
    manifest: Manifest
    documents: int
    seconds: _Line


def _encode(sample: Sequence[Passage], folder: Path, model: SpladeModel, settings: EncodingSettings, seconds: float) -> _Encoded:
    """Encodes more and more of a sample until the time is up; the smallest and the largest run say what a passage takes."""
    begun, size, first = time.perf_counter(), _FIRST, None
    while True:
        out, some = folder / f"encoded-{size}", _evenly(sample, size)
        start = time.perf_counter()
        manifest = encode_collection(some, out, model, settings=settings)
        spent = time.perf_counter() - start
        first = first or (manifest.passages, spent)
        if size >= len(sample) or time.perf_counter() - begun + 2 * spent > seconds:
            return _Encoded(out, manifest, len(some), _Line.through(*first, manifest.passages, spent))
        size *= 2


def _evenly(passages: Sequence[Passage], count: int) -> list[Passage]:
    """So many passages of all lengths: one of each stratum, in any order. Lengths, on which all costs depend, then vary little."""
    if count >= len(passages):
        return list(passages)
    dice, ordered = random.Random(1), sorted(passages, key=lambda passage: len(passage.contents))
    bounds = [len(ordered) * number // count for number in range(count + 1)]
    chosen = [ordered[dice.randrange(low, high)] for low, high in pairwise(bounds)]
    dice.shuffle(chosen)
    return chosen


def _index(folder: Path, manifest: Manifest, vectors: Sequence[ImpactVector], documents: int) -> tuple[Path, float]:
    writer = VectorWriter(folder / "out", encoder=manifest.encoder, settings=manifest.settings)
    copies = _copies(vectors)
    for size in [min(SHARD_SIZE, documents - done) for done in range(0, documents, SHARD_SIZE)]:
        shard = list(islice(copies, size))
        writer.write_shard([Passage(vector.doc_id, "") for vector in shard], shard)
    writer.finish()
    start = time.perf_counter()
    build_impact_index(folder / "out", folder / "index", threads=1)
    return folder / "index", time.perf_counter() - start


def _copies(vectors: Sequence[ImpactVector]) -> Iterator[ImpactVector]:
    for number, vector in enumerate(cycle(vectors)):
        yield vector._replace(doc_id=f"{vector.doc_id}~{number // len(vectors)}")


def _search_ms(index: Path, queries: Sequence[dict[str, int]]) -> float:
    with ImpactIndexSearcher(index, in_memory=True) as searcher:
        searcher.load()
        rounds = []
        for _ in range(3):
            start = time.perf_counter()
            for query in queries:
                searcher.search_impacts(query, _HITS)
            rounds.append((time.perf_counter() - start) * 1e3 / max(1, len(queries)))
    return fmean(rounds[1:])
