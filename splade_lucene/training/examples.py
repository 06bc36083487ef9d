"""What a run is fed: rows of a query, its positive and a negative, in the order of the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class TrainingExample(NamedTuple):
    """One query of a batch.

    Attributes:
        query: the number of the query.
        documents: numbers of its passages, the positive first.
        scores: of a teacher, one per passage; empty without one.
    """

    query: int
    documents: tuple[int, ...]
    scores: tuple[float, ...] = ()


class Examples(NamedTuple):
    """All rows, and what their numbers stand for.

    Attributes:
        queries: texts.
        documents: texts.
        rows: in the order in which they are used; all have as many passages.
        known: number of a query → numbers of its positives among ``documents``.
    """

    queries: Sequence[str]
    documents: Sequence[str]
    rows: Sequence[TrainingExample]
    known: Mapping[int, frozenset[int]]

    def dataset(self, count: int) -> Any:
        """The first rows as a dataset with the columns ``query``, ``document_0`` …, and ``label``."""
        from datasets import Dataset

        rows = self.rows[:count]
        columns: dict[str, list[Any]] = {"query": [self.queries[row.query] for row in rows]}
        for place in range(len(rows[0].documents)):
            columns[f"document_{place}"] = [self.documents[row.documents[place]] for row in rows]
        columns["label"] = [list(row.scores) if row.scores else [row.query, *row.documents] for row in rows]
        return Dataset.from_dict(columns)


def number_examples(
    queries: Mapping[str, str],
    documents: Mapping[str, str],
    rows: Sequence[tuple[str, tuple[str, ...]]],
    positives: Mapping[str, Sequence[str]],
    scores: Sequence[tuple[float, ...]] = (),
) -> Examples:
    """Examples from rows of ids.

    Args:
        queries: id → text.
        documents: docid → text.
        rows: query id and docids, the positive first.
        positives: query id → docids.
        scores: of a teacher, for each row.
    """
    query_numbers = {query_id: number for number, query_id in enumerate(queries)}
    document_numbers = {doc_id: number for number, doc_id in enumerate(documents)}
    given = scores or [()] * len(rows)
    return Examples(
        list(queries.values()),
        list(documents.values()),
        [
            TrainingExample(query_numbers[query_id], tuple(document_numbers[doc_id] for doc_id in doc_ids), each)
            for (query_id, doc_ids), each in zip(rows, given, strict=True)
        ],
        {
            number: frozenset(document_numbers[doc_id] for doc_id in positives.get(query_id, ()) if doc_id in document_numbers)
            for query_id, number in query_numbers.items()
        },
    )
