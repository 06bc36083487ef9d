"""How a run was made and what it cost: what is written beside it as ``RUN.json``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from splade_lucene.evaluation.cost import Cost, Latency
from splade_lucene.evaluation.fusion import Method
from splade_lucene.records import CardSettings, EncoderRecord


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
    settings: CardSettings
    search_ms: Latency
    index_bytes: int | None = None
    terms_per_document: float | None = None
    own_passage: int | None = None
    flops: float | None = None
    encoder: EncoderRecord | None = None
    encode_ms: float | None = None
    filtered_documents: int | None = None
    max_passage: bool | None = None
    in_memory_bytes: int | None = None
    export: str | None = None

    def notes(self) -> dict[str, Any]:
        """As JSON values by name, without what is not known."""
        found = {name: value for name, value in vars(self).items() if value is not None}
        encoder = {} if self.encoder is None else {"encoder": self.encoder.to_json()}
        return found | {"settings": self.settings.to_json(), "search_ms": vars(self.search_ms)} | encoder


class FusedRun(NamedTuple):
    """A run that was fused with others.

    Attributes:
        run: the file.
        sha256: its checksum.
    """

    run: str
    sha256: str


@dataclass(frozen=True)
class FusionInfo:
    """How a fused run was made, and what it costs.

    Attributes:
        method: ``rrf``, ``sum`` or ``max``.
        weights: one per run; None where all count the same.
        hits: how many each query could have.
        rank_constant: of ``rrf``; else None.
        made_from: the runs, in the order of the weights.
        cost: that of all parts together; None where one is not known.
    """

    method: Method
    weights: tuple[float, ...] | None
    hits: int
    rank_constant: int | None
    made_from: tuple[FusedRun, ...]
    cost: Cost | None

    def notes(self) -> dict[str, Any]:
        """As JSON values by name, without what is not known."""
        fusion = {"method": self.method, "weights": None if self.weights is None else list(self.weights), "hits": self.hits}
        constant = {} if self.rank_constant is None else {"rank_constant": self.rank_constant}
        made_from = [run._asdict() for run in self.made_from]
        return {"kind": "fusion", "fusion": fusion | constant, "made_from": made_from, **(vars(self.cost) if self.cost else {})}
