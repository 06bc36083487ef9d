"""The tables of an evaluation, described once; Markdown, LaTeX and the report's HTML are made from these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from splade_lucene.evaluation.expectations import Unexpected
from splade_lucene.evaluation.figures import COSTS, MAIN_COSTS, SIGNIFICANCE, Figure, Shared, system_lengths
from splade_lucene.evaluation.numbers import DIFFERENCE, PAGE, PLAIN, SCORE, TEXT, NumberFormat, Style, write
from splade_lucene.evaluation.reference import published_lengths
from splade_lucene.evaluation.result_records import Average, Comparison, Dataset, Published, Results, Row

ALPHA = 0.05
"""Differences are marked where both corrected p values are below this."""

MAIN_MEASURE = "nDCG@10"
"""What systems are judged by where it is measured."""

DATASET, SYSTEM = "data set", "system"

_PUBLISHED = {"bm25-flat": "BM25 flat", "bm25-multifield": "BM25 multifield", "splade-pp-ed": "SPLADE++ ED", "splade-v3": "SPLADE-v3"}
_CORRECTED = tuple(figure for figure in SIGNIFICANCE if figure.name not in {"t-test p", "randomisation p"})

S = TypeVar("S")


@dataclass(frozen=True)
class Column:
    """A column of figures.

    Attributes:
        name: its heading.
        start: whether it begins a group.
        shared: the one column that it is part of where there is little space.
    """

    name: str
    start: bool = False
    shared: Shared | None = None


@dataclass(frozen=True)
class Cell:
    """A figure and what stands with it.

    Attributes:
        value: the figure or a text; None where it is not known.
        format: how it is written.
        best: no system in this table has a better one.
        mark: 1 where it is significantly better than the baseline, -1 where it is significantly worse.
        published: the published figure that it is compared with.
    """

    value: float | str | None
    format: NumberFormat = SCORE
    best: bool = False
    mark: int = 0
    published: Published | None = None

    def text(self, style: Style = PLAIN) -> str:
        """The figure as it is written."""
        return write(self.value, self.format, style)


@dataclass(frozen=True)
class TableRow:
    """A row: whose it is and its cells.

    Attributes:
        heads: the first columns, which name it.
        cells: one per column.
        detail: what the last head needs said, in small letters.
        aside: not measured here: a published row.
    """

    heads: tuple[str, ...]
    cells: tuple[Cell, ...]
    detail: str = ""
    aside: bool = False


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        heads: the headings of the columns that name a row.
        columns: the others.
        rows: each with a cell per column.
    """

    heads: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]

    @property
    def names(self) -> list[str]:
        """The headings of the columns of figures."""
        return [column.name for column in self.columns]


def main_measure(results: Results) -> str:
    """nDCG@10 where it was measured, else the first measure."""
    return MAIN_MEASURE if MAIN_MEASURE in results.measures else results.measures[0]


def labels(results: Results) -> dict[str, str]:
    """System → its label."""
    return {system.name: system.label for system in results.systems}


def overview(results: Results) -> Table:
    """The main measure of all data sets: a row per data set and average, a column per system."""
    measure = main_measure(results)
    rows = []
    for dataset in results.datasets:
        scored = {row.system: row for row in _rows(results, dataset)}
        rows.append(TableRow((dataset.name,), _across(results, scored, measure), f"{dataset.queries:,} queries"))
    averages: dict[str, dict[str, Average]] = {}
    for average in results.averages:
        averages.setdefault(average.name, {})[average.system] = average
    for title, systems in averages.items():
        size = len(next(iter(systems.values())).datasets)
        detail = f"mean of {size:,} data set{'' if size == 1 else 's'}"
        rows.append(TableRow((title,), _across(results, systems, measure), detail))
    return Table((DATASET,), tuple(map(Column, labels(results).values())), tuple(rows))


def quality(results: Results) -> Table:
    """All measures on all data sets, averages last."""
    lines: list[tuple[str, Row | Average]] = [(row.dataset, row) for row in results.rows]
    lines += [(f"{each.name} ({len(each.datasets)})", each) for each in results.averages]
    return Table(
        (DATASET, SYSTEM),
        tuple(map(Column, results.measures)),
        tuple(
            TableRow((name, labels(results)[each.system]), tuple(_score(each, measure) for measure in results.measures))
            for name, each in lines
        ),
    )


def quality_and_cost(results: Results, dataset: Dataset) -> Table:
    """A row per system: all measures, queries won and lost, and the costs that matter most; then the published rows."""
    rows, measures = _rows(results, dataset), results.measures
    best = {measure: _best(rows, measure) for measure in measures}
    compared = any(row.comparisons for row in rows)
    costs = MAIN_COSTS if any(row.cost or row.timings for row in rows) else ()
    columns = [
        *(Column(measure, start=not number) for number, measure in enumerate(measures)),
        *([Column("won–lost", start=True)] if compared else []),
        *(Column(figure.name, figure.start) for figure in costs),
    ]
    lines = []
    for row in rows:
        cells = [_score(row, measure, best[measure]) for measure in measures]
        if compared:
            comparison = row.comparisons.get(main_measure(results))
            cells.append(Cell(f"{comparison.wins:,}–{comparison.losses:,}" if comparison else None))
        cells += _cells(costs, row)
        system = results.system(row.system)
        cut = system_lengths(system)
        lines.append(TableRow((labels(results)[row.system],), tuple(cells), f"{cut} tokens" if cut else ""))
    measured = {row.system: row for row in rows}
    for name, scores in results.references.get(dataset.name, {}).items():
        if not (name in measured and measured[name].published):
            published = [Cell(scores.get(measure)) for measure in measures]
            filler = [Cell("")] * (len(columns) - len(published))
            lines.append(TableRow((_PUBLISHED.get(name, name),), (*published, *filler), "published", aside=True))
    return Table((SYSTEM,), tuple(columns), tuple(lines))


def published(results: Results) -> Table:
    """Measured beside published, where the settings match."""
    lines: list[tuple[str, Row | Average]] = [(row.dataset, row) for row in results.rows]
    lines += [(each.name, each) for each in results.averages]
    return Table(
        (DATASET, SYSTEM),
        tuple(map(Column, ("measure", "lengths", "measured", "published lengths", "published", "difference", ""))),
        tuple(
            TableRow(
                (name, system.label),
                (
                    Cell(measure),
                    Cell(system_lengths(system), TEXT),
                    Cell(each.scores.get(measure)),
                    Cell(published_lengths(system) or None, TEXT),
                    Cell(figure.value),
                    Cell(figure.difference, DIFFERENCE),
                    Cell("OFF" if figure.off else ""),
                ),
            )
            for name, each in lines
            for system in (results.system(each.system),)
            for measure, figure in each.published.items()
        ),
    )


def costs(results: Results, dataset: Dataset | None = None) -> Table:
    """All that a system costs.

    Args:
        results: the evaluation.
        dataset: one of its data sets; without it, all of them.
    """
    lines = (TableRow(heads, tuple(_cells(COSTS, row))) for heads, row in _named_rows(results, dataset) if row.cost or row.timings)
    return Table(_heads(dataset), _columns(COSTS), tuple(lines))


def significance(results: Results, dataset: Dataset | None = None) -> Table:
    """Every comparison with the baseline, a row per system and measure.

    Args:
        results: the evaluation.
        dataset: one of its data sets; without it, all of them, and corrected p values only.
    """
    figures = SIGNIFICANCE if dataset else _CORRECTED
    lines = []
    for heads, row in _named_rows(results, dataset):
        for measure, comparison in row.comparisons.items():
            first, *others = _cells(figures, comparison)
            cells = (Cell(first.value, first.format, mark=mark(comparison)), *others)
            lines.append(TableRow(heads, cells, measure) if dataset else TableRow(heads, (Cell(measure), *cells)))
    return Table(_heads(dataset), (*(() if dataset else [Column("measure")]), *_columns(figures)), tuple(lines))


def skipped(results: Results) -> Table:
    """Data sets that are not in the results."""
    return Table((DATASET, "reason"), (), tuple(TableRow((each.dataset, each.reason), ()) for each in results.skipped))


def unexpected_scores(scores: Iterable[Unexpected]) -> Table:
    """Scores that are not as expected."""
    rows = (TableRow((each.dataset, each.system), (Cell(each.measure), Cell(each.expected), Cell(each.measured))) for each in scores)
    return Table((DATASET, SYSTEM), tuple(map(Column, ("measure", "expected", "measured"))), tuple(rows))


def mark(comparison: Comparison | None) -> int:
    """1 or -1 where both tests, corrected, find a difference; else 0."""
    if comparison is None or not max(comparison.t_p_holm, comparison.randomisation_p_holm) < ALPHA:
        return 0
    return 1 if comparison.difference > 0 else -1


def _rows(results: Results, dataset: Dataset) -> list[Row]:
    """The rows of a data set, in the order of systems."""
    found = (results.row(dataset.name, system.name) for system in results.systems)
    return [row for row in found if row]


def _named_rows(results: Results, dataset: Dataset | None) -> Iterator[tuple[tuple[str, ...], Row]]:
    """The rows with their heads: of one data set the system only."""
    names = labels(results)
    if dataset:
        yield from (((names[row.system],), row) for row in _rows(results, dataset))
    else:
        yield from (((row.dataset, names[row.system]), row) for row in results.rows)


def _heads(dataset: Dataset | None) -> tuple[str, ...]:
    return (SYSTEM,) if dataset else (DATASET, SYSTEM)


def _columns(figures: Sequence[Figure[S]]) -> tuple[Column, ...]:
    return tuple(Column(figure.name, figure.start, figure.shared) for figure in figures)


def _cells(figures: Sequence[Figure[S]], subject: S) -> list[Cell]:
    return [Cell(figure.shown(subject), figure.format) for figure in figures]


def _across(results: Results, scored: Mapping[str, Row | Average], measure: str) -> tuple[Cell, ...]:
    """A cell per system."""
    best = _best(scored.values(), measure)
    return tuple(_score(scored[system.name], measure, best) if system.name in scored else Cell(None) for system in results.systems)


def _score(scored: Row | Average, measure: str, best: str = "") -> Cell:
    value = scored.scores.get(measure)
    comparison = scored.comparisons.get(measure) if isinstance(scored, Row) else None
    is_best = value is not None and write(value, SCORE, PAGE) == best
    return Cell(value, best=is_best, mark=mark(comparison), published=scored.published.get(measure))


def _best(scored: Iterable[Row | Average], measure: str) -> str:
    """The best value as it is printed, so that equal figures are equally good; nothing where there is nothing to compare."""
    known = [each.scores[measure] for each in scored if measure in each.scores]
    return write(max(known), SCORE, PAGE) if len(known) > 1 else ""
