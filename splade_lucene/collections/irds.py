"""Judged collections by their ir_datasets id. The library is an optional extra; it downloads what it has not cached."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from splade_lucene.collections.beir_names import ALL, collection_name
from splade_lucene.collections.judged import JudgedCollection, passages_sha256
from splade_lucene.core.ir_adapters import as_passages, as_qrels, as_queries
from splade_lucene.errors import InputError
from splade_lucene.records import Passage, Qrel, Query


class IrDatasetsCollection(JudgedCollection):
    """A data set of ir_datasets.

    Args:
        id: its id, of a subset with judgments: ``beir/scifact/test``, ``msmarco-passage/trec-dl-2019/judged``.
        name: see :class:`JudgedCollection`; made from the id if None.

    Raises:
        InputError: ir_datasets is not installed, does not know the id, or cannot download the data.
    """

    def __init__(self, id: str, name: str | None = None) -> None:
        name = name or collection_name(id)
        super().__init__(name, id, "test" if name in ALL else None, shared_ids=id.startswith("beir/"))
        self._dataset = _load(id)
        for part in ("docs", "queries", "qrels"):
            if not getattr(self._dataset, f"has_{part}")():
                raise InputError(id, f"this data set of ir_datasets has no {part}; name a subset with judgments, like beir/scifact/test")
        try:
            self._qrels = list(as_qrels(self._dataset))
            judged = {qrel.query_id for qrel in self._qrels}
            self._queries = [query for query in as_queries(self._dataset) if query.query_id in judged]
            next(iter(self._dataset.docs_iter()))
        except Exception as error:  # a download can fail in any way that requests, zipfile, gzip or a parser know
            raise InputError(id, f"ir_datasets cannot load it ({type(error).__name__}: {_first_line(error)})") from error

    def passages(self) -> Iterator[Passage]:
        """See :meth:`JudgedCollection.passages`."""
        return as_passages(self._dataset)

    def sha256(self) -> str:
        """A SHA-256 over all passages."""
        return passages_sha256(self.passages())

    def _judged(self, split: str) -> tuple[list[Query], list[Qrel]] | None:
        other = f"{self.source.rpartition('/')[0]}/{split}"
        if other == self.source or not _is_known(other):
            return None
        dataset = _load(other)
        if not (dataset.has_queries() and dataset.has_qrels()):
            return None
        try:
            qrels = list(as_qrels(dataset))
            judged = {qrel.query_id for qrel in qrels}
            return [query for query in as_queries(dataset) if query.query_id in judged], qrels
        except Exception as error:  # as above
            raise InputError(other, f"ir_datasets cannot load it ({type(error).__name__}: {_first_line(error)})") from error


def _is_known(id: str) -> bool:
    import ir_datasets

    try:
        ir_datasets.load(id)
    except KeyError:
        return False
    return True


def _load(id: str) -> Any:
    try:
        import ir_datasets
    except ImportError:
        hint = "install ir_datasets to load data sets by id: pip install 'splade_lucene[ir_datasets]'"
        raise InputError(id, f"no such folder or zip; {hint}") from None
    try:
        return ir_datasets.load(id)
    except KeyError:
        raise InputError(id, "no such folder or zip, and no id that ir_datasets knows") from None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
