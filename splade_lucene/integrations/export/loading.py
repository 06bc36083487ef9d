"""Loads the batches of an export into a server: several at the same time, each again until the server has it, resumable after a kill."""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from splade_lucene.core.files import atomic_file
from splade_lucene.core.locks import locked
from splade_lucene.errors import EngineError, InputError
from splade_lucene.integrations.export.engine import FILE, FORMAT

CHECKPOINT, _CHECKPOINT_FORMAT = "loaded.json", "splade_lucene load 1"
CONNECTIONS = 4
# Seconds before a batch is sent again, doubled each time; a server that is busy or away for some minutes is waited for.
_FIRST_PAUSE, _LONGEST_PAUSE, _TRIES = 0.5, 30.0, 12
# A server that was never there is more likely a wrong address.
_FIRST_TRIES = 3


T = TypeVar("T")


class BusyError(Exception):
    """The server did not take a batch, or its answer was lost: it is worth sending again. The message says why."""


class Server(Protocol):
    """An engine's server, through its vendor's client, and one index or collection of it."""

    name: str
    """For messages."""

    def mark(self) -> str | None:
        """What :meth:`create` left in the index; None if there is no such index, an empty string if it has no mark."""

    def create(self, mark: str) -> None:
        """Makes the index, with ``mark`` in it."""

    def delete(self) -> None:
        """Deletes the index."""

    def send(self, batch: Path) -> int:
        """Sends a batch; what is there already is replaced by the same.

        Returns:
            The number of documents.

        Raises:
            BusyError: not all of them were taken, and they may be if they are sent again.
            EngineError: they will not be.
        """

    def count(self) -> int:
        """The number of documents in the index, after what was sent is visible."""

    def close(self) -> None:
        """Closes the connections."""


class _Checkpoint(NamedTuple):
    """What ``loaded.json`` beside an export says.

    Attributes:
        server: where the load went.
        mark: of the index that it made there.
        batches: file name → number of documents, of those that the server has.
    """

    server: str
    mark: str
    batches: Mapping[str, int]


def load_export(
    folder: Path | str,
    server: Server,
    *,
    engine: str,
    overwrite: bool = False,
    connections: int = CONNECTIONS,
    advance: Callable[[int], None] = lambda count: None,
) -> int:
    """Loads an export.

    Each batch is sent until the server has taken all of it, at longer and longer intervals while the server is busy or away, and is
    then noted in ``loaded.json`` in the folder: after an interruption the same call sends what is missing. Documents carry their ids, so
    nothing comes twice.

    Args:
        folder: what the export wrote.
        server: where to.
        engine: the engines that the export may be for, as ``--to`` names them, begin with this.
        overwrite: replace an index of this name, and load everything.
        connections: the number of concurrent batches.
        advance: told the number of documents loaded since the last call.

    Returns:
        The number of documents, counted by the server.

    Raises:
        InputError: ``folder`` is no export for the engine, or another process is loading it.
        EngineError: the index is there and not from an interrupted load of this export, the server refuses a document or cannot be
            reached for minutes, or it holds another number of documents in the end.
    """
    folder = Path(folder)
    record = export_record(folder)
    if record is None or not record["engine"].startswith(engine):
        raise InputError(folder, f"is no complete export --to {engine}")
    batches = sorted(folder.glob(record["batches"]))
    try:
        with locked(folder / CHECKPOINT):
            checkpoint = _begin(folder / CHECKPOINT, server, overwrite=overwrite)
            advance(sum(checkpoint.batches.values()))
            _Loader(folder / CHECKPOINT, checkpoint, server, advance).run(batches, connections)
        held = patiently(server.count, server.name)
    finally:
        server.close()
    if held != record["documents"]:
        raise EngineError(f"{server.name} holds {held:,} documents where {record['documents']:,} were sent; load again with --overwrite")
    return held


def export_record(folder: Path) -> dict[str, Any] | None:
    """What ``export.json`` in a folder says; None if there is none."""
    try:
        record = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        raise InputError(folder / FILE, "is damaged; export again with --overwrite") from None
    return record if isinstance(record, dict) and record.get("format") == FORMAT else None


def _begin(file: Path, server: Server, *, overwrite: bool) -> _Checkpoint:
    before, mark = _read(file), patiently(server.mark, server.name, tries=_FIRST_TRIES)
    if mark is not None and not overwrite:
        if before is not None and before.server == server.name and before.mark == mark:
            return before
        raise EngineError(f"{server.name} is there already; give another --name or --overwrite")
    if mark is not None:
        patiently(server.delete, server.name)
    checkpoint = _Checkpoint(server.name, uuid.uuid4().hex, {})
    _write(file, checkpoint)  # before the index: if it is there, this says whose it is

    def create() -> None:
        if server.mark() != checkpoint.mark:  # an answer may have been lost
            server.create(checkpoint.mark)

    patiently(create, server.name)
    return checkpoint


class _Loader:
    """Sends batches in threads; what the server has is noted as it comes."""

    def __init__(self, file: Path, checkpoint: _Checkpoint, server: Server, advance: Callable[[int], None]) -> None:
        self._file, self._checkpoint, self._server, self._advance = file, checkpoint, server, advance
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._resume_at = 0.0

    def run(self, batches: Sequence[Path], connections: int) -> None:
        """Sends what the checkpoint does not list."""
        missing = [batch for batch in batches if batch.name not in self._checkpoint.batches]
        with ThreadPoolExecutor(connections) as pool:
            running = [pool.submit(self._load, batch) for batch in missing]
            try:
                for each in running:
                    each.result()
            except BaseException:
                self._stopped.set()
                for each in running:
                    each.cancel()
                raise

    def _load(self, batch: Path) -> None:
        reason: BusyError | None = None
        for attempt in range(_TRIES):
            # One thread that was told to wait makes all of them wait.
            if self._stopped.wait(max(0.0, self._resume_at - time.monotonic())):
                return
            try:
                sent = self._server.send(batch)
            except BusyError as error:
                reason = error
                self._resume_at = time.monotonic() + _pause(attempt)
                continue
            with self._lock:
                self._checkpoint = self._checkpoint._replace(batches={**self._checkpoint.batches, batch.name: sent})
                _write(self._file, self._checkpoint)
                self._advance(sent)
            return
        raise EngineError(
            f"{self._server.name} did not take {batch.name} in {_TRIES} tries ({reason}); run the same command again to resume"
        )


def patiently(call: Callable[[], T], name: str, *, tries: int = _TRIES) -> T:
    """What a call returns, once the server is not busy.

    Raises:
        EngineError: it still is after ``tries`` tries.
    """
    reason: BusyError | None = None
    for attempt in range(tries):
        try:
            return call()
        except BusyError as error:
            reason = error
            time.sleep(_pause(attempt))
    raise EngineError(f"{name} cannot be reached ({reason}); check the address, or run the same command again later")


def _pause(attempt: int) -> float:
    longest: float = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt)
    return longest * random.uniform(0.5, 1.0)


def _read(file: Path) -> _Checkpoint | None:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if data.pop("format") != _CHECKPOINT_FORMAT:
            return None
        return _Checkpoint(**data)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise InputError(file, "is damaged; load again with --overwrite") from None


def _write(file: Path, checkpoint: _Checkpoint) -> None:
    with atomic_file(file) as stream:
        json.dump({"format": _CHECKPOINT_FORMAT, **checkpoint._asdict()}, stream, indent=1)
