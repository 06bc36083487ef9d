"""Runs Anserini's ``IndexCollection`` in this process and counts what it indexed, whatever its exit status."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from splade_lucene.errors import JavaError
from splade_lucene.lucene import jvm
from splade_lucene.lucene.java import java_class

# Megabytes of postings that Lucene holds before it writes a segment: an eighth of the default heap.
_MEMORY_BUFFER = 256
_POLL_SECONDS = 0.2


class Counts(NamedTuple):
    """What Anserini counted.

    Attributes:
        indexed: documents added to the index.
        empty: documents without text.
        other: documents skipped, not indexable or in error.
    """

    indexed: int
    empty: int
    other: int


def index_collection(
    *,
    collection: str,
    input: Path,
    index: Path,
    threads: int,
    fields: Sequence[str] = (),
    impact: bool = False,
    options: Sequence[str] = (),
    store_raw: bool = False,
    optimize: bool = True,
    advance: Callable[[int], None] = lambda count: None,
) -> Counts:
    """Builds a Lucene index from a folder of files.

    Args:
        collection: Anserini's collection class: ``JsonVectorCollection``, ``BeirFlatCollection``, ``BeirMultifieldCollection``.
        input: the folder.
        index: the folder to write.
        threads: each indexes one file at a time.
        fields: fields of the collection class to index besides ``contents``.
        impact: terms are given, with their frequencies as impacts (``-impact -pretokenized``).
        options: more arguments, of the analyzer.
        store_raw: store each line of the input as the field ``raw``.
        optimize: merge all segments into one.
        advance: told the number of documents added since the last call.

    Returns:
        Anserini's counts.

    Raises:
        JavaError: Anserini failed.
    """
    required = {
        "-collection": collection,
        "-generator": "DefaultLuceneDocumentGenerator",
        "-input": str(input.absolute()),
        "-index": str(index.absolute()),
        "-threads": str(threads),
        "-memoryBuffer": str(_MEMORY_BUFFER),
    }
    arguments = [*(word for option in required.items() for word in option), "-quiet", *options]
    if optimize:
        arguments.append("-optimize")
    if impact:
        arguments += ["-impact", "-pretokenized"]
    if store_raw:
        arguments.append("-storeRaw")
    if fields:
        arguments += ["-fields", *fields]
    args = java_class("IndexCollectionArgs")()
    java_class("CmdLineParser")(args).parseArgument(*arguments)
    failures: list[Exception] = []
    java_exception = jvm.jnius().JavaException
    try:
        indexer = java_class("IndexCollection")(args)
    except java_exception as error:
        raise JavaError(f"Anserini refused to index {input}: {jvm.reason(error)}") from None

    # What it would print of an exception on stdout is no sentence; what went wrong is found out by counting.
    off = java_class("Level").OFF
    java_class("Configurator").setRootLevel(off)

    def run() -> None:
        try:
            indexer.run()
        except java_exception as error:
            failures.append(error)

    # A daemon, so that Ctrl-C in this thread ends the process instead of waiting for the index.
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    said = 0
    while thread.is_alive():
        thread.join(_POLL_SECONDS)
        try:
            added = indexer.writer.getDocStats().numDocs
        except java_exception:
            continue  # the writer was closed between the two calls: the end is near
        advance(added - said)
        said = added
    if failures:
        raise JavaError(f"Anserini failed to index {input}: {jvm.reason(failures[0])}{jvm.advice(failures[0])}")
    counters = indexer.getCounters()
    counts = Counts(
        counters.indexed.get(), counters.empty.get(), counters.skipped.get() + counters.unindexable.get() + counters.errors.get()
    )
    advance(counts.indexed - said)
    return counts
