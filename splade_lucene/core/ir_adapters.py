"""Records of ir_datasets and ir_measures as ours, and ours as theirs. Reading theirs imports neither library.

Functions that take passages, queries, judgments or runs pass them through here, so users may pass what they have: our records,
iterables of the libraries' records, whole data sets of ir_datasets, or the nested dictionaries of pytrec_eval and BEIR.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from splade_lucene.core.ids import RULE, is_usable
from splade_lucene.core.unique_ids import UniqueIds
from splade_lucene.errors import InputError
from splade_lucene.records import Hit, Passage, Qrel, Query


class IrDocument(Protocol):
    """A document of ir_datasets; where it has a ``title`` and a ``text``, these are taken apart, else its default text is the text."""

    @property
    def docas_id(self) -> str:
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
        InputError: a document of others has an id that cannot be used, or a duplicate one.
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
            raise InputError("the documents", f"duplicate id {doc_id!r}; ids must be unique, so rename or remove one")
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

    Ids that are whole numbers become text; grades like ``1.0`` become integers.

    Raises:
        TypeError: a record is neither, an id is neither text nor a whole number, or a grade is not a number.
        InputError: a grade is not a whole number.
    """
    if isinstance(source, Mapping):
        for query_id, grades in source.items():
            for doc_id, relevance in grades.items():
                yield _qrel(query_id, doc_id, relevance)
        return
    for record in _records(source, "qrels_iter"):
        if not (hasattr(record, "query_id") and hasattr(record, "doc_id") and hasattr(record, "relevance")):
            raise TypeError(f"a judgment has query_id, doc_id and relevance, unlike {record!r:.80}")
        yield _qrel(record.query_id, record.doc_id, record.relevance)


def as_run(source: Run, place: Path | str = "the run") -> dict[str, list[Hit]]:
    """A run: ours, scored documents of ir_datasets or ir_measures, a data set, or a dictionary query id → docid → score.

    Ids that are whole numbers become text.

    Args:
        source: any of these.
        place: what to call it in messages.

    Returns:
        Query id → hits; those of ours as they are, others ordered as trec_eval does: by score, equal ones by doc_id, both falling.

    Raises:
        InputError: a query has a document twice, or a score that is not finite.
        TypeError: a record is neither, an id is neither text nor a whole number, or a score is not a number.
    """
    if isinstance(source, Mapping):
        return {
            as_id(query_id): _ordered(_hits(place, query_id, hits.items())) if isinstance(hits, Mapping) else _hits(place, query_id, hits)
            for query_id, hits in source.items()
        }
    pairs: dict[str, list[tuple[Any, Any]]] = {}
    for record in _records(source, "scoreddocs_iter"):
        if not (hasattr(record, "query_id") and hasattr(record, "doc_id") and hasattr(record, "score")):
            raise TypeError(f"a scored document has query_id, doc_id and score, unlike {record!r:.80}")
        pairs.setdefault(as_id(record.query_id), []).append((record.doc_id, record.score))
    return {query_id: _ordered(_hits(place, query_id, found)) for query_id, found in pairs.items()}


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


def _qrel(query_id: Any, doc_id: Any, relevance: Any) -> Qrel:
    query_id, doc_id = as_id(query_id), as_id(doc_id)
    try:
        grade = operator.index(relevance)
    except TypeError:
        if not isinstance(relevance, float):
            raise TypeError(f"the relevance of document {doc_id!r} for query {query_id!r} is {relevance!r}, not a whole number") from None
        if not relevance.is_integer():
            raise InputError(
                "the judgments", f"the relevance of document {doc_id!r} for query {query_id!r} is {relevance}, not a whole number"
            ) from None
        grade = int(relevance)
    return Qrel(query_id, doc_id, grade)


def _hits(place: Path | str, query_id: Any, pairs: Iterable[tuple[Any, Any]]) -> list[Hit]:
    """Hits with text as ids and numbers as scores."""
    hits: list[Hit] = []
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2:  # noqa: PLR2004  # a pair
            raise TypeError(f"a hit is Hit(doc_id, score), not {pair!r:.80}")
        doc_id, score = pair
        try:
            finite = math.isfinite(score)
        except TypeError:
            raise TypeError(f"query {query_id!r}, document {doc_id!r}: the score {score!r:.80} is not a number") from None
        if not finite:
            raise InputError(place, f"query {query_id!r} has the score {score} for document {doc_id!r}; scores must be finite numbers")
        hits.append(pair if type(pair) is Hit and type(doc_id) is str else Hit(as_id(doc_id), score))
    if len({hit.doc_id for hit in hits}) < len(hits):
        doc_ids = [hit.doc_id for hit in hits]
        twice = next(doc_id for doc_id in doc_ids if doc_ids.count(doc_id) > 1)
        raise InputError(place, f"query {query_id!r} has the document {twice!r} twice; remove one")
    return hits


def as_id(value: Any) -> str:
    """An id as text: data frames and dictionaries often have whole numbers.

    Raises:
        TypeError: it is neither text nor a whole number.
    """
    if isinstance(value, str):
        return value
    try:
        if isinstance(value, bool):
            raise TypeError
        return str(operator.index(value))
    except TypeError:
        raise TypeError(f"an id is text or a whole number, not {value!r:.80}") from None


def _ordered(hits: list[Hit]) -> list[Hit]:
    return sorted(hits, key=lambda hit: (hit.score, hit.doc_id), reverse=True)
