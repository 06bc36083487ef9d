"""Runs: TREC's six columns or MS MARCO's three, with a small JSON file beside each that says how it was made and what it cost."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from splade_lucene.core.files import Lines, atomic_file, check_ids, file_sha256
from splade_lucene.core.ids import RULE, is_usable
from splade_lucene.core.ir_adapters import Run as AnyRun
from splade_lucene.core.ir_adapters import as_run
from splade_lucene.core.streams import is_standard
from splade_lucene.errors import InputError
from splade_lucene.records import Hit

_TREC, _MSMARCO = 6, 3
# What C's strtod reads of a finite number, no more: not 1_000, inf, nan or the digits of other scripts.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_RANK = re.compile(r"[1-9][0-9]{0,8}")
RunFormat = Literal["trec", "msmarco"]
"""Six columns, query Q0 document rank score tag; or three, query, document and rank, separated by tabs."""

Run = dict[str, list[Hit]]
"""Query id → hits, best first."""


def write_run(path: Path, run: AnyRun, *, tag: str, notes: Mapping[str, Any] | None = None, format: RunFormat = "trec") -> None:
    """Writes a run; the file appears when it is whole.

    Args:
        path: the file; ``-`` is standard output.
        run: query id → hits, best first, or scored documents of ir_measures or ir_datasets; scores are written as they are, whole
            numbers without a point.
        tag: the name of the system, the sixth column.
        notes: how the run was made; written to ``<path>.json`` with the checksum of the run, but for standard output.
        format: of the file.

    Raises:
        InputError: an id or the tag is one that would not be read back, a score is no finite number, or a query has a document twice.
    """
    if not is_usable(tag):
        raise InputError(path, f"would have the tag {tag!r}, which is not one column; leave white space out")
    run = as_run(run, path)
    _check(path, run)
    with atomic_file(path) as stream:
        for query_id, hits in run.items():
            for rank, hit in enumerate(hits, start=1):
                if format == "msmarco":
                    stream.write(f"{query_id}\t{hit.doc_id}\t{rank}\n")
                    continue
                score = int(hit.score) if hit.score == int(hit.score) else hit.score
                stream.write(f"{query_id} Q0 {hit.doc_id} {rank} {score} {tag}\n")
    if notes is not None and not is_standard(path):
        with atomic_file(_notes_file(path)) as stream:
            json.dump({"sha256": file_sha256(path), **notes}, stream, indent=1)
            stream.write("\n")


def _check(path: Path, run: Mapping[str, Sequence[Hit]]) -> None:
    known: set[str] = set()
    for query_id, hits in run.items():
        doc_ids = {hit.doc_id for hit in hits}
        names = {query_id, *doc_ids} - known
        if bad := [name for name in names if not is_usable(name)]:
            raise InputError(path, f"would have the id {bad[0]!r}; {RULE}")
        known |= names


def read_run(path: Path | str) -> Run:
    """Reads a run of TREC's six columns or MS MARCO's three (query, document, rank).

    As trec_eval does, it orders hits by score (equal ones by doc_id, descending) and ignores the ranks. An MS MARCO run has nothing
    but ranks: its scores become 1/rank, so that ``RR@10`` is the MRR@10 of MS MARCO's own script.

    Args:
        path: the file, plain or gzip; ``-`` for standard input.

    Raises:
        InputError: a line has other columns, a score is no finite number, a rank is missing or there twice, or a query has a document
            twice.
    """
    path = Path(path)
    scores: dict[str, dict[str, float]] = {}
    lines = Lines(path)
    count = 0
    for text in lines:
        columns = text.split()
        if not columns:
            continue
        count = count or (_MSMARCO if len(columns) == _MSMARCO else _TREC)
        if len(columns) != count:
            shape = "query Q0 document rank score tag" if count == _TREC else "query document rank, as the lines before"
            raise InputError(path, f"{len(columns)} columns; a run has {count}: {shape}", lines.number)
        query_id, doc_id = columns[0], columns[2 if count == _TREC else 1]
        check_ids((query_id, doc_id), path, lines.number)
        score = _score(columns[4], path, lines.number) if count == _TREC else 1 / _rank(columns[2], path, lines.number)
        if doc_id in scores.setdefault(query_id, {}):
            raise InputError(path, f"query {query_id!r} has the document {doc_id!r} twice; remove one", lines.number)
        scores[query_id][doc_id] = score
    if not scores:
        raise InputError(path, "holds no hits; search again, or give another file")
    if count == _MSMARCO:
        _check_ranks(path, scores)
    return {
        query_id: [Hit(doc_id, score) for doc_id, score in sorted(hits.items(), key=lambda hit: (hit[1], hit[0]), reverse=True)]
        for query_id, hits in scores.items()
    }


def _score(text: str, path: Path, line: int) -> float:
    score = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(score):
        raise InputError(path, f"the score {text!r} is not a finite number; correct or remove the line", line)
    return score


def _rank(text: str, path: Path, line: int) -> int:
    if not _RANK.fullmatch(text):
        raise InputError(path, f"the rank {text!r} is not an integer from 1; a line is query, document, rank", line)
    return int(text)


def _check_ranks(path: Path, scores: Mapping[str, Mapping[str, float]]) -> None:
    """MS MARCO's script leaves a rank that is missing empty, and of two at one rank it takes the last: both are mistakes."""
    for query_id, hits in scores.items():
        ranks = sorted(round(1 / score) for score in hits.values())
        if ranks != list(range(1, len(ranks) + 1)):
            wrong = next(expected for expected, rank in enumerate(ranks, start=1) if rank != expected)
            problem = f"has the rank {wrong - 1} twice" if wrong - 1 in ranks[wrong - 1 :] else f"has no rank {wrong}"
            raise InputError(path, f"query {query_id!r} {problem}; number the hits of a query from 1 on")


def read_notes(path: Path | str) -> dict[str, Any]:
    """What is known of how a run was made; empty if nothing is, or if the run was changed since."""
    path = Path(path)
    if is_standard(path):
        return {}
    file = _notes_file(path)
    try:
        notes = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return notes if isinstance(notes, dict) and notes.get("sha256") == file_sha256(path) else {}


def _notes_file(path: Path) -> Path:
    return path.with_name(path.name + ".json")
