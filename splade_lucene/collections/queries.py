"""Queries and relevance judgments: BEIR (``queries.jsonl``, ``qrels/<split>.tsv``), TSV topics, TREC qrels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

from splade_lucene.collections.fields import check_id, string_field
from splade_lucene.core.files import AnyPath, Lines, check_ids, read_objects, read_pairs
from splade_lucene.core.unique_ids import UniqueIds
from splade_lucene.errors import InputError
from splade_lucene.records import Qrel, Query


def read_queries(path: AnyPath | str, *, split: str | None = None) -> list[Query]:
    """Reads queries.

    Args:
        path: a BEIR folder, a ``queries.jsonl`` (``_id``/``id`` and ``text``), or a TSV of ``id<TAB>text``; plain or gzip.
        split: keep only the queries that ``qrels/<split>.tsv`` beside the file judges; a BEIR folder defaults to ``test``.

    Returns:
        The queries in file order.

    Raises:
        InputError: the file is missing or malformed, an id is repeated, nothing is left, or there is no such split.
    """
    path = Path(path) if isinstance(path, str) else path
    if path.is_dir():
        file = next((path / name for name in ("queries.jsonl", "queries.jsonl.gz") if (path / name).is_file()), None)
        if file is None:
            raise InputError(path, "holds no queries.jsonl; give a BEIR folder or a file of queries")
        folder, split = path, split or "test"
    else:
        file, folder = path, cast(AnyPath, path.parent)
    queries = _read_queries(file)
    if split is not None:
        judged = {qrel.query_id for qrel in read_qrels(split_qrels(folder, split))}
        queries = {query_id: text for query_id, text in queries.items() if query_id in judged}
    if not queries:
        raise InputError(path, "holds no queries" if split is None else f"holds no queries of the split {split!r}")
    return [Query(query_id, text) for query_id, text in queries.items()]


def split_qrels(folder: AnyPath, split: str) -> AnyPath:
    """The qrels file of a split of a BEIR folder.

    Raises:
        InputError: there is none; the message lists the splits that there are.
    """
    file = folder / "qrels" / f"{split}.tsv"
    if not file.is_file():
        there = (folder / "qrels").iterdir() if (folder / "qrels").is_dir() else ()
        splits = sorted(each.stem for each in there if each.suffix == ".tsv")
        raise InputError(file, f"no such split; there is {', '.join(splits) or 'none'}")
    return file


def read_qrels(path: AnyPath | str) -> list[Qrel]:
    """Reads relevance judgments.

    Args:
        path: BEIR TSV (``query-id<TAB>corpus-id<TAB>score`` under a header line) or TREC (``query 0 document relevance``);
            plain or gzip. A BEIR folder means its ``qrels/test.tsv``.

    Returns:
        The judgments in file order.

    Raises:
        InputError: the file is missing, empty or malformed, or judges a pair twice with different relevance.
    """
    path = Path(path) if isinstance(path, str) else path
    if path.is_dir():
        path = split_qrels(path, "test")
    judgments: dict[tuple[str, str], int] = {}
    lines = Lines(path)
    for text in lines:
        columns = text.split()
        if not columns or (lines.number == 1 and columns[0] in {"query-id", "query_id", "qid"}):
            continue
        if len(columns) not in (3, 4):
            raise InputError(path, f"{len(columns)} columns; qrels have 3 (BEIR) or 4 (TREC)", lines.number)
        try:
            relevance = int(columns[-1])
        except ValueError:
            raise InputError(path, f"the relevance {columns[-1]!r} is not an integer; write it as one", lines.number) from None
        pair = (columns[0], columns[-2])
        check_ids(pair, path, lines.number)
        if judgments.setdefault(pair, relevance) != relevance:
            raise InputError(path, f"query {pair[0]!r} and document {pair[1]!r} were judged differently before; remove one", lines.number)
    if not judgments:
        raise InputError(path, "holds no judgments")
    return [Qrel(query_id, doc_id, relevance) for (query_id, doc_id), relevance in judgments.items()]


def _read_queries(file: AnyPath) -> dict[str, str]:
    queries: dict[str, str] = {}
    seen = UniqueIds()
    for number, query_id, text in read_pairs(file) if file.name.endswith((".tsv", ".tsv.gz")) else _json_pairs(file):
        check_id(query_id, seen, file, number)
        queries[query_id] = text
    return queries


def _json_pairs(file: AnyPath) -> Iterator[tuple[int, str, str]]:
    for number, item in read_objects(file):
        yield number, string_field(item, ("_id", "id"), file, number), string_field(item, ("text", "contents"), file, number)
