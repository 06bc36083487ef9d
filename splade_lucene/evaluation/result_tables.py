"""The files of an evaluation's tables: Markdown for people, CSV for programs, LaTeX for papers."""

from __future__ import annotations

import csv
from itertools import groupby
from pathlib import Path

from tabulate import tabulate

from splade_lucene.core.files import atomic_file
from splade_lucene.evaluation import tables
from splade_lucene.evaluation.figures import SIGNIFICANCE, SIZES, TIMES
from splade_lucene.evaluation.result_records import Results, Row
from splade_lucene.evaluation.table import pipe_table
from splade_lucene.evaluation.tables import ALPHA, Table
from splade_lucene.records import EncoderRecord

MARK = "*"


def write_tables(folder: Path, results: Results) -> list[Path]:
    """Writes ``table.md``, ``table.csv`` and ``table.tex``.

    Returns:
        The files.
    """
    texts = {"table.md": markdown(results), "table.tex": latex_table(tables.quality(results))}
    for name, text in texts.items():
        with atomic_file(folder / name) as stream:
            stream.write(text)
    with atomic_file(folder / "table.csv") as stream:
        rows = [_in_full(results, row) for row in results.rows]
        writer = csv.DictWriter(stream, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)
    return [folder / name for name in (*texts, "table.csv")]


def markdown(results: Results) -> str:
    """All tables, with what a reader must know of them, as Markdown that also reads well on a terminal."""
    label = results.system(results.baseline).label
    caption = (
        f"{MARK}: differs from {label}, p < {ALPHA} in the paired t-test and in the randomisation test, both Holm-corrected over systems."
    )
    parts = [f"# {results.name}", _settings(results), markdown_table(tables.quality(results)), caption]
    for title, table in (
        ("Against published figures", tables.published(results)),
        ("Cost", tables.costs(results)),
        (f"Against {label}, query by query", tables.significance(results)),
        ("Skipped", tables.skipped(results)),
    ):
        if table.rows:
            parts += [f"## {title}", markdown_table(table)]
    notes = [*results.notes, *(f"{dataset.name}: {note}" for dataset in results.datasets for note in dataset.notes)]
    parts.append("\n".join(f"- {note}" for note in notes))
    return "\n\n".join(part for part in parts if part) + "\n"


def markdown_table(table: Table) -> str:
    """A table as Markdown: what names a row to the left, figures to the right."""
    return pipe_table(*_texts(table), left=len(table.heads))


def latex_table(table: Table) -> str:
    """A table for booktabs."""
    heading, rows = _texts(table)
    aligned = ["left"] * len(table.heads) + ["right"] * (len(heading) - len(table.heads))
    text: str = tabulate(rows, heading, tablefmt="latex_booktabs", disable_numparse=True, colalign=aligned)
    return text + "\n"


def _texts(table: Table) -> tuple[list[str], list[list[str]]]:
    """The heading and the rows of a table for narrow media: figures that share a column are joined."""
    places = range(len(table.columns))
    groups = [list(group) for _, group in groupby(places, lambda place: table.columns[place].shared or place)]
    heading, rows = list(table.heads), [list(row.heads) for row in table.rows]
    for group in groups:
        column = table.columns[group[0]]
        heading.append(column.shared.name if column.shared else column.name)
        separator = column.shared.separator if column.shared else ""
        for texts, row in zip(rows, table.rows, strict=True):
            cells = [row.cells[place] for place in group]
            known = cells if any(cell.value is not None for cell in cells) else cells[:1]
            texts.append(separator.join(cell.text() + (MARK if cell.mark else "") for cell in known))
    return heading, rows


def _settings(results: Results) -> str:
    lengths = [
        f"{system.label}: passages cut at {system.vectors.max_length} tokens, queries at {system.record.query_max_length}, "
        f"{_query_idf(system.record)}"
        f"scale {system.record.scale}, {system.record.precision}, weights {system.record.document.weights_sha256[:12]}"
        for system in results.systems
        if system.kind == "impact"
    ]
    machine = results.machine
    where = f"{machine['cores']} cores, {machine['cpu']}" if machine else ""
    hits = f"{results.settings['hits']:,} hits a query" if "hits" in results.settings else ""
    return "; ".join(part for part in (*lengths, hits, where) if part) + f". {results.created}."


def _query_idf(record: EncoderRecord) -> str:
    return "" if record.query_idf is None else f"query weights times idf^{record.query_idf:g}, "


def _in_full(results: Results, row: Row) -> dict[str, str]:
    """One line of the CSV: figures in full."""
    system = results.system(row.system)
    model = system.encoder.model if system.encoder else ""
    cells: dict[str, object] = {"dataset": row.dataset, "system": row.system, "kind": system.kind, "model": model}
    for measure in results.measures:
        cells[measure] = row.scores.get(measure)
        figure, comparison = row.published.get(measure), row.comparisons.get(measure)
        if figure:
            cells |= {f"{measure} published": figure.value, f"{measure} difference": figure.difference}
        if comparison:
            cells |= {f"{measure} {each.key or f'against {results.baseline}'}": each.value(comparison) for each in SIGNIFICANCE}
    cells |= {"missing queries": row.missing, "unjudged queries": row.unjudged}
    for known, figures in ((row.cost, SIZES), (row.timings, TIMES)):
        if known:
            cells |= {figure.key: figure.value(row) for figure in figures}
    return {key: "" if value is None else str(value) for key, value in cells.items()}
