"""Runs: TREC's six columns, with a small JSON file beside each that says how it was made and what it cost."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from splade_lucene.core.files import Lines, atomic_file, check_ids, file_sha256
from splade_lucene.core.ids import RULE, is_usable
from splade_lucene.core.ir_adapters import Run as AnyRun
from splade_lucene.core.ir_adapters import as_run
from splade_lucene.errors import InputError
from splade_lucene.records import Hit

_COLUMNS = 6
Run = dict[str, list[Hit]]
"""Query id → hits, best first."""


def write_run(path: Path, run: AnyRun, *, tag: str, notes: Mapping[str, Any] | None = None) -> None:
    """Writes a TREC run; the file appears when it is whole.

    Args:
        path: the file.
        run: query id → hits, best first, or scored documents of ir_measures or ir_datasets; scores are written as they are, whole
            numbers without a point.
        tag: the name of the system, the sixth column.
        notes: how the run was made; written to ``<path>.json`` with the checksum of the run.

    Raises:
        InputError: an id or the tag is one that would not be read back, a score is no finite number, or a query has a document twice.
    """
    if not is_usable(tag):
        raise InputError(path, f"would have the tag {tag!r}, which is not one column; leave white space out")
    run = as_run(run)
    _check(path, run)
    with atomic_file(path) as stream:
        for query_id, hits in run.items():
            for rank, hit in enumerate(hits, start=1):
                score = int(hit.score) if hit.score == int(hit.score) else hit.score
                stream.write(f"{query_id} Q0 {hit.doc_id} {rank} {score} {tag}\n")
    if notes is not None:
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
        if not all(math.isfinite(hit.score) for hit in hits):
            raise InputError(path, f"would have a score of query {query_id!r} that is no finite number; leave that hit out")
        if len(doc_ids) < len(hits):
            raise InputError(path, f"would have a document of query {query_id!r} twice; keep the better hit")
        known |= names


def read_run(path: Path | str) -> Run:
    """Reads a TREC run. As trec_eval does, it orders hits by score (equal ones by doc_id, descending) and ignores the ranks.

    Raises:
        InputError: a line has not six columns, a score is no number, or a query has a document twice.
    """
    path = Path(path)
    scores: dict[str, dict[str, float]] = {}
    lines = Lines(path)
    for text in lines:
        if not text.strip():
            continue
        columns = text.split()
        if len(columns) != _COLUMNS:
            raise InputError(path, f"{len(columns)} columns; a TREC run has {_COLUMNS}: query Q0 document rank score tag", lines.number)
        query_id, _, doc_id, _, number, _ = columns
        check_ids((query_id, doc_id), path, lines.number)
        try:
            score = float(number)
        except ValueError:
            score = math.nan
        if math.isnan(score):
            raise InputError(path, f"the score {number!r} is not a number; correct or remove the line", lines.number)
        if doc_id in scores.setdefault(query_id, {}):
            raise InputError(path, f"query {query_id!r} has the document {doc_id!r} twice; remove one", lines.number)
        scores[query_id][doc_id] = score
    if not scores:
        raise InputError(path, "holds no hits; search again, or give another file")
    return {
        query_id: [Hit(doc_id, score) for doc_id, score in sorted(hits.items(), key=lambda hit: (hit[1], hit[0]), reverse=True)]
        for query_id, hits in scores.items()
    }


def read_notes(path: Path | str) -> dict[str, Any]:
    """What is known of how a run was made; empty if nothing is, or if the run was changed since."""
    path = Path(path)
    file = _notes_file(path)
    try:
        notes = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return notes if isinstance(notes, dict) and notes.get("sha256") == file_sha256(path) else {}


def _notes_file(path: Path) -> Path:
    return path.with_name(path.name + ".json")
