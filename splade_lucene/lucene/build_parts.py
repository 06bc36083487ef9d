"""Builds an impact index in parts: each is a complete index of some of the shards, and all together are searched as one."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from splade_lucene.core.files import atomic_folder
from splade_lucene.core.locks import locked
from splade_lucene.core.processors import usable_processors
from splade_lucene.errors import IndexMismatchError, InputError
from splade_lucene.lucene import jvm
from splade_lucene.lucene.build_impacts import IndexSettings
from splade_lucene.lucene.card import IndexCard, part_folder, read_card
from splade_lucene.lucene.completing import check_target
from splade_lucene.lucene.docids import docids_are_unique
from splade_lucene.lucene.filters import FilterKind, filter_words, parse_filter_fields
from splade_lucene.lucene.indexing import check_contents, index_vectors
from splade_lucene.lucene.normalize import VectorSource
from splade_lucene.lucene.parts import find_index, open_parts
from splade_lucene.lucene.threads import run_in_threads
from splade_lucene.vectors.check import check_shards, check_vectors
from splade_lucene.vectors.manifest import Manifest, Shard


class IndexPart(NamedTuple):
    """One part of an index that is to be built.

    Attributes:
        vectors: the folder of vectors.
        manifest: of the vectors that go into the part, and of them alone.
        folder: the index to make.
        settings: how they become an index.
        filter_fields: fields to filter by, with their kinds.
    """

    vectors: Path
    manifest: Manifest
    folder: Path
    settings: IndexSettings
    filter_fields: Mapping[str, FilterKind] = MappingProxyType({})

    @property
    def source(self) -> dict[str, str]:
        """What tells that the part was built from these vectors in this way."""
        digest = hashlib.sha256()
        for shard in self.manifest.shards:
            digest.update(bytes.fromhex(shard.sha256))
        stored, optimized = self.settings.store_contents, self.settings.optimize
        source = {"vectors_sha256": digest.hexdigest(), "stored": str(stored), "optimized": str(optimized)}
        return source | ({"filter_fields": filter_words(self.filter_fields)} if self.filter_fields else {})


Build = Callable[[Sequence[IndexPart], Callable[[int], None]], None]
"""Builds parts with :func:`build_part`, wherever, and reports documents that were added."""


def build_impact_parts(
    vectors: Path | str,
    index: Path | str,
    parts: int,
    *,
    threads: int | None = None,
    store_contents: bool = False,
    filter_fields: Iterable[str] = (),
    optimize: bool = True,
    overwrite: bool = False,
    advance: Callable[[int], None] = lambda count: None,
    build: Build | None = None,
) -> IndexCard:
    """Builds an impact index as ``parts`` indexes in the folder ``index``, several at the same time.

    Each has whole shards of the vectors, in order, and about as many postings as the others. ``ImpactSearcher(index)`` searches them as
    one. Parts that an interrupted call finished are kept, beside ``index``, and the same call again builds the others.

    Args:
        vectors: what ``encode`` wrote.
        index: the folder to make; an existing one stays as it is until all parts are complete.
        parts: the number of parts, at most the number of shards.
        threads: the number of indexing threads, all parts together; if None, one per core.
        store_contents: store the text of each passage, which ``encode`` must have kept.
        filter_fields: as for :func:`build_impact_index`.
        optimize: merge the segments of each part into one.
        overwrite: replace an existing index.
        advance: told the number of documents added since the last call.
        build: builds the parts; threads of this process if None.

    Returns:
        The card of all parts together.

    Raises:
        InputError: as from :func:`build_impact_index`, or there are more parts than shards.
        JavaError: Lucene failed.
    """
    vectors, index = Path(vectors), Path(index).resolve()
    manifest = check_vectors(vectors, checksums=False)
    fields = parse_filter_fields(filter_fields)
    if store_contents or fields:
        check_contents(vectors, manifest)
    check_target(index)
    if index.exists() and not overwrite:
        raise InputError(index, "exists already; give another name or --overwrite")
    staging = index.with_name(f".{index.name}.parts")
    threads = threads or usable_processors()
    settings = IndexSettings(max(1, threads // parts), store_contents, optimize)
    wanted = [
        IndexPart(vectors.absolute(), manifest._replace(shards=shards), staging / part_folder(number, parts), settings, fields)
        for number, shards in enumerate(split_shards(vectors, manifest.shards, parts), start=1)
    ]
    with locked(staging):
        staging.mkdir(exist_ok=True)
        missing = _missing(staging, wanted, advance)
        (build or partial(_build_in_threads, threads))(missing, advance)
        card = _check_whole(vectors, wanted)
        with atomic_folder(index, overwrite=overwrite) as temporary:
            for part in wanted:
                part.folder.replace(temporary / part.folder.name)
        shutil.rmtree(staging)
    return card


def build_part(part: IndexPart, advance: Callable[[int], None] = lambda count: None) -> IndexCard:
    """Builds one part, unless it is there already.

    Raises:
        InputError: a shard was changed since it was encoded, or repeats an id.
        JavaError: Lucene failed.
    """
    if (card := _built(part)) is not None:
        advance(card.documents)
        return card
    check_shards(part.vectors, part.manifest.shards)
    return index_vectors(
        VectorSource(part.vectors, files=[shard.file for shard in part.manifest.shards], filter_fields=part.filter_fields),
        part.manifest,
        part.folder,
        part.settings,
        source=part.source,
        advance=advance,
    )


def split_shards(vectors: Path, shards: Sequence[Shard], parts: int) -> list[tuple[Shard, ...]]:
    """Splits shards into consecutive parts of about as many postings; each has at least one shard.

    Raises:
        InputError: there are more parts than shards.
    """
    if parts > len(shards):
        raise InputError(vectors, f"has {len(shards)} shards, too few for {parts} parts; give at most {len(shards)} --parts")
    total = sum(shard.postings for shard in shards)
    found, start, before = [], 0, 0
    for number in range(1, parts + 1):
        end = start + 1
        before += shards[start].postings
        # Up to the shard that comes nearest to the part's share of all postings, but leave one for each part that is left.
        while end < len(shards) - (parts - number) and (number == parts or before + shards[end].postings / 2 <= total * number / parts):
            before += shards[end].postings
            end += 1
        found.append(tuple(shards[start:end]))
        start = end
    return found


def _built(part: IndexPart) -> IndexCard | None:
    """The card of a part that is there already, built from the same vectors in the same way."""
    try:
        card = read_card(part.folder, "impact")
    except IndexMismatchError:
        return None
    return card if dict(card.source) == part.source else None


def _missing(staging: Path, wanted: Sequence[IndexPart], advance: Callable[[int], None]) -> list[IndexPart]:
    """The parts that an earlier call did not finish; what it left of another division or of other vectors is removed."""
    missing = []
    for part in wanted:
        card = _built(part)
        if card is None:
            missing.append(part)
        else:
            advance(card.documents)
    kept = {part.folder.name for part in wanted} - {part.folder.name for part in missing}
    for file in staging.iterdir():
        if file.name not in kept:
            shutil.rmtree(file) if file.is_dir() else file.unlink()
    return missing


def _build_in_threads(threads: int, parts: Sequence[IndexPart], advance: Callable[[int], None]) -> None:
    waiting: Iterator[IndexPart] = iter(parts)
    lock = threading.Lock()

    def count(documents: int) -> None:
        with lock:
            advance(documents)

    def take() -> IndexPart | None:
        with lock:
            return next(waiting, None)

    def work() -> None:
        while (part := take()) is not None:
            build_part(part, count)

    def stop() -> None:
        while take() is not None:
            pass

    if parts:
        jvm.start()
        run_in_threads([work] * min(threads, len(parts)), stop)


def _check_whole(vectors: Path, wanted: Sequence[IndexPart]) -> IndexCard:
    """Each part was counted and compared when it was built; what is left is that no docid is in two of them."""
    folders = [part.folder for part in wanted]
    with closing(open_parts(folders).reader) as reader:
        unique = docids_are_unique(reader)
    if not unique:
        VectorSource(vectors).check()
        raise InputError(vectors, "has an id twice; ids must be unique, so encode again with --overwrite")
    return find_index(folders).card
