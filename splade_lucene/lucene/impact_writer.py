"""Writes impact vectors into a Lucene index with term frequencies set directly: no repeated tokens, one pass, all of it in Java."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from splade_lucene.errors import JavaError
from splade_lucene.lucene import jvm
from splade_lucene.lucene.functions import all_of, always, as_interface, chain, constructor, element, method, with_second
from splade_lucene.lucene.impact_text import DELIMITER
from splade_lucene.lucene.java import java_class, java_type, upcast

# A token of 255 characters, the delimiter and the impact must fit.
_MAX_TERM_LENGTH = 1024
# Documents that are handed to Lucene at a time, and between two reports of progress.
_BLOCK = 1000
# Megabytes of postings that Lucene holds before it writes a segment: an eighth of the default heap.
_MEMORY_BUFFER = 256.0


@contextmanager
def impact_writer(folder: Path) -> Iterator[Any]:
    """Opens Lucene's ``IndexWriter`` on an impact index, new or there already; commits at the end of a block that ends well.

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


def add_impacts(writer: Any, lines: Path, *, store_contents: bool = False, advance: Callable[[int], None] = lambda count: None) -> None:
    """Adds vectors to an index. The fields are Anserini's: ``id`` and ``contents``, and ``raw`` with the text if asked for.

    Args:
        writer: from :func:`impact_writer`.
        lines: the vectors, as :func:`~splade_lucene.lucene.impact_stream.impact_stream` writes them.
        store_contents: store the text of each passage.
        advance: told the number of documents added since the last call.
    """
    path = java_class("Paths").get(str(lines.absolute()))
    reader = java_class("Files").newBufferedReader(path)
    try:
        lines_left, to_document = upcast("Iterator", reader.lines().iterator()), _to_document(store_contents)
        # Not the stream's own map: it works ahead, while Lucene is still reading the fields of the document before.
        documents = upcast("Iterator", java_class("Iterators").transform(lines_left, to_document))
        before = writer.getPendingNumDocs()
        while documents.hasNext():
            block = java_class("Iterators").limit(documents, _BLOCK)
            constant = java_class("MethodHandles").constant(java_type("Iterator"), block)
            iterable = as_interface("Iterable", constant)
            writer.addDocuments(iterable)
            after = writer.getPendingNumDocs()
            advance(after - before)
            before = after
    finally:
        reader.close()


def delete_documents(writer: Any, docids: Iterable[str]) -> None:
    """Deletes documents, and writes the segments that held them again: no document number is left without a document."""
    for docid in docids:
        term = java_class("Term")("id", docid)
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


def _to_document(store_contents: bool) -> Any:
    r"""A Java function from a line to a Lucene document: always the same one, whose fields get new values.

    In Java it would read::

        line -> { var parts = line.split("\t"); id.setStringValue(parts[0]); docid.setBytesValue(new BytesRef(parts[0]));
                  tokenizer.setReader(new StringReader(parts[1])); raw.setStringValue(parts[2]); return document; }
    """
    field = java_class("Field")
    tokenizer = java_class("WhitespaceTokenizer")(_MAX_TERM_LENGTH)
    tokens = java_class("DelimitedTermFrequencyTokenFilter")(upcast("TokenStream", tokenizer), DELIMITER)
    kind = java_class("FieldType")()
    options = java_class("IndexOptions").DOCS_AND_FREQS
    kind.setIndexOptions(options)
    kind.setTokenized(True)
    kind.setOmitNorms(True)
    kind.freeze()
    empty = java_class("BytesRef")(b"")
    docid = java_class("StringField")("id", "", java_class("FieldStore").YES)
    values = java_class("BinaryDocValuesField")("id", empty)
    contents = field("contents", upcast("TokenStream", tokens), kind)
    raw = java_class("StoredField")("raw", "")
    document = java_class("Document")()
    for part in (docid, values, contents, *([raw] if store_contents else [])):
        member = upcast("IndexableField", part)
        document.add(member)

    split = with_second(method("String", "split", "String[]", "String"), java_class("String")("\t"))
    the_id, the_text, the_raw = (element("String[]", index) for index in range(3))
    set_string, set_bytes = method("Field", "setStringValue", "void", "String"), method("Field", "setBytesValue", "void", "BytesRef")
    set_reader = method("Tokenizer", "setReader", "void", "Reader").bindTo(tokenizer)
    actions = [
        chain(the_id, set_string.bindTo(docid)),
        chain(the_id, constructor("BytesRef", "CharSequence"), set_bytes.bindTo(values)),
        chain(the_text, constructor("StringReader", "String"), set_reader),
        *([chain(the_raw, set_string.bindTo(raw))] if store_contents else []),
    ]
    function = chain(split, all_of(*actions, returning=always(document)))
    return as_interface("GuavaFunction", function)
