"""Passages to impact vectors on disk, shard by shard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from splade_lucene.core.ir_adapters import Passages, as_passages
from splade_lucene.core.rejects import RejectPolicy
from splade_lucene.encoding.defaults import DEFAULT_SCALE, default_lengths
from splade_lucene.errors import InputError
from splade_lucene.pipeline.progress import Advance
from splade_lucene.pipeline.split import check_split, split_passages
from splade_lucene.records import ImpactVector, Passage
from splade_lucene.vectors.manifest import SHARD_SIZE, Manifest
from splade_lucene.vectors.parts import Part
from splade_lucene.vectors.writer import Needed, VectorWriter, alone, write_shard

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel

# Passages sorted by length together; more pad less and hold more in memory.
_WINDOW = 1024


class Settings(NamedTuple):
    """How passages become vectors.

    Attributes:
        max_length: tokens a passage is cut at; the model's default if None.
        query_max_length: tokens that queries will be cut at, recorded for the searcher; the model's default if None.
        scale: impacts are ``round(weight × scale)``.
        top_k: keep only the so many largest weights of a passage.
        min_weight: keep only weights from here on.
        bits: cap impacts at ``2^bits - 1``.
        store_contents: write the text of each passage beside its vector.
        shard_size: passages in one file of vectors.
        split_words: cut each document into passages of so many words, ``document#0``, ``document#1`` …; None for not at all.
        overlap: words that two passages of a document share.
    """

    max_length: int | None = None
    query_max_length: int | None = None
    scale: int = DEFAULT_SCALE
    top_k: int | None = None
    min_weight: float | None = None
    bits: int | None = None
    store_contents: bool = False
    shard_size: int = SHARD_SIZE
    split_words: int | None = None
    overlap: int = 0


class PassageEncoder:
    """A model with settings: shards of passages to shards of vectors.

    Args:
        model: the encoder.
        settings: how it is used.

    Attributes:
        encoder: the fields of the encoder's record, for the manifest.
        settings: how passages are encoded, for the manifest.

    Raises:
        ModelError: a length is more than the model can read.
    """

    def __init__(self, model: SpladeModel, settings: Settings) -> None:
        self._model, self._given = model, settings
        self._length = default_lengths(model.name).documents if settings.max_length is None else settings.max_length
        record = model.record(query_max_length=settings.query_max_length, scale=settings.scale)
        for each in (self._length, record.query_max_length):
            model.check_length(each)
        self.encoder: dict[str, Any] = record._asdict()
        self.settings: dict[str, Any] = {
            "max_length": self._length,
            "top_k": settings.top_k,
            "min_weight": settings.min_weight,
            "bits": settings.bits,
            "contents": settings.store_contents,
            "shard_size": settings.shard_size,
        }
        check_split(settings.split_words, settings.overlap)
        if settings.split_words is not None:
            self.settings |= {"split_words": settings.split_words, "overlap": settings.overlap}

    def vectors(self, shard: Sequence[Passage], advance: Advance) -> Iterator[ImpactVector]:
        """Encodes the passages of a shard, and of it alone: whoever encodes a shard makes the same bytes."""
        given = self._given
        for start in range(0, len(shard), _WINDOW):
            window = shard[start : start + _WINDOW]
            encoded = self._model.encode_documents(
                [passage.contents for passage in window],
                max_length=self._length,
                scale=given.scale,
                top_k=given.top_k,
                min_weight=given.min_weight,
                bits=given.bits,
            )
            for passage, vector in zip(window, encoded, strict=True):
                kept = (passage.contents, passage.fields) if given.store_contents else ()
                yield ImpactVector(passage.doc_id, vector, *kept)
            advance(len(window))


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
    shard_size: int = SHARD_SIZE,
    split_words: int | None = None,
    overlap: int = 0,
    part: Part | None = None,
    overwrite: bool = False,
    bad: RejectPolicy | None = None,
    advance: Advance = lambda count: None,
    skip: Advance | None = None,
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
        shard_size: passages in one file of vectors.
        split_words: cut each document into passages of so many words, ``document#0``, ``document#1`` …, which a search with
            ``max_passage`` puts together again.
        overlap: words that two passages of a document share.
        part: make only every ``part.of``-th shard; the other parts are made by other calls, at the same time or later.
        overwrite: throw away what is in ``out``, or what there is of the part.
        bad: what the reader of ``passages`` was told to go on past; ``rejected.jsonl`` in ``out`` lists it.
        advance: told of each finished group of passages.
        skip: told of passages that were finished before; ``advance`` if None.

    Returns:
        The manifest of the complete folder, or of the part.

    Raises:
        InputError: ``passages`` is empty or malformed, or ``out`` holds something else.
        ModelError: ``max_length`` is more than the model can read.
    """
    out = Path(out)
    settings = Settings(max_length, query_max_length, scale, top_k, min_weight, bits, store_contents, shard_size, split_words, overlap)
    encoder = PassageEncoder(model, settings)
    stream = split(not_empty(passages, out), settings)
    with alone(out, part):
        writer = VectorWriter(out, encoder=encoder.encoder, settings=encoder.settings, part=part, overwrite=overwrite)
        for needed, shard in needed_shards(stream, writer, shard_size, skip or advance):
            writer.record(write_shard(out, needed, encoder.vectors(shard, advance), bits=bits))
        return writer.finish(bad.rejected if bad else ())


def split(documents: Iterator[Passage], settings: Settings) -> Iterator[Passage]:
    """The passages of documents, if the settings say that they are to be split."""
    return documents if settings.split_words is None else split_passages(documents, settings.split_words, settings.overlap)


def not_empty(passages: Passages, out: Path) -> Iterator[Passage]:
    """The passages, the first of them read already: a collection that is broken from its first line fails before anything is written.

    Raises:
        InputError: there are none.
    """
    stream = as_passages(passages)
    first = next(stream, None)
    if first is None:
        raise InputError(out, "there are no passages to encode")
    return chain([first], stream)


def needed_shards(
    passages: Iterator[Passage], writer: VectorWriter, size: int, skip: Advance
) -> Iterator[tuple[Needed, Sequence[Passage]]]:
    """Deals a collection into shards and yields those that the writer still needs; ``skip`` is told of those that it has."""
    number = 0
    while shard := list(islice(passages, size)):
        needed = writer.needs(shard)
        if needed is not None:
            yield needed, shard
        elif writer.part.has(number):
            skip(len(shard))
        number += 1
