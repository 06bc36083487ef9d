"""How a run was made and what it cost: what stands beside it as ``RUN.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from splade_lucene.evaluation.cost import Latency


@dataclass(frozen=True)
class RunInfo:
    """How a run was made and what it cost.

    Attributes:
        kind: of the index, ``impact`` or ``bm25``, or another engine.
        index: the folder, or the address.
        documents: in the index.
        queries: how many were searched for.
        queries_without_terms: of these, those that can have no hits.
        terms_per_query: the mean.
        hits: how many each query could have.
        threads: that searched at the same time.
        remove_query: whether the document with the query's id was left out.
        settings: how passages were encoded or analyzed.
        search_ms: time of single searches in milliseconds.
        index_bytes: on disk.
        terms_per_document: the mean.
        own_passage: queries among whose hits was the document with their id.
        flops: see :func:`splade_lucene.evaluation.cost.flops`.
        encoder: of the queries, with their length; for impacts.
        encode_ms: mean time of encoding a query in batches; for impacts.
        filtered_documents: how many documents the search was restricted to.
        max_passage: documents were found by the best of their passages.
        in_memory_bytes: what the index took up in Java's heap.
        export: the form in which another engine was given the vectors.
    """

    kind: str
    index: str
    documents: int
    queries: int
    queries_without_terms: int
    terms_per_query: float
    hits: int
    threads: int
    remove_query: bool
    settings: Mapping[str, Any]
    search_ms: Latency
    index_bytes: int | None = None
    terms_per_document: float | None = None
    own_passage: int | None = None
    flops: float | None = None
    encoder: Mapping[str, Any] | None = None
    encode_ms: float | None = None
    filtered_documents: int | None = None
    max_passage: bool | None = None
    in_memory_bytes: int | None = None
    export: str | None = None

    def notes(self) -> dict[str, Any]:
        """As JSON values by name, without what is not known."""
        found = {name: value for name, value in vars(self).items() if value is not None}
        return found | {"settings": dict(self.settings), "search_ms": self.search_ms._asdict()}
