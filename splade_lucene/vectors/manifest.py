"""The manifest of a folder of impact vectors: how they were made, and which shards are finished."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from splade_lucene.core.files import atomic_file
from splade_lucene.errors import InputError
from splade_lucene.records import EncoderRecord, VectorSettings

FORMAT = "splade_lucene vectors 1"
FILE = "manifest.json"
SHARDS = "vectors"


def shard_file(number: int) -> str:
    """The name of a shard's file in ``vectors/``."""
    return f"part-{number:05d}.jsonl"


def shard_number(file: str) -> int:
    """The number of a shard, from the name of its file or of the temporary file that becomes it.

    Raises:
        ValueError: it is not such a name.
    """
    found = re.match(r"\.?part-(\d+)\.jsonl", file)
    if found is None:
        raise ValueError(f"{file!r} is not the name of a shard")
    return int(found[1])


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

    @property
    def number(self) -> int:
        """Which shard of the collection it is, counted from 0."""
        return shard_number(self.file)


class Manifest(NamedTuple):
    """What ``manifest.json`` says.

    Attributes:
        encoder: what encoded the passages, and what encodes queries for them.
        settings: how passages were encoded.
        shards: the finished shards, in order.
        complete: whether the whole collection is in them.
        rejected: how many bad lines of the collection were left out; ``rejected.jsonl`` lists them.
    """

    encoder: EncoderRecord
    settings: VectorSettings
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
    data = read_record(out / FILE, FORMAT)
    return None if data is None else manifest_from(data, out / FILE)


def read_record(file: Path, kind: str) -> dict[str, Any] | None:
    """The content of a JSON file of ours, None if there is no such file.

    Raises:
        InputError: it is not of the kind that was asked for.
    """
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if data["format"] != kind:
            raise InputError(file, f"has the format {data['format']!r}, this version reads {kind!r}; encode again")
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(file, f"is not a manifest of splade-lucene ({error!r}); encode again with --overwrite") from None
    else:
        return dict(data)


def manifest_from(data: Mapping[str, Any], file: Path) -> Manifest:
    """The manifest in the content of a file.

    Raises:
        InputError: something is missing or unknown.
    """
    try:
        shards = tuple(Shard(**shard) for shard in data["shards"])
        for shard in shards:
            shard_number(shard.file)
        settings = VectorSettings(**data["settings"])
        return Manifest(EncoderRecord.from_json(data["encoder"]), settings, shards, data["complete"], data.get("rejected", 0))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(file, f"is not a manifest of splade-lucene ({error!r}); encode again with --overwrite") from None


def write_manifest(file: Path, manifest: Manifest, *, kind: str = FORMAT, **more: Any) -> None:
    """Replaces a manifest atomically.

    Args:
        file: the manifest.
        manifest: what it says.
        kind: its format.
        more: what else it says.
    """
    shards = [shard._asdict() for shard in manifest.shards]
    data = manifest._asdict() | {"encoder": manifest.encoder.to_json(), "settings": manifest.settings.to_json(), "shards": shards}
    totals = {"passages": manifest.passages, "empty": manifest.empty, "postings": manifest.postings}
    with atomic_file(file) as stream:
        json.dump({"format": kind, **data, **totals, **more}, stream, indent=1)
        stream.write("\n")


def check_unchanged(what: str, before: Mapping[str, Any], now: Mapping[str, Any], out: Path) -> None:
    """Makes sure that a folder is resumed with the settings that it was started with.

    Raises:
        InputError: a value differs; the message names it.
    """
    for key in sorted({*before, *now}):
        if before.get(key) != now.get(key):
            raise InputError(
                out,
                f"was started with {key}={before.get(key)} ({what}); this run uses {key}={now.get(key)}; "
                "give another folder, or use --overwrite",
            )
