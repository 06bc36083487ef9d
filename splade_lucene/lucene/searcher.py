"""The base of both kinds of searcher: Lucene's own ``IndexSearcher``, equal scores in the order of docids."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self

from splade_lucene.errors import IndexMismatchError
from splade_lucene.lucene import jvm
from splade_lucene.lucene.batch import Batch, Prepared, run_batch
from splade_lucene.lucene.card import Kind, folder_bytes
from splade_lucene.lucene.documents import Documents
from splade_lucene.lucene.explanation import Explanation, Match, document_number, explain_tree
from splade_lucene.lucene.filters import DocumentFilter, Within, parse_where
from splade_lucene.lucene.java import java_class, postings_of, upcast
from splade_lucene.lucene.java_engine import JavaEngine
from splade_lucene.lucene.memory import InMemory, MemoryUse, memory_use
from splade_lucene.lucene.parts import AnyIndex, FoundIndex, open_parts
from splade_lucene.lucene.terms import frequencies_in
from splade_lucene.lucene.threads import check_threads
from splade_lucene.records import Hit

# More terms than any vocabulary has; Lucene's default of 1,024 would refuse long queries.
_MAX_CLAUSES = 1 << 20


class LuceneSearcher(ABC, Generic[Prepared]):
    """The base of both kinds of searcher. Objects are safe to use from several threads; close them or use ``with``.

    Args:
        index: the folder of an index, or several that are searched as one: hits, scores and their order are those of a single index
            of all their documents.
        in_memory: search postings decoded in Java's heap; None for an index that cannot be.

    Attributes:
        name: of the index, or of all, for messages and records.
        parts: the folders.
        card: of all together.
    """

    kind: Kind

    def __init__(self, index: AnyIndex | FoundIndex, *, in_memory: InMemory | None = None) -> None:
        self._in_memory = in_memory
        self.name, self.parts, self.card, self._reader = open_parts(index, self.kind)
        java_class("IndexSearcher").setMaxClauseCount(_MAX_CLAUSES)
        try:
            every = upcast("IndexReader", self._reader)
            self._searcher = java_class("IndexSearcher")(every)
            similarity = upcast("Similarity", self._similarity())
            self._searcher.setSimilarity(similarity)
            self._queries = upcast("Function", self._parser())
            memory = None if in_memory is None else memory_use(self._reader, in_memory)
            self._engine = JavaEngine(self.name, self._reader, self._searcher, self._queries, memory)
            self._everything = self._engine.everything
            self._documents = Documents(self.name, self._reader)
        except BaseException:
            self._reader.close()
            raise

    def search(self, text: str, k: int = 10, *, within: Within | None = None, max_passage: bool = False) -> list[Hit]:
        """Searches for one query.

        Args:
            text: the query.
            k: the number of hits.
            within: docids, or a :meth:`filter`: only these documents are found; all if None.
            max_passage: return documents by the best of their passages, whose docids are ``document#number``.

        Returns:
            At most ``k`` hits, best first, equal scores in the order of docids; empty if no term of the query is in the index.
        """
        return self._one(self._prepare([text])[0], k, within, max_passage)

    def search_batch(
        self,
        queries: Mapping[str, str],
        k: int = 1000,
        threads: int = 1,
        *,
        within: Within | None = None,
        max_passage: bool = False,
    ) -> dict[str, list[Hit]]:
        """Searches for many queries.

        Args:
            queries: query id → text.
            k: the number of hits of each.
            threads: the number of threads that encode and search.
            within: as for :meth:`search`.
            max_passage: likewise.

        Returns:
            Query id → hits, as from :meth:`search`.

        Raises:
            ValueError: ``k`` or ``threads`` is not positive.
        """
        return self.run_batch(queries, k, threads, within=within, max_passage=max_passage).hits

    def run_batch(
        self,
        queries: Mapping[str, str],
        k: int = 1000,
        threads: int = 1,
        *,
        within: Within | None = None,
        max_passage: bool = False,
    ) -> Batch:
        """:meth:`search_batch` with the terms of each query and the times that it took."""
        check_threads(threads)
        restriction = self._restriction(within, max_passage)

        def search(prepared: Sequence[Prepared]) -> list[tuple[list[Hit], float]]:
            return self._many(prepared, k, 1, restriction, max_passage)

        with self.cores_among(threads):
            return run_batch(queries, threads, prepare=self._prepare, search=search, terms=self._terms)

    def filter(self, docids: Iterable[str] | None = None, *, where: str | None = None, max_passage: bool = False) -> DocumentFilter:
        """Finds the documents that later searches are restricted to: pass it as ``within=`` to :meth:`search`.

        Args:
            docids: of the documents; those that the index does not have are left out; all documents if None.
            where: conditions on the fields that the index was built with to filter by, all of which must hold: ``lang=de,fr year>=2020``.
            max_passage: the docids are those of documents whose passages, ``document#number``, the index has.

        Raises:
            ValueError: a condition is malformed, or of a field that the index cannot filter by.
        """
        if isinstance(docids, str):
            raise TypeError(f"within takes docids, not one string; write [{docids!r}]")
        conditions = None if where is None else parse_where(where, self.card.filter_fields)
        return self._engine.restrict(None if docids is None else "\n".join(docids), conditions, max_passage=max_passage)

    @property
    def memory(self) -> MemoryUse | None:
        """Whether the index is searched in memory, and what it takes up; None for a BM25 index, which never is."""
        return self._engine.memory

    @property
    def stores_text(self) -> bool:
        """Whether the index holds the text of its documents, for :meth:`contents`."""
        return self._documents.have_text

    def contents(self, doc_id: str) -> str | None:
        """The text of a document, where the index was built with ``store_contents``; None where it was not.

        Raises:
            InputError: the index has no such document.
        """
        stored = self._documents.stored(doc_id)
        return None if stored is None else stored["contents"]

    def fields(self, doc_id: str) -> dict[str, Any]:
        """The other fields of a passage, as its source has them; empty where the index was built without ``store_contents``.

        Raises:
            InputError: the index has no such document.
        """
        stored = self._documents.stored(doc_id)
        return {} if stored is None else {name: value for name, value in stored.items() if name not in {"id", "contents"}}

    def sample(self, count: int) -> list[str]:
        """The ids of some documents, spread evenly over the index; all if it has no more."""
        return self._documents.sample(count)

    def explain(self, text: str, doc_id: str) -> Explanation:
        """Explains the score of a document for a query, term by term.

        Args:
            text: the query.
            doc_id: the document; it need not be among the hits.

        Returns:
            What matched, with Lucene's own total; 0 if nothing did.

        Raises:
            InputError: the index has no such document.
        """
        document = self._documents.number(doc_id)
        prepared = self._prepare([text])[0]
        terms, matches = self._terms(prepared), self._matches(prepared, document)
        matched = {match.token for match in matches}
        return Explanation(
            doc_id,
            explain_tree(self._searcher, self._query(prepared), document)["value"],
            sorted(matches, key=lambda match: -match.product),
            {term: weight for term, weight in sorted(terms.items(), key=lambda item: -item[1]) if term not in matched},
        )

    def terms(self, text: str) -> Mapping[str, float]:
        """What a query searches for: term → its weight; for BM25 stem → how often the query has it."""
        return self._terms(self._prepare([text])[0])

    def contributions(self, queries: Mapping[str, str], doc_ids: Mapping[str, Iterable[str]]) -> dict[str, dict[str, dict[str, float]]]:
        """What the terms of queries add to the scores of documents: the numbers of :meth:`explain`, for many at once.

        Args:
            queries: query id → text.
            doc_ids: query id → documents.

        Returns:
            Query id → docid → term → what it adds, largest first; a term of another field than ``contents`` as ``field:term``. A
            document that is not in the index is left out.
        """
        prepared = dict(zip(queries, self._prepare(list(queries.values())), strict=True))
        found: dict[str, dict[str, dict[str, float]]] = {}
        for query_id in queries:
            numbers = {doc_id: document_number(self._reader, doc_id) for doc_id in doc_ids[query_id]}
            added = self._contributions(prepared[query_id], [number for number in numbers.values() if number is not None])
            found[query_id] = {doc_id: added[number] for doc_id, number in numbers.items() if number is not None}
        return found

    def mean_length(self) -> float:
        """The mean number of distinct terms of a document, fields added up."""
        jvm.check_process()
        return postings_of(self._reader, self._fields()) / max(1, self.card.documents)

    def size(self) -> int:
        """The bytes of the index on disk."""
        return sum(map(folder_bytes, self.parts))

    def document_frequencies(self, terms: Iterable[str]) -> dict[str, int]:
        """In how many documents each term occurs, fields added up."""
        jvm.check_process()
        return frequencies_in(self._reader, self._searcher, self._fields(), terms)

    def close(self) -> None:
        """Closes the index; searching afterwards fails. In a process forked from the one that opened it there is nothing to close."""
        if not jvm.forked():
            self._engine.close()
            self._reader.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle and copy: the copy opens the index itself, for Java's objects stay in their process."""
        return partial(type(self), self.parts, **self._options()), ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @abstractmethod
    def _similarity(self) -> Any: ...

    @abstractmethod
    def _prepare(self, texts: Sequence[str]) -> Sequence[Prepared]: ...

    @abstractmethod
    def _terms(self, prepared: Prepared) -> Mapping[str, float]: ...

    @abstractmethod
    def _text(self, prepared: Prepared) -> str: ...

    @abstractmethod
    def _parser(self) -> Any:
        """A Java function from what :meth:`_text` returns to Lucene's query."""

    def _finished(self, hits: list[Hit]) -> list[Hit]:
        return hits

    @abstractmethod
    def _contributions(self, prepared: Prepared, documents: Sequence[int]) -> dict[int, dict[str, float]]: ...

    @abstractmethod
    def _matches(self, prepared: Prepared, document: int) -> list[Match]: ...

    def _options(self) -> dict[str, Any]:
        """Arguments besides the index that make another searcher of the same kind."""
        return {}

    def cores_among(self, threads: int) -> AbstractContextManager[object]:
        """In the block, each of ``threads`` threads has its share of the cores to prepare queries with."""
        return nullcontext()

    def _fields(self) -> list[str]:
        return list(self.card.fields)

    def _restriction(self, within: Within | None, max_passage: bool) -> DocumentFilter:
        if within is None:
            return self._everything
        return within if isinstance(within, DocumentFilter) else self.filter(within, max_passage=max_passage)

    def _one(self, prepared: Prepared, k: int, within: Within | None = None, max_passage: bool = False) -> list[Hit]:
        return self._many([prepared], k, 1, self._restriction(within, max_passage), max_passage)[0][0]

    def _many(
        self, prepared: Sequence[Prepared], k: int, threads: int, within: DocumentFilter, max_passage: bool
    ) -> list[tuple[list[Hit], float]]:
        """The hits of each query, and the seconds that its search took."""
        found = self._engine.hits(list(map(self._text, prepared)), k, threads, within, max_passage=max_passage)
        if len(self.parts) > 1:
            for hits, _ in found:
                self._check_once(hits)
        return [(self._finished(hits), seconds) for hits, seconds in found]

    def _check_once(self, hits: Sequence[Hit]) -> None:
        """Parts that ``index --parts`` built have no document in common; whether others do shows here."""
        doc_ids = [hit.doc_id for hit in hits]
        if len(set(doc_ids)) < len(doc_ids):
            doc_id = next(doc_id for number, doc_id in enumerate(doc_ids) if doc_id in doc_ids[:number])
            raise IndexMismatchError(f"the document {doc_id!r} is in more than one of {self.name}; build the parts of different documents")

    def _query(self, prepared: Prepared) -> Any:
        query = self._queries.apply(self._text(prepared))
        return upcast("Query", query)
