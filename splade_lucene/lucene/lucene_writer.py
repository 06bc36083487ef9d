"""Writes impact vectors into a Lucene index with term frequencies set directly: no repeated tokens, one pass, all of it in Java."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from splade_lucene.errors import JavaError
from splade_lucene.lucene import jvm
from splade_lucene.lucene.entry import call
from splade_lucene.lucene.filters import FilterKind, filter_words
from splade_lucene.lucene.java import java_class, postings_of, upcast
from splade_lucene.lucene.threads import check_threads, run_in_threads

# Documents per call into Java, and between two reports of progress.
_BLOCK = 1000
# Megabytes of postings that Lucene holds before it writes a segment: an eighth of the default heap.
_MEMORY_BUFFER = 256.0
# What ImpactDocuments throws at a line of another form.
_OTHER_FORM = "java.util.InputMismatchException"


class OtherFormError(Exception):
    """A line of a vector file is not of the form that is read in Java."""


@contextmanager
def impact_writer(folder: Path) -> Iterator[Any]:
    """Opens Lucene's ``IndexWriter`` on an impact index, new or existing; commits when the block succeeds.

    Raises:
        JavaError: Lucene failed in the block.
    """
    java_exception = jvm.jnius().JavaException
    try:
        writer = _open(folder)
        try:
            yield writer
            writer.commit()
        except BaseException:
            writer.rollback()
            raise
        writer.close()
    except java_exception as error:
        remedy = "give Java more memory with --java-heap" if "OutOfMemoryError" in str(error) else "is the disk full or read-only?"
        raise JavaError(f"Lucene failed to write {folder} ({jvm.reason(error)}); {remedy}") from None


def add_impacts(
    writer: Any,
    files: Sequence[Path],
    *,
    threads: int = 1,
    checked: bool = False,
    store_contents: bool = False,
    filter_fields: Mapping[str, FilterKind] = MappingProxyType({}),
    advance: Callable[[int], None] = lambda count: None,
) -> None:
    """Adds vectors to an index. The fields are Anserini's: ``id`` and ``contents``, and ``raw`` with the text if asked for.

    The lines are read in Java (``classes/splade_lucene/ImpactDocuments.java``), which checks what
    :func:`~splade_lucene.vectors.reader.read_vectors` does, but that no id and no token of a line comes twice.

    Args:
        writer: from :func:`impact_writer`.
        files: of vectors, each to be read once.
        threads: each takes a part of the files; with one, documents keep their order.
        checked: ids and tokens are known to be good.
        store_contents: store the text of each passage, with its other fields.
        filter_fields: fields to filter by, with their kinds.
        advance: told the number of documents added since the last call, by one thread at a time.

    Raises:
        ValueError: ``threads`` is not positive.
        OtherFormError: a line, good or bad, is not as ``encode`` writes it.
    """
    check_threads(threads)
    parts = [files[number::threads] for number in range(min(threads, len(files)))]
    filters = filter_words(filter_fields)
    iterators = [_read(part, checked=checked, store_contents=store_contents, filters=filters) for part in parts]
    reporting, stopped = threading.Lock(), threading.Event()
    before = writer.getPendingNumDocs()

    def report() -> None:
        nonlocal before
        with reporting:
            after = writer.getPendingNumDocs()
            advance(after - before)
            before = after

    def work(documents: Any) -> None:
        while not stopped.is_set() and call("add documents", documents=documents, writer=writer, most=_BLOCK):
            report()
        report()

    try:
        run_in_threads([partial(work, documents) for documents in iterators], stopped.set)
    except jvm.jnius().JavaException as error:
        if error.classname == _OTHER_FORM:
            raise OtherFormError from None
        raise


def _read(files: Sequence[Path], *, checked: bool, store_contents: bool, filters: str) -> Any:
    """A Java iterator over the documents of files."""
    paths = "\0".join(str(file.absolute()) for file in files)
    return call("read documents", files=paths, checked=checked, contents=store_contents, filters=filters)


def count_postings(writer: Any) -> int:
    """The number of (term, document) pairs in an index that is being written; what is not on disk yet is written first."""
    reader = java_class("DirectoryReader").open(writer)
    try:
        return postings_of(reader, ["contents"])
    finally:
        reader.close()


def delete_documents(writer: Any, doc_ids: Iterable[str]) -> None:
    """Deletes documents, and writes the segments that held them again: what Lucene counts is then what is left."""
    for doc_id in doc_ids:
        term = java_class("Term")("id", doc_id)
        query = upcast("Query", java_class("TermQuery")(term))
        writer.deleteDocuments(query)
    writer.forceMergeDeletes()


def merge(writer: Any) -> None:
    """Merges all segments into one, without the documents that were deleted."""
    writer.forceMerge(1)


def _open(folder: Path) -> Any:
    config = java_class("IndexWriterConfig")()
    similarity, merges = upcast("Similarity", java_class("ImpactSimilarity")()), upcast("MergePolicy", java_class("LogDocMergePolicy")())
    config.setSimilarity(similarity)
    config.setRAMBufferSizeMB(_MEMORY_BUFFER)
    config.setUseCompoundFile(False)
    # Merges neighbours only, so documents keep the order in which they were added.
    config.setMergePolicy(merges)
    path = java_class("Paths").get(str(folder.absolute()))
    directory = java_class("FSDirectory").open(path)
    return java_class("IndexWriter")(upcast("Directory", directory), config)
