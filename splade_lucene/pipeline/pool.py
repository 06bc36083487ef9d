"""Several processes that encode for this one, which reads the collection and keeps the manifest."""

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
from typing import Any, NamedTuple, Self

from splade_lucene.core.processors import usable_processors
from splade_lucene.errors import SpladeLuceneError
from splade_lucene.pipeline.passage_encoder import EncodingSettings, Record, Task
from splade_lucene.pipeline.progress import Advance
from splade_lucene.records import EncoderRecord, VectorSettings
from splade_lucene.vectors.manifest import Shard
from splade_lucene.vectors.writer import PendingShard

# Shards that a worker has at a time: while it encodes one, the next is waiting for it.
_AHEAD = 2
# Read by OpenMP, MKL and the tokenizers' thread pool.
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


class ModelSpec(NamedTuple):
    """A model that is to be loaded: the arguments of :meth:`SpladeModel.load`.

    Attributes:
        name: ``tiny``, a folder, or a hub id.
        revision: branch, tag or commit on the hub.
        device: ``auto``, or what torch calls it; with several workers ``auto`` and ``cuda`` give each another GPU.
        precision: of the arithmetic.
        kernels: of matrix products.
        query_model: another model for queries, or ``idf``.
        query_revision: branch, tag or commit of ``query_model``.
        subfolder: of the folder or repository that holds the model.
        token: for private and gated repositories.
    """

    name: str
    revision: str | None = None
    device: str = "auto"
    precision: str = "auto"
    kernels: str = "auto"
    query_model: str | None = None
    query_revision: str | None = None
    subfolder: str = ""
    token: str | None = None


class WorkerPool:
    """Processes that encode, in a ``with`` block; all end with it.

    Args:
        model: what each of them loads.
        settings: how passages become vectors.
        workers: the number of processes.

    Attributes:
        encoder: the record of the encoder, for the manifest.
        settings: how passages are encoded, for the manifest.

    Raises:
        SpladeLuceneError: a worker failed, or was killed.
    """

    encoder: EncoderRecord
    settings: VectorSettings

    def __init__(self, model: ModelSpec, settings: EncodingSettings, workers: int) -> None:
        self._job: dict[str, Any] = {"model": model._asdict(), "settings": settings._asdict()}
        self._number, self._stack = workers, ExitStack()
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._workers = [self._start(stack, number) for number in range(self._number)]
            made_by = [worker.receive() for worker in self._workers]
            kernels = made_by[0]["encoder"]["kernels"]
            for number, found in enumerate(made_by):
                if found["encoder"]["kernels"] != kernels:  # each measured which are faster, and they are about equally fast
                    self._workers[number].kill()
                    self._job["model"]["kernels"] = kernels
                    self._workers[number] = self._start(stack, number)
                    made_by[number] = self._workers[number].receive()
            if any(each != made_by[0] for each in made_by):
                raise SpladeLuceneError("the workers do not agree on the encoder; give --device and --precision instead of auto")
            self.encoder, self.settings = EncoderRecord.from_json(made_by[0]["encoder"]), VectorSettings(**made_by[0]["settings"])
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def encode(self, tasks: Iterator[Task], folder: Path, record: Record, advance: Advance) -> None:
        """Writes shards, as the workers are ready for them."""
        _Dealer(tasks, folder, record, advance).run(self._workers)

    def _start(self, stack: ExitStack, number: int) -> _Worker:
        return stack.enter_context(_Worker({**self._job, "number": number}, self._number))


class _Worker:
    """A process that encodes shards; it ends with the block, and with this process."""

    def __init__(self, job: Mapping[str, Any], workers: int) -> None:
        self._name = f"worker {job['number'] + 1} of {workers}"
        threads = str(max(1, usable_processors() // workers))
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
            raise SpladeLuceneError(f"{self._name} {how}; run the same command again to resume, with fewer --workers if memory is short")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise SpladeLuceneError(answer["error"])
        return answer


class _Dealer:
    """Deals shards to workers and records what they finish; one thread per worker waits for its answers."""

    def __init__(self, shards: Iterator[Task], folder: Path, record: Record, advance: Advance) -> None:
        self._shards, self._folder, self._record, self._advance = shards, folder, record, advance
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
        waiting: deque[PendingShard] = deque()
        while True:
            while len(waiting) < _AHEAD and (task := self._next()) is not None:
                needed, passages = task
                worker.send({"folder": str(self._folder), "needed": needed, "passages": passages})
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
                    self._record(Shard(**answer["shard"]))
                    waiting.popleft()
                self._stopped = False

    def _next(self) -> Task | None:
        with self._lock:
            return None if self._stopped else next(self._shards, None)
