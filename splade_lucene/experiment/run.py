"""BEIR zero-shot in one call: any number of data sets, both BM25s, SPLADE and their fusion, and what they cost."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from splade_lucene.collections.beir_names import FORUMS, LICENSED, PUBLIC
from splade_lucene.collections.catalogue import RequestedCollection
from splade_lucene.errors import SpladeLuceneError
from splade_lucene.evaluation.averages import CQADUPSTACK, averages
from splade_lucene.evaluation.reference import HITS, corpus_documents, published_system, references
from splade_lucene.evaluation.result_records import Dataset, Results, Row, Skipped
from splade_lucene.evaluation.results import FILE, write_results
from splade_lucene.experiment.dataset import DatasetEvaluation, EvaluatedDataset
from splade_lucene.experiment.environment import machine, versions
from splade_lucene.experiment.steps import EvaluationSettings, Steps
from splade_lucene.experiment.systems import BASELINE, Systems

_GROUPS = {"BEIR-13": PUBLIC, "BEIR-18": (*PUBLIC, CQADUPSTACK, *LICENSED)}
_RULE = {
    True: "The passage whose id equals the query's is left out of every system's run on BEIR's collections (ArguAna and Quora need it).",
    False: "A passage whose id equals the query's is kept in every system's run; BEIR's published figures leave it out.",
}
_FLOPS = "FLOPS: mean multiplications to score one query against one document (arXiv 2107.05720)."


def evaluate(
    candidates: Sequence[RequestedCollection],
    out: Path | str,
    systems: Systems,
    *,
    measures: Sequence[str],
    baseline: str = BASELINE,
    settings: EvaluationSettings | None = None,
) -> Results:
    """Evaluates systems on data sets and writes ``results.json`` with everything that it sums up.

    Call it again with the same arguments to resume an interrupted evaluation.

    Args:
        candidates: the data sets.
        out: the folder to write.
        systems: to evaluate.
        measures: ir_measures' names.
        baseline: the name of the system that the others are compared with.
        settings: what holds for all; the defaults if None.

    Returns:
        The results. A data set that is not available or fails is in ``skipped`` with its reason.

    Raises:
        SpladeLuceneError: ``baseline`` is none of the systems, or no data set is left.
    """
    out, settings = Path(out), settings or EvaluationSettings()
    if baseline not in {system.name for system in systems.all}:
        names = ", ".join(system.name for system in systems.all)
        raise SpladeLuceneError(f"the baseline {baseline!r} is none of the systems; they are {names}")
    done: list[EvaluatedDataset] = []
    skipped: list[Skipped] = []
    for candidate in candidates:
        with _noting(candidate.name, skipped):
            collection = candidate.open()
            steps = Steps(collection, out / collection.name, settings)
            # What was summed up before may name runs that are about to be replaced.
            (out / FILE).unlink(missing_ok=True)
            evaluation = DatasetEvaluation(steps, systems, out, measures=measures, baseline=baseline, settings=settings)
            done.append(evaluation.evaluate())
    if not done:
        raise SpladeLuceneError("no data set could be evaluated: " + "; ".join(each.reason for each in skipped))
    rows = [row for each in done for row in each.rows]
    same_settings = settings.hits == HITS and settings.remove_query
    comparable = {
        (row.dataset, row.system)
        for each in done
        for row in each.rows
        if same_settings and each.dataset.split == "test" and _same_corpus(row, each.dataset, systems)
    }
    results = Results(
        name=out.resolve().name,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        versions=versions(),
        machine=machine(),
        settings={
            "hits": settings.hits,
            "remove_query": settings.remove_query,
            "threads": settings.threads,
            "index_threads": settings.index_threads,
        },
        measures=tuple(measures),
        baseline=baseline,
        systems=systems.all,
        datasets=tuple(each.dataset for each in done),
        rows=tuple(rows),
        averages=tuple(
            averages(
                rows,
                systems.all,
                measures,
                forums=FORUMS,
                groups=_GROUPS,
                comparable=lambda dataset, system: (dataset, system.name) in comparable,
            )
        ),
        references={each.dataset.name: references(each.dataset.name) for each in done if references(each.dataset.name)},
        skipped=tuple(skipped),
        notes=(_RULE[settings.remove_query], _FLOPS),
    )
    write_results(out, results)
    return results


def _same_corpus(row: Row, dataset: Dataset, systems: Systems) -> bool:
    system = next(each for each in systems.all if each.name == row.system)
    # Of a system with published figures the index was compared; others have averages alone.
    return bool(row.published) if published_system(system) else dataset.documents == corpus_documents(row.dataset)


@contextmanager
def _noting(name: str, skipped: list[Skipped]) -> Iterator[None]:
    """A data set that fails is recorded and skipped, so that one damaged file does not end a long evaluation."""
    try:
        yield
    except SpladeLuceneError as error:
        skipped.append(Skipped(name, str(error)))
        print(f"{name}: skipped: {error}", file=sys.stderr, flush=True)
