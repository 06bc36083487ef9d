"""Searches impact indexes: the score is the dot product of the query's and the document's impacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from splade_lucene.errors import IndexMismatchError
from splade_lucene.lucene.card import Kind
from splade_lucene.lucene.explanation import Match, explain_tree, impact_matches, term_contributions
from splade_lucene.lucene.java import java_class, own_class
from splade_lucene.lucene.method_handles import static_method
from splade_lucene.lucene.searcher import LuceneSearcher
from splade_lucene.records import Hit
from splade_lucene.vectors.reader import is_token


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
        index: the folder.
        encoder: encodes query texts; not needed for :meth:`search_impacts`.

    Raises:
        IndexMismatchError: ``index`` is no impact index.
    """

    kind: Kind = "impact"

    def __init__(self, index: Path | str, encoder: QueryEncoder | None = None) -> None:
        super().__init__(index)
        self._encoder = encoder

    def search_impacts(self, impacts: Mapping[str, int], k: int = 10) -> list[Hit]:
        """Searches for an encoded query.

        Args:
            impacts: token → impact.
            k: the number of hits.

        Returns:
            At most ``k`` hits, as from :meth:`search`.
        """
        return self._top(impacts, k)

    def query_encoder(self) -> QueryEncoder:
        """What encodes query texts.

        Raises:
            IndexMismatchError: none was handed in.
        """
        if self._encoder is None:
            raise IndexMismatchError(f"{self.index} needs a query encoder to search for text; hand one in, or call search_impacts")
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
        if not text.isascii() or text.split() != tokens:
            # What is no token is in no index.
            impacts = {token: impact for token, impact in impacts.items() if is_token(token)}
            text = " ".join(impacts)
        return "\n".join((text, " ".join(map(str, impacts.values()))))

    def _to_query(self) -> Any:
        return static_method(own_class("ImpactQuery"), "parse", "Query", "String")

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
