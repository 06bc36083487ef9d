"""Relevance judgments: BEIR's and TREC's, other orders of columns where a header line names them."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from typing import NamedTuple

from splade_lucene.collections.formats.arrow import PARQUET
from splade_lucene.collections.formats.registry import format_by_suffix
from splade_lucene.core.files import Lines, check_ids
from splade_lucene.core.notices import notice
from splade_lucene.core.rejects import RejectPolicy
from splade_lucene.core.streams import AnyPath, as_path, is_standard
from splade_lucene.errors import InputError
from splade_lucene.records import Qrel

_INTEGER = re.compile(r"[+-]?[0-9]+(?:\.0*)?")
_BEIR, _TREC = 3, 4
# What names of columns are made of, lower case, without anything but letters and digits.
_QUERY = re.compile(r"q|qid|qno|queryid|query|topic|topicid|topicno|queryno")
_DOCUMENT = re.compile(r"d|pid|corpusid|(doc|document|passage)(id|no|name)?")
_RELEVANCE = re.compile(r"rel|relevance|score|label|grade|judge?ment|rating|relevancescore")
_ITERATION = re.compile(r"iter|iteration|q0|0|unused|run|subtopic|subtopicid|zero")


class _Columns(NamedTuple):
    """Where a judgment's parts are, and how many columns there are."""

    query: int
    document: int
    relevance: int
    width: int


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
        path: BEIR's ``query-id<TAB>corpus-id<TAB>score``, TREC's ``query 0 document relevance``, or columns in any order under a
            header line that names them; separated by tabs, spaces, or commas in a ``.csv``; plain or gzip; Parquet with such
            columns; ``-`` for standard input. A BEIR folder means its ``qrels/test.tsv``.

    Returns:
        The judgments in file order.

    Raises:
        InputError: the file is missing, empty or malformed, judges a pair twice with different relevance, or has four columns without
            a header of which the last is always 0: then it is not in TREC's order.
    """
    path = as_path(path)
    if not is_standard(path) and path.is_dir():
        path = split_qrels(path, "test")
    reader = _Reader(path)
    if not is_standard(path) and format_by_suffix(path) is PARQUET:
        reader.read_parquet()
    else:
        reader.read_lines()
    return reader.qrels()


class _Reader:
    def __init__(self, path: AnyPath) -> None:
        self._path = path
        self._comma = path.name.endswith((".csv", ".csv.gz"))
        self._judgments: dict[tuple[str, str], int] = {}
        self._columns: _Columns | None = None
        self._header = False

    def qrels(self) -> list[Qrel]:
        if not self._judgments:
            raise InputError(self._path, "holds no judgments")
        if self._columns and not self._header and self._columns.width == _TREC and not any(self._judgments.values()):
            problem = (
                "the fourth of its columns is 0 in every line; TREC's order is query, 0, document, relevance: put the columns into it, "
                "or name them in a header line, like query_id doc_id relevance iteration"
            )
            raise InputError(self._path, problem)
        return [Qrel(query_id, doc_id, relevance) for (query_id, doc_id), relevance in self._judgments.items()]

    def read_lines(self) -> None:
        lines = Lines(self._path)
        for line in lines:
            values = self._split(line, lines.number)
            if not values:
                continue
            if self._columns is None and self._is_header(values, lines.number):
                continue
            self._add(values, lines.number)

    def read_parquet(self) -> None:
        for row in PARQUET.read(self._path, RejectPolicy(), None):
            if self._columns is None:
                self._columns, self._header = _named(list(row.fields)), True
                if self._columns is None:
                    names = ", ".join(row.fields)
                    raise InputError(self._path, f"its columns ({names}) name no query, document and relevance; rename them")
            self._add([str(value) for value in row.fields.values()], row.number)

    def _split(self, line: str, number: int) -> list[str]:
        if self._comma:
            try:
                return [value.strip() for values in csv.reader([line], strict=True) for value in values]
            except csv.Error as error:
                raise InputError(self._path, f"not CSV ({error}); correct the quotes", number) from None
        if "\t" in line:
            values = [value.strip() for value in line.strip("\r\n").split("\t")]
            # In TREC files some columns may be separated by a tab and others by a space.
            if len(values) == self._columns.width if self._columns else len(values) in (_BEIR, _TREC):
                return values if any(values) else []
        return line.split()

    def _is_header(self, values: Sequence[str], line: int) -> bool:
        """Whether the first line names columns; sets the order of the columns either way."""
        self._columns = _named(values)
        self._header = self._columns is not None
        if self._columns is None:
            if len(values) not in (_BEIR, _TREC):
                raise InputError(self._path, f"{len(values)} columns; qrels have {_BEIR} (BEIR) or {_TREC} (TREC)", line)
            self._columns = _Columns(0, len(values) - 2, len(values) - 1, len(values))
            # No number anywhere: these are names, if unknown ones.
            if not any(character.isdigit() for value in values for character in value):
                order = "query, document, relevance" if len(values) == _BEIR else "query, iteration, document, relevance"
                notice(f"{self._path}: its first line ({' '.join(values)}) is taken for a header, and the columns for {order}")
                self._header = True
        return self._header

    def _add(self, values: Sequence[str], line: int) -> None:
        columns = self._columns
        assert columns is not None
        if len(values) != columns.width:
            expected = f"the lines before have {columns.width}" if self._judgments or self._header else f"qrels have {_BEIR} or {_TREC}"
            raise InputError(self._path, f"{len(values)} columns; {expected}", line)
        relevance = values[columns.relevance]
        if not _INTEGER.fullmatch(relevance):
            problem = f"the relevance {relevance!r} is not an integer; write it as one"
            if not self._header and columns.width == _TREC:
                problem += ", or name the columns in a header line if they are not query, 0, document, relevance"
            raise InputError(self._path, problem, line)
        pair = (values[columns.query], values[columns.document])
        check_ids(pair, self._path, line)
        grade = int(relevance.partition(".")[0])
        if self._judgments.setdefault(pair, grade) != grade:
            problem = f"query {pair[0]!r} and document {pair[1]!r} were judged differently before; remove one"
            raise InputError(self._path, problem, line)


def _named(values: Sequence[str]) -> _Columns | None:
    """The columns that a header names; None if it is none."""
    names = [re.sub(r"[^a-z0-9]", "", value.lower()) for value in values]
    found: dict[re.Pattern[str], int] = {}
    for place, name in enumerate(names):
        for kind in (_QUERY, _DOCUMENT, _RELEVANCE, _ITERATION):
            if kind.fullmatch(name):
                found.setdefault(kind, place)
                break
    if not all(kind in found for kind in (_QUERY, _DOCUMENT, _RELEVANCE)):
        return None
    return _Columns(found[_QUERY], found[_DOCUMENT], found[_RELEVANCE], len(names))
