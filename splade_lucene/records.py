"""The records that pass between the packages: plain NamedTuples, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Passage(NamedTuple):
    """One unit of retrieval: what BEIR calls a document.

    Attributes:
        doc_id: the external docid; never empty, no white space (TREC files are separated by it).
        text: the body.
        title: the title, empty where the source has none.
        fields: what else the source says of it, as JSON values by name.
    """

    doc_id: str
    text: str
    title: str = ""
    fields: Mapping[str, Any] | None = None

    @property
    def contents(self) -> str:
        """Title and text joined with one space: what a SPLADE model reads."""
        return f"{self.title} {self.text}".strip()


class Query(NamedTuple):
    """One information need: its id in topics, qrels and runs, and its text."""

    query_id: str
    text: str


class ImpactVector(NamedTuple):
    """A passage as a bag of tokens with quantized weights.

    Attributes:
        doc_id: the docid of the passage.
        vector: token to impact, integers from 1; empty if the passage quantizes to nothing.
        contents: the passage text, where the user asked to keep it.
        fields: with the text, the other fields of the passage.
    """

    doc_id: str
    vector: Mapping[str, int]
    contents: str | None = None
    fields: Mapping[str, Any] | None = None


class Hit(NamedTuple):
    """One retrieved passage.

    Attributes:
        doc_id: the external doc_id.
        score: on an impact index the exact integer dot product (as a float), on a BM25 index the BM25 score.
    """

    doc_id: str
    score: float


class Qrel(NamedTuple):
    """One relevance judgment; field names as in ir_measures."""

    query_id: str
    doc_id: str
    relevance: int
