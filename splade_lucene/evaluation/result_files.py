"""The files beside ``results.json``, query by query: scores, latencies, and the evidence that a reader of a figure asks for."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from splade_lucene.core.files import Lines, atomic_file, read_objects
from splade_lucene.errors import InputError
from splade_lucene.evaluation.cost import QueryTime
from splade_lucene.records import Hit, Passage

TOP = 5
"""How many hits of each system the evidence shows."""

QueryScores = dict[str, dict[str, dict[str, float]]]
"""System → measure → query id → score."""


@dataclass(frozen=True)
class Evidence:
    """One query with what explains its scores.

    Attributes:
        query_id: its id.
        text: its text.
        relevant: docid → grade, of the relevant passages only.
        top: system → its first hits, best first.
        matches: system with an index → docid (of any system's top) → term → what the term adds to the score, largest first; a term of
            a title field as ``title:term``. A fusion has none of its own: look at its components.
    """

    query_id: str
    text: str
    relevant: Mapping[str, int]
    top: Mapping[str, Sequence[Hit]]
    matches: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)


def write_scores(path: Path, scores: Mapping[str, Mapping[str, Mapping[str, float]]]) -> None:
    """Writes the score of every system, measure and query."""
    measures = list(next(iter(scores.values()), {}))
    with atomic_file(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["system", "query_id", *measures])
        for system, values in scores.items():
            for query_id in next(iter(values.values()), {}):
                writer.writerow([system, query_id, *(values[measure][query_id] for measure in measures)])


def read_scores(path: Path) -> QueryScores:
    """Reads what :func:`write_scores` wrote.

    Raises:
        InputError: the file is missing or malformed.
    """
    found: QueryScores = {}
    for system, query_id, values in _read_csv(path):
        for measure, value in values.items():
            found.setdefault(system, {}).setdefault(measure, {})[query_id] = value
    return found


def write_latency(path: Path, times: Mapping[str, Mapping[str, QueryTime]]) -> None:
    """Writes the times of the queries of every system."""
    with atomic_file(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["system", "query_id", *QueryTime._fields])
        for system, queries in times.items():
            for query_id, each in queries.items():
                writer.writerow([system, query_id, f"{each.encode_ms:.4f}", f"{each.search_ms:.4f}"])


def read_latency(path: Path) -> dict[str, dict[str, QueryTime]]:
    """Reads what :func:`write_latency` wrote: system → query id → times.

    Raises:
        InputError: the file is missing or malformed.
    """
    found: dict[str, dict[str, QueryTime]] = {}
    for system, query_id, values in _read_csv(path):
        found.setdefault(system, {})[query_id] = QueryTime(values["encode_ms"], values["search_ms"])
    return found


def write_evidence(path: Path, evidence: Iterable[Evidence]) -> None:
    """Writes one line per query."""
    with atomic_file(path) as stream:
        for each in evidence:
            line = {
                "id": each.query_id,
                "text": each.text,
                "relevant": each.relevant,
                "top": {system: [[hit.doc_id, hit.score] for hit in hits] for system, hits in each.top.items()},
                "matches": each.matches,
            }
            stream.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")


def read_evidence(path: Path) -> Iterator[Evidence]:
    """Streams what :func:`write_evidence` wrote.

    Raises:
        InputError: the file is missing or malformed.
    """
    for number, line in read_objects(path):
        try:
            top = {system: [Hit(*hit) for hit in hits] for system, hits in line["top"].items()}
            yield Evidence(line["id"], line["text"], line["relevant"], top, line["matches"])
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(path, f"is no line of evidence ({error!r})", number) from None


def write_passages(path: Path, passages: Iterable[Passage]) -> None:
    """Writes the passages that the evidence names."""
    with atomic_file(path) as stream:
        for passage in passages:
            stream.write(json.dumps({"id": passage.doc_id, "text": passage.text, "title": passage.title}, ensure_ascii=False) + "\n")


def read_evidence_passages(path: Path) -> dict[str, Passage]:
    """Reads what :func:`write_passages` wrote: docid → passage.

    Raises:
        InputError: the file is missing or malformed.
    """
    found: dict[str, Passage] = {}
    for number, line in read_objects(path):
        try:
            found[line["id"]] = Passage(line["id"], line["text"], line["title"])
        except (KeyError, TypeError) as error:
            raise InputError(path, f"is no passage ({error!r})", number) from None
    return found


def _read_csv(path: Path) -> Iterator[tuple[str, str, dict[str, float]]]:
    lines = Lines(path)
    reader = csv.DictReader(lines)
    for row in reader:
        try:
            fields: dict[str, Any] = dict(row)
            system, query_id = fields.pop("system"), fields.pop("query_id")
            yield system, query_id, {name: float(value) for name, value in fields.items()}
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(path, f"is not what an evaluation writes ({error!r})", lines.number) from None
