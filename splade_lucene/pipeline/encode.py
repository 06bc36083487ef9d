"""Passages to impact vectors on disk, shard by shard, in one process or in several."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

from splade_lucene.core.ir_adapters import Passages, as_passages
from splade_lucene.core.notices import notice
from splade_lucene.core.rejects import RejectPolicy
from splade_lucene.errors import InputError
from splade_lucene.pipeline.passage_encoder import EncodingSettings, PassageEncoder, ShardEncoder, Task
from splade_lucene.pipeline.pool import ModelSpec, WorkerPool
from splade_lucene.pipeline.progress import Advance
from splade_lucene.pipeline.split import split_passages
from splade_lucene.records import Passage
from splade_lucene.vectors.manifest import Manifest
from splade_lucene.vectors.parts import Part, recorded_kernels
from splade_lucene.vectors.writer import VectorWriter, exclusive

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel

# From there on bf16 is worth a line on stderr.
_WORTH_SAYING = 1.5

__all__ = ["EncodingOptions", "EncodingSettings", "ModelSpec", "encode_collection"]


class EncodingOptions(TypedDict, total=False):
    """The fields of :class:`EncodingSettings`, as keyword arguments."""

    max_length: int | None
    query_max_length: int | None
    scale: float
    top_k: int | None
    min_weight: float | None
    bits: int | None
    store_contents: bool
    shard_size: int
    split_words: int | None
    overlap: int
    max_ratio: float | None
    alpha_mass: float | None


def encode_collection(
    passages: Passages,
    vectors: Path | str,
    model: SpladeModel | ModelSpec | str,
    *,
    settings: EncodingSettings | None = None,
    workers: int = 1,
    part: Part | None = None,
    overwrite: bool = False,
    bad: RejectPolicy | None = None,
    advance: Advance = lambda count: None,
    skip: Advance | None = None,
    **options: Unpack[EncodingOptions],
) -> Manifest:
    """Encodes a collection into a folder of impact vectors.

    Shards that an interrupted run of the same call finished are kept; a passage that quantizes to nothing is written as an empty
    vector and counted. The files are the same whatever the number of threads and workers, and another number can resume a run.

    Args:
        passages: the collection, streamed: our records, documents of ir_datasets, or one of its data sets.
        vectors: the folder to write.
        model: the encoder: loaded, or what to load.
        settings: how passages become vectors.
        workers: the number of processes that encode; with 1 it is this one. They share the processors evenly, and where there are
            several GPUs each uses another one. More than one need a model that is not loaded yet.
        part: make only every ``part.of``-th shard; the other parts are made by other calls, at the same time or later.
        overwrite: replace what is in ``vectors``, or the shards of the part.
        bad: which lines the reader of ``passages`` may reject; ``rejected.jsonl`` in ``vectors`` lists them.
        advance: told of each finished group of passages.
        skip: told of passages that were finished before; ``advance`` if None.
        options: fields of ``settings`` by their names, which win over ``settings``.

    Returns:
        The manifest of the complete folder, or of the part.

    Raises:
        InputError: ``passages`` is empty or malformed, ``vectors`` holds something else or another process is writing it.
        ModelError: the model cannot be loaded, or a length is more than it can read.
        SpladeLuceneError: a worker failed or was killed; what was finished before is kept.
    """
    folder, settings = Path(vectors), (settings or EncodingSettings())._replace(**options)
    stream = passages_to_encode(passages, folder, settings)
    with exclusive(folder, part), _shard_encoder(model, settings, folder, workers, overwrite) as encoder:
        writer = VectorWriter(folder, encoder=encoder.encoder, settings=encoder.settings, part=part, overwrite=overwrite)
        encoder.encode(needed_shards(stream, writer, settings.shard_size, skip or advance), folder, writer.record, advance)
        return writer.finish(bad.rejected if bad else ())


@contextmanager
def _shard_encoder(
    model: SpladeModel | ModelSpec | str, settings: EncodingSettings, folder: Path, workers: int, overwrite: bool
) -> Iterator[ShardEncoder]:
    """A model with the arithmetic that the vectors which are there were made with, so that a run can be resumed on another machine."""
    spec = ModelSpec(model) if isinstance(model, str) else model
    kernels = None if overwrite else recorded_kernels(folder)
    if not isinstance(spec, ModelSpec):
        if workers > 1:
            raise ValueError("a loaded model encodes in this process; for several workers give the name of the model")
        yield PassageEncoder(spec if kernels is None else spec.with_kernels(kernels), settings)
        return
    spec = spec if kernels is None else spec._replace(kernels=kernels)
    if workers > 1:
        with WorkerPool(spec, settings, workers) as pool:
            yield pool
        return
    from splade_lucene.encoding.model import SpladeModel

    loaded = SpladeModel.load(**spec._asdict())
    yield PassageEncoder(loaded, settings)
    # After the work, so that a failure is one sentence.
    if spec.precision == "auto" and (gain := loaded.bf16_gain()) >= _WORTH_SAYING:
        notice(
            f"this processor multiplies matrices {gain:.1f} times as fast in bf16: --precision bf16 encodes faster and changes nDCG@10 "
            "by at most .002"
        )


def passages_to_encode(passages: Passages, folder: Path, settings: EncodingSettings) -> Iterator[Passage]:
    """The passages of a collection, split as the settings say.

    The first is read already: a collection that is broken from its first line fails before anything is written.

    Raises:
        InputError: there are none.
    """
    stream = as_passages(passages)
    first = next(stream, None)
    if first is None:
        raise InputError(folder, "there are no passages to encode")
    documents = chain([first], stream)
    return documents if settings.split_words is None else split_passages(documents, settings.split_words, settings.overlap)


def needed_shards(passages: Iterator[Passage], writer: VectorWriter, size: int, skip: Advance) -> Iterator[Task]:
    """Deals a collection into shards and yields those that the writer still needs; ``skip`` is told of those that it has."""
    number = 0
    while shard := list(islice(passages, size)):
        needed = writer.needs(shard)
        if needed is not None:
            yield needed, shard
        elif writer.part.has(number):
            skip(len(shard))
        number += 1
