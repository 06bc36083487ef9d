"""The engine in Java that searches an open index: one call for many queries, in memory or from Lucene's postings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import islice
from typing import Any

from splade_lucene.errors import JavaError
from splade_lucene.lucene import jvm
from splade_lucene.lucene.entry import call
from splade_lucene.lucene.filters import DocumentFilter
from splade_lucene.lucene.java import upcast
from splade_lucene.lucene.memory import MemoryUse
from splade_lucene.records import Hit

_MODES = {None: "NEVER", "disk": "DOCIDS", "auto": "WHEN_IT_PAYS", "memory": "ALWAYS"}
# What separates the texts of queries.
SEPARATOR = "\x01"

# Twice as fast as calling the record.
_new_hit = partial(tuple.__new__, Hit)


class JavaEngine:
    """Searches one open index. Objects are safe to use from several threads.

    Args:
        name: of the index, for messages.
        reader: Lucene's.
        searcher: likewise, of the same index.
        parser: a Java function from the text of a query to Lucene's query.
        memory: where to search; None for an index that is never searched in memory.

    Attributes:
        everything: the filter that lets all documents pass.
    """

    def __init__(self, name: str, reader: Any, searcher: Any, parser: Any, memory: MemoryUse | None) -> None:
        self._name, self._memory = name, memory
        self._most = max(1, reader.maxDoc())
        mode, limit = _MODES[memory and memory.policy], str(memory.allowed if memory else 0)
        self._engine = call("open engine", searcher=searcher, parser=parser, memory=mode, limit=limit)
        self.everything = DocumentFilter(reader.numDocs(), upcast("BiFunction", call("search", engine=self._engine)))

    def hits(
        self, texts: Sequence[str], k: int, threads: int, within: DocumentFilter, *, max_passage: bool
    ) -> list[tuple[list[Hit], float]]:
        """The hits of each query, and the seconds that its search took, all in one call into Java: each call costs microseconds.

        Raises:
            ValueError: ``k`` is not positive.
            JavaError: the search failed.
        """
        if k < 1:
            raise ValueError(f"k is the number of hits and must be at least 1, not {k}")
        k = min(k, self._most)  # Java's integers end at 2,147,483,647
        jvm.check_process()
        joined, options = SEPARATOR.join(texts), f"{k} {threads} {max_passage:d}"
        search = within.search
        try:
            doc_ids, numbers = search.apply(joined, options)
        except jvm.jnius().JavaException as error:
            raise self._failed("searching", error) from None
        docids, at, found = iter(doc_ids.split("\n")), 0, []
        for _ in texts:
            start, end = at + 2, at + 2 + int(numbers[at])
            hits = list(map(_new_hit, zip(islice(docids, end - start), numbers[start:end], strict=True)))
            found.append((hits, numbers[at + 1] / 1e9))
            at = end
        return found

    def restrict(self, docids: str | None, where: str | None, *, max_passage: bool) -> DocumentFilter:
        """The documents that later searches are restricted to.

        Args:
            docids: one per line; all if None.
            where: conditions as :func:`~splade_lucene.lucene.filters.parse_where` gives them.
            max_passage: the docids are those of documents whose passages the index has.
        """
        jvm.check_process()
        given = {name: value for name, value in (("docids", docids), ("where", where)) if value is not None}
        found = call("restriction", engine=self._engine, passages=max_passage, **given)
        search = upcast("BiFunction", call("search", engine=self._engine, within=found))
        return DocumentFilter(int(call("documents", engine=self._engine, within=found)), search)

    @property
    def memory(self) -> MemoryUse | None:
        """Whether it searches in memory, and what that takes up; None for an index that is never searched there."""
        if self._memory is None:
            return None
        held = int(call("held bytes", engine=self._engine))
        return self._memory._replace(held=None if held < 0 else held)

    def load(self) -> None:
        """Decodes all postings into memory.

        Raises:
            JavaError: Java has no memory left.
        """
        jvm.check_process()
        try:
            call("load", engine=self._engine)
        except jvm.jnius().JavaException as error:
            raise self._failed("decoding", error) from None

    def close(self) -> None:
        """Gives its memory back."""
        call("close engine", engine=self._engine)

    def _failed(self, what: str, error: Any) -> JavaError:
        return JavaError(f"{what} {self._name} failed: {jvm.reason(error)}{jvm.advice(error)}")
