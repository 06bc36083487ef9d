"""Checks that a folder of vectors is complete, and joins the parts that several machines wrote into it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from splade_lucene.core.files import file_sha256
from splade_lucene.errors import InputError
from splade_lucene.vectors.manifest import FILE, SHARDS, Manifest, Shard, read_manifest, write_manifest
from splade_lucene.vectors.parts import join_parts, parts_in


def find_manifest(vectors: Path) -> Manifest:
    """The manifest of a folder of vectors; of finished parts that were not merged, what merging them would write.

    Raises:
        InputError: there is none.
    """
    manifest = read_manifest(vectors) or join_parts(vectors)
    if manifest is None:
        raise InputError(vectors, "holds no manifest.json, so it is not what `splade-lucene encode` writes; give its folder of vectors")
    return manifest


def check_vectors(vectors: Path, *, checksums: bool = True) -> Manifest:
    """Makes sure that a folder holds a whole collection of vectors, byte for byte as they were written.

    Args:
        vectors: the folder.
        checksums: compare the bytes of each shard too; else :func:`check_shards` is left to the caller.

    Returns:
        The manifest, as from :func:`find_manifest`.

    Raises:
        InputError: there is no manifest, encoding did not finish, or a shard is missing, added or changed.
    """
    manifest = find_manifest(vectors)
    if not manifest.complete:
        raise InputError(vectors, f"encoding stopped after {manifest.passages} passages; run the same encode command again to finish it")
    folder = vectors / SHARDS
    there = {file.name for file in folder.iterdir()} if folder.is_dir() else set()
    listed = {shard.file for shard in manifest.shards}
    for name in sorted(there ^ listed):
        raise InputError(
            folder / name, "is not in the manifest; remove it" if name in there else "is missing; encode again with --overwrite"
        )
    if checksums:
        check_shards(vectors, manifest.shards)
    return manifest


def check_shards(vectors: Path, shards: Iterable[Shard]) -> None:
    """Makes sure that shards are as they were written.

    Raises:
        InputError: one was changed.
    """
    for shard in shards:
        file = vectors / SHARDS / shard.file
        if file_sha256(file) != shard.sha256:
            raise InputError(file, "was changed after encoding; encode again with --overwrite")


def merge_parts(vectors: Path) -> Manifest:
    """Joins the parts that several machines wrote into a folder; the result is the same as from one machine.

    A folder that is whole already stays as it is.

    Returns:
        The manifest.

    Raises:
        InputError: a part is missing or not finished, the parts do not belong together, or as from :func:`check_vectors`.
    """
    manifest = check_vectors(vectors)
    if not (vectors / FILE).is_file():
        write_manifest(vectors / FILE, manifest)
    for part in parts_in(vectors):
        (vectors / part.file).unlink()
    return manifest
