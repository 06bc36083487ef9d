"""Writes impact vectors into a Lucene index with term frequencies set directly: no repeated tokens, one pass."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from splade_lucene.errors import JavaError
from splade_lucene.lucene import jvm
from splade_lucene.lucene.impact_stream import DELIMITER, Posted
from splade_lucene.lucene.java import java_class, upcast

# A token of 255 characters, the delimiter and the impact must fit.
_MAX_TERM_LENGTH = 1024
# Documents between two reports of progress.
_ADVANCE = 256
# Megabytes of postings that Lucene holds before it writes a segment: an eighth of the default heap.
_MEMORY_BUFFER = 256.0


def write_impacts(
    folder: Path,
    vectors: Iterable[Posted],
    *,
    store_contents: bool = False,
    advance: Callable[[int], None] = lambda count: None,
) -> None:
    """Makes an index of impact vectors.

    Lucene's document numbers follow the order of the vectors. The fields are Anserini's: ``id`` and ``contents``, and ``raw`` with
    the text if asked for; the index is one segment.

    Args:
        folder: where the index shall be.
        vectors: the vectors, streamed.
        store_contents: store the text of each passage.
        advance: told the number of documents added since the last call.

    Raises:
        JavaError: Lucene failed.
    """
    java_exception = jvm.jnius().JavaException
    try:
        writer = _open(folder)
        try:
            document = _ReusedDocument(writer, store_contents)
            number = 0
            for number, posted in enumerate(vectors, start=1):
                document.add(posted)
                if number % _ADVANCE == 0:
                    advance(_ADVANCE)
            advance(number % _ADVANCE)
            writer.forceMerge(1)
            writer.commit()
        finally:
            writer.close()
    except java_exception as error:
        remedy = "give Java more memory with --java-heap" if "OutOfMemoryError" in str(error) else "is the disk full or read-only?"
        raise JavaError(f"Lucene failed to write {folder} ({jvm.reason(error)}); {remedy}") from None


def _open(folder: Path) -> Any:
    config = java_class("IndexWriterConfig")()
    similarity, merges = upcast("Similarity", java_class("ImpactSimilarity")()), upcast("MergePolicy", java_class("LogDocMergePolicy")())
    mode = java_class("IndexWriterConfigOpenMode").CREATE
    config.setSimilarity(similarity)
    config.setRAMBufferSizeMB(_MEMORY_BUFFER)
    config.setUseCompoundFile(False)
    config.setOpenMode(mode)
    # Merges neighbours only, so documents keep the order in which they were added.
    config.setMergePolicy(merges)
    path = java_class("Paths").get(str(folder))
    directory = java_class("FSDirectory").open(path)
    return java_class("IndexWriter")(upcast("Directory", directory), config)


class _ReusedDocument:
    """One Lucene document whose fields get new values for each vector: making Java objects is what costs from Python."""

    def __init__(self, writer: Any, store_contents: bool) -> None:
        self._writer = writer
        self._reader, self._bytes = java_class("StringReader"), java_class("BytesRef")
        self._tokenizer = java_class("WhitespaceTokenizer")(_MAX_TERM_LENGTH)
        tokens = java_class("DelimitedTermFrequencyTokenFilter")(upcast("TokenStream", self._tokenizer), DELIMITER)
        kind = java_class("FieldType")()
        options = java_class("IndexOptions").DOCS_AND_FREQS
        kind.setIndexOptions(options)
        kind.setTokenized(True)
        kind.setOmitNorms(True)
        kind.freeze()
        self._id = java_class("StringField")("id", "", java_class("FieldStore").YES)
        self._docid = java_class("BinaryDocValuesField")("id", self._bytes(b""))
        self._document = java_class("Document")()
        self._raw = java_class("StoredField")("raw", "") if store_contents else None
        contents = java_class("Field")("contents", upcast("TokenStream", tokens), kind)
        for field in (self._id, self._docid, contents, self._raw):
            if field is not None:
                each = upcast("IndexableField", field)
                self._document.add(each)

    def add(self, posted: Posted) -> None:
        docid, text = self._bytes(posted.docid.encode()), upcast("Reader", self._reader(posted.text))
        self._id.setStringValue(posted.docid)
        self._docid.setBytesValue(docid)
        self._tokenizer.setReader(text)
        if self._raw is not None:
            raw = json.dumps({"id": posted.docid, "contents": posted.contents}, ensure_ascii=False)
            self._raw.setStringValue(raw)
        self._writer.addDocument(self._document)
