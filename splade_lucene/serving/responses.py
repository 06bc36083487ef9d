"""What the server answers: the shapes of Anserini's and Pyserini's REST API, and ours beside them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class ErrorAnswer(BaseModel):
    """Anything but success."""

    error: str


class Term(BaseModel):
    """A term of the query."""

    term: str
    weight: float
    in_query: bool = Field(description="it is in the query's text; else the model added it")


class QueryText(BaseModel):
    """The query as it was sent."""

    text: str


class QueryAnswer(BaseModel):
    """The query as it was understood."""

    text: str | None = None
    terms: list[Term] | None = Field(default=None, description="what was searched for, largest weight first")


class TermMatch(BaseModel):
    """What one term adds to a score."""

    term: str
    product: float = Field(description="what it adds to the score")
    in_query: bool = Field(description="it is in the query's text")
    in_document: bool | None = Field(description="it is in the document's text; else the model added it; null without a stored text")


class Highlight(BaseModel):
    """A word of the stored text that matches."""

    start: int = Field(description="in characters")
    end: int
    terms: list[str]


class Part(BaseModel):
    """What a hit of a fusion is made of."""

    index: str
    rank: int | None = Field(description="null if the index does not have it among its first hits")
    score: float | None


class Candidate(BaseModel):
    """A hit."""

    docid: str
    score: float
    rank: int
    doc: Any = Field(description="the stored text; null if the index stores none")


class FullCandidate(Candidate):
    """A hit with what explains it, where that was asked for."""

    matches: list[TermMatch] | None = None
    highlights: list[Highlight] | None = None
    parts: list[Part] | None = None


class Timing(BaseModel):
    """Milliseconds inside the server."""

    encode_ms: float = Field(description="the wait for a batch included")
    search_ms: float = Field(description="the wait for a thread included")


class SearchAnswer(BaseModel):
    """What Anserini's and Pyserini's servers answer to a search."""

    api: str = "v1"
    index: str
    query: QueryText
    candidates: list[Candidate]


class FullSearchAnswer(BaseModel):
    """The same with what else was asked for."""

    api: str = "v1"
    index: str
    query: QueryAnswer
    candidates: list[FullCandidate]
    timing: Timing


class DocumentAnswer(BaseModel):
    """A document."""

    api: str = "v1"
    index: str
    docid: str
    doc: Any


class ExplainedMatch(BaseModel):
    """A term that the query and the document share."""

    term: str
    field: str
    query_weight: float
    document_weight: float
    product: float


class ExplainedDocument(BaseModel):
    """A score taken apart."""

    docid: str
    score: float
    rank: int | None = Field(description="null if it is not among the first 1,000 hits")
    matches: list[ExplainedMatch]
    unmatched: dict[str, float] = Field(description="terms of the query that the document lacks, with their weights")


class TermDifference(BaseModel):
    """What a term adds to the two scores."""

    term: str
    field: str
    first: float
    second: float


class ExplainAnswer(BaseModel):
    """One document explained, or two compared."""

    api: str = "v1"
    index: str
    query: QueryAnswer
    documents: list[ExplainedDocument]
    differences: list[TermDifference] | None = Field(description="of two documents, the largest first")


class Encoder(BaseModel):
    """The encoder of an impact index."""

    model: str
    revision: str | None
    query_max_length: int
    scale: float
    query_top_k: int | None = Field(description="tokens of a query that are searched for, those with the largest weights")
    query_idf: float | None = Field(description="query weights are multiplied by idf to this power")


class IndexAnswer(BaseModel):
    """An index in the list of all."""

    name: str
    kind: str
    documents: int
    baseline: str | None = Field(description="the BM25 index of the same passages")
    encoder: Encoder | None


class StatsAnswer(IndexAnswer):
    """An index in full."""

    empty: int
    lucene: str
    settings: dict[str, Any]
    terms: int
    postings: int
    terms_per_document: float
    bits_per_posting: float
    bytes: dict[str, int]
    example: str | None = Field(description="a query to begin with")


class SparseValue(BaseModel):
    """A dimension of a sparse vector."""

    index: int = Field(description="the position in the model's vocabulary")
    value: float
