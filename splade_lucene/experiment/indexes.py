"""The vectors and indexes of the systems on one data set; an existing one is kept if, and only if, it was made from the same input."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splade_lucene.collections.judged import JudgedCollection
from splade_lucene.core.files import atomic_file, json_sha256
from splade_lucene.errors import IndexMismatchError, InputError
from splade_lucene.evaluation.result_records import System
from splade_lucene.lucene.bm25_indexing import build_bm25_index
from splade_lucene.lucene.card import IndexCard, read_card
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.lucene.java import lucene_version
from splade_lucene.pipeline.encode import encode_collection
from splade_lucene.pipeline.progress import Advance, progress, say
from splade_lucene.records import CardSettings
from splade_lucene.vectors.manifest import Manifest, read_manifest

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel

_TIMES = "times.json"


class Indexes:
    """The vectors and indexes of the systems on a data set.

    Args:
        collection: the data set.
        sha256: of its corpus.
        folder: where they go.
        threads: the number of indexing threads.
        overwrite: replace vectors that were made from other passages or with other settings; without it they are an error.
    """

    def __init__(self, collection: JudgedCollection, sha256: str, folder: Path, *, threads: int, overwrite: bool) -> None:
        self._collection, self._sha256, self._folder = collection, sha256, folder
        self._threads, self._overwrite = threads, overwrite
        file = folder / _TIMES
        self._times: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}

    def bm25(self, system: System) -> IndexCard:
        """The BM25 index of a system."""
        index = self.path(system)
        source = {"corpus_sha256": self._sha256}
        settings = system.bm25

        def build(advance: Advance) -> IndexCard:
            return build_bm25_index(
                self._collection.passages(),
                index,
                multifield=len(settings.fields) > 1,
                k1=settings.k1,
                b=settings.b,
                threads=self._threads,
                overwrite=True,
                source=source,
                advance=advance,
            )

        return self._index(system, source, settings, build)

    def impact(self, system: System, model: SpladeModel) -> IndexCard:
        """The impact index of a system; encodes what is not yet encoded."""
        vectors = self._folder / "encoded" / system.name
        try:
            manifest = self._encode(system, model, vectors)
        except InputError:  # made from other passages, or with other settings
            if not self._overwrite:
                raise
            manifest = self._encode(system, model, vectors, overwrite=True)
        return self.of_vectors(system, vectors, manifest)

    def of_vectors(self, system: System, vectors: Path, manifest: Manifest) -> IndexCard:
        """The impact index of a system, of vectors that are there."""
        source = {"vectors_sha256": json_sha256([shard.sha256 for shard in manifest.shards])}

        def build(advance: Advance) -> IndexCard:
            threads = self._threads
            return build_impact_index(vectors, self.path(system), threads=threads, overwrite=True, source=source, advance=advance)

        return self._index(system, source, manifest.settings, build)

    def path(self, system: System) -> Path:
        """Where the index of a system is."""
        return self._folder / "indexes" / system.name

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

        with progress(f"{self._collection.name}: encoding with {system.record.model}", "passages") as advance:
            return encode_collection(
                self._collection.passages(),
                vectors,
                model,
                max_length=system.vectors.max_length,
                query_max_length=system.record.query_max_length,
                scale=system.record.scale,
                split_words=system.vectors.split_words,
                overlap=system.vectors.overlap or 0,
                overwrite=overwrite,
                advance=tick,
            )

    def _index(self, system: System, source: Mapping[str, str], settings: CardSettings, build: Callable[[Advance], IndexCard]) -> IndexCard:
        try:
            card = read_card(self.path(system))
            if (dict(card.source), card.settings, card.lucene) == (source, settings, lucene_version()):
                say(self._collection.name, f"the index {system.name} is there")
                return card
        except IndexMismatchError:
            pass  # none yet, or one that an interrupted build left
        start = time.monotonic()
        with progress(f"{self._collection.name}: indexing {system.name}", "documents") as advance:
            card = build(advance)
        self._note_time(f"index {system.name}", time.monotonic() - start)
        return card

    def _note_time(self, key: str, value: Any) -> None:
        self._times[key] = value
        with atomic_file(self._folder / _TIMES) as stream:
            json.dump(self._times, stream, indent=1)
