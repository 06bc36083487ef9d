"""Passages from files of any kind that :mod:`splade_lucene.collections.formats` knows; one file, or a folder of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from splade_lucene.collections.fields import Fields, check_id, other_fields, passage_of
from splade_lucene.collections.formats.arrow import dataset_files
from splade_lucene.collections.formats.base import FileFormat, FileRow
from splade_lucene.collections.formats.registry import SUFFIXES, find_format, format_by_suffix
from splade_lucene.core.rejects import RejectPolicy
from splade_lucene.core.remote import RemotePath
from splade_lucene.core.streams import AnyPath, as_path, is_standard
from splade_lucene.core.unique_ids import UniqueIds
from splade_lucene.errors import InputError
from splade_lucene.records import Passage

CORPUS = ("corpus.jsonl", "corpus.jsonl.gz", "corpus.parquet", "corpus")
"""Names of the passages in a BEIR folder; the last is a folder of files, as on the Hugging Face hub."""

_KINDS = ", ".join(suffix for suffix in SUFFIXES if suffix != ".arrow")


def read_passages(
    path: AnyPath | str, bad: RejectPolicy | None = None, fields: Fields | None = None, *, keep_fields: bool = False
) -> Iterator[Passage]:
    """Streams the passages of a collection.

    Args:
        path: a BEIR folder (with ``corpus.jsonl``), a dataset that ``datasets`` saved on disk, a folder of JSONL, JSON, TSV, CSV or
            Parquet files (read in the order of their names), one such file, or ``-`` for standard input; or the URL of a folder or
            file, such as ``s3://bucket/folder`` or ``https://host/corpus.jsonl.gz``. Text files may be ``.gz``. Records have the
            fields of BEIR (``_id``, ``title``, ``text``), Pyserini (``id``, ``contents``) or MS MARCO v2 (``pid`` and ``passage``;
            ``docid``, ``title``, ``headings`` and ``segment`` or ``body``).
        bad: told of each record that is not a passage; stops at the first if None.
        fields: which fields are the id and the text, if others.
        keep_fields: keep what else a record holds as :attr:`Passage.fields`.

    Yields:
        The passages in file order.

    Raises:
        InputError: no such collection, a file that cannot be read or holds nothing, or a record that is not a passage: no such
            object, no text, or an id that TREC files cannot carry, or a duplicate one.
    """
    path = as_path(path)
    bad = RejectPolicy() if bad is None else bad
    seen = UniqueIds()
    for file in passage_files(path):
        before = len(seen) + len(bad.rejected)
        version = file.version() if isinstance(file, RemotePath) else ()
        for line, passage in read_passage_file(file, bad, fields, keep_fields=keep_fields):
            try:
                check_id(passage.doc_id, seen, file, line)
            except InputError as error:
                bad.handle(error)
            else:
                yield passage
        if len(seen) + len(bad.rejected) == before:
            raise InputError(file, "holds no passages; fetch it again or remove it")
        if isinstance(file, RemotePath) and file.version() != version:
            raise InputError(file, "changed while it was read; run the command again with --overwrite")
    if not seen:
        first = bad.rejected[0]
        raise InputError(first.file, f"{first.reason} (as all {len(bad.rejected)} lines of {path} are bad)", first.line)


def read_passage_file(
    file: AnyPath, bad: RejectPolicy, fields: Fields | None = None, *, keep_fields: bool = False
) -> Iterator[tuple[int, Passage]]:
    """Streams the passages of one of the files of :func:`passage_files`, without a look at their ids.

    Args:
        file: the file.
        bad: told of each record that is not a passage.
        fields: which fields are the id and the text, if not those that are known.
        keep_fields: keep what else a record holds.

    Yields:
        ``(line or row, passage)``; lines and rows are counted from 1.

    Raises:
        InputError: the file cannot be read, or ``bad`` stops.
    """
    fields = fields or Fields()
    own = fields.of_passages()
    for row in _format(file).read(file, bad, None if keep_fields else own):
        try:
            passage = passage_of(row, fields, file)
            if keep_fields:
                passage = passage._replace(fields=other_fields(row, own, file))
        except InputError as error:
            bad.handle(error)
        else:
            yield row.number, passage


def passages_of(records: Iterable[Mapping[str, Any]], fields: Fields | None = None) -> Iterator[Passage]:
    """Passages from records that are no files: rows of a Hugging Face dataset, streamed or not, or dictionaries of any origin.

    Args:
        records: field name → value, with the names that :func:`read_passages` knows.
        fields: which fields are the id and the text, if others.

    Yields:
        The passages in the order of the records.

    Raises:
        InputError: a record is no passage, or has a duplicate id.
    """
    seen, place = UniqueIds(), Path("the records")
    for number, record in enumerate(records, start=1):
        passage = passage_of(FileRow(number, record), fields or Fields(), place)
        check_id(passage.doc_id, seen, place, number)
        yield passage


def estimate_passages(path: AnyPath | str) -> int:
    """Roughly how many passages a collection has, without reading all of it: for the time that is left.

    Args:
        path: as for :func:`read_passages`.

    Returns:
        The number of rows of Parquet and Arrow files and of lines of others: exact for small plain files, else from samples, which
        large compressed files have only at their start. 0 if nothing is known, as of standard input.

    Raises:
        InputError: no such collection.
    """
    files = passage_files(as_path(path))
    return round(sum(_format(file).estimate(file) for file in files if not is_standard(file)))


def passage_files(path: AnyPath) -> list[AnyPath]:
    """The files that hold the passages of a collection, in the order in which they are read.

    Raises:
        InputError: there is no such file or folder, or it holds none.
    """
    if is_standard(path):
        return [path]
    if path.is_file():
        _format(path)
        return [path]
    if not path.is_dir():
        raise InputError(path, "no such file or folder")
    for name in CORPUS:
        if (path / name).is_file():
            return [path / name]
        if (path / name).is_dir():
            return passage_files(path / name)
    if (files := dataset_files(path)) is not None:
        return files
    files = sorted((file for file in path.iterdir() if file.is_file() and _holds_passages(file)), key=str)
    if not files:
        raise InputError(path, f"holds no corpus.jsonl and no {_KINDS} file (text files plain or .gz), and is no dataset saved on disk")
    return files


def _holds_passages(file: AnyPath) -> bool:
    if file.name.startswith("."):
        return False
    # MS MARCO v2's files of passages are named .gz alone.
    found = format_by_suffix(file) or (find_format(file) if file.suffix == ".gz" else None)
    return found is not None and found.passages


def _format(file: AnyPath) -> FileFormat:
    found = find_format(file)
    if found is None or not found.passages:
        problem = f"unknown kind of file; passages come as {_KINDS}, text files each also with .gz"
        raise InputError("standard input" if is_standard(file) else file, problem)
    return found
