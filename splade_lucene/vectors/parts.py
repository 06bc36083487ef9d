"""Parts of a collection, encoded by several machines into one folder: each has a manifest of its own until they are joined."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from splade_lucene.errors import InputError
from splade_lucene.vectors.manifest import Manifest, manifest_from, read_manifest, read_record, write_manifest

FORMAT = "splade_lucene part of vectors 1"


class Part(NamedTuple):
    """Which shards of a collection a writer makes: every ``of``-th, from ``number - 1`` on.

    Attributes:
        number: counted from 1.
        of: how many parts there are.
    """

    number: int = 1
    of: int = 1

    def has(self, shard: int) -> bool:
        """Whether a shard, counted from 0, belongs to this part."""
        return shard % self.of == self.number - 1

    @property
    def file(self) -> str:
        """The name of the part's manifest."""
        return f"manifest.{self.number}-of-{self.of}.json"

    def __str__(self) -> str:
        """As ``--part`` takes it."""
        return f"{self.number}/{self.of}"


class CollectionTotals(NamedTuple):
    """Totals of the whole collection, the passages of other parts included.

    Attributes:
        shards: the number of shards.
        passages: the number of passages.
        sha256: over all passages, in order.
    """

    shards: int
    passages: int
    sha256: str


class PartManifest(NamedTuple):
    """The manifest of a part.

    Attributes:
        part: which.
        manifest: its shards.
        collection: what it is a part of; None before its writer came to the end.
    """

    part: Part
    manifest: Manifest
    collection: CollectionTotals | None


def read_part(vectors: Path, part: Part) -> PartManifest | None:
    """Reads the manifest of a part, None if there is none.

    Raises:
        InputError: the file is not one of ours.
    """
    file = vectors / part.file
    data = read_record(file, FORMAT)
    if data is None:
        return None
    try:
        collection = None if data["collection"] is None else CollectionTotals(**data["collection"])
    except (KeyError, TypeError) as error:
        raise InputError(file, f"is not a manifest of splade-lucene ({error!r}); encode this part again with --overwrite") from None
    return PartManifest(part, manifest_from(data, file), collection)


def write_part(vectors: Path, part: PartManifest) -> None:
    """Replaces the manifest of a part atomically."""
    collection = None if part.collection is None else part.collection._asdict()
    write_manifest(vectors / part.part.file, part.manifest, kind=FORMAT, collection=collection)


def parts_in(vectors: Path) -> list[Part]:
    """The parts that have a manifest in a folder."""
    found = (re.fullmatch(r"manifest\.(\d+)-of-(\d+)\.json", file.name) for file in vectors.glob("manifest.*.json"))
    return sorted(Part(int(match[1]), int(match[2])) for match in found if match)


def recorded_kernels(vectors: Path) -> str | None:
    """The kernels of matrix products that the vectors in a folder were started with, in all parts; None if there are none.

    Raises:
        InputError: a manifest is not one of ours.
    """
    parts = (read_part(vectors, part) for part in parts_in(vectors))
    found = read_manifest(vectors) or next((part.manifest for part in parts if part is not None), None)
    return None if found is None else found.encoder.kernels


def join_parts(vectors: Path) -> Manifest | None:
    """The manifest that a single writer of all parts would have made.

    Returns:
        The manifest, or None if the folder holds no parts.

    Raises:
        InputError: a part is missing or not finished, or the parts do not belong together; the message says which.
    """
    there = parts_in(vectors)
    if not there:
        return None
    of = there[0].of
    if {part.of for part in there} != {of}:
        raise InputError(
            vectors, f"holds parts of different divisions ({', '.join(map(str, there))}); remove those that do not belong here"
        )
    found = [part for part in (read_part(vectors, each) for each in there) if part is not None]
    _all_finished(vectors, of, found)
    first = found[0]
    for part in found[1:]:
        _belong_together(vectors, first, part)
    shards = sorted((shard for part in found for shard in part.manifest.shards), key=lambda shard: shard.number)
    return first.manifest._replace(shards=tuple(shards), complete=True)


def _all_finished(vectors: Path, of: int, found: Sequence[PartManifest]) -> None:
    missing = {*range(1, of + 1)} - {part.part.number for part in found}
    stopped = [part for part in found if not part.manifest.complete]
    if missing or stopped:
        reasons = [f"part {number}/{of} is missing" for number in sorted(missing)]
        reasons += [f"part {part.part} stopped after {part.manifest.passages} passages" for part in stopped]
        again = sorted([*missing, *(part.part.number for part in stopped)])
        raise InputError(
            vectors, f"{', '.join(reasons)}; run encode with {', '.join(f'--part {number}/{of}' for number in again)} to finish"
        )


def _belong_together(vectors: Path, first: PartManifest, part: PartManifest) -> None:
    kinds: list[tuple[str, Mapping[str, Any], Mapping[str, Any]]] = [
        ("encoder", first.manifest.encoder.flat(), part.manifest.encoder.flat()),
        ("settings", first.manifest.settings.to_json(), part.manifest.settings.to_json()),
        ("collection", _fields(first), _fields(part)),
    ]
    for what, one, other in kinds:
        for key in sorted({*one, *other}):
            if one.get(key) != other.get(key):
                problem = f"part {first.part} has the {what} value {key} = {one.get(key)}, part {part.part} has {other.get(key)}"
                raise InputError(vectors, f"{problem}; encode one of them again with --overwrite")


def _fields(part: PartManifest) -> dict[str, Any]:
    collection = {} if part.collection is None else part.collection._asdict()
    return {"bad lines": part.manifest.rejected, **collection}
