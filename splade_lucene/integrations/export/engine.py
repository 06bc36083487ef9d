"""What the exporter of an engine is, and what several of them share."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from splade_lucene.errors import InputError
from splade_lucene.records import ImpactVector

FILE, FORMAT = "export.json", "splade_lucene export 1"
# What the vector is called in every engine's documents.
FIELD = "splade"


class ExportJob(NamedTuple):
    """What is exported, as far as an engine needs to know.

    Attributes:
        source: the folder of vectors, for messages.
        name: of the collection or index to be made in the engine.
        documents: the number of non-empty vectors that will come.
        scale: impacts are ``round(weight × scale)``.
        model: the name of the encoder.
        hits: how many hits a query asks for.
        vocabulary: gives token → its number in the model's output layer; loads the model.
    """

    source: Path
    name: str
    documents: int
    scale: float
    model: str
    hits: int
    vocabulary: Callable[[], Mapping[str, int]]


class Exporter(ABC):
    """Writes one engine's files.

    Args:
        job: what is exported.

    Attributes:
        remarks: sentences about what the engine cannot hold as it was; filled while documents are written.
    """

    plain_queries: ClassVar[bool] = False
    """Whether queries are vectors, not search requests."""
    batches: ClassVar[str] = ""
    """The files that are loaded one by one, as a pattern; empty where there is no loader of ours."""
    notes: ClassVar[str]
    """How to load the files, and what to beware of; Markdown with the fields of :class:`ExportJob` and :attr:`facts` in braces."""

    def __init__(self, job: ExportJob) -> None:
        self.job = job
        self.remarks: list[str] = []

    @abstractmethod
    def write_documents(self, folder: Path, vectors: Iterator[ImpactVector]) -> Mapping[str, Any]:
        """Writes the files of a bulk load, streaming.

        Args:
            folder: where to.
            vectors: the vectors that are not empty, in their order.

        Returns:
            What was written, in numbers, for ``export.json`` and the notes.
        """

    @abstractmethod
    def query(self, impacts: Mapping[str, int]) -> Mapping[str, Any]:
        """The engine's search request for an encoded query."""


def write_batches(
    folder: Path,
    name: str,
    records: Iterable[str],
    *,
    most_records: int,
    most_bytes: int,
    frame: tuple[str, str, str] = ("", "\n", "\n"),
) -> int:
    """Writes records into files that each make one request.

    Args:
        folder: where to; made if it is not there.
        name: of the files, with ``{}`` for their number.
        records: the records, each as text.
        most_records: in one file.
        most_bytes: of one file; a file has at least one record.
        frame: what stands before the first record, between two and after the last.

    Returns:
        The number of files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    head, between, tail = frame
    overhead = len(head) + len(tail)
    batch: list[str] = []
    files = size = 0

    def write() -> None:
        (folder / name.format(f"{files:05d}")).write_text(head + between.join(batch) + tail, encoding="utf-8")

    for record in records:
        length = len(record.encode()) + len(between)
        if batch and (len(batch) == most_records or overhead + size + length > most_bytes):
            write()
            files += 1
            batch, size = [], 0
        batch.append(record)
        size += length
    if batch:
        write()
        files += 1
    return files


def compact(value: Any) -> str:
    """JSON in one line without blanks."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def write_json(file: Path, value: Any) -> None:
    """JSON for people to read."""
    file.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def check_id(doc_id: str, most_bytes: int, engine: str, source: Path, *, ascii_only: bool = False) -> None:
    """Refuses an id that an engine cannot hold.

    Raises:
        InputError: it has too many bytes, or characters that are not ASCII where the engine takes no others.
    """
    if ascii_only and not doc_id.isascii():
        raise InputError(source, f"the id {doc_id[:40]!r} is not ASCII, which {engine} requires of ids; rename it and encode again")
    if len(doc_id.encode()) > most_bytes:
        raise InputError(
            source, f"the id {doc_id[:40]!r}… has more than the {most_bytes} bytes that {engine} allows; shorten it and encode again"
        )


def sparse(impacts: Mapping[str, int], vocabulary: Mapping[str, int]) -> dict[str, list[int]]:
    """A vector as the two lists that vector stores take: the tokens' numbers, rising, and the impacts."""
    pairs = sorted((vocabulary[token], impact) for token, impact in impacts.items())
    return {"indices": [number for number, _ in pairs], "values": [impact for _, impact in pairs]}
