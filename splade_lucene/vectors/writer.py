"""Writes impact vectors as shards that Anserini and Pyserini read, each recorded in the manifest once it is whole."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from splade_lucene.bad_lines import Rejected
from splade_lucene.errors import InputError
from splade_lucene.files import atomic_file, file_sha256, write_rejected
from splade_lucene.records import ImpactVector, Passage
from splade_lucene.vectors.manifest import FILE, SHARDS, Manifest, Shard, read_manifest, write_manifest


class VectorWriter:
    """A folder of vectors under construction.

    An interrupted writer leaves its finished shards and a manifest that says it is not complete; a new writer with the same
    encoder and settings goes on from there.

    Args:
        out: the folder.
        encoder: the fields of the encoder's record.
        settings: how passages are encoded.
        overwrite: throw away what is there.

    Raises:
        InputError: ``out`` holds something else, or vectors of another encoder or other settings.
    """

    def __init__(self, out: Path, *, encoder: Mapping[str, Any], settings: Mapping[str, Any], overwrite: bool = False) -> None:
        self._out = out
        # A process that was killed could not remove the file that it was writing.
        for leftover in (*out.glob(f".{FILE}.*.tmp"), *(out / SHARDS).glob(".part-*.tmp")):
            leftover.unlink()
        if not (out / FILE).is_file() and out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InputError(out, "exists and was not made by `splade-lucene encode`; give another OUT")
        manifest = None if overwrite else read_manifest(out)
        if manifest is None:
            manifest = Manifest(encoder, settings)
            write_manifest(out, manifest)
            shutil.rmtree(out / SHARDS, ignore_errors=True)
        else:
            _same("encoder", manifest.encoder, encoder, out)
            _same("settings", manifest.settings, settings, out)
        self._manifest = manifest

    @property
    def manifest(self) -> Manifest:
        """What is finished so far."""
        return self._manifest

    def is_finished(self, number: int, passages: Sequence[Passage]) -> bool:
        """Whether a shard is there already, made from these passages.

        Raises:
            InputError: it was made from others.
        """
        if number >= len(self._manifest.shards):
            return False
        if self._manifest.shards[number].source_sha256 != _source_sha256(passages):
            raise InputError(
                self._out, f"{self._manifest.shards[number].file} was made from other passages; the collection changed, so use --overwrite"
            )
        return True

    def write_shard(self, passages: Sequence[Passage], vectors: Iterable[ImpactVector]) -> None:
        """Writes the next shard and records it.

        Args:
            passages: what the vectors are made from.
            vectors: the vectors, in the same order; consumed as they come.
        """
        if self._manifest.complete:  # the collection grew
            self._manifest = self._manifest._replace(complete=False)
            write_manifest(self._out, self._manifest)
        file = self._out / SHARDS / f"part-{len(self._manifest.shards):05d}.jsonl"
        written = empty = postings = capped = 0
        bits = self._manifest.settings.get("bits")
        limit = 2**bits - 1 if bits else None
        with atomic_file(file) as stream:
            for vector in vectors:
                line: dict[str, Any] = {"id": vector.id}
                if vector.contents is not None:
                    line["contents"] = vector.contents
                line["vector"] = vector.vector
                stream.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
                written += 1
                empty += not vector.vector
                postings += len(vector.vector)
                capped += sum(impact == limit for impact in vector.vector.values()) if limit else 0
            if written != len(passages):
                raise ValueError(f"{written} vectors for {len(passages)} passages")
        shard = Shard(file.name, written, empty, postings, file_sha256(file), _source_sha256(passages), capped)
        self._manifest = self._manifest._replace(shards=(*self._manifest.shards, shard))
        write_manifest(self._out, self._manifest)

    def finish(self, shards: int, rejected: Sequence[Rejected] = ()) -> Manifest:
        """Declares the collection complete.

        Args:
            shards: the number of shards that the collection has.
            rejected: its bad lines that were left out.

        Raises:
            InputError: there are more shards than that: the collection was longer before.
        """
        if len(self._manifest.shards) > shards:
            raise InputError(self._out, "was made from a collection with more passages; the collection changed, so use --overwrite")
        write_rejected(self._out, rejected)
        if not self._manifest.complete or self._manifest.rejected != len(rejected):
            self._manifest = self._manifest._replace(complete=True, rejected=len(rejected))
            write_manifest(self._out, self._manifest)
        return self._manifest


def _same(what: str, before: Mapping[str, Any], now: Mapping[str, Any], out: Path) -> None:
    for key in sorted({*before, *now}):
        if before.get(key) != now.get(key):
            raise InputError(
                out, f"was begun with the {what} value {key} = {before.get(key)}, now it is {now.get(key)}; give another OUT or --overwrite"
            )


def _source_sha256(passages: Sequence[Passage]) -> str:
    digest = hashlib.sha256()
    for passage in passages:
        digest.update(json.dumps(passage).encode())
    return digest.hexdigest()
