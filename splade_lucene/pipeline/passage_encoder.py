"""Shards of passages to shards of vectors, in this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from splade_lucene.encoding.defaults import DEFAULT_SCALE
from splade_lucene.encoding.quantization import Quantization
from splade_lucene.pipeline.progress import Advance
from splade_lucene.pipeline.split import check_split
from splade_lucene.records import SHARD_SIZE, EncoderRecord, ImpactVector, Passage, VectorSettings
from splade_lucene.vectors.manifest import Shard
from splade_lucene.vectors.writer import PendingShard, write_shard

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel

# Passages sorted by length together; more pad less and hold more in memory.
_WINDOW = 1024

Task = tuple[PendingShard, Sequence[Passage]]
Record = Callable[[Shard], None]


class EncodingSettings(NamedTuple):
    """How passages become vectors.

    Attributes:
        max_length: tokens a passage is cut at; the model's default if None.
        query_max_length: tokens that queries will be cut at, recorded for the searcher; the model's default if None.
        scale: impacts are ``round(weight × scale)``.
        top_k: keep only the K largest weights of each passage; all if None.
        min_weight: keep only weights from here on; all if None.
        bits: cap impacts at ``2^bits - 1``; no cap if None.
        store_contents: write the text of each passage and its other fields beside its vector.
        shard_size: passages in one file of vectors.
        split_words: cut each document into passages of N words, ``document#0``, ``document#1`` …, which a search with ``max_passage``
            puts together again; None leaves them whole.
        overlap: words that two passages of a document share.
        max_ratio: keep only weights of at least this share of a passage's largest; all if None.
        alpha_mass: keep only the largest weights that have this share of the sum of a passage's weights; all if None.
    """

    max_length: int | None = None
    query_max_length: int | None = None
    scale: float = DEFAULT_SCALE
    top_k: int | None = None
    min_weight: float | None = None
    bits: int | None = None
    store_contents: bool = False
    shard_size: int = SHARD_SIZE
    split_words: int | None = None
    overlap: int = 0
    max_ratio: float | None = None
    alpha_mass: float | None = None

    def quantization(self) -> Quantization:
        """What becomes of the weights of a passage."""
        return Quantization(self.scale, self.top_k, self.min_weight, self.bits, self.max_ratio, self.alpha_mass)

    def recorded(self, max_length: int) -> VectorSettings:
        """What the manifest keeps, for passages that are cut at ``max_length`` tokens."""
        check_split(self.split_words, self.overlap)
        return VectorSettings(
            max_length,
            self.top_k,
            self.min_weight,
            self.bits,
            self.store_contents,
            self.shard_size,
            self.split_words,
            None if self.split_words is None else self.overlap,
            self.max_ratio,
            self.alpha_mass,
        )


class ShardEncoder(Protocol):
    """What makes shards of vectors: a model in this process, or several processes.

    Attributes:
        encoder: the record of the encoder, for the manifest.
        settings: how passages are encoded, for the manifest.
    """

    encoder: EncoderRecord
    settings: VectorSettings

    def encode(self, tasks: Iterator[Task], folder: Path, record: Record, advance: Advance) -> None:
        """Writes shards.

        Args:
            tasks: the shards that are needed; consumed as they are encoded, with some ahead.
            folder: where the vectors go.
            record: told of each shard that was written.
            advance: told of each finished group of passages.
        """


class PassageEncoder:
    """A model with settings.

    Args:
        model: the encoder.
        settings: how it is used.

    Attributes:
        encoder: the record of the encoder, for the manifest.
        settings: how passages are encoded, for the manifest.

    Raises:
        ModelError: a length is more than the model can read.
    """

    def __init__(self, model: SpladeModel, settings: EncodingSettings) -> None:
        self._model, self._contents = model, settings.store_contents
        self._length = model.lengths.documents if settings.max_length is None else settings.max_length
        record = model.record(query_max_length=settings.query_max_length, scale=settings.scale)
        model.check_length(self._length)
        model.check_query_length(record.query_max_length)
        self._quantization = settings.quantization()
        self.encoder: EncoderRecord = record
        self.settings = settings.recorded(self._length)

    def encode(self, tasks: Iterable[Task], folder: Path, record: Record, advance: Advance) -> None:
        """Writes shards: while the passages of one are encoded, those that follow are read, and those before are written.

        Windows do not reach from one shard into another, so whoever encodes a shard makes the same bytes.
        """
        begun: deque[Task] = deque()

        def windows() -> Iterator[list[str]]:
            for task in tasks:
                begun.append(task)
                for window in windows_of(task[1]):
                    yield [passage.contents for passage in window]

        encoded = self._model.encode_windows(windows(), max_length=self._length, quantization=self._quantization)
        for first in encoded:
            needed, passages = begun.popleft()
            vectors = self._vectors(passages, chain([first], encoded), advance)
            record(write_shard(folder, needed, vectors, bits=self._quantization.bits))

    def _vectors(self, passages: Sequence[Passage], encoded: Iterator[list[dict[str, int]]], advance: Advance) -> Iterator[ImpactVector]:
        for window in windows_of(passages):
            for passage, vector in zip(window, next(encoded), strict=True):
                kept = (passage.contents, passage.fields) if self._contents else ()
                yield ImpactVector(passage.doc_id, vector, *kept)
            advance(len(window))


def windows_of(passages: Sequence[Passage]) -> Iterator[Sequence[Passage]]:
    """The passages of a shard that are sorted by length together."""
    return (passages[start : start + _WINDOW] for start in range(0, len(passages), _WINDOW))
