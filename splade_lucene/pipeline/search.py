"""Queries to runs: the searcher that loads the encoder its index names, and the search of a whole set of queries."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, Unpack

from splade_lucene.core.ir_adapters import Queries, as_queries, scored_docs
from splade_lucene.errors import IndexMismatchError
from splade_lucene.evaluation.cost import flops, latency
from splade_lucene.evaluation.run_info import RunInfo
from splade_lucene.evaluation.runs import Run
from splade_lucene.lucene.bm25_searcher import Bm25Searcher
from splade_lucene.lucene.filters import DocumentFilter, Within
from splade_lucene.lucene.impact_searcher import ImpactIndexSearcher
from splade_lucene.lucene.memory import InMemory
from splade_lucene.lucene.parts import AnyIndex, FoundIndex, find_index
from splade_lucene.pipeline.lazy_encoder import LazyEncoder
from splade_lucene.pipeline.query_encoder import BoundEncoder
from splade_lucene.pipeline.query_idf import QueryIdf

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel

# Lucene's scores are floats of 24 bits.
EXACT_BELOW = 1 << 24


class QueryOptions(TypedDict, total=False):
    """How queries are encoded: arguments of :class:`ImpactSearcher`, under their names."""

    query_max_length: int | None
    query_top_k: int | None
    query_idf: float | None
    device: str
    precision: str


class ImpactSearcher(ImpactIndexSearcher):
    """Searches an impact index with queries encoded on the fly.

    Args:
        index: the folder, or several that are searched as one: hits, scores and order are those of a single index of all.
        model: the encoder, if it is loaded already; otherwise the one that the index names is loaded when first needed.
        query_max_length: tokens a query is cut at; what the index says if None.
        query_top_k: search for the K tokens of a query with the largest weights: faster, no longer exact; all if None.
        query_idf: multiply query weights by idf to this power, with the index's own document frequencies: see :class:`QueryIdf`.
        device: for a model loaded here, as in :meth:`SpladeModel.load`.
        precision: likewise.
        in_memory: search postings decoded in Java's heap: several times as fast, the same hits. ``auto`` does so where they fit into half
            of the heap, and once searching from disk has taken as long as preparing that does.

    Raises:
        IndexMismatchError: ``index`` is no impact index, or ``model`` is not the encoder that it was made with.
        JavaError: ``in_memory`` is True and the heap is too small.

    Example:
        >>> with ImpactSearcher("runs/reproduce/scifact/indexes/splade-tiny") as searcher:
        ...     searcher.search("0-dimensional biomaterials lack inductive properties.", k=2)
        [Hit(doc_id='10982689', score=119255.0), Hit(doc_id='1538080', score=102128.0)]
    """

    def __init__(
        self,
        index: AnyIndex | FoundIndex,
        *,
        model: SpladeModel | None = None,
        query_max_length: int | None = None,
        query_top_k: int | None = None,
        query_idf: float | None = None,
        device: str = "auto",
        precision: str = "auto",
        in_memory: InMemory = "auto",
    ) -> None:
        super().__init__(index, in_memory=in_memory)
        self.bind(
            model, query_max_length=query_max_length, query_top_k=query_top_k, query_idf=query_idf, device=device, precision=precision
        )

    def bind(
        self,
        model: SpladeModel | None,
        *,
        query_max_length: int | None = None,
        query_top_k: int | None = None,
        query_idf: float | None = None,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        """Says how queries are encoded; the arguments are those of the class."""
        assert self.card.encoder is not None  # of an impact index
        self.encoder_record = self.card.encoder.with_queries(max_length=query_max_length, top_k=query_top_k, idf=query_idf)
        self._lazy = LazyEncoder(
            self.encoder_record,
            self.name,
            model=model,
            table=self.card.query_table(query_idf),
            idf=None if query_idf is None else QueryIdf(query_idf, self.card.documents, self.document_frequencies),
            device=device,
            precision=precision,
        )

    def query_encoder(self) -> BoundEncoder:
        """The encoder, loaded if it is not yet.

        Raises:
            ModelError: the model that the index names cannot be loaded.
            IndexMismatchError: its files are no longer those that the index was made with.
        """
        return self._lazy.loaded()

    def encoder_for(self, queries: int) -> AbstractContextManager[None]:
        """Has an encoder ready in a block that encodes that many queries: for a handful of them one that does not need torch.

        Raises:
            ModelError: as from :meth:`query_encoder`; likewise ``IndexMismatchError``.
        """
        return self._lazy.ready_for(queries)

    @property
    def query_max_length(self) -> int:
        """Tokens that queries are cut at."""
        return self.encoder_record.query_max_length

    @property
    def query_top_k(self) -> int | None:
        """Tokens of a query that are searched for, those with the largest weights; None for all."""
        return self.encoder_record.query_top_k

    @property
    def query_idf(self) -> float | None:
        """The power of idf that query weights are multiplied by; None if they are not."""
        return self.encoder_record.query_idf

    def _options(self) -> dict[str, Any]:
        # Not the model: a copy in another process loads the one that the index names.
        return {
            "query_max_length": self.query_max_length,
            "query_top_k": self.query_top_k,
            "query_idf": self.query_idf,
            "device": self._lazy.device,
            "precision": self._lazy.precision,
            "in_memory": self._in_memory,
        }

    def cores_among(self, threads: int) -> AbstractContextManager[object]:
        """In the block, each of ``threads`` threads has its share of the cores to encode with."""
        return self._lazy.cores_among(threads)


class SearchResult(NamedTuple):
    """A run and how it was made.

    Attributes:
        run: query id → hits.
        info: the index, its kind and size, the lengths, the latency in milliseconds, FLOPS: what is printed beside the scores.
    """

    run: Run
    info: RunInfo

    @property
    def notes(self) -> dict[str, Any]:
        """What :attr:`info` knows, as JSON values: what stands in ``RUN.json``."""
        return self.info.notes()

    def scored_docs(self) -> Iterator[Any]:
        """The hits as ``ir_measures.ScoredDoc``, query by query, best first."""
        return scored_docs(self.run)


def open_searcher(
    index: AnyIndex | FoundIndex, *, in_memory: InMemory = "auto", **options: Unpack[QueryOptions]
) -> ImpactSearcher | Bm25Searcher:
    """Opens an index of either kind, or several as one; the options are those of :class:`ImpactSearcher`.

    Raises:
        IndexMismatchError: the folder is no index of ours, or queries are to be cut or weighted for a BM25 index, which takes them whole
            and has idf in its scores, or it is to be searched in memory, which is for impact indexes.
        JavaError: it is to be searched in memory and does not fit.
    """
    found = find_index(index)
    if found.card.kind == "impact":
        return ImpactSearcher(found, in_memory=in_memory, **options)
    if in_memory is True:
        raise IndexMismatchError(f"{found.name} is a BM25 index, which is searched from disk; leave --in-memory out")
    if options.get("query_max_length") is not None or options.get("query_top_k") is not None:
        raise IndexMismatchError(
            f"{found.name} is a BM25 index, which does not cut queries; leave --query-max-length and --query-top-k out"
        )
    if options.get("query_idf") is not None:
        raise IndexMismatchError(f"{found.name} is a BM25 index, whose scores have idf in them already; leave --query-idf out")
    return Bm25Searcher(found)


def search_queries(
    searcher: ImpactSearcher | Bm25Searcher,
    queries: Queries,
    *,
    k: int = 1000,
    threads: int = 1,
    remove_query: bool = False,
    within: Within | None = None,
    max_passage: bool = False,
) -> SearchResult:
    """Searches for a set of queries.

    Args:
        searcher: of either kind.
        queries: our records, queries of ir_datasets, or one of its data sets.
        k: the number of hits of each.
        threads: the number of threads that search.
        remove_query: leave out the document that has the query's id (the rule of BEIR, which matters for ArguAna and Quora).
        within: docids, or a filter of the searcher's: only these documents are found.
        max_passage: find documents by the best of their passages, whose docids are ``document#number``.

    Returns:
        The run with its notes.
    """
    texts = dict(as_queries(queries))
    if within is not None and not isinstance(within, DocumentFilter):
        within = searcher.filter(within, max_passage=max_passage)
    # Loading a model is no part of encoding a query.
    with searcher.encoder_for(len(texts)) if isinstance(searcher, ImpactSearcher) else nullcontext():
        batch = searcher.run_batch(texts, k + remove_query, threads, within=within, max_passage=max_passage)
    run: Run = dict(batch.hits)
    own_passage = sum(any(hit.doc_id == query_id for hit in hits) for query_id, hits in run.items())
    if remove_query:
        run = {query_id: [hit for hit in hits if hit.doc_id != query_id][:k] for query_id, hits in run.items()}
    terms = {term for bag in batch.terms.values() for term in bag}
    card = searcher.card
    inexact = sum(bool(hits) and hits[0].score >= EXACT_BELOW for hits in batch.hits.values())
    if inexact and isinstance(searcher, ImpactSearcher):
        warnings.warn(
            f"{inexact:,} queries have hits with scores from 2^24 on, where Lucene's scores are no longer exact integers; encode with a "
            "smaller --scale",
            RuntimeWarning,
            stacklevel=2,
        )
    encoder, encode_ms = None, None
    if isinstance(searcher, ImpactSearcher):
        encoder, encode_ms = searcher.encoder_record, batch.prepare_seconds * 1e3 / max(1, len(texts))
    info = RunInfo(
        kind=card.kind,
        index=searcher.name,
        documents=card.documents,
        queries=len(texts),
        queries_without_terms=sum(not bag for bag in batch.terms.values()),
        terms_per_query=sum(map(len, batch.terms.values())) / max(1, len(texts)),
        hits=k,
        threads=threads,
        remove_query=remove_query,
        settings=card.settings,
        search_ms=latency(list(batch.search_seconds.values())),
        index_bytes=searcher.size(),
        terms_per_document=searcher.mean_length(),
        own_passage=own_passage,
        flops=flops(batch.terms.values(), searcher.document_frequencies(terms), card.documents),
        encoder=encoder,
        encode_ms=encode_ms,
        filtered_documents=None if within is None else within.documents,
        max_passage=max_passage or None,
        in_memory_bytes=None if searcher.memory is None else searcher.memory.held,
    )
    return SearchResult(run, info)
