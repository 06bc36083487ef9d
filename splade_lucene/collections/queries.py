"""Queries from files of any kind that :mod:`splade_lucene.collections.formats` knows."""

from __future__ import annotations

from typing import NamedTuple, cast

from splade_lucene.collections.fields import Fields, check_id, query_of
from splade_lucene.collections.formats import trec_topics
from splade_lucene.collections.formats.registry import find_format
from splade_lucene.collections.passages import passage_files
from splade_lucene.collections.qrels import read_qrels, split_qrels
from splade_lucene.core.files import Lines
from splade_lucene.core.notices import notice
from splade_lucene.core.rejects import RejectPolicy
from splade_lucene.core.streams import AnyPath, as_path, is_standard
from splade_lucene.core.unique_ids import UniqueIds
from splade_lucene.errors import InputError
from splade_lucene.records import Query

__all__ = ["QueryFields", "read_qrels", "read_queries", "split_qrels"]

_FILES = ("queries.jsonl", "queries.jsonl.gz", "queries.parquet", "queries.tsv")


class QueryFields(NamedTuple):
    """Which fields are read of queries.

    Attributes:
        record: of JSON, tables and datasets.
        topic: of TREC topics, joined with one space.
    """

    record: Fields = Fields()
    topic: tuple[str, ...] = (trec_topics.DEFAULT_FIELD,)


def read_queries(path: AnyPath | str, *, split: str | None = None, fields: QueryFields | None = None, every: bool = False) -> list[Query]:
    """Reads queries.

    Args:
        path: a BEIR folder, or a file of JSONL or one JSON array (``_id``, ``id`` or ``qid``, and ``text``, ``query`` or
            ``question``), TSV or CSV of id and text, TREC topics of either format, Parquet, or plain text, one query per line;
            ``-`` for standard input.
        split: keep only the queries that ``qrels/<split>.tsv`` beside the file judges; a BEIR folder defaults to ``test``, or to all
            its queries if it has no judgments.
        fields: which fields are the id and the text, if others.
        every: take all queries, of a BEIR folder too; no judgments are read.

    Returns:
        The queries in file order.

    Raises:
        InputError: the file is missing or malformed, an id is repeated, nothing is left, or there is no such split.
    """
    path = as_path(path)
    if not is_standard(path) and path.is_dir():
        files, folder = _in_folder(path), path
        if split is None and not every:
            split = "test" if (path / "qrels").is_dir() or (path / "qrels" / "test.tsv").is_file() else None
            if split is None:
                notice(f"{path}: has no folder qrels, so all its queries are taken")
    else:
        files, folder = [path], cast(AnyPath, path.parent)
    queries: dict[str, str] = {}
    seen = UniqueIds()
    for file in files:
        queries |= _read_file(file, fields or QueryFields(), seen)
    if split is not None:
        judged = {qrel.query_id for qrel in read_qrels(split_qrels(folder, split))}
        queries = {query_id: text for query_id, text in queries.items() if query_id in judged}
    if not queries:
        raise InputError(path, "holds no queries" if split is None else f"holds no queries of the split {split!r}")
    return [Query(query_id, text) for query_id, text in queries.items()]


def _in_folder(path: AnyPath) -> list[AnyPath]:
    for name in _FILES:
        if (path / name).is_file():
            return [path / name]
    if (path / "queries").is_dir():
        return passage_files(path / "queries")
    raise InputError(path, "holds no queries.jsonl; give a BEIR folder or a file of queries")


def _read_file(file: AnyPath, fields: QueryFields, seen: UniqueIds) -> dict[str, str]:
    bad = RejectPolicy()
    queries: dict[str, str] = {}
    found = find_format(file)
    if found is None:
        for _ in Lines(file):  # says what is wrong with a file that cannot be read
            pass
        return queries
    record, option = fields.record, "--text-field"
    if found is trec_topics.FORMAT:
        record, option = Fields(trec_topics.NUMBER, fields.topic), "--topic-field"
    elif fields.topic != QueryFields().topic:
        raise InputError(file, f"is {found.name}, which has no topic fields; leave --topic-field out, or name --text-field")
    for row in found.read(file, bad, record.of_queries()):
        query = query_of(row, record, file, option)
        check_id(query.query_id, seen, file, row.number)
        queries[query.query_id] = query.text
    return queries
