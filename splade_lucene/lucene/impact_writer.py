"""Writes impact vectors into a Lucene index with term frequencies set directly: no repeated tokens, one pass."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from splade_lucene.errors import JavaError
from splade_lucene.lucene import jvm
from splade_lucene.lucene.java import java_class, upcast
from splade_lucene.records import ImpactVector

# Between a token and its impact in the text that Lucene tokenizes; vectors with it in a token are refused when they are read.
_DELIMITER = "\x01"
# A token of 255 characters, the delimiter and the impact must fit.
_MAX_TERM_LENGTH = 1024
# Vectors handed to a thread at a time.
_BATCH = 256
# Megabytes of postings that Lucene holds before it writes a segment: an eighth of the default heap.
_MEMORY_BUFFER = 256.0


def write_impacts(
    folder: Path,
    vectors: Iterable[ImpactVector],
    *,
    store_contents: bool = False,
    advance: Callable[[int], None] = lambda count: None,
) -> None:
    """Makes an index of impact vectors.

    Lucene's document numbers follow the order of the vectors. The fields are Anserini's: ``id`` and ``contents``, and ``raw`` with
    the text if asked for; the index is one segment.

    Args:
        folder: where the index shall be.
        vectors: the vectors, streamed; empty ones are passed over.
        store_contents: store the text of each passage.
        advance: told the number of documents added since the last call.

    Raises:
        JavaError: Lucene failed.
    """
    java_exception = jvm.jnius().JavaException
    try:
        writer = _open(folder)
        try:
            _add_all(writer, vectors, store_contents, advance)
            writer.forceMerge(1)
            writer.commit()
        finally:
            writer.close()
    except java_exception as error:
        remedy = "give Java more memory with --java-heap" if "OutOfMemoryError" in str(error) else "is the disk full or read-only?"
        raise JavaError(f"Lucene failed to write {folder} ({jvm.reason(error)}); {remedy}") from None


def impact_text(vector: Mapping[str, int]) -> str:
    r"""A vector as the text from which Lucene's tokenizer makes terms with frequencies.

    Example:
        >>> impact_text({"glass": 243, "|": 7})
        'glass\x01243 |\x017'
    """
    # The JSON encoder does the work in C; it escapes what could be taken for its quotes, and then the slow way is the safe one.
    dumped = json.dumps(vector, ensure_ascii=False, separators=(" ", _DELIMITER))
    if "\\" not in dumped:
        return dumped[1:-1].replace('"', "")
    return " ".join(f"{token}{_DELIMITER}{impact}" for token, impact in vector.items())


def _open(folder: Path) -> Any:
    config = java_class("IndexWriterConfig")()
    config.setSimilarity(upcast("Similarity", java_class("ImpactSimilarity")()))
    config.setRAMBufferSizeMB(_MEMORY_BUFFER)
    config.setUseCompoundFile(False)
    config.setOpenMode(java_class("IndexWriterConfigOpenMode").CREATE)
    # Merges neighbours only, so documents keep the order in which they were added.
    config.setMergePolicy(upcast("MergePolicy", java_class("LogDocMergePolicy")()))
    directory = java_class("FSDirectory").open(java_class("Paths").get(str(folder)))
    return java_class("IndexWriter")(upcast("Directory", directory), config)


def _add_all(writer: Any, vectors: Iterable[ImpactVector], store_contents: bool, advance: Callable[[int], None]) -> None:
    """This thread reads and formats, another hands over to Lucene, which lets go of Python's lock while it works."""
    batches: queue.Queue[list[_Added] | None] = queue.Queue(maxsize=8)
    failures: list[BaseException] = []

    def add() -> None:
        try:
            document = _ReusedDocument(writer, store_contents)
            while (batch := batches.get()) is not None:
                for added in batch:
                    document.add(added)
        except BaseException as error:
            failures.append(error)
            while batches.get() is not None:  # so that the reader never waits for room
                continue
        finally:
            jvm.jnius().detach()

    adder = threading.Thread(target=add, daemon=True)
    adder.start()
    try:
        stream = (vector for vector in vectors if vector.vector)
        while not failures and (batch := list(islice(stream, _BATCH))):
            batches.put([_Added(vector.id, impact_text(vector.vector), vector.contents) for vector in batch])
            advance(len(batch))
    finally:
        batches.put(None)
        adder.join()
    if failures:
        raise failures[0]


class _Added(NamedTuple):
    docid: str
    text: str
    contents: str | None


class _ReusedDocument:
    """One Lucene document whose fields get new values for each vector: making Java objects is what costs from Python."""

    def __init__(self, writer: Any, store_contents: bool) -> None:
        self._writer = writer
        self._reader, self._bytes = java_class("StringReader"), java_class("BytesRef")
        self._tokenizer = java_class("WhitespaceTokenizer")(_MAX_TERM_LENGTH)
        tokens = java_class("DelimitedTermFrequencyTokenFilter")(upcast("TokenStream", self._tokenizer), _DELIMITER)
        kind = java_class("FieldType")()
        kind.setIndexOptions(java_class("IndexOptions").DOCS_AND_FREQS)
        kind.setTokenized(True)
        kind.setOmitNorms(True)
        kind.freeze()
        self._id = java_class("StringField")("id", "", java_class("FieldStore").YES)
        self._sort = java_class("BinaryDocValuesField")("id", self._bytes(b""))
        self._document = java_class("Document")()
        for field in (self._id, self._sort, java_class("Field")("contents", upcast("TokenStream", tokens), kind)):
            self._document.add(upcast("IndexableField", field))
        self._raw = java_class("StoredField")("raw", "") if store_contents else None
        if self._raw is not None:
            self._document.add(upcast("IndexableField", self._raw))

    def add(self, added: _Added) -> None:
        self._id.setStringValue(added.docid)
        self._sort.setBytesValue(self._bytes(added.docid.encode()))
        self._tokenizer.setReader(upcast("Reader", self._reader(added.text)))
        if self._raw is not None:
            self._raw.setStringValue(json.dumps({"id": added.docid, "contents": added.contents}, ensure_ascii=False))
        self._writer.addDocument(self._document)
