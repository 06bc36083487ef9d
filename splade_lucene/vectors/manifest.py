"""The manifest of a folder of impact vectors: how they were made, and which shards are finished."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from splade_lucene.errors import InputError
from splade_lucene.files import atomic_file, file_sha256

FORMAT = "splade_lucene vectors 1"
FILE = "manifest.json"
SHARDS = "vectors"


class Shard(NamedTuple):
    """One finished file of vectors.

    Attributes:
        file: its name in ``vectors/``.
        passages: the number of its lines.
        empty: how many of them quantized to nothing.
        postings: the number of (passage, token) pairs.
        sha256: of its bytes.
        source_sha256: of the passages that it was made from, in order.
        capped: how many impacts are the largest that ``bits`` allow; 0 without ``bits``.
    """

    file: str
    passages: int
    empty: int
    postings: int
    sha256: str
    source_sha256: str
    capped: int = 0


class Manifest(NamedTuple):
    """What ``manifest.json`` says.

    Attributes:
        encoder: the fields of the encoder's record: model, revision, checksums, query length, scale, precision.
        settings: how passages were encoded: ``max_length``, ``top_k``, ``min_weight``, ``bits``, ``contents``.
        shards: the finished shards, in order.
        complete: whether the whole collection is in them.
        rejected: how many bad lines of the collection were left out; ``rejected.jsonl`` lists them.
    """

    encoder: Mapping[str, Any]
    settings: Mapping[str, Any]
    shards: tuple[Shard, ...] = ()
    complete: bool = False
    rejected: int = 0

    @property
    def passages(self) -> int:
        """The number of passages in all shards."""
        return sum(shard.passages for shard in self.shards)

    @property
    def empty(self) -> int:
        """The number of passages that quantized to nothing."""
        return sum(shard.empty for shard in self.shards)

    @property
    def postings(self) -> int:
        """The number of (passage, token) pairs."""
        return sum(shard.postings for shard in self.shards)

    @property
    def capped(self) -> int:
        """The number of impacts that are the largest that ``bits`` allow."""
        return sum(shard.capped for shard in self.shards)


def read_manifest(out: Path) -> Manifest | None:
    """Reads the manifest of a folder of vectors.

    Returns:
        The manifest, or None if there is none.

    Raises:
        InputError: the file is not one of ours.
    """
    file = out / FILE
    if not file.is_file():
        return None
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise InputError(file, f"has the format {data['format']!r}, this version reads {FORMAT!r}; encode again")
        shards = tuple(Shard(**shard) for shard in data["shards"])
        return Manifest(data["encoder"], data["settings"], shards, data["complete"], data.get("rejected", 0))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(file, f"is not a manifest of splade-lucene ({error!r}); encode again with --overwrite") from None


def write_manifest(out: Path, manifest: Manifest) -> None:
    """Replaces the manifest atomically."""
    data = manifest._asdict() | {"shards": [shard._asdict() for shard in manifest.shards]}
    totals = {"passages": manifest.passages, "empty": manifest.empty, "postings": manifest.postings}
    with atomic_file(out / FILE) as stream:
        json.dump({"format": FORMAT, **data, **totals}, stream, indent=1)
        stream.write("\n")


def check_vectors(out: Path) -> Manifest:
    """Makes sure that a folder holds a whole collection of vectors, byte for byte as they were written.

    Returns:
        The manifest.

    Raises:
        InputError: there is no manifest, encoding did not finish, or a shard is missing, added or changed.
    """
    manifest = read_manifest(out)
    if manifest is None:
        raise InputError(out, "holds no manifest.json, so it is not what `splade-lucene encode` writes; give its OUT folder")
    if not manifest.complete:
        raise InputError(out, f"encoding stopped after {manifest.passages} passages; run the same encode command again to finish it")
    folder = out / SHARDS
    there = {file.name for file in folder.iterdir()} if folder.is_dir() else set()
    listed = {shard.file for shard in manifest.shards}
    for name in sorted(there ^ listed):
        raise InputError(
            folder / name, "is not in the manifest; remove it" if name in there else "is missing; encode again with --overwrite"
        )
    for shard in manifest.shards:
        if file_sha256(folder / shard.file) != shard.sha256:
            raise InputError(folder / shard.file, "was changed after encoding; encode again with --overwrite")
    return manifest
