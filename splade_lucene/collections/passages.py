"""Passages from files: BEIR, Pyserini/Anserini JSONL and TSV; plain or gzip; one file or a folder of them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from splade_lucene.collections.fields import check_id, string_field
from splade_lucene.core.files import AnyPath, read_objects, read_pairs
from splade_lucene.core.rejects import RejectPolicy
from splade_lucene.core.unique_ids import UniqueIds
from splade_lucene.errors import InputError
from splade_lucene.records import Passage

# Bytes that are looked at to estimate the number of lines of a file, and bytes of one sample of them.
_SAMPLE, _BLOCK = 1 << 24, 1 << 16
_SUFFIXES = (".jsonl", ".json", ".tsv")


def read_passages(path: AnyPath | str, bad: RejectPolicy | None = None) -> Iterator[Passage]:
    """Streams the passages of a collection.

    Args:
        path: a BEIR folder (with ``corpus.jsonl``), a folder of ``.jsonl``, ``.json`` or ``.tsv`` files (each may be ``.gz``;
            read in the order of their names), or one such file. JSONL lines are BEIR's (``_id``, ``title``, ``text``) or
            Pyserini's (``id``, ``contents``); TSV lines are ``id<TAB>text``.
        bad: told of each line that is not a passage; stops at the first if None.

    Yields:
        The passages in file order.

    Raises:
        InputError: no such collection, a file that cannot be read or holds nothing, or a line that is not a passage: no such object,
            no text, or an id that TREC files cannot carry or that was there before.
    """
    bad = RejectPolicy() if bad is None else bad
    seen = UniqueIds()
    for file in _files(Path(path) if isinstance(path, str) else path):
        before = len(seen) + len(bad.rejected)
        for line, passage in _read(file, bad):
            try:
                check_id(passage.doc_id, seen, file, line)
            except InputError as error:
                bad.handle(error)
            else:
                yield passage
        if len(seen) + len(bad.rejected) == before:
            raise InputError(file, "holds no passages; fetch it again or remove it")
    if not seen:
        first = bad.rejected[0]
        raise InputError(first.file, f"{first.reason} (as all {len(bad.rejected)} lines of {path} are bad)", first.line)


def estimate_passages(path: Path | str) -> int:
    """Roughly how many passages a collection has, without reading all of it: for the time that is left.

    Args:
        path: as for :func:`read_passages`.

    Returns:
        The number of lines: exact for small plain files, else from samples, which large compressed files have only at their start.

    Raises:
        InputError: no such collection.
    """
    return round(sum(map(_estimate_lines, _files(Path(path)))))


def _estimate_lines(file: AnyPath) -> float:
    if not isinstance(file, Path):
        return 0.0  # inside a zip
    size, read, lines = file.stat().st_size, 0, 0
    try:
        with file.open("rb") as raw:
            if file.suffix == ".gz":
                with gzip.GzipFile(fileobj=raw) as stream:
                    lines = stream.read(_SAMPLE).count(b"\n")
                    # The decompressor reads ahead a little; at the end of the file it has read all.
                    read = raw.tell()
            else:
                step = max(1, size // _SAMPLE)
                for start in range(0, size, _BLOCK * step):
                    raw.seek(start)
                    block = raw.read(_BLOCK)
                    read, lines = read + len(block), lines + block.count(b"\n")
    except (OSError, EOFError, zlib.error):
        return 0.0  # reading it will say what is wrong
    return lines * size / max(1, read)


def _files(path: AnyPath) -> list[AnyPath]:
    if path.is_file():
        if not _plain_suffix(path):
            raise InputError(path, f"unknown kind of file; passages come as {', '.join(_SUFFIXES)}, each also with .gz")
        return [path]
    if not path.is_dir():
        raise InputError(path, "no such file or folder")
    for name in ("corpus.jsonl", "corpus.jsonl.gz"):
        if (path / name).is_file():
            return [path / name]
    files = sorted((file for file in path.iterdir() if file.is_file() and _plain_suffix(file)), key=str)
    if not files:
        raise InputError(path, f"holds no corpus.jsonl and no {', '.join(_SUFFIXES)} file (plain or .gz)")
    return files


def _plain_suffix(path: AnyPath) -> str | None:
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    return suffix if suffix in _SUFFIXES else None


def _read(file: AnyPath, bad: RejectPolicy) -> Iterator[tuple[int, Passage]]:
    if _plain_suffix(file) == ".tsv":
        for number, doc_id, text in read_pairs(file, bad):
            yield number, Passage(doc_id, text)
        return
    for number, item in read_objects(file, bad):
        try:
            doc_id = string_field(item, ("_id", "id"), file, number)
            title = string_field(item, ("title",), file, number) if "title" in item else ""
            passage = Passage(doc_id, string_field(item, ("text", "contents"), file, number), title)
        except InputError as error:
            bad.handle(error)
        else:
            yield number, passage
