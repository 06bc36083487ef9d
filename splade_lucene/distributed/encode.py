"""Encoding on Ray: one process reads the collection, writes the shards and keeps the manifest; actors anywhere hold the model."""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from splade_lucene.core.ir_adapters import Passages
from splade_lucene.core.rejects import RejectPolicy
from splade_lucene.distributed.cluster import Cluster, Failure, answer, connected, first_line, shares, wait
from splade_lucene.errors import SpladeLuceneError
from splade_lucene.pipeline.encode import EncodingSettings, ModelSpec, needed_shards, passages_to_encode
from splade_lucene.pipeline.passage_encoder import PassageEncoder
from splade_lucene.pipeline.progress import Advance
from splade_lucene.records import EncoderRecord, Passage, VectorSettings
from splade_lucene.vectors.manifest import SHARDS, Manifest, Shard
from splade_lucene.vectors.parts import recorded_kernels
from splade_lucene.vectors.writer import PendingShard, VectorWriter, exclusive, place_shard

# Shards that a worker has at a time: while it encodes one, the next is on its way.
_AHEAD = 2
# Workers that may die over one shard before it is taken for the reason.
_MOST_DEATHS = 10


class EncodingJob(NamedTuple):
    """What a worker loads and how it encodes, as for :func:`splade_lucene.pipeline.encode.encode_collection`."""

    model: ModelSpec
    settings: EncodingSettings


class MadeBy(NamedTuple):
    """What goes into the manifest of the encoder."""

    encoder: EncoderRecord
    settings: VectorSettings


class Made(NamedTuple):
    """A shard that a worker has encoded, with the bytes of its file."""

    made_by: MadeBy
    shard: Shard
    content: bytes


class EncodingWorker:
    """A worker; Ray starts it again where it or its node dies."""

    def __init__(self, job: EncodingJob) -> None:
        self._job = job
        self._encoder: PassageEncoder | None = None

    def describe(self) -> MadeBy | Failure:
        """Loads the model, if it is not loaded."""
        try:
            encoder = self._loaded()
        except (SpladeLuceneError, OSError) as error:
            return Failure(str(error))
        return MadeBy(encoder.encoder, encoder.settings)

    def encode(self, needed: PendingShard, passages: Sequence[Passage], kernels: str) -> Made | Failure:
        """Encodes a shard, with the kernels of matrix products that all workers use.

        Its bytes go back to the process that keeps the manifest: machines need not share a file system.
        """
        try:
            encoder = self._loaded(kernels)
            shards: list[Shard] = []
            with tempfile.TemporaryDirectory() as folder:
                encoder.encode([(needed, passages)], Path(folder), shards.append, lambda count: None)
                (shard,) = shards
                content = (Path(folder) / SHARDS / shard.file).read_bytes()
        except (SpladeLuceneError, OSError) as error:
            return Failure(str(error))
        return Made(MadeBy(encoder.encoder, encoder.settings), shard, content)

    def _loaded(self, kernels: str | None = None) -> PassageEncoder:
        if self._encoder is None or (kernels is not None and self._encoder.encoder.kernels != kernels):
            from splade_lucene.encoding.model import SpladeModel

            spec = self._job.model if kernels is None else self._job.model._replace(kernels=kernels)
            self._encoder = PassageEncoder(SpladeModel.load(**spec._asdict()), self._job.settings)
        return self._encoder


def encode_on_ray(
    passages: Passages,
    out: Path | str,
    model: ModelSpec | str,
    *,
    cluster: Cluster,
    settings: EncodingSettings | None = None,
    overwrite: bool = False,
    bad: RejectPolicy | None = None,
    advance: Advance = lambda count: None,
    skip: Advance | None = None,
) -> Manifest:
    """Encodes a collection as :func:`splade_lucene.pipeline.encode.encode_collection` does, with workers on a Ray cluster.

    The files are those that one process writes, byte for byte, and an interrupted run can be resumed with or without Ray. A worker that
    dies loses the shards that it has, at most two, which others then encode; it is started again where the cluster has a place for it. The
    folder ``out`` is written by this process alone.

    Args:
        passages: the collection, streamed.
        out: the folder to write.
        model: what every worker loads; the device ``auto`` is a GPU where workers have one.
        cluster: where to work.
        settings: how passages become vectors.
        overwrite: replace what is in ``out``.
        bad: what the reader of ``passages`` was told to skip; ``rejected.jsonl`` in ``out`` lists it.
        advance: told of each finished shard's passages.
        skip: told of passages that were finished before; ``advance`` if None.

    Returns:
        The manifest of the complete folder.

    Raises:
        InputError: as from ``encode_collection``.
        SpladeLuceneError: Ray is not there, workers cannot load the model or differ in it, or die over the same shard again and again.
    """
    out = Path(out)
    settings = settings or EncodingSettings()
    stream = passages_to_encode(passages, out, settings)
    spec, kernels = ModelSpec(model) if isinstance(model, str) else model, None if overwrite else recorded_kernels(out)
    job = EncodingJob(spec if kernels is None else spec._replace(kernels=kernels), settings)
    with exclusive(out), connected(cluster) as ray:
        shared = shares(ray, cluster)
        # Its own tasks are not retried by Ray: they would wait for a node that may never come back, while other workers are free.
        worker = ray.remote(EncodingWorker).options(**shared.options, max_restarts=-1, max_task_retries=0)
        actors = [worker.remote(job) for _ in range(shared.workers)]
        dealer = _Dealer(ray, actors)
        made_by = dealer.first()
        writer = VectorWriter(out, encoder=made_by.encoder, settings=made_by.settings, overwrite=overwrite)
        shards = needed_shards(stream, writer, settings.shard_size, skip or advance)
        for made in dealer.deal(shards, made_by.encoder.kernels):
            if made.made_by != made_by:
                raise SpladeLuceneError("the workers do not agree on the encoder; give --device and --precision instead of auto")
            place_shard(out, made.shard, made.content)
            writer.record(made.shard)
            advance(made.shard.passages)
        return writer.finish(bad.rejected if bad else ())


class _Task(NamedTuple):
    needed: PendingShard
    passages: Sequence[Passage]
    deaths: int = 0


class _Dealer:
    """Deals shards to the workers that are alive and yields what they made, in any order."""

    def __init__(self, ray: Any, workers: Sequence[Any]) -> None:
        self._ray, self._workers = ray, workers
        self._asked: dict[Any, int] = {}  # workers that do not work yet, or not again
        self._alive: set[int] = set()
        self._given: dict[Any, tuple[int, _Task]] = {}
        self._again: deque[_Task] = deque()
        for number in range(len(workers)):
            self._ask(number)

    def first(self) -> MadeBy:
        """Waits until a worker is ready.

        Raises:
            SpladeLuceneError: one cannot load the model.
        """
        made_by = None
        while made_by is None:
            for reference in self._wait():
                made_by = self._join(reference) or made_by
        return made_by

    def deal(self, shards: Iterator[tuple[PendingShard, Sequence[Passage]]], kernels: str) -> Iterator[Made]:
        """Yields each shard once it is made.

        Raises:
            SpladeLuceneError: a worker fails, or several die over one shard.
        """
        tasks = (_Task(needed, passages) for needed, passages in shards)
        while True:
            for worker in sorted(self._alive):
                self._give(worker, tasks, kernels)
            if not self._given and not self._again:
                task = next(tasks, None)
                if task is None:
                    return
                self._again.append(task)
            for reference in self._wait():
                if reference in self._asked:
                    self._join(reference)
                elif (made := self._take(reference)) is not None:
                    yield made

    def _wait(self) -> list[Any]:
        return wait(self._ray, [*self._given, *self._asked], lambda: bool(self._alive))

    def _ask(self, worker: int) -> None:
        # Ray asks again until the worker is there.
        describe = self._workers[worker].describe.options(max_task_retries=-1)
        self._asked[describe.remote()] = worker

    def _join(self, reference: Any) -> MadeBy | None:
        worker = self._asked.pop(reference)
        try:
            made_by: MadeBy = answer(self._ray, reference)
        except self._ray.exceptions.ActorDiedError as error:  # for good: it cannot even start
            if not self._asked and not self._alive:
                raise SpladeLuceneError(f"no worker of Ray can start ({first_line(error)}); is the same version installed there?") from None
            return None
        except self._ray.exceptions.RayError:
            self._ask(worker)
            return None
        self._alive.add(worker)
        return made_by

    def _give(self, worker: int, tasks: Iterator[_Task], kernels: str) -> None:
        while sum(each == worker for each, _ in self._given.values()) < _AHEAD:
            task = self._again.popleft() if self._again else next(tasks, None)
            if task is None:
                return
            self._given[self._workers[worker].encode.remote(task.needed, task.passages, kernels)] = worker, task

    def _take(self, reference: Any) -> Made | None:
        worker, task = self._given.pop(reference)
        try:
            made: Made = answer(self._ray, reference)
        except self._ray.exceptions.RayError as error:
            if task.deaths + 1 == _MOST_DEATHS:
                raise SpladeLuceneError(
                    f"{_MOST_DEATHS} workers died over shard {task.needed.number} ({first_line(error)}); is there too little memory? "
                    "Run the same command again to resume, with fewer workers a node or a smaller --shard-size"
                ) from None
            self._again.append(task._replace(deaths=task.deaths + 1))
            if worker in self._alive:
                self._alive.remove(worker)
                self._ask(worker)
            return None
        return made
