"""A full evaluation on text that every machine has: the docstrings of Python's standard library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from splade_lucene.collections.catalogue import RequestedCollection
from splade_lucene.collections.pydocs import PydocsCollection
from splade_lucene.encoding.defaults import DEFAULT_SCALE
from splade_lucene.evaluation.result_records import Results, Row, System
from splade_lucene.evaluation.results import locate
from splade_lucene.evaluation.runs import Run, read_run
from splade_lucene.experiment.run import evaluate
from splade_lucene.experiment.steps import EvaluationSettings
from splade_lucene.experiment.systems import SpladeSettings, plan_systems
from splade_lucene.pipeline.pool import ModelSpec
from splade_lucene.pipeline.progress import progress
from splade_lucene.records import Query

MEASURES = ("nDCG@10", "R@100", "RR@10")
# Shown as examples; picked before any run was seen.
_EXAMPLES = ("q03", "q37", "q65")


class DemoSystem(NamedTuple):
    """One row of the demo's table: ``BM25``, ``SPLADE`` or ``fusion``, what it is, what it scored and cost, and its run."""

    name: str
    system: System
    row: Row
    run: Run


class DemoReport(NamedTuple):
    """What the demo found.

    Attributes:
        results: of the evaluation, with more systems than are shown.
        systems: BM25, SPLADE, and the sum of both.
        examples: queries to show.
        relevant: query id → docid → grade.
    """

    results: Results
    systems: Sequence[DemoSystem]
    examples: Sequence[Query]
    relevant: Mapping[str, Mapping[str, int]]


def run_demo(folder: Path, *, model: ModelSpec, threads: int = 1) -> DemoReport:
    """Collects the docstrings and evaluates BM25, SPLADE and their fusion on them; shows the progress of each step on stderr.

    Args:
        folder: of the evaluation: vectors, indexes, runs and results. What an earlier demo left there and still fits is kept.
        model: the encoder.
        threads: for indexing and searching.

    Raises:
        SpladeLuceneError: a step failed.
    """
    from splade_lucene.encoding.model import SpladeModel

    with progress("collecting docstrings of the standard library", "passages") as advance:
        collection = PydocsCollection()
        advance(sum(1 for _ in collection.passages()))
    systems = plan_systems(
        ("bm25-flat", "splade", "fusion"), [SpladeModel.load(**model._asdict())], SpladeSettings(None, None, DEFAULT_SCALE)
    )
    candidate = RequestedCollection(collection.name, lambda: collection)
    settings = EvaluationSettings(threads=threads, index_threads=threads, overwrite=True)
    results = evaluate([candidate], folder, systems, measures=MEASURES, settings=settings)
    relevant: dict[str, dict[str, int]] = {}
    for qrel in collection.qrels():
        relevant.setdefault(qrel.query_id, {})[qrel.doc_id] = qrel.relevance
    (splade,) = systems.models
    shown = []
    for name, key in (("BM25", "bm25-flat"), ("SPLADE", splade), ("fusion", f"sum-{splade}")):
        row = next(row for row in results.rows if row.system == key)
        shown.append(DemoSystem(name, results.system(key), row, read_run(locate(row.run, folder))))
    return DemoReport(results, shown, [query for query in collection.queries() if query.query_id in _EXAMPLES], relevant)
