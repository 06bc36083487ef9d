"""Searches impact indexes: the score is the dot product of the query's and the document's impacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from splade_lucene.errors import IndexMismatchError
from splade_lucene.lucene.card import Kind
from splade_lucene.lucene.entry import call
from splade_lucene.lucene.explanation import Match, explain_tree, impact_matches, term_contributions
from splade_lucene.lucene.filters import Within
from splade_lucene.lucene.java import java_class
from splade_lucene.lucene.java_engine import SEPARATOR
from splade_lucene.lucene.memory import InMemory
from splade_lucene.lucene.parts import AnyIndex, FoundIndex
from splade_lucene.lucene.searcher import LuceneSearcher
from splade_lucene.lucene.threads import check_threads
from splade_lucene.records import Hit
from splade_lucene.vectors.reader import is_token

# Queries per call into Java: bounds the memory of a batch beside its result.
_BATCH = 1024


class QueryEncoder(Protocol):
    """Turns query texts into impacts."""

    def encode_queries(self, texts: Sequence[str]) -> list[dict[str, int]]:
        """Encodes queries.

        Args:
            texts: the queries.

        Returns:
            For each query token → impact, integers from 1.
        """


class ImpactIndexSearcher(LuceneSearcher[Mapping[str, int]]):
    """Searches an impact index; scores are exact integer dot products as long as they are below 2²⁴.

    Args:
        index: the folder, or several that are searched as one.
        encoder: encodes query texts; not needed for :meth:`search_impacts`.
        in_memory: search postings decoded in Java's heap: several times as fast, the same hits. ``auto`` does so where they fit into half
            of the heap, and once searching from disk has taken as long as preparing that does.

    Raises:
        IndexMismatchError: ``index`` is no impact index.
        JavaError: ``in_memory`` is True and the heap is too small.
    """

    kind: Kind = "impact"

    def __init__(self, index: AnyIndex | FoundIndex, encoder: QueryEncoder | None = None, *, in_memory: InMemory = "auto") -> None:
        super().__init__(index, in_memory=in_memory)
        self._encoder = encoder

    def search_impacts(
        self, impacts: Mapping[str, int], k: int = 10, *, within: Within | None = None, max_passage: bool = False
    ) -> list[Hit]:
        """Searches for an encoded query.

        Args:
            impacts: token → impact.
            k: the number of hits.
            within: as for :meth:`search`.
            max_passage: likewise.

        Returns:
            At most ``k`` hits, as from :meth:`search`.
        """
        return self._one(impacts, k, within, max_passage)

    def search_impacts_batch(
        self,
        queries: Mapping[str, Mapping[str, int]],
        k: int = 1000,
        threads: int = 1,
        *,
        within: Within | None = None,
        max_passage: bool = False,
    ) -> dict[str, list[Hit]]:
        """Searches for many encoded queries, with Java's threads.

        Args:
            queries: query id → token → impact.
            k: the number of hits of each.
            threads: the number of search threads.
            within: as for :meth:`search`.
            max_passage: likewise.

        Returns:
            Query id → hits, as from :meth:`search`.

        Raises:
            ValueError: ``k`` or ``threads`` is not positive.
        """
        check_threads(threads)
        restriction = self._restriction(within, max_passage)
        query_ids, found = list(queries), dict[str, list[Hit]]()
        for start in range(0, len(query_ids), _BATCH):
            part = query_ids[start : start + _BATCH]
            results = self._many([queries[query_id] for query_id in part], k, threads, restriction, max_passage)
            found.update((query_id, hits) for query_id, (hits, _) in zip(part, results, strict=True))
        return found

    def load(self) -> None:
        """Decodes all postings into memory now; otherwise a term is decoded when it is first searched for.

        Raises:
            JavaError: Java has no memory left.
        """
        self._engine.load()

    def _options(self) -> dict[str, Any]:
        return {"encoder": self._encoder, "in_memory": self._in_memory}

    def encode_with(self, encoder: QueryEncoder) -> None:
        """Sets what encodes query texts."""
        self._encoder = encoder

    def query_encoder(self) -> QueryEncoder:
        """What encodes query texts.

        Raises:
            IndexMismatchError: the searcher has none.
        """
        if self._encoder is None:
            raise IndexMismatchError(f"{self.name} needs a query encoder to search for text; pass encoder=, or call search_impacts")
        return self._encoder

    def _similarity(self) -> Any:
        return java_class("ImpactSimilarity")()

    def _prepare(self, texts: Sequence[str]) -> Sequence[Mapping[str, int]]:
        return self.query_encoder().encode_queries(texts)

    def _terms(self, prepared: Mapping[str, int]) -> Mapping[str, float]:
        return prepared

    def _text(self, prepared: Mapping[str, int]) -> str:
        impacts = {token: impact for token, impact in prepared.items() if impact > 0}
        tokens = list(impacts)
        text = " ".join(tokens)
        if not text.isascii() or text.split() != tokens or SEPARATOR in text:
            # What is no token is in no index.
            impacts = {token: impact for token, impact in impacts.items() if is_token(token)}
            text = " ".join(impacts)
        return "\n".join((text, " ".join(map(str, impacts.values()))))

    def _parser(self) -> Any:
        return call("impact queries")

    def _matches(self, prepared: Mapping[str, int], document: int) -> list[Match]:
        return impact_matches(self._reader, prepared, document)

    def _contributions(self, prepared: Mapping[str, int], documents: Sequence[int]) -> dict[int, dict[str, float]]:
        query = self._query(prepared)
        found = {}
        for document in documents:
            # ImpactSimilarity explains the document's impact alone, without the query's.
            impacts = term_contributions(explain_tree(self._searcher, query, document))
            products = {token: prepared[token] * impact for token, impact in impacts.items()}
            found[document] = dict(sorted(products.items(), key=lambda item: (-item[1], item[0])))
        return found
