"""Writes impact vectors as shards that Anserini and Pyserini read, each recorded in the manifest once it is whole."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from splade_lucene.core.files import atomic_file, file_sha256, write_rejected
from splade_lucene.core.locks import locked
from splade_lucene.core.rejects import Rejected
from splade_lucene.core.remote import refuse_url
from splade_lucene.errors import InputError
from splade_lucene.records import EncoderRecord, ImpactVector, Passage, VectorSettings
from splade_lucene.vectors.manifest import (
    FILE,
    SHARDS,
    Manifest,
    Shard,
    check_unchanged,
    read_manifest,
    shard_file,
    shard_number,
    write_manifest,
)
from splade_lucene.vectors.parts import CollectionTotals, Part, PartManifest, parts_in, read_part, write_part

if TYPE_CHECKING:
    import jsonlines


class PendingShard(NamedTuple):
    """A shard that is to be written.

    Attributes:
        number: which, counted from 0.
        source_sha256: of its passages.
        passages: how many there are.
    """

    number: int
    source_sha256: str
    passages: int


def exclusive(out: Path, part: Part | None = None) -> AbstractContextManager[None]:
    """Keeps other processes from writing the same folder of vectors, or the same part of it, while a block runs.

    Raises:
        InputError: another process is writing it.
    """
    refuse_url(out)
    return locked(out if part is None or part.of == 1 else out.resolve().with_name(f"{out.resolve().name}.{part.number}-of-{part.of}"))


class VectorWriter:
    """The record of a folder of vectors under construction.

    An interrupted writer leaves its finished shards and a manifest that says it is not complete; a new writer with the same
    encoder and settings resumes after them. It is asked about the shards of a collection one after the other (:meth:`needs`), and
    told of those that were written (:meth:`record`), in any order.

    Args:
        out: the folder.
        encoder: what encodes the passages, and what encodes queries for them.
        settings: how passages are encoded.
        part: which shards this writer makes; all by default. Several writers, each with its part, may work at the same time.
        overwrite: replace what is there; with a part, what belongs to it.

    Attributes:
        part: which shards this writer makes.

    Raises:
        InputError: ``out`` holds something else, or vectors of another encoder, other settings or another division into parts.
    """

    def __init__(
        self, out: Path, *, encoder: EncoderRecord, settings: VectorSettings, part: Part | None = None, overwrite: bool = False
    ) -> None:
        self._out, self.part = out, part or Part()
        self._alone = self.part.of == 1
        self._file = FILE if self._alone else self.part.file
        self._collection: CollectionTotals | None = None
        # A process that was killed could not remove the manifest that it was writing.
        for leftover in out.glob(f".{self._file}.*.tmp"):
            leftover.unlink()
        whole = (out / FILE).is_file()
        if not whole and not parts_in(out) and out.exists() and (not out.is_dir() or any(_others(out))):
            raise InputError(out, "exists and was not made by `splade-lucene encode`; give another folder")
        before = None if overwrite else self._before()
        # The parts were joined already; there is nothing left to write.
        self._merged = before is not None and whole and not self._alone
        if before is None:
            self._manifest = Manifest(encoder, settings)
            self._save()
            # From here on it is this run's folder, whenever it is killed.
            for each in parts_in(out) if self._alone else []:
                (out / each.file).unlink()
            if not self._alone:
                (out / FILE).unlink(missing_ok=True)
        else:
            check_unchanged("encoder", before.encoder.flat(), encoder.flat(), out)
            check_unchanged("settings", before.settings.to_json(), settings.to_json(), out)
            self._manifest = before
        if not self._merged:
            self._remove_unlisted()
        self._sources = {shard.number: shard.source_sha256 for shard in self._manifest.shards}
        self._digest, self._shards, self._passages = hashlib.sha256(), 0, 0

    @property
    def manifest(self) -> Manifest:
        """What is finished so far."""
        return self._manifest

    def needs(self, passages: Sequence[Passage]) -> PendingShard | None:
        """Whether the next shard of the collection must be made by this writer; to be called once for each, in order.

        Args:
            passages: of the shard.

        Returns:
            What to write; None if the shard is there already or belongs to another part.

        Raises:
            InputError: the shard was made from other passages.
        """
        stored = self._manifest.settings.contents
        needed = PendingShard(self._shards, source_sha256(passages, fields=stored), len(passages))
        self._shards += 1
        self._passages += len(passages)
        self._digest.update(needed.source_sha256.encode())
        before = self._sources.get(needed.number)
        if not self.part.has(needed.number) or before == needed.source_sha256:
            return None
        if before is not None:
            file = shard_file(needed.number)
            raise InputError(self._out, f"{file} was made from other passages; the collection has changed, so use --overwrite")
        if self._merged:
            raise InputError(self._out, "was made from a collection with fewer passages; the collection has changed, so use --overwrite")
        if self._manifest.complete:  # the collection grew
            self._manifest = self._manifest._replace(complete=False)
            self._save()
        return needed

    def write_shard(self, passages: Sequence[Passage], vectors: Iterable[ImpactVector]) -> None:
        """Writes and records the next shard, if it is needed.

        Args:
            passages: what the vectors are made from.
            vectors: the vectors, in the same order; consumed as they come.
        """
        needed = self.needs(passages)
        if needed is not None:
            self.record(write_shard(self._out, needed, vectors, bits=self._manifest.settings.bits))

    def record(self, shard: Shard) -> None:
        """Records a shard that was written."""
        shards = sorted((*self._manifest.shards, shard), key=lambda each: each.number)
        self._manifest = self._manifest._replace(shards=tuple(shards))
        self._save()

    def finish(self, rejected: Sequence[Rejected] = ()) -> Manifest:
        """Declares the collection, or the part, complete: all shards were asked for, and those that were needed are recorded.

        Args:
            rejected: the bad lines of the collection that were left out.

        Raises:
            InputError: there are more shards than the collection has: it was longer before.
        """
        there = {shard.number for shard in self._manifest.shards if self.part.has(shard.number)}
        expected = {number for number in range(self._shards) if self.part.has(number)}
        if there - expected:
            raise InputError(self._out, "was made from a collection with more passages; the collection has changed, so use --overwrite")
        if there != expected:
            raise ValueError(f"the shards {sorted(expected - there)} were not recorded")
        collection = None if self._alone else CollectionTotals(self._shards, self._passages, self._digest.hexdigest())
        finished = self._manifest._replace(complete=True, rejected=len(rejected))
        if not self._merged:
            write_rejected(self._out, rejected)
            if (finished, collection) != (self._manifest, self._collection):
                self._manifest, self._collection = finished, collection
                self._save()
        return self._manifest

    def _before(self) -> Manifest | None:
        """What an earlier run left."""
        whole, parts = read_manifest(self._out), parts_in(self._out)
        if self._alone:
            if whole is None and parts:
                raise InputError(self._out, f"was started in {parts[0].of} parts; give --part, merge it, or use --overwrite")
            return whole
        for other in parts:
            if other.of != self.part.of:
                raise InputError(self._out, f"was started in {other.of} parts; this run has --part {self.part}; give another folder")
        if whole is not None:
            if not whole.complete:
                raise InputError(self._out, "was started without --part; resume without it, give another folder, or use --overwrite")
            return whole
        mine = read_part(self._out, self.part)
        if mine is None:
            return None
        self._collection = mine.collection
        return mine.manifest

    def _save(self) -> None:
        if self._alone:
            write_manifest(self._out / FILE, self._manifest)
        else:
            write_part(self._out, PartManifest(self.part, self._manifest, self._collection))

    def _remove_unlisted(self) -> None:
        """Removes what a killed process left of this part's shards, whole or half, and what --overwrite throws away."""
        listed = {shard.file for shard in self._manifest.shards}
        for file in (*(self._out / SHARDS).glob("part-*.jsonl"), *(self._out / SHARDS).glob(".part-*.tmp")):
            with contextlib.suppress(ValueError):  # not ours; check_vectors complains
                if self.part.has(shard_number(file.name)) and file.name not in listed:
                    file.unlink()


def write_shard(out: Path, needed: PendingShard, vectors: Iterable[ImpactVector], *, bits: int | None = None) -> Shard:
    """Writes a shard; the file appears when it is whole.

    Args:
        out: the folder of vectors.
        needed: what the writer asked for.
        vectors: consumed as they come.
        bits: the cap that was put on impacts.

    Returns:
        What to record.
    """
    file = out / SHARDS / shard_file(needed.number)
    limit = 2**bits - 1 if bits else None
    written = empty = postings = capped = 0
    with atomic_file(file) as stream, vector_lines(stream) as lines:
        for vector in vectors:
            lines.write(vector_object(vector))
            written += 1
            empty += not vector.vector
            postings += len(vector.vector)
            capped += sum(impact == limit for impact in vector.vector.values()) if limit else 0
        if written != needed.passages:
            raise ValueError(f"{written} vectors for {needed.passages} passages")
    return Shard(file.name, written, empty, postings, file_sha256(file), needed.source_sha256, capped)


def place_shard(out: Path, shard: Shard, content: bytes) -> None:
    """Writes a shard that :func:`write_shard` made elsewhere.

    Raises:
        ValueError: the bytes are not those that were written there.
    """
    if hashlib.sha256(content).hexdigest() != shard.sha256:
        raise ValueError(f"{shard.file} was changed on its way")
    with atomic_file(out / SHARDS / shard.file) as stream:
        stream.write(content.decode("utf-8"))


def vector_lines(stream: IO[Any]) -> jsonlines.Writer:
    """A writer of a shard's lines. The Java that indexes them reads this form alone: no spaces, characters as they are."""
    import jsonlines

    return jsonlines.Writer(stream, compact=True)


def vector_object(vector: ImpactVector) -> dict[str, Any]:
    """What a line of a shard says, in the order that the Java expects."""
    line: dict[str, Any] = {"id": vector.doc_id}
    if vector.contents is not None:
        line["contents"] = vector.contents
        if vector.fields:
            line["fields"] = vector.fields
    line["vector"] = vector.vector
    return line


def _others(out: Path) -> Iterator[Path]:
    """What is in a folder beside the manifests that writers of other parts are just making."""
    return (file for file in out.iterdir() if not (file.name.startswith(".manifest.") and file.name.endswith(".tmp")))


def source_sha256(passages: Sequence[Passage], *, fields: bool = False) -> str:
    """A checksum of passages, and of their other fields where these are kept."""
    digest = hashlib.sha256()
    for passage in passages:
        digest.update(json.dumps(passage if fields and passage.fields else passage[:3]).encode())
    return digest.hexdigest()
