"""The results of an evaluation: what ``results.json`` holds, and where the files beside it are.

The folder that ``splade-lucene beir`` and ``compare --output`` write::

    OUT/results.json                        everything that follows, summed up; written last, replaced atomically
    OUT/table.md  table.csv  table.tex      the same as tables
    OUT/DATASET/encoded/SYSTEM/             impact vectors with their manifest
    OUT/DATASET/indexes/SYSTEM/             indexes with their cards
    OUT/DATASET/runs/SYSTEM.trec            the TREC run; SYSTEM.trec.json beside it says how it was made
    OUT/DATASET/scores.csv                  system, query_id, then a column a measure: the score of each judged query
    OUT/DATASET/latency.csv                 system, query_id, encode_ms, search_ms: times of single queries in one thread
    OUT/DATASET/evidence.jsonl              a line a query: its text, what is relevant, the top 5 of each system, the terms that matched
    OUT/DATASET/passages.jsonl              id, title and the beginning of the text of every passage in a top 5

``compare`` knows no texts, indexes or terms: of the files of a data set it writes ``scores.csv`` only, and names the runs where they are.
Paths in the records are relative to ``OUT``, or absolute for files elsewhere; None where there is no such file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from splade_lucene.core.files import atomic_file
from splade_lucene.errors import InputError
from splade_lucene.records import EncoderRecord

FILE = "results.json"
FORMAT = "splade_lucene results 1"

SystemKind = Literal["bm25", "impact", "fusion", "run"]


@dataclass(frozen=True)
class System:
    """What was evaluated.

    Attributes:
        name: in file names and as the key of rows: ``bm25-flat``, ``splade-tiny``, ``rrf-splade-tiny``.
        label: for people: ``BM25 flat``, ``SPLADE tiny``, ``BM25 + SPLADE tiny (reciprocal rank)``.
        kind: ``run`` for a TREC run made elsewhere.
        settings: ``k1``, ``b`` and ``fields`` of BM25; ``max_length``, ``top_k`` of SPLADE; ``method`` and its constants of fusion.
        encoder: of SPLADE; else None.
        components: of a fusion: the names of the systems that it joins.
    """

    name: str
    label: str
    kind: SystemKind
    settings: Mapping[str, Any] = field(default_factory=dict)
    encoder: EncoderRecord | None = None
    components: tuple[str, ...] = ()

    @property
    def record(self) -> EncoderRecord:
        """The encoder of a system that has one."""
        assert self.encoder is not None
        return self.encoder


@dataclass(frozen=True)
class Dataset:
    """What it was evaluated on.

    Attributes:
        name: the key of rows and the name of the folder: ``scifact``, ``cqadupstack-android``.
        source: the folder, zip or ir_datasets id that it was read from.
        split: of the qrels.
        sha256: of the corpus; None where only runs are known.
        documents: passages in the corpus; None likewise.
        queries: judged queries: the number that means are taken over.
        judgments: the number of (query, passage) judgments.
        queries_without_relevant: judged queries without a single relevant passage; they count 0 for every system, as in trec_eval.
        qrels: the qrels file, if it is one.
        scores: ``scores.csv``.
        latency: ``latency.csv``.
        evidence: ``evidence.jsonl``.
        passages: ``passages.jsonl``.
        notes: what a reader of its figures should know, a sentence each.
    """

    name: str
    source: str
    split: str | None
    sha256: str | None
    documents: int | None
    queries: int
    judgments: int
    queries_without_relevant: int
    qrels: str | None
    scores: str
    latency: str | None
    evidence: str | None
    passages: str | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cost:
    """What a system costs on a data set, timings aside; a fusion costs what its systems cost together.

    Attributes:
        documents: in the index.
        flops: mean multiplications to score a query against a document (arXiv 2107.05720).
        terms_per_query: mean number of distinct terms of a query.
        terms_per_document: mean number of distinct terms of a document.
        index_bytes: of the index folder.
    """

    documents: int
    flops: float
    terms_per_query: float
    terms_per_document: float
    index_bytes: int

    @classmethod
    def from_notes(cls, notes: Mapping[str, Any]) -> Cost | None:
        """What ``search`` noted beside a run; None for runs made elsewhere."""
        names = [each.name for each in fields(cls)]
        return cls(**{name: notes[name] for name in names}) if notes.keys() >= set(names) else None

    @classmethod
    def together(cls, parts: Iterable[Cost | None]) -> Cost | None:
        """What a fusion of these costs: the sum, but for the documents, of which most counts; None where one is not known."""
        costs = list(parts)
        known = [cost for cost in costs if cost]
        if len(known) < len(costs):
            return None
        sums = {each.name: sum(getattr(part, each.name) for part in known) for each in fields(cls)}
        return cls(**(sums | {"documents": max(part.documents for part in known)}))


@dataclass(frozen=True)
class Milliseconds:
    """Times of single queries."""

    mean: float
    p50: float
    p99: float


@dataclass(frozen=True)
class UnderLoad:
    """Queries that arrive from several threads at once, encoding included.

    Attributes:
        threads: each asks for a query when it has the hits of the one before: as many as there are processors.
        per_second: queries answered per second, all threads together.
        query_ms: of single queries.
    """

    threads: int
    per_second: float
    query_ms: Milliseconds


@dataclass(frozen=True)
class Timings:
    """How long it took; the only figures beside ``Results.created`` that differ when an evaluation is run again.

    Attributes:
        encode_seconds: of all passages; 0 for BM25, None if they were encoded elsewhere.
        index_seconds: of building the index; None if it was built elsewhere.
        search_ms: of a query without encoding, one thread, after a warm-up.
        query_ms: likewise with encoding.
        queries: how many queries the latencies were measured on.
        under_load: of the same queries from several threads; None where it was not measured.
    """

    encode_seconds: float | None
    index_seconds: float | None
    search_ms: Milliseconds
    query_ms: Milliseconds
    queries: int
    under_load: UnderLoad | None = None


@dataclass(frozen=True)
class Published:
    """A published figure beside the measured one.

    Attributes:
        value: as published.
        difference: measured minus published.
        off: whether it is a BM25 figure that is further off than .0005: then something differs from the published setting.
    """

    value: float
    difference: float
    off: bool


@dataclass(frozen=True)
class Comparison:
    """A system against the baseline in one measure, query by query.

    Attributes:
        difference: of the means, system minus baseline.
        wins: queries on which the system scores higher.
        ties: on which they score the same.
        losses: on which it scores lower.
        t_p: p of the two-sided paired t-test.
        t_p_holm: the same, Holm-corrected over all systems that are compared on the data set in this measure.
        randomisation_p: p of the two-sided paired randomisation test.
        randomisation_p_holm: likewise corrected.
    """

    difference: float
    wins: int
    ties: int
    losses: int
    t_p: float
    t_p_holm: float
    randomisation_p: float
    randomisation_p_holm: float


@dataclass(frozen=True)
class Row:
    """One system on one data set.

    Attributes:
        dataset: name.
        system: name.
        run: the TREC run.
        run_sha256: its checksum.
        scores: measure → mean over the judged queries.
        published: measure → the published figure, where the settings match one.
        comparisons: measure → against the baseline; empty for the baseline itself.
        missing: judged queries without hits; they count 0.
        unjudged: queries of the run without judgments; they are left out.
        cost: None for runs without notes.
        timings: likewise.
    """

    dataset: str
    system: str
    run: str
    run_sha256: str
    scores: Mapping[str, float]
    published: Mapping[str, Published] = field(default_factory=dict)
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)
    missing: int = 0
    unjudged: int = 0
    cost: Cost | None = None
    timings: Timings | None = None


@dataclass(frozen=True)
class SweepPoint:
    """A setting that was tried on a data set, whether or not it is among the systems.

    Attributes:
        label: its settings.
        dataset: name.
        scores: measure → mean.
        cost: of it.
        timings: likewise.
    """

    label: str
    dataset: str
    scores: Mapping[str, float]
    cost: Cost | None
    timings: Timings | None


@dataclass(frozen=True)
class Average:
    """The mean of a system's scores over data sets that every system has.

    Attributes:
        name: ``mean``, ``cqadupstack`` (of its 12), ``BEIR-13``.
        datasets: whose means are averaged, each with the same weight.
        system: name.
        scores: measure → mean.
        published: measure → the published average, where there is one.
    """

    name: str
    datasets: tuple[str, ...]
    system: str
    scores: Mapping[str, float]
    published: Mapping[str, Published] = field(default_factory=dict)


@dataclass(frozen=True)
class Skipped:
    """A data set that was asked for and is not in the results, and why."""

    dataset: str
    reason: str


@dataclass(frozen=True)
class Results:
    """An evaluation.

    Attributes:
        name: of the folder.
        created: when the results were written, ISO 8601 in UTC.
        versions: package or program → version: splade_lucene, python, pyserini, lucene, torch, transformers, ir_measures.
        machine: ``cpu``, ``cores``, ``memory_bytes``, ``os``.
        settings: of the whole evaluation: ``hits``, ``remove_query``, and what else holds for all systems.
        measures: ir_measures' names, in the order of columns.
        baseline: the name of the system that the others are compared with.
        systems: in the order of rows.
        datasets: likewise.
        rows: one per data set and system.
        averages: over data sets.
        references: data set → published system (``bm25-flat``, ``splade-pp-ed``, …) → measure → published figure, for context.
        skipped: data sets that are missing.
        notes: what a reader should know, a sentence each.
        sweep: all settings that were tried where systems were chosen from them.
    """

    name: str
    created: str
    versions: Mapping[str, str]
    machine: Mapping[str, Any]
    settings: Mapping[str, Any]
    measures: tuple[str, ...]
    baseline: str
    systems: tuple[System, ...]
    datasets: tuple[Dataset, ...]
    rows: tuple[Row, ...]
    averages: tuple[Average, ...] = ()
    references: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    sweep: tuple[SweepPoint, ...] = ()
    format: str = FORMAT

    def row(self, dataset: str, system: str) -> Row | None:
        """The row of a system on a data set, if there is one."""
        return next((row for row in self.rows if (row.dataset, row.system) == (dataset, system)), None)

    def system(self, name: str) -> System:
        """A system by its name.

        Raises:
            KeyError: there is none.
        """
        return {system.name: system for system in self.systems}[name]


def write_results(folder: Path | str, results: Results) -> Path:
    """Writes ``results.json`` into a folder; the file appears when it is whole.

    Returns:
        The file.
    """
    from pydantic import TypeAdapter

    file = Path(folder) / FILE
    with atomic_file(file) as stream:
        stream.write(TypeAdapter(Results).dump_json(results, indent=1).decode() + "\n")
    return file


def read_results(path: Path | str) -> Results:
    """Reads ``results.json`` back.

    Args:
        path: the file, or the folder that holds it.

    Raises:
        InputError: there is no such file, or it is not one of ours; the message names the first field that is wrong.
    """
    from pydantic import TypeAdapter, ValidationError

    file = Path(path) / FILE if Path(path).is_dir() else Path(path)
    try:
        results = TypeAdapter(Results).validate_json(_with_records(file.read_bytes()))
    except OSError as error:
        raise InputError(file, f"cannot be read ({error.strerror or error})") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(file, f"is no results file of splade-lucene ({place or 'the file'}: {first['msg']})") from None
    if results.format != FORMAT:
        raise InputError(file, f"has the format {results.format!r}, this version reads {FORMAT!r}; evaluate again")
    return results


def _with_records(text: bytes) -> bytes:
    """Results from before there could be two encoders, in today's form; what is damaged is left for the check to name."""
    try:
        data = json.loads(text)
        for system in data["systems"]:
            encoder = system.get("encoder")
            system["encoder"] = EncoderRecord.from_json(encoder).to_json() if encoder else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return text
    return json.dumps(data).encode()


def place(path: Path | str, folder: Path | str) -> str:
    """A path as the records name it: relative to the folder of the results if it is inside, else absolute."""
    path, folder = Path(path).resolve(), Path(folder).resolve()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else os.fspath(path)


def locate(name: str, folder: Path | str) -> Path:
    """The path that :func:`place` named."""
    return Path(folder) / name
