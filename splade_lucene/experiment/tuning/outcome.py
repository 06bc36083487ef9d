"""What came out of a sweep: results that the report shows, sentences for the points that are named, and a table of all."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from splade_lucene.core.files import atomic_file
from splade_lucene.errors import SpladeLuceneError
from splade_lucene.evaluation.judging import compare_with_baseline, without_relevant
from splade_lucene.evaluation.numbers import DIFFERENCE, P_VALUE, NumberFormat, write
from splade_lucene.evaluation.result_files import write_scores
from splade_lucene.evaluation.result_records import Comparison, Dataset, Results, Row, SweepPoint
from splade_lucene.evaluation.results import place
from splade_lucene.evaluation.runs import read_notes
from splade_lucene.evaluation.table import pipe_table
from splade_lucene.experiment.environment import machine, versions
from splade_lucene.experiment.steps import Steps
from splade_lucene.experiment.tuning.choosing import PRICES, MeasuredPoint, Operating, operating_points, pareto_front, within_budget
from splade_lucene.experiment.tuning.halves import EXACT_HITS, LIKENESS
from splade_lucene.experiment.tuning.points import Point
from splade_lucene.experiment.tuning.sweep import Options, Swept

_ONE, _TWO = NumberFormat(1), NumberFormat(2)


@dataclass(frozen=True)
class Outcome:
    """What a sweep found.

    Attributes:
        results: the Pareto front, the named points and the one with all weights, scored on the half that nothing was chosen by.
        sentences: a line for each named point.
        table: the same points with their figures, as Markdown.
        chosen: the point within the budget, or else the fastest near the best.
    """

    results: Results
    sentences: list[str]
    table: str
    chosen: MeasuredPoint


def sum_up(swept: Swept, steps: Steps, out: Path, options: Options, budget: Mapping[str, float]) -> Outcome:
    """Names points, compares them on the other half of the queries, and writes ``points.csv`` and ``scores.csv``.

    Args:
        swept: the sweep.
        steps: on the collection.
        out: the folder of the results.
        options: of the sweep.
        budget: key of a price → its limit; empty for none.

    Raises:
        SpladeLuceneError: no point is within the budget.
    """
    named = operating_points(swept.points, options.within)
    if budget:
        fitting = within_budget(swept.points, budget)
        if fitting is None:
            raise SpladeLuceneError(_no_fit(swept, budget))
        named.append(Operating(fitting, budget=True))
    front = pareto_front(swept.points, PRICES[0])
    shown = [each for each in swept.points if each == swept.points[0] or each in front or any(each == name.measured for name in named)]
    sentences = _sentences(swept, named, options.within, budget)
    write_points(out / "points.csv", swept, front)
    dataset = _dataset(swept, steps, out, sentences)
    write_scores(steps.folder / "scores.csv", {each.point.name: swept.reported[each.point.name].queries for each in shown})
    results = Results(
        name=out.resolve().name,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        versions=versions(),
        machine=machine(),
        settings={"hits": options.hits, "remove_query": steps.remove_query, "points": len(swept.points), "within": options.within},
        measures=tuple(next(iter(swept.reported.values())).scores),
        baseline=swept.points[0].point.name,
        systems=tuple(swept.systems[each.point.name] for each in shown),
        datasets=(dataset,),
        rows=_rows(swept, shown, steps, out, dataset.name),
        sweep=tuple(
            SweepPoint(each.label, dataset.name, swept.reported[each.point.name].scores, each.cost, each.timings) for each in swept.points
        ),
        notes=tuple(sentences),
    )
    chosen = named[-1].measured if budget else next(each.measured for each in named if each.price == PRICES[0])
    return Outcome(results, sentences, _table(swept, shown, front), chosen)


def write_points(path: Path, swept: Swept, front: Sequence[MeasuredPoint]) -> None:
    """Writes the figures of all points, in full."""
    with atomic_file(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        measures = list(next(iter(swept.reported.values())).scores)
        costs = ["flops", "terms_per_query", "terms_per_document", "index_bytes", "search_ms_p50", "query_ms_p50", "documents_per_second"]
        writer.writerow(["point", f"{swept.measure} choosing half", *(f"{measure} other half" for measure in measures), *costs, "front"])
        for each in swept.points:
            assert each.timings is not None
            cost, timings, scores = each.cost, each.timings, swept.reported[each.point.name].scores
            figures = [cost.flops, cost.terms_per_query, cost.terms_per_document, cost.index_bytes]
            times = [timings.search_ms.p50, timings.query_ms.p50, each.documents_per_second]
            writer.writerow([each.label, each.quality, *(scores[measure] for measure in measures), *figures, *times, each in front])


def _rows(swept: Swept, shown: Sequence[MeasuredPoint], steps: Steps, out: Path, dataset: str) -> tuple[Row, ...]:
    comparisons = compare_with_baseline({each.point.name: swept.reported[each.point.name] for each in shown}, swept.points[0].point.name)
    rows = []
    for each in shown:
        name, judged = each.point.name, swept.reported[each.point.name]
        run = steps.folder / "runs" / f"{name}.trec"
        rows.append(
            Row(
                dataset=dataset,
                system=name,
                run=place(run, out),
                run_sha256=read_notes(run)["sha256"],
                scores=judged.scores,
                comparisons=comparisons.get(name, {}),
                missing=judged.missing,
                cost=each.cost,
                timings=each.timings,
            )
        )
    return tuple(rows)


def _dataset(swept: Swept, steps: Steps, out: Path, sentences: Sequence[str]) -> Dataset:
    collection, qrels = steps.collection, swept.halves.reporting
    chosen = len({qrel.query_id for qrel in swept.halves.choosing})
    notes = [f"Points were chosen by {swept.measure} on the other {chosen:,} queries, on which nothing is reported here."]
    if not swept.judged:
        notes.append(
            f"There are no judgments: {LIKENESS} is the rank-biased overlap with the first {EXACT_HITS} hits of the run with all weights, "
            f"and R@10 the share of these among the first 10. They tell what a setting changes, not whether it makes it worse."
        )
    if swept.left:
        notes.append(f"{swept.left:,} settings were left out by --max-points.")
    return Dataset(
        name=collection.name,
        source=collection.source,
        split=collection.split,
        sha256=steps.sha256,
        documents=swept.points[0].cost.documents,
        queries=len({qrel.query_id for qrel in qrels}),
        judgments=len(qrels),
        queries_without_relevant=without_relevant(qrels),
        qrels=None,
        scores=place(steps.folder / "scores.csv", out),
        latency=None,
        evidence=None,
        passages=None,
        notes=tuple(notes),
    )


def _sentences(swept: Swept, named: Sequence[Operating], within: float, budget: Mapping[str, float]) -> list[str]:
    """A sentence for each point; one for those that are named for several prices."""
    top, base = named[0].measured, swept.points[0]
    judged = {each.point.name: swept.reported[each.point.name] for each in (base, *(each.measured for each in named))}
    comparisons = compare_with_baseline(judged, base.point.name)

    def sentence(beginning: str, measured: MeasuredPoint) -> str:
        comparison = comparisons.get(measured.point.name, {}).get(swept.measure)
        return f"{beginning}: {measured.label}. {_prices(measured)}. {_reported(swept, measured, comparison)}"

    cheapest = [each.price.name for each in named if each.price and each.measured == top]
    nothing = f", and nothing within {_plain(within)} of it has a lower {' or '.join(cheapest)}" if cheapest else ""
    found = [sentence(f"The best {swept.measure}, {write(top.quality)}{nothing}", top)]
    groups: dict[Point, list[Operating]] = {}
    for each in named:
        if each.price and each.measured != top:
            groups.setdefault(each.measured.point, []).append(each)
    for group in groups.values():
        shares = [f"{_share(each, top)} of its {each.price.name} ({_share(each, base)} of all weights')" for each in group if each.price]
        found.append(sentence(f"Within {_plain(within)} of the best {swept.measure} at {' and '.join(shares)}", group[0].measured))
    limits = ", ".join(f"{key} {limit:g}" for key, limit in budget.items())
    found += [sentence(f"The best within the budget ({limits})", each.measured) for each in named if each.budget]
    return found


def _share(each: Operating, whole: MeasuredPoint) -> str:
    assert each.price is not None
    value = each.price.value(whole)
    return f"{100 * each.price.value(each.measured) / value:.0f} %" if value else "all"


def _plain(value: float) -> str:
    return f"{value:g}".removeprefix("0")


def _prices(measured: MeasuredPoint) -> str:
    assert measured.timings is not None
    timings = measured.timings
    return (
        f"{write(timings.query_ms.p50, _TWO)} ms a query ({write(timings.search_ms.p50, _TWO)} without encoding), index "
        f"{write(measured.cost.index_bytes / 1e6, _TWO)} MB, FLOPS {write(measured.cost.flops, _TWO)}, encoding "
        f"{measured.documents_per_second:.0f} documents/s"
    )


def _reported(swept: Swept, measured: MeasuredPoint, comparison: Comparison | None) -> str:
    score = swept.reported[measured.point.name].scores[swept.measure]
    said = f"On the other half of the queries: {write(score)}"
    if comparison is None:
        return f"{said}."
    return (
        f"{said}, {write(comparison.difference, DIFFERENCE)} from all weights ({comparison.wins:,}/{comparison.ties:,}/"
        f"{comparison.losses:,} queries won, equal and lost; p {write(comparison.t_p_holm, P_VALUE)} in the paired t-test, Holm-corrected)."
    )


def _no_fit(swept: Swept, budget: Mapping[str, float]) -> str:
    nearest = [
        f"{price.name} {min(price.value(each) for each in swept.points):.3g} {price.unit}" for price in PRICES if price.key in budget
    ]
    limits = ", ".join(f"{key} {limit:g}" for key, limit in budget.items())
    reached = f"; the least of each that was reached is {', '.join(nearest)}" if nearest else ""
    return f"none of the {len(swept.points)} points is within the budget ({limits}){reached}; raise it, or try more points"


def _table(swept: Swept, shown: Sequence[MeasuredPoint], front: Sequence[MeasuredPoint]) -> str:
    heading = [
        "settings",
        f"{swept.measure}, choosing half",
        "other half",
        "FLOPS",
        "index MB",
        "search ms",
        "query ms",
        "documents/s",
        "front",
    ]
    rows = []
    for each in sorted(shown, key=PRICES[0].value):
        assert each.timings is not None
        rows.append(
            [
                each.label,
                write(each.quality),
                write(swept.reported[each.point.name].scores[swept.measure]),
                write(each.cost.flops, _TWO),
                write(each.cost.index_bytes / 1e6, _TWO),
                write(each.timings.search_ms.p50, _TWO),
                write(each.timings.query_ms.p50, _TWO),
                write(each.documents_per_second, _ONE),
                "●" if each in front else "",
            ]
        )
    return pipe_table(heading, rows)
