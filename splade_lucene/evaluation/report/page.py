"""Builds the page: one file that fetches nothing and runs only the script that its policy names by checksum."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from statistics import fmean
from typing import Any

from splade_lucene.core.files import atomic_file
from splade_lucene.errors import SpladeLuceneError
from splade_lucene.evaluation import tables
from splade_lucene.evaluation.cost import QueryTime
from splade_lucene.evaluation.figures import MAIN_COSTS
from splade_lucene.evaluation.numbers import DIFFERENCE, PAGE, SCORE, write
from splade_lucene.evaluation.report import plots
from splade_lucene.evaluation.report.queries import DETAILED_QUERIES, Queries, QueryDifferences, read_queries
from splade_lucene.evaluation.report.remarks import flat, remarks
from splade_lucene.evaluation.report.templates import render
from splade_lucene.evaluation.result_files import read_latency
from splade_lucene.evaluation.result_records import Average, Dataset, Results, Row, SweepPoint
from splade_lucene.evaluation.results import locate, read_results

FILE = "report.html"

_OPEN_DATASETS = 3  # with more, their sections are folded
_MARKS = {1: "▲", 0: "", -1: "▼"}


@dataclass(frozen=True)
class Bars:
    """Differences of one system: both widths of the plot and what stands around it."""

    difference: QueryDifferences
    label: str
    colour: str
    plots: Mapping[str, str]


@dataclass(frozen=True)
class Section:
    """All that the page shows of one data set."""

    dataset: Dataset
    quality: tables.Table
    remarks: Sequence[str]
    costs: tables.Table
    significance: tables.Table
    against_cost: Sequence[str]
    queries: Queries
    bars: Sequence[Bars]
    latencies: Mapping[str, str]


def write_report(folder: Path | str) -> Path:
    """Writes ``report.html`` beside ``results.json``: one self-contained page of tables, plots and single queries.

    Args:
        folder: of the results.

    Returns:
        The page; it appears when it is whole.

    Raises:
        InputError: the results, or files that they name, are missing or malformed.
        SpladeLuceneError: matplotlib or Jinja2 is not installed.
    """
    folder = Path(folder)
    results = read_results(folder)
    page = _render(results, [_section(results, dataset, folder) for dataset in results.datasets])
    with atomic_file(folder / FILE) as stream:
        stream.write(page)
    return folder / FILE


def _section(results: Results, dataset: Dataset, folder: Path) -> Section:
    try:
        queries = read_queries(results, dataset, folder)
        names = tables.labels(results)
        measure = queries.measure
        rows = {system.name: results.row(dataset.name, system.name) for system in results.systems}
        points = [_points(number, names[name], row, measure) for number, (name, row) in enumerate(rows.items()) if row]
        tried = [_points(0, each.label, each, measure) for each in results.sweep if each.dataset == dataset.name]
        return Section(
            dataset=dataset,
            quality=tables.quality_and_cost(results, dataset),
            remarks=remarks(results, dataset),
            costs=tables.costs(results, dataset),
            significance=tables.significance(results, dataset),
            against_cost=_panels(points, measure, tried),
            queries=queries,
            bars=[_bars(results, difference, measure) for difference in queries.differences],
            latencies=_latencies(results, dataset, folder),
        )
    except ImportError as error:
        raise SpladeLuceneError(f"the report needs {error.name}: pip install 'splade_lucene[report]'") from error


def _points(number: int, label: str, row: Row | SweepPoint, measure: str) -> Sequence[plots.PlotPoint | None]:
    """The system in each of the planes of ``MAIN_COSTS``; None where its cost or its quality is not known."""
    quality = row.scores.get(measure)
    costs = [figure.shown(row) for figure in MAIN_COSTS]
    return [None if cost is None or quality is None else plots.PlotPoint(label, number, float(cost), quality) for cost in costs]


def _panels(
    points: Sequence[Sequence[plots.PlotPoint | None]], measure: str, tried: Sequence[Sequence[plots.PlotPoint | None]] = ()
) -> list[str]:
    panels = []
    for place, figure in enumerate(MAIN_COSTS):
        panel, others = ([point for planes in some if (point := planes[place])] for some in (points, tried))
        if panel:
            panels.append(plots.quality_against_cost(panel, quality=measure, cost=figure.axis, others=others))
    return panels


def _shared_datasets(results: Results) -> list[str]:
    """The data sets on which the quality and the cost of every system are known."""
    names = [system.name for system in results.systems]
    rows = {dataset.name: [results.row(dataset.name, name) for name in names] for dataset in results.datasets}
    return [name for name, each in rows.items() if all(row and row.cost and row.timings for row in each)]


def _mean_panels(results: Results, datasets: Sequence[str]) -> list[str]:
    """Quality against cost in the mean over data sets, each with the same weight."""
    measure = tables.main_measure(results)
    means = []
    for number, system in enumerate(results.systems):
        rows = [row for name in datasets if (row := results.row(name, system.name))]
        points = [_points(number, system.label, row, measure) for row in rows]
        known = [[point for point in plane if point] for plane in zip(*points, strict=True)]
        means.append(
            [
                plots.PlotPoint(system.label, number, fmean(point.cost for point in plane), fmean(point.quality for point in plane))
                if plane
                else None
                for plane in known
            ]
        )
    return _panels(means, measure)


def _bars(results: Results, difference: QueryDifferences, measure: str) -> Bars:
    label = results.systems[difference.number].label
    title = f"{measure} of {label} minus {tables.labels(results)[results.baseline]}, query by query"
    drawn = {width: plots.differences(difference.sorted, width=width, label=title) for width in plots.WIDTHS}
    return Bars(difference, label, plots.series(difference.number), drawn)


def _latencies(results: Results, dataset: Dataset, folder: Path) -> dict[str, str]:
    if not dataset.latency:
        return {}
    read = read_latency(locate(dataset.latency, folder))
    times: dict[int, tuple[str, list[QueryTime]]] = {
        number: (system.label, list(read[system.name].values())) for number, system in enumerate(results.systems) if read.get(system.name)
    }
    return {width: plots.latencies(times, width=width) for width in plots.WIDTHS} if times else {}


def _render(results: Results, sections: Sequence[Section]) -> str:
    script = _asset("page.js")
    shared = _shared_datasets(results)
    systems = [
        {"system": system, "colour": plots.series(number), "marker": plots.MARKERS[plots.marker(number)]}
        for number, system in enumerate(results.systems)
    ]
    return render(
        "page.html",
        {
            "flat": flat,
            "number": lambda value: write(value, SCORE, PAGE),
            "difference": lambda value: write(value, DIFFERENCE, PAGE),
            "written": lambda cell: cell.text(PAGE),
            "mark": lambda cell: _MARKS[cell.mark],
        },
        results=results,
        sections=sections,
        systems=systems,
        compared=any(row.comparisons for row in results.rows),
        published=any(row.published for row in results.rows),
        mean_datasets=shared,
        mean_against_cost=_mean_panels(results, shared) if len(shared) > 1 else [],
        averages=_averages(results.averages),
        overview=tables.overview(results) if len(results.datasets) > 1 else None,
        measure=tables.main_measure(results),
        baseline=tables.labels(results)[results.baseline],
        first_open=_first_open(results),
        unfolded=len(results.datasets) <= _OPEN_DATASETS,
        detailed_queries=DETAILED_QUERIES,
        alpha=tables.ALPHA,
        machine=_machine(results.machine),
        margins=_margins(),
        style=_asset("page.css"),
        script=script,
        script_checksum=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _first_open(results: Results) -> int:
    """The number of the system whose queries are shown at first: the first learned sparse one, else the first that is not the baseline."""
    others = [(system.kind != "impact", number) for number, system in enumerate(results.systems) if system.name != results.baseline]
    return min(others, default=(True, 0))[1]


def _averages(averages: Sequence[Average]) -> dict[str, tuple[str, ...]]:
    """Name of an average → the data sets that it is taken over."""
    return {average.name: average.datasets for average in averages}


def _machine(machine: Mapping[str, Any]) -> dict[str, Any]:
    """The machine with its memory in gigabytes."""
    memory = machine.get("memory_bytes")
    return {
        **{name: value for name, value in machine.items() if name != "memory_bytes"},
        **({"memory": f"{memory / 1e9:.1f} GB"} if memory else {}),
    }


def _margins() -> dict[str, Any]:
    """Where the bars begin and how far they reach, in percent of the plot."""
    return {
        name: {
            "left": 100 * plots.MARGIN_LEFT / width,
            "width": 100 * (width - plots.MARGIN_LEFT - plots.MARGIN_RIGHT) / width,
        }
        for name, width in plots.WIDTHS.items()
    }


def _asset(name: str) -> str:
    return (files("splade_lucene.evaluation.report") / "assets" / name).read_text(encoding="utf-8")
