"""The weights of a collection as floats: encoded once, pruned and rounded as often as wanted, without the model.

Pruning an encoded collection from its impacts would not be exact: rounding has made equal what was not. From the weights it is: a folder
that :func:`prune_collection` writes has the bytes that :func:`~splade_lucene.pipeline.encode.encode_collection` gives with the same
settings, since both cut the collection into the same batches.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from safetensors.numpy import load_file, save_file

from splade_lucene.core.files import atomic_file, file_sha256
from splade_lucene.core.ir_adapters import Passages
from splade_lucene.errors import InputError
from splade_lucene.pipeline.encode import needed_shards, passages_to_encode
from splade_lucene.pipeline.passage_encoder import EncodingSettings, windows_of
from splade_lucene.pipeline.progress import Advance
from splade_lucene.records import EncoderRecord, EncoderSide, ImpactVector, Passage
from splade_lucene.vectors.manifest import Manifest, check_unchanged
from splade_lucene.vectors.writer import VectorWriter, exclusive, source_sha256, write_shard

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel

FILE = "weights.json"
FORMAT = "splade_lucene weights 1"


class WeightShard(NamedTuple):
    """Passages in one file.

    Attributes:
        file: its name: token numbers, weights, and where each passage begins.
        passages: how many.
        sha256: of the file.
        source_sha256: of the passages.
        seconds: that encoding them took.
    """

    file: str
    passages: int
    sha256: str
    source_sha256: str
    seconds: float


class StoredWeights(NamedTuple):
    """Weights on disk.

    Attributes:
        folder: where.
        encoder: of the passages.
        max_length: tokens they were cut at.
        shard_size: passages in a shard.
        shards: all of them, in order.
    """

    folder: Path
    encoder: EncoderRecord
    max_length: int
    shard_size: int
    shards: tuple[WeightShard, ...]

    @property
    def passages_per_second(self) -> float:
        """How many passages the model encoded a second."""
        seconds = sum(shard.seconds for shard in self.shards)
        return sum(shard.passages for shard in self.shards) / seconds if seconds else 0.0

    def bags(self, shard: WeightShard) -> Iterator[dict[str, float]]:
        """Token → weight of each passage of a shard, in the order of the vocabulary.

        Raises:
            InputError: the file was changed.
        """
        file = self.folder / shard.file
        if not file.is_file() or file_sha256(file) != shard.sha256:
            raise InputError(file, "is missing or was changed; remove the folder and weigh the collection again")
        vocabulary = json.loads((self.folder / "tokens.json").read_text(encoding="utf-8"))
        arrays = load_file(file)
        entries, weights, starts = (arrays[name] for name in ("entries", "weights", "starts"))
        for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            tokens = (vocabulary[entry] for entry in entries[start:end].tolist())
            yield dict(zip(tokens, weights[start:end].tolist(), strict=True))


def weigh_collection(
    passages: Passages,
    folder: Path,
    model: SpladeModel,
    *,
    max_length: int,
    shard_size: int,
    advance: Advance = lambda count: None,
) -> StoredWeights:
    """Encodes a collection to weights; shards that an earlier call finished are kept.

    Args:
        passages: the collection.
        folder: to write.
        model: the encoder.
        max_length: tokens passages are cut at.
        shard_size: passages in a shard.
        advance: told of each finished group of passages.

    Raises:
        InputError: the collection is empty, or the folder has the weights of other passages, another model or another length.
    """
    settings = {"max_length": max_length, "shard_size": shard_size}
    record = model.record()
    with exclusive(folder):
        before = _read(folder)
        if before is not None:
            check_unchanged("encoder", before.encoder.flat(), record.flat(), folder)
            check_unchanged("settings", {"max_length": before.max_length, "shard_size": before.shard_size}, settings, folder)
        shards: list[WeightShard] = list(before.shards if before else ())
        with atomic_file(folder / "tokens.json") as stream:
            json.dump(list(model.vocabulary), stream)
        stream_of = passages_to_encode(passages, folder, EncodingSettings(max_length=max_length))
        number = 0
        while shard := list(islice(stream_of, shard_size)):
            source = source_sha256(shard)
            if number < len(shards):
                if shards[number].source_sha256 != source:
                    raise InputError(folder, "has the weights of other passages; the collection has changed, so remove the folder")
            else:
                file = folder / f"part-{number:05d}.safetensors"
                shards.append(_weigh(shard, file, model, max_length=max_length, source=source, advance=advance))
                _write(folder, StoredWeights(folder, record, max_length, shard_size, tuple(shards)))
            number += 1
        if number < len(shards):
            raise InputError(folder, "has the weights of more passages; the collection has changed, so remove the folder")
        return StoredWeights(folder, record, max_length, shard_size, tuple(shards))


def prune_collection(
    passages: Passages, vectors: Path, weights: StoredWeights, settings: EncodingSettings, *, idf: bool = False
) -> Manifest:
    """Writes what ``encode`` gives with some settings, from weights.

    Args:
        passages: the collection, of which the weights are.
        vectors: the folder to write.
        weights: of all passages.
        settings: their length and size of shards must be those of the weights.
        idf: queries are weighted by the collection, as with ``--query-model idf``.

    Returns:
        The manifest.

    Raises:
        ValueError: the weights are of another length or size of shards, or settings ask for the text of passages.
        InputError: the passages are not those of the weights.
    """
    length = weights.max_length if settings.max_length is None else settings.max_length
    if (length, settings.shard_size) != (weights.max_length, weights.shard_size) or settings.split_words or settings.store_contents:
        raise ValueError(f"the weights are of whole passages of {weights.max_length} tokens, {weights.shard_size} to a shard, without text")
    record, quantization = replace(weights.encoder, scale=settings.scale), settings.quantization()
    quantization.check()
    if idf:
        record = replace(record, query=EncoderSide("idf", None, "", record.document.tokenizer_sha256, "idf"))
    record = record.with_queries(max_length=settings.query_max_length)
    by_source = {shard.source_sha256: shard for shard in weights.shards}
    with exclusive(vectors):
        writer = VectorWriter(vectors, encoder=record, settings=settings.recorded(length))
        stream = passages_to_encode(passages, vectors, settings)
        for needed, shard in needed_shards(stream, writer, settings.shard_size, lambda count: None):
            if needed.source_sha256 not in by_source:
                raise InputError(weights.folder, "has the weights of other passages; the collection has changed, so remove the folder")
            bags = weights.bags(by_source[needed.source_sha256])
            made = (ImpactVector(passage.doc_id, quantization.bag(bag)) for passage, bag in zip(shard, bags, strict=True))
            writer.record(write_shard(vectors, needed, made, bits=settings.bits))
        return writer.finish()


def _weigh(shard: Sequence[Passage], file: Path, model: SpladeModel, *, max_length: int, source: str, advance: Advance) -> WeightShard:
    numbers = {token: entry for entry, token in enumerate(model.vocabulary)}
    start = time.perf_counter()
    bags: list[dict[str, float]] = []
    texts = ([passage.contents for passage in window] for window in windows_of(shard))
    for window in model.weigh_windows(texts, max_length=max_length):
        bags += window
        advance(len(window))
    seconds = time.perf_counter() - start
    entries = np.fromiter((numbers[token] for bag in bags for token in bag), np.int32)
    values = np.fromiter((weight for bag in bags for weight in bag.values()), np.float32)
    starts = np.cumsum([0, *map(len, bags)])
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({"entries": entries, "weights": values, "starts": starts}, file)  # of no account before the record names it
    return WeightShard(file.name, len(shard), file_sha256(file), source, seconds)


def _read(folder: Path) -> StoredWeights | None:
    file = folder / FILE
    if not file.is_file():
        return None
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise ValueError(data["format"])
        shards = tuple(WeightShard(**shard) for shard in data["shards"])
        return StoredWeights(folder, EncoderRecord.from_json(data["encoder"]), data["max_length"], data["shard_size"], shards)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(file, f"is no record of weights ({error!r}); remove the folder") from None


def _write(folder: Path, weights: StoredWeights) -> None:
    data: dict[str, Any] = {"format": FORMAT, "encoder": weights.encoder.to_json()}
    data |= {"max_length": weights.max_length, "shard_size": weights.shard_size, "shards": [shard._asdict() for shard in weights.shards]}
    with atomic_file(folder / FILE) as stream:
        json.dump(data, stream, indent=1)
