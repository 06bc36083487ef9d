"""What clients can ask of the served indexes; HTTP and the Model Context Protocol are two ways to ask."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from splade_lucene.errors import InputError
from splade_lucene.evaluation.fusion import fuse_runs
from splade_lucene.lucene.filters import DocumentFilter
from splade_lucene.lucene.impact_searcher import ImpactIndexSearcher
from splade_lucene.records import Hit
from splade_lucene.serving.admission import Admission
from splade_lucene.serving.catalog import Catalog
from splade_lucene.serving.explaining import explain_hits, explain_scores, query_terms
from splade_lucene.serving.problems import bad_request, not_found
from splade_lucene.serving.requests import ExplainBody, Fusion, SearchBody
from splade_lucene.serving.responses import (
    DocumentAnswer,
    ExplainAnswer,
    FullCandidate,
    FullSearchAnswer,
    Part,
    QueryAnswer,
    Term,
    Timing,
)
from splade_lucene.serving.served_index import IndexSnapshot, ServedIndex
from splade_lucene.serving.settings import Limits
from splade_lucene.serving.text_checks import check_text

# Hits of each index that are fused, as in evaluations.
_FUSED = 1000

Result = TypeVar("Result")


class _Found(NamedTuple):
    """The hits of one index, and milliseconds."""

    hits: list[Hit]
    encode_ms: float
    search_ms: float


class SearchService:
    """Answers requests. Use it from one event loop.

    Args:
        catalog: the indexes.
        limits: what requests may ask for.
        threads: the number of search threads.
    """

    def __init__(self, catalog: Catalog, limits: Limits, threads: int) -> None:
        self.catalog, self.limits = catalog, limits
        self.admission = Admission(limits.queue)
        self.threads = ThreadPoolExecutor(threads, "search")

    async def search(self, name: str, body: SearchBody) -> FullSearchAnswer:
        """Searches an index, or fuses the hits of two.

        Args:
            name: of the index.
            body: the query and what is wanted with the hits.

        Raises:
            RequestError: there is no such index, the request is beyond the limits, or the server is busy.
        """
        served = self.catalog[name]
        text = None if body.text is None else self.check(body.text)
        self.check_hits(body.k)
        with self.admission.admit(), served.lease() as index:
            if body.fusion:
                return await self._fused(served, index, text or "", body)
            found = await self._find(index, text, body, body.k)
            candidates, terms = await self._run(lambda: self._candidates(served, index, body, found.hits))
        return FullSearchAnswer(
            index=name,
            query=QueryAnswer(text=text, terms=terms),
            candidates=candidates,
            timing=Timing(encode_ms=found.encode_ms, search_ms=found.search_ms),
        )

    async def document(self, name: str, doc_id: str) -> DocumentAnswer:
        """The stored text of a document.

        Raises:
            RequestError: there is no such index or document.
        """
        served = self.catalog[name]
        with self.admission.admit(), served.lease() as index:
            doc = await self._run(lambda: _existing(lambda: text_of(self.catalog, served, index, doc_id), name, doc_id))
        return DocumentAnswer(index=name, docid=doc_id, doc=doc)

    async def explain(self, name: str, body: ExplainBody) -> ExplainAnswer:
        """Explains the score of a document, or compares two.

        Raises:
            RequestError: there is no such index or document.
        """
        served = self.catalog[name]
        text = self.check(body.text)
        with self.admission.admit(), served.lease() as index:
            await self.encode(index, text)
            return await self._run(lambda: _existing(lambda: explain_scores(name, index, text, body.docids), name, *body.docids))

    async def encode(self, index: IndexSnapshot, text: str) -> dict[str, int]:
        """The impacts of a query of an impact index; none for BM25."""
        return {} if index.encoder is None else await index.encoder.queries.encode(text)

    def check(self, text: str) -> str:
        """A query that keeps to the limits.

        Raises:
            RequestError: it does not.
        """
        return check_text(text, self.limits.query_chars)

    def check_hits(self, k: int) -> None:
        """Makes sure that a number of hits keeps to the limits.

        Raises:
            RequestError: it does not.
        """
        if not 1 <= k <= self.limits.hits:
            raise bad_request(f"{k:,} hits are not between 1 and {self.limits.hits:,}, the most here")

    async def _run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self.threads, work)

    async def _find(self, index: IndexSnapshot, text: str | None, body: SearchBody, k: int) -> _Found:
        searcher = index.searcher
        start = time.perf_counter()
        if isinstance(searcher, ImpactIndexSearcher):
            impacts = await self.encode(index, text) if text is not None else _impacts(index, body)
            encoded = time.perf_counter()
            hits = await self._run(lambda: searcher.search_impacts(impacts, k, within=_restriction(index, body)))
        elif text is None:
            raise bad_request("a BM25 index has no impacts to search for; give a text")
        else:
            encoded = start
            hits = await self._run(lambda: searcher.search(text, k, within=_restriction(index, body)))
        return _Found(hits, (encoded - start) * 1e3, (time.perf_counter() - encoded) * 1e3)

    async def _fused(self, served: ServedIndex, index: IndexSnapshot, text: str, body: SearchBody) -> FullSearchAnswer:
        fusion = body.fusion if isinstance(body.fusion, Fusion) else Fusion()
        other_name = fusion.other or served.source.baseline
        if other_name is None:
            raise bad_request(f"{served.name} was given without a BM25 index; name the other index: " + '{"fusion": {"with": "NAME"}}')
        depth = max(body.k, _FUSED)
        with self.catalog[other_name].lease() as other:
            first, second = await asyncio.gather(self._find(index, text, body, depth), self._find(other, text, body, depth))
        weights = None if fusion.weight is None else [fusion.weight, 1 - fusion.weight]
        hits = fuse_runs([{"": first.hits}, {"": second.hits}], method=fusion.method, weights=weights, k=body.k)[""]
        candidates, terms = await self._run(lambda: self._candidates(served, index, body, hits))
        places = [_places(first.hits), _places(second.hits)]
        for each in candidates:
            each.parts = [
                Part(index=name, rank=rank, score=score)
                for name, place in zip((served.name, other_name), places, strict=True)
                for rank, score in [place.get(each.docid, (None, None))]
            ]
        return FullSearchAnswer(
            index=served.name,
            query=QueryAnswer(text=text, terms=terms),
            candidates=candidates,
            timing=Timing(encode_ms=first.encode_ms + second.encode_ms, search_ms=first.search_ms + second.search_ms),
        )

    def _candidates(
        self, served: ServedIndex, index: IndexSnapshot, body: SearchBody, hits: list[Hit]
    ) -> tuple[list[FullCandidate], list[Term] | None]:
        docs = [text_of(self.catalog, served, index, hit.doc_id) if body.documents else None for hit in hits]
        candidates = [
            FullCandidate(docid=hit.doc_id, score=hit.score, rank=rank, doc=doc)
            for rank, (hit, doc) in enumerate(zip(hits, docs, strict=True), start=1)
        ]
        if not body.explain or body.text is None:
            return candidates, None
        text = self.check(body.text)
        terms = query_terms(index, text)
        explain_hits(index, text, terms, candidates)
        return candidates, terms


def text_of(catalog: Catalog, served: ServedIndex, index: IndexSnapshot, doc_id: str) -> str | None:
    """The stored text of a document, from the index or from the one that was given with it.

    Args:
        catalog: all indexes.
        served: the index.
        index: the same, open.
        doc_id: the document; a hit of a fusion need not be in the index.

    Raises:
        InputError: no index has such a document.
    """
    known = index.has(doc_id)
    if known and (text := index.text(doc_id)) is not None:
        return text
    for other in catalog:
        if served.name == other.source.baseline or other.name == served.source.baseline:
            with other.lease() as beside:
                if beside.has(doc_id):
                    known = True
                    if (text := beside.text(doc_id)) is not None:
                        return text
    if not known:
        index.text(doc_id)  # which says that there is none
    return None


def _places(hits: list[Hit]) -> Mapping[str, tuple[int, float]]:
    return {hit.doc_id: (rank, hit.score) for rank, hit in enumerate(hits, start=1)}


def _restriction(index: IndexSnapshot, body: SearchBody) -> DocumentFilter | None:
    if body.within is None and body.where is None:
        return None
    try:
        return index.searcher.filter(body.within, where=body.where)
    except ValueError as error:
        raise bad_request(str(error)) from None


def _impacts(index: IndexSnapshot, body: SearchBody) -> dict[str, int]:
    if body.impacts is not None:
        return body.impacts
    scale = index.card.encoder.scale if index.card.encoder else 1
    return {token: impact for token, weight in (body.weights or {}).items() if (impact := round(weight * scale))}


def _existing(find: Callable[[], Result], name: str, *doc_ids: str) -> Result:
    try:
        return find()
    except InputError:
        raise not_found(f"{name} has no document {' or '.join(map(repr, doc_ids))}") from None
