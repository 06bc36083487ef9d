"""Passages to impact vectors on disk, shard by shard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING

from splade_lucene.bad_lines import BadLines
from splade_lucene.encoding.defaults import DEFAULT_SCALE, default_lengths
from splade_lucene.errors import InputError
from splade_lucene.interchange import Passages, as_passages
from splade_lucene.pipeline.progress import Advance
from splade_lucene.records import ImpactVector, Passage
from splade_lucene.vectors.manifest import Manifest
from splade_lucene.vectors.writer import VectorWriter

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel

# Passages in one file of vectors. Anserini indexes one file a thread; a larger shard loses more work when interrupted.
SHARD_SIZE = 4096
# Passages sorted by length together; more pad less and hold more in memory.
_WINDOW = 1024


def encode_collection(
    passages: Passages,
    out: Path | str,
    model: SpladeModel,
    *,
    max_length: int | None = None,
    query_max_length: int | None = None,
    scale: int = DEFAULT_SCALE,
    top_k: int | None = None,
    min_weight: float | None = None,
    bits: int | None = None,
    store_contents: bool = False,
    overwrite: bool = False,
    bad: BadLines | None = None,
    advance: Advance = lambda count: None,
) -> Manifest:
    """Encodes a collection into a folder of impact vectors.

    Shards that an interrupted run of the same call finished are kept; a passage that quantizes to nothing is written as an empty
    vector and counted.

    Args:
        passages: the collection, streamed: our records, documents of ir_datasets, or one of its data sets.
        out: the folder to write.
        model: the encoder.
        max_length: tokens a passage is cut at; the model's default if None.
        query_max_length: tokens that queries will be cut at, recorded for the searcher; the model's default if None.
        scale: impacts are ``round(weight × scale)``.
        top_k: keep only the so many largest weights of a passage.
        min_weight: keep only weights from here on.
        bits: cap impacts at ``2^bits - 1``.
        store_contents: write the text of each passage beside its vector.
        overwrite: throw away what is in ``out``.
        bad: what the reader of ``passages`` was told to go on past; ``rejected.jsonl`` in ``out`` lists it.
        advance: told of each finished group of passages.

    Returns:
        The manifest of the complete folder.

    Raises:
        InputError: ``passages`` is empty or malformed, or ``out`` holds something else.
        ModelError: ``max_length`` is more than the model can read.
    """
    length = default_lengths(model.name).documents if max_length is None else max_length
    record = model.record(query_max_length=query_max_length, scale=scale)
    for each in (length, record.query_max_length):
        model.check_length(each)
    pruning = {"top_k": top_k, "min_weight": min_weight, "bits": bits}
    stream = as_passages(passages)
    # A collection that is broken from its first line should fail before anything is written.
    first = next(stream, None)
    if first is None:
        raise InputError(out, "there are no passages to encode")
    stream = chain([first], stream)
    writer = VectorWriter(
        Path(out),
        encoder=record._asdict(),
        settings={"max_length": length, **pruning, "contents": store_contents},
        overwrite=overwrite,
    )

    def vectors(shard: Sequence[Passage]) -> Iterator[ImpactVector]:
        for start in range(0, len(shard), _WINDOW):
            window = shard[start : start + _WINDOW]
            texts = [passage.contents for passage in window]
            encoded = model.encode_documents(texts, max_length=length, scale=scale, top_k=top_k, min_weight=min_weight, bits=bits)
            for passage, vector in zip(window, encoded, strict=True):
                yield ImpactVector(passage.id, vector, passage.contents if store_contents else None)
            advance(len(window))

    number = 0
    while shard := list(islice(stream, SHARD_SIZE)):
        if writer.is_finished(number, shard):
            advance(len(shard))
        else:
            writer.write_shard(shard, vectors(shard))
        number += 1
    return writer.finish(number, bad.rejected if bad else ())
