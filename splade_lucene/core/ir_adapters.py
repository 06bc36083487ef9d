"""Records of ir_datasets and ir_measures as ours, and ours as theirs. Neither library is loaded to take theirs in.

Functions that take passages, queries, judgments or runs pass them through here, so users may hand in what they have: our records,
iterables of the libraries' records, whole data sets of ir_datasets, or the nested dictionaries of pytrec_eval and BEIR.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from splade_lucene.core.ids import RULE, is_usable
from splade_lucene.core.unique_ids import UniqueIds
from splade_lucene.errors import InputError
from splade_lucene.records import Hit, Passage, Qrel, Query


class IrDocument(Protocol):
    """A document of ir_datasets; where it has a ``title`` and a ``text``, these are taken apart, else its default text is the text."""

    @property
    def doc_id(self) -> str:
        """The docid."""

    def default_text(self) -> str:
        """What is to be indexed."""


class IrQuery(Protocol):
    """A query of ir_datasets."""

    @property
    def query_id(self) -> str:
        """The id."""

    def default_text(self) -> str:
        """What is to be searched for."""


class IrQrel(Protocol):
    """A judgment of ir_datasets or ir_measures, or our own."""

    @property
    def query_id(self) -> str:
        """The query."""

    @property
    def doc_id(self) -> str:
        """The document."""

    @property
    def relevance(self) -> int:
        """The grade."""


class IrScoredDoc(Protocol):
    """A scored document of ir_datasets or ir_measures."""

    @property
    def query_id(self) -> str:
        """The query."""

    @property
    def doc_id(self) -> str:
        """The document."""

    @property
    def score(self) -> float:
        """Its score."""


class DocumentSet(Protocol):
    """A data set of ir_datasets with documents."""

    def docs_iter(self) -> Iterator[IrDocument]:
        """Its documents."""


class QuerySet(Protocol):
    """A data set of ir_datasets with queries."""

    def queries_iter(self) -> Iterator[IrQuery]:
        """Its queries."""


class QrelSet(Protocol):
    """A data set of ir_datasets with judgments."""

    def qrels_iter(self) -> Iterator[IrQrel]:
        """Its judgments."""


class ScoredDocSet(Protocol):
    """A data set of ir_datasets with a run."""

    def scoreddocs_iter(self) -> Iterator[IrScoredDoc]:
        """Its scored documents."""


Passages = Iterable[Passage | IrDocument] | DocumentSet
Queries = Iterable[Query | IrQuery] | QuerySet
Qrels = Iterable[Qrel | IrQrel] | QrelSet | Mapping[str, Mapping[str, int]]
Run = Mapping[str, Sequence[Hit]] | Mapping[str, Mapping[str, float]] | Iterable[IrScoredDoc] | ScoredDocSet


def as_passages(source: Passages) -> Iterator[Passage]:
    """Streams passages, whatever records they come as.

    Args:
        source: passages, documents of ir_datasets, or one of its data sets.

    Yields:
        Ours as they are, others made into ours.

    Raises:
        InputError: a document of others has an id that cannot be used, or one that was there before.
        TypeError: a record is neither.
    """
    seen = UniqueIds()
    for record in _records(source, "docs_iter"):
        if isinstance(record, Passage):
            yield record
            continue
        if not (hasattr(record, "doc_id") and hasattr(record, "default_text")):
            raise TypeError(f"a passage is a Passage or a document of ir_datasets (doc_id, default_text()), not {record!r:.80}")
        doc_id = _usable(record.doc_id)
        if not seen.add(doc_id):
            raise InputError("the documents", f"the id {doc_id!r} was there before; ids must be unique, so rename or remove one")
        if hasattr(record, "title") and hasattr(record, "text"):
            yield Passage(doc_id, record.text or "", record.title or "")
        else:
            yield Passage(doc_id, record.default_text())


def as_queries(source: Queries) -> Iterator[Query]:
    """Queries, whatever records they come as: ours, those of ir_datasets, or one of its data sets.

    Raises:
        InputError: an id of others cannot be used.
        TypeError: a record is neither.
    """
    for record in _records(source, "queries_iter"):
        if isinstance(record, Query):
            yield record
        elif hasattr(record, "query_id") and hasattr(record, "default_text"):
            yield Query(_usable(record.query_id), record.default_text())
        else:
            raise TypeError(f"a query is a Query or a query of ir_datasets (query_id, default_text()), not {record!r:.80}")


def as_qrels(source: Qrels) -> Iterator[Qrel]:
    """Judgments: ours, those of ir_datasets or ir_measures, a data set, or a dictionary query id → docid → relevance.

    Raises:
        TypeError: a record is neither.
    """
    if isinstance(source, Mapping):
        yield from (Qrel(query_id, doc_id, relevance) for query_id, grades in source.items() for doc_id, relevance in grades.items())
        return
    for record in _records(source, "qrels_iter"):
        if isinstance(record, Qrel):
            yield record
        elif hasattr(record, "query_id") and hasattr(record, "doc_id") and hasattr(record, "relevance"):
            yield Qrel(str(record.query_id), str(record.doc_id), int(record.relevance))
        else:
            raise TypeError(f"a judgment has query_id, doc_id and relevance, unlike {record!r:.80}")


def as_run(source: Run) -> dict[str, list[Hit]]:
    """A run: ours, scored documents of ir_datasets or ir_measures, a data set, or a dictionary query id → docid → score.

    Returns:
        Query id → hits; those of ours as they are, others ordered as trec_eval does: by score, equal ones by doc_id, both falling.

    Raises:
        InputError: a query has a document twice.
        TypeError: a record is neither.
    """
    if isinstance(source, Mapping):
        return {query_id: _ordered(hits) if isinstance(hits, Mapping) else list(hits) for query_id, hits in source.items()}
    scores: dict[str, dict[str, float]] = {}
    for record in _records(source, "scoreddocs_iter"):
        if not (hasattr(record, "query_id") and hasattr(record, "doc_id") and hasattr(record, "score")):
            raise TypeError(f"a scored document has query_id, doc_id and score, unlike {record!r:.80}")
        if record.doc_id in scores.setdefault(record.query_id, {}):
            raise InputError("the run", f"query {record.query_id!r} has the document {record.doc_id!r} twice; remove one")
        scores[record.query_id][record.doc_id] = float(record.score)
    return {query_id: _ordered(hits) for query_id, hits in scores.items()}


def scored_docs(run: Run) -> Iterator[Any]:
    """A run as ir_measures takes it.

    Args:
        run: hits by query id, as searchers return them, or anything else that :func:`as_run` takes.

    Yields:
        ``ir_measures.ScoredDoc``, query by query, best first.

    Example:
        >>> list(scored_docs({"q1": [Hit("d7", 12.0)]}))
        [ScoredDoc(query_id='q1', doc_id='d7', score=12.0)]
    """
    from ir_measures import ScoredDoc

    for query_id, hits in as_run(run).items():
        for hit in hits:
            yield ScoredDoc(query_id, hit.doc_id, hit.score)


def ir_qrels(qrels: Qrels) -> Iterator[Any]:
    """Judgments as ``ir_measures.Qrel``, which has a further field, the iteration; ir_measures takes ours as well."""
    from ir_measures import Qrel as IrMeasuresQrel

    return (IrMeasuresQrel(*qrel) for qrel in as_qrels(qrels))


def _records(source: Any, method: str) -> Iterator[Any]:
    return iter(getattr(source, method)() if hasattr(source, method) else source)


def _usable(name: Any) -> str:
    text = str(name)
    if not is_usable(text):
        raise InputError("the records", f"the id {text!r:.80} cannot be used; {RULE}")
    return text


def _ordered(scores: Mapping[str, float]) -> list[Hit]:
    return [Hit(doc_id, score) for doc_id, score in sorted(scores.items(), key=lambda hit: (hit[1], hit[0]), reverse=True)]
