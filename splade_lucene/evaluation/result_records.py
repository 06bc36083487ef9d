"""The results of an evaluation: what ``results.json`` holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from splade_lucene.evaluation.cost import Cost, Timings
from splade_lucene.records import Bm25Settings, EncoderRecord, VectorSettings

FORMAT = "splade_lucene results 1"

SystemKind = Literal["bm25", "impact", "fusion", "run"]


class FusionSettings(NamedTuple):
    """How runs are fused.

    Attributes:
        method: ``rrf`` or ``min-max sum``.
        weight: of the first run in the sum; ``tuned`` where it is learned on each data set.
        constant: of reciprocal ranks.
    """

    method: str
    weight: float | str | None = None
    constant: int | None = None


@dataclass(frozen=True)
class System:
    """What was evaluated.

    Attributes:
        name: in file names and as the key of rows: ``bm25-flat``, ``splade-tiny``, ``rrf-splade-tiny``.
        label: for people: ``BM25 flat``, ``SPLADE tiny``, ``BM25 + SPLADE tiny (reciprocal rank)``.
        kind: ``run`` for a TREC run made elsewhere.
        settings: by name, what differs from the defaults of :class:`Bm25Settings`, :class:`VectorSettings` or :class:`FusionSettings`.
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
    def bm25(self) -> Bm25Settings:
        """The settings of BM25."""
        return Bm25Settings(**self.settings)

    @property
    def vectors(self) -> VectorSettings:
        """The settings of SPLADE."""
        return VectorSettings(**self.settings)

    @property
    def fusion(self) -> FusionSettings:
        """The settings of a fusion."""
        return FusionSettings(**self.settings)

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
