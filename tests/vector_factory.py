"""Vectors that are made up, and folders of them as ``encode`` writes them."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from splade_lucene.records import EncoderRecord, EncoderSide, ImpactVector, Passage, VectorSettings
from splade_lucene.vectors.writer import VectorWriter

SIDE = EncoderSide("m", None, "0", "0")
ENCODER = EncoderRecord(SIDE, SIDE, 64, 100, "fp32")
NASTY = [
    "|",
    '"',
    "\\",
    "😀",
    "x" * 200,
    "##s",
    "[CLS]",
    "don't",
    "ÄÖ",
    "a|b",
    "\u200b",
    "<a>",
    "%",
    "é",
    "{}",
    "ﬁ",
    "A",
    "a",
    "Ġthe",
    "▁the",
]


def write_vectors(out: Path, vectors: list[ImpactVector], shards: int = 1, *, contents: bool = False, scale: int = 100) -> Path:
    writer = VectorWriter(out, encoder=replace(ENCODER, scale=scale), settings=VectorSettings(256, contents=contents))
    for number in range(shards):
        part = vectors[number::shards]
        writer.write_shard([Passage(vector.doc_id, "") for vector in part], part)
    writer.finish()
    return out


def made_up(documents: int, seed: int = 7) -> list[ImpactVector]:
    """Few distinct weights, so that many scores are equal, over tokens that break parsers."""
    dice = random.Random(seed)
    vocabulary = [*NASTY, *(f"t{number}" for number in range(40))]
    return [
        ImpactVector(f"d{number}", {token: dice.choice([1, 2, 300]) for token in dice.sample(vocabulary, dice.randint(1, 30))})
        for number in range(documents)
    ]
