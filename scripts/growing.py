"""Vectors of a growing collection, for the benches: real ones first, then others sampled from them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from splade_lucene.records import SHARD_SIZE, ImpactVector, Passage
from splade_lucene.vectors.manifest import Manifest
from splade_lucene.vectors.reader import read_vectors
from splade_lucene.vectors.writer import VectorWriter


def sampled(real: Sequence[ImpactVector], seed: int = 0) -> Iterator[ImpactVector]:
    """Endless new vectors: each takes half of the terms of one real vector and half of those of another, with their impacts.

    So a term is in as large a share of the documents as in the real collection, has the same impacts, and comes together with the
    terms that it comes together with there. No two are the same, and none is a copy.
    """
    dice, number = random.Random(seed), 0
    while True:
        one, other = dice.choice(real).vector, dice.choice(real).vector
        first, second = dice.getrandbits(max(1, len(one))), dice.getrandbits(max(1, len(other)))
        vector = {token: impact for place, (token, impact) in enumerate(one.items()) if first >> place & 1}
        vector |= {token: impact for place, (token, impact) in enumerate(other.items()) if second >> place & 1}
        if vector:
            yield ImpactVector(f"sampled-{number}", vector)
            number += 1


def growing(folders: Sequence[Path]) -> Iterator[ImpactVector]:
    """The vectors of folders, each with the folder's number in its id if there are several, then sampled ones."""
    real: list[ImpactVector] = []
    for number, folder in enumerate(folders):
        for vector in read_vectors(folder):
            real.append(vector if len(folders) == 1 else vector._replace(doc_id=f"{number}-{vector.doc_id}"))
    return chain(real, sampled(real))


def write(out: Path, manifest: Manifest, vectors: Iterator[ImpactVector], size: int) -> None:
    """Writes the first vectors into a folder as if they had been encoded."""
    writer = VectorWriter(out, encoder=manifest.encoder, settings=manifest.settings)
    vectors = islice(vectors, size)
    while shard := list(islice(vectors, SHARD_SIZE)):
        writer.write_shard([Passage(vector.doc_id, "") for vector in shard], shard)
    writer.finish()
