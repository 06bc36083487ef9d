"""Compares TREC runs made anywhere: the same table and tests as an evaluation of our own."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

from splade_lucene._version import __version__
from splade_lucene.collections.queries import read_qrels
from splade_lucene.core.files import file_sha256
from splade_lucene.errors import SpladeLuceneError
from splade_lucene.evaluation.cost import Cost
from splade_lucene.evaluation.judging import Judged, compare_with_baseline, judge, without_relevant
from splade_lucene.evaluation.result_records import Dataset, Results, Row, System
from splade_lucene.evaluation.results import place
from splade_lucene.evaluation.runs import read_notes, read_run


class RunComparison:
    """Compares runs with the first of them.

    Args:
        qrels: TREC or BEIR judgments, or a BEIR folder for its test split.
        runs: TREC runs, the baseline first.
        measures: ir_measures' names.
        out: the folder that paths in the results are relative to.

    Raises:
        InputError: a file is missing or malformed, or a run has a document twice for a query, which trec_eval refuses too.
        SpladeLuceneError: a run is named twice.
    """

    def __init__(self, qrels: Path, runs: Sequence[Path], measures: Sequence[str], out: Path) -> None:
        self._qrels_path, self._out, self._measures = qrels, out, tuple(measures)
        self._qrels = read_qrels(qrels)
        self._runs = _named(runs)
        self.judged: dict[str, Judged] = {name: judge(read_run(path), self._qrels, " ".join(measures)) for name, path in self._runs.items()}

    def results(self) -> Results:
        """The results, as of an evaluation with one data set."""
        baseline, *_ = self._runs
        comparisons = compare_with_baseline(self.judged, baseline)
        dataset = self._dataset()
        rows = [
            Row(
                dataset=dataset.name,
                system=name,
                run=place(path, self._out),
                run_sha256=file_sha256(path),
                scores=self.judged[name].scores,
                comparisons=comparisons.get(name, {}),
                missing=self.judged[name].missing,
                unjudged=self.judged[name].unjudged,
                cost=Cost.from_notes(read_notes(path)),
            )
            for name, path in self._runs.items()
        ]
        return Results(
            name=self._out.resolve().name,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            versions={"splade_lucene": __version__},
            machine={},
            settings={},
            measures=self._measures,
            baseline=baseline,
            systems=tuple(System(name, name, "run") for name in self._runs),
            datasets=(dataset,),
            rows=tuple(rows),
            notes=tuple(self.warnings()),
        )

    def warnings(self) -> list[str]:
        """What a reader of the scores must know of the runs, a sentence each."""
        queries = len({qrel.query_id for qrel in self._qrels})
        found = []
        for name, judged in self.judged.items():
            if judged.strangers:
                found.append(f"{name}: {judged.strangers}")
                continue
            if judged.missing:
                found.append(f"{name}: {judged.missing:,} of {queries:,} judged queries have no hits and count 0, as trec_eval -c does.")
            if judged.unjudged:
                found.append(f"{name}: {judged.unjudged:,} of its queries are not judged and left out, as in trec_eval.")
        barren = without_relevant(self._qrels)
        if barren:
            found.append(f"{barren:,} judged queries have no relevant document; they count 0 for every run, as in trec_eval.")
        return found

    def _dataset(self) -> Dataset:
        path = self._qrels_path.resolve()
        return Dataset(
            name=path.name if path.is_dir() else path.name.removesuffix(".gz").rpartition(".")[0] or path.name,
            source=str(self._qrels_path),
            split="test" if path.is_dir() else None,
            sha256=None,
            documents=None,
            queries=len({qrel.query_id for qrel in self._qrels}),
            judgments=len(self._qrels),
            queries_without_relevant=without_relevant(self._qrels),
            qrels=None if path.is_dir() else place(path, self._out),
            scores="scores.csv",
            latency=None,
            evidence=None,
            passages=None,
        )


def _named(runs: Sequence[Path]) -> dict[str, Path]:
    """A short name for each run: its file's, or the whole path where two files share that."""
    short = [path.name.removesuffix(".gz").removesuffix(".trec") for path in runs]
    names = [name if short.count(name) == 1 else str(path) for name, path in zip(short, runs, strict=True)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SpladeLuceneError(f"the run {twice} is named twice; name each run once")
    return dict(zip(names, runs, strict=True))
