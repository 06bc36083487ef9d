"""Encoding from a model's name, in one process or in several: then this one reads the collection and keeps the manifest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from splade_lucene.core.ir_adapters import Passages
from splade_lucene.core.rejects import RejectPolicy
from splade_lucene.errors import SpladeLuceneError
from splade_lucene.pipeline.encode import Settings, encode_collection, needed_shards, not_empty, split
from splade_lucene.pipeline.progress import Advance
from splade_lucene.records import Passage
from splade_lucene.vectors.manifest import Manifest, Shard
from splade_lucene.vectors.parts import Part
from splade_lucene.vectors.writer import Needed, VectorWriter, alone

# Shards that a worker has at a time: while it encodes one, the next is waiting for it.
_AHEAD = 2
# Read by OpenMP, MKL and the tokenizers' thread pool.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")

Task = tuple[Needed, Sequence[Passage]]


def encode(
    passages: Passages,
    out: Path | str,
    model: str,
    *,
    workers: int = 1,
    revision: str | None = None,
    device: str = "auto",
    precision: str = "auto",
    settings: Settings | None = None,
    part: Part | None = None,
    overwrite: bool = False,
    bad: RejectPolicy | None = None,
    advance: Advance = lambda count: None,
    skip: Advance | None = None,
) -> Manifest:
    """Loads a model and encodes a collection, as :func:`splade_lucene.pipeline.encode.encode_collection` does, in several processes.

    They share the cores of the machine evenly, and where there are several GPUs each uses another one. The files are the same
    whatever the number of workers, and an interrupted run can be gone on with by another number.

    Args:
        passages: the collection, streamed.
        out: the folder to write.
        model: as for :meth:`SpladeModel.load`; likewise ``revision``, ``device`` and ``precision``.
        workers: how many processes encode; with 1 it is this one.
        revision: branch, tag or commit on the hub.
        device: ``auto`` or ``cuda`` for one GPU after the other, or one device for all.
        precision: of the model's arithmetic.
        settings: how passages become vectors.
        part: make only every ``part.of``-th shard.
        overwrite: throw away what is in ``out``, or what there is of the part.
        bad: what the reader of ``passages`` was told to go on past; ``rejected.jsonl`` in ``out`` lists it.
        advance: told of each finished group of passages.
        skip: told of passages that were finished before; ``advance`` if None.

    Returns:
        The manifest of the complete folder, or of the part.

    Raises:
        InputError: as from ``encode_collection``.
        SpladeLuceneError: a worker failed or was killed; what was finished before is kept.
    """
    out = Path(out)
    settings = settings or Settings()
    stream = not_empty(passages, out)
    if workers == 1:
        from splade_lucene.encoding.model import SpladeModel

        loaded = SpladeModel.load(model, revision=revision, device=device, precision=precision)
        return encode_collection(
            stream, out, loaded, **settings._asdict(), part=part, overwrite=overwrite, bad=bad, advance=advance, skip=skip
        )
    job: dict[str, Any] = {"model": model, "revision": revision, "device": device, "precision": precision}
    job |= {"out": str(out), "settings": settings._asdict()}
    with alone(out, part), ExitStack() as stack:
        pool = [stack.enter_context(_Worker({**job, "number": number}, workers)) for number in range(workers)]
        made_by = [worker.receive() for worker in pool]
        if any(each != made_by[0] for each in made_by):
            raise SpladeLuceneError("the workers do not agree on the encoder; give --device and --precision instead of auto")
        writer = VectorWriter(out, encoder=made_by[0]["encoder"], settings=made_by[0]["settings"], part=part, overwrite=overwrite)
        shards = needed_shards(split(stream, settings), writer, settings.shard_size, skip or advance)
        _Dealer(shards, writer, advance).run(pool)
        return writer.finish(bad.rejected if bad else ())


class _Worker:
    """A process that encodes shards; it ends with the block, and with this process."""

    def __init__(self, job: Mapping[str, Any], workers: int) -> None:
        self._name = f"worker {job['number'] + 1} of {workers}"
        threads = str(max(1, _cores() // workers))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "splade_lucene.pipeline.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict.fromkeys(_THREADS, threads) | os.environ,
            process_group=0,  # Ctrl-C is for this process, which then ends the workers
        )
        self.send(job)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            try:
                stream.close()
            except BrokenPipeError:  # it had not read all that was sent
                continue

    def kill(self) -> None:
        """Ends the process at once; all that matters of its work was recorded."""
        self._process.kill()

    def send(self, message: Mapping[str, Any]) -> None:
        """Sends a message; a process that has ended will be noticed by :meth:`receive`."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return

    def receive(self) -> dict[str, Any]:
        """The next answer.

        Raises:
            SpladeLuceneError: the worker says that it failed, or it ended.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            status = self._process.wait()
            how = f"was killed by signal {-status} (out of memory?)" if status < 0 else f"ended with status {status}"
            raise SpladeLuceneError(f"{self._name} {how}; run the same command again to go on, with fewer --workers if memory is short")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise SpladeLuceneError(answer["error"])
        return answer


class _Dealer:
    """Deals shards to workers and records what they finish; one thread a worker waits for its answers."""

    def __init__(self, shards: Iterator[Task], writer: VectorWriter, advance: Advance) -> None:
        self._shards, self._writer, self._advance = shards, writer, advance
        self._lock = threading.Lock()  # of all three
        self._stopped = False

    def run(self, workers: Sequence[_Worker]) -> None:
        with ThreadPoolExecutor(len(workers)) as threads:
            try:
                for future in as_completed([threads.submit(self._drive, worker) for worker in workers]):
                    future.result()
            except BaseException:
                self._stopped = True
                for worker in workers:
                    worker.kill()
                raise

    def _drive(self, worker: _Worker) -> None:
        waiting: deque[Needed] = deque()
        while True:
            while len(waiting) < _AHEAD and (task := self._next()) is not None:
                needed, passages = task
                worker.send({"needed": needed, "passages": passages})
                waiting.append(needed)
            if not waiting:
                return
            answer = worker.receive()
            with self._lock:
                if self._stopped:  # nothing is recorded once the caller is told of an error
                    return
                self._stopped = True  # unless this goes well
                if "done" in answer:
                    self._advance(answer["done"])
                else:
                    self._writer.record(Shard(**answer["shard"]))
                    waiting.popleft()
                self._stopped = False

    def _next(self) -> Task | None:
        with self._lock:
            return None if self._stopped else next(self._shards, None)


def _cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
