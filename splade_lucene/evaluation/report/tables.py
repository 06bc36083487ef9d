"""What the tables of the report say, cell by cell; how they look is up to the template."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from splade_lucene.evaluation.results import Average, Comparison, Dataset, Milliseconds, Published, Results, Row

ALPHA = 0.05
"""A difference is marked when both corrected p values are below this."""

UNKNOWN = "–"

_PUBLISHED = {"bm25-flat": "BM25 flat", "bm25-multifield": "BM25 multifield", "splade-pp-ed": "SPLADE++ ED", "splade-v3": "SPLADE-v3"}


@dataclass(frozen=True)
class Cell:
    """A figure and what stands with it.

    Attributes:
        text: the figure.
        best: no system in this table has a better one.
        mark: ``▲`` significantly better than the baseline, ``▼`` significantly worse, else nothing.
        note: below the figure: the published one.
        off: the note is a warning.
    """

    text: str
    best: bool = False
    mark: str = ""
    note: str = ""
    off: bool = False


@dataclass(frozen=True)
class TableRow:
    """A row: whose it is and its cells.

    Attributes:
        head: the first column.
        detail: below the head, in small letters.
        cells: one per column.
        aside: not measured here: a published row.
    """

    head: str
    detail: str
    cells: tuple[Cell, ...]
    aside: bool = False


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        columns: their heads, without that of the first column.
        rows: each with a cell per column.
        starts: the numbers of the columns that begin a group, counted from 0.
    """

    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    starts: frozenset[int] = frozenset()


def main_measure(results: Results) -> str:
    """nDCG@10 where it was measured, else the first measure."""
    return "nDCG@10" if "nDCG@10" in results.measures else results.measures[0]


def labels(results: Results) -> dict[str, str]:
    """System → its label."""
    return {system.name: system.label for system in results.systems}


def number(value: float | None, digits: int = 4, *, sign: bool = False) -> str:
    """A number with a fixed number of decimals, a true minus, and a dash where there is none."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    text = f"{value:{'+' if sign else ''},.{digits}f}"
    if sign and float(text.replace(",", "")) == 0:
        return "±" + text[1:]
    return text.replace("-", "−")


def overview(results: Results) -> Table:
    """The main measure of all data sets: a row per data set and average, a column per system."""
    measure = main_measure(results)
    names = [system.name for system in results.systems]
    rows = []
    for dataset in results.datasets:
        scored = {name: row for name in names if (row := results.row(dataset.name, name)) and measure in row.scores}
        best = _best(row.scores[measure] for row in scored.values())
        cells = tuple(_score(scored[name], measure, best) if name in scored else Cell(UNKNOWN) for name in names)
        rows.append(TableRow(dataset.name, f"{dataset.queries:,} queries", cells))
    averages: dict[str, dict[str, Average]] = {}
    for average in results.averages:
        averages.setdefault(average.name, {})[average.system] = average
    for title, systems in averages.items():
        best = _best(each.scores[measure] for each in systems.values() if measure in each.scores)
        cells = tuple(_average(systems.get(name), measure, best) for name in names)
        size = len(next(iter(systems.values())).datasets)
        rows.append(TableRow(title, f"mean of {size:,} data set{'' if size == 1 else 's'}", cells))
    return Table(tuple(labels(results)[name] for name in names), tuple(rows))


def quality_and_cost(results: Results, dataset: Dataset) -> Table:
    """A row per system: all measures, queries won and lost, and the costs that matter most; then the published rows."""
    rows = _rows(results, dataset)
    measure = main_measure(results)
    best = {each: _best(row.scores[each] for row in rows.values() if each in row.scores) for each in results.measures}
    compared = any(row.comparisons for row in rows.values())
    costs: tuple[str, ...] = ("query ms", "index MB", "FLOPS") if any(row.cost or row.timings for row in rows.values()) else ()
    columns = (*results.measures, *(["won–lost"] if compared else []), *costs)
    lines = []
    for name, row in rows.items():
        cells = [_score(row, each, best[each]) for each in results.measures]
        if compared:
            comparison = row.comparisons.get(measure)
            cells.append(Cell(f"{comparison.wins:,}–{comparison.losses:,}" if comparison else UNKNOWN))
        if costs:
            cells += [
                Cell(number(row.timings.query_ms.p50 if row.timings else None, 1)),
                Cell(number(row.cost.index_bytes / 1e6 if row.cost else None, 1)),
                Cell(number(row.cost.flops if row.cost else None, 2)),
            ]
        lines.append(TableRow(labels(results)[name], lengths(results, name), tuple(cells)))
    for name, scores in results.references.get(dataset.name, {}).items():
        if not (name in rows and any(rows[name].published)):
            published = [Cell(number(scores.get(each))) for each in results.measures]
            filler = [Cell("")] * (len(columns) - len(published))
            lines.append(TableRow(_PUBLISHED.get(name, name), "published", (*published, *filler), aside=True))
    starts = frozenset({0, len(results.measures), len(results.measures) + compared})
    return Table(columns, tuple(lines), starts)


def costs(results: Results, dataset: Dataset) -> Table | None:
    """All costs, a row per system; None if nothing is known."""
    rows = {name: row for name, row in _rows(results, dataset).items() if row.cost or row.timings}
    columns = ("documents", "terms a query", "terms a document", "FLOPS", "index MB", "encoding s", "indexing s")
    latency = tuple(f"{what} {which}" for what in ("search ms,", "with encoding,") for which in ("mean", "p50", "p99"))
    lines = []
    for name, row in rows.items():
        cost, timings = row.cost, row.timings
        texts = [
            number(cost.documents if cost else None, 0),
            number(cost.terms_per_query if cost else None, 1),
            number(cost.terms_per_document if cost else None, 1),
            number(cost.flops if cost else None, 2),
            number(cost.index_bytes / 1e6 if cost else None, 2),
            number(timings.encode_seconds if timings else None, 1),
            number(timings.index_seconds if timings else None, 1),
            *_milliseconds(timings.search_ms if timings else None),
            *_milliseconds(timings.query_ms if timings else None),
        ]
        lines.append(TableRow(labels(results)[name], "", tuple(map(Cell, texts))))
    return Table((*columns, *latency), tuple(lines), frozenset({0, 3, 5, 7, 10})) if lines else None


def significance(results: Results, dataset: Dataset) -> Table | None:
    """Every comparison with the baseline, a row per system and measure; None if there is none."""
    lines = []
    for name, row in _rows(results, dataset).items():
        for measure, comparison in row.comparisons.items():
            texts = [
                number(comparison.difference, sign=True),
                *(f"{count:,}" for count in (comparison.wins, comparison.ties, comparison.losses)),
                *map(_p, (comparison.t_p, comparison.t_p_holm, comparison.randomisation_p, comparison.randomisation_p_holm)),
            ]
            lines.append(TableRow(labels(results)[name], measure, (Cell(texts[0], mark=mark(comparison)), *map(Cell, texts[1:]))))
    columns = ("difference", "won", "equal", "lost", "t-test p", "corrected", "randomisation p", "corrected")
    return Table(columns, tuple(lines), frozenset({0, 1, 4, 6})) if lines else None


def remarks(results: Results, dataset: Dataset) -> list[str]:
    """Notes on a data set's figures, a sentence each."""
    said = list(dataset.notes)
    for name, row in _rows(results, dataset).items():
        label = labels(results)[name]
        if results.system(name).kind == "run":
            continue  # the notes of a comparison say it already
        if row.missing:
            said.append(f"{label}: judged queries without hits: {row.missing:,}. They count 0.")
        if row.unjudged:
            said.append(f"{label}: queries of the run without judgments: {row.unjudged:,}. They are left out.")
        for measure, published in row.published.items():
            if published.off:
                said.append(
                    f"{label}: {measure} is {number(published.difference, sign=True)} off the published {number(published.value)}: "
                    "something differs from the published setting."
                )
    return said


def lengths(results: Results, name: str) -> str:
    """The lengths that a learned sparse system was run with: ``documents/queries`` in tokens."""
    system = results.system(name)
    document, query = system.settings.get("max_length"), system.encoder.query_max_length if system.encoder else None
    return f"{document}/{query} tokens" if document and query else ""


def flat(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Settings as pairs of names and texts, nested ones joined with dots, unset ones left out."""
    pairs: list[tuple[str, str]] = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            pairs += [(f"{name}.{inner}", text) for inner, text in flat(value)]
        elif value is not None:
            pairs.append((name, _text(value)))
    return pairs


def mark(comparison: Comparison | None) -> str:
    """``▲`` or ``▼`` where both tests, corrected, find a difference; else nothing."""
    if comparison is None or not max(comparison.t_p_holm, comparison.randomisation_p_holm) < ALPHA:
        return ""
    return "▲" if comparison.difference > 0 else "▼"


def _rows(results: Results, dataset: Dataset) -> dict[str, Row]:
    found = {system.name: results.row(dataset.name, system.name) for system in results.systems}
    return {name: row for name, row in found.items() if row}


def _score(row: Row, measure: str, best: str) -> Cell:
    text = number(row.scores.get(measure))
    note, off = _published(row.published.get(measure))
    return Cell(text, best=text == best, mark=mark(row.comparisons.get(measure)), note=note, off=off)


def _average(average: Average | None, measure: str, best: str) -> Cell:
    if average is None or measure not in average.scores:
        return Cell(UNKNOWN)
    note, off = _published(average.published.get(measure))
    text = number(average.scores[measure])
    return Cell(text, best=text == best, note=note, off=off)


def _best(values: Iterable[float]) -> str:
    """The best value as it is printed, so that equal figures are equally good; nothing where there is nothing to compare."""
    known = list(values)
    return number(max(known)) if len(known) > 1 else ""


def _published(published: Published | None) -> tuple[str, bool]:
    if published is None:
        return "", False
    return f"{number(published.value)} {number(published.difference, sign=True)}", published.off


def _milliseconds(times: Milliseconds | None) -> list[str]:
    return [number(value, 2) for value in ((times.mean, times.p50, times.p99) if times else (None, None, None))]


def _p(value: float) -> str:
    return "<0.0001" if value < 1e-4 else number(value)  # noqa: PLR2004


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_text, value))
    return f"{value:,}" if isinstance(value, int) else str(value)
