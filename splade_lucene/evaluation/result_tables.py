"""The tables of an evaluation: Markdown for people, CSV for programs, LaTeX for papers."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from tabulate import tabulate

from splade_lucene.core.files import atomic_file
from splade_lucene.evaluation.expectations import Unexpected
from splade_lucene.evaluation.reference import published_lengths
from splade_lucene.evaluation.results import Comparison, Milliseconds, Published, Results, Row, System
from splade_lucene.evaluation.table import markdown_table

LEVEL = 0.05
"""Differences with corrected p values below this in both tests are marked."""

MARK = "*"
Cells = dict[str, str]


def write_tables(folder: Path, results: Results) -> list[Path]:
    """Writes ``table.md``, ``table.csv`` and ``table.tex``.

    Returns:
        The files.
    """
    texts = {"table.md": markdown(results), "table.tex": latex(results)}
    for name, text in texts.items():
        with atomic_file(folder / name) as stream:
            stream.write(text)
    with atomic_file(folder / "table.csv") as stream:
        rows = [_flat(results, row) for row in results.rows]
        writer = csv.DictWriter(stream, list(dict.fromkeys(key for row in rows for key in row)), lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(rows)
    return [folder / name for name in (*texts, "table.csv")]


def markdown(results: Results) -> str:
    """All tables, with what a reader must know of them, as Markdown that also reads well on a terminal."""
    label = results.system(results.baseline).label
    caption = (
        f"{MARK}: differs from {label}, p < {LEVEL} in the paired t-test and in the randomisation test, both Holm-corrected over systems."
    )
    parts = [f"# {results.name}", _settings(results), markdown_table(quality_rows(results), left=2), caption]
    for title, rows in (
        ("Against published figures", published_rows(results)),
        ("Cost", cost_rows(results)),
        (f"Against {label}, query by query", significance_rows(results)),
        ("Skipped", [{"data set": each.dataset, "reason": each.reason} for each in results.skipped]),
    ):
        if rows:
            parts += [f"## {title}", markdown_table(rows, left=2)]
    notes = [*results.notes, *(f"{dataset.name}: {note}" for dataset in results.datasets for note in dataset.notes)]
    parts.append("\n".join(f"- {note}" for note in notes))
    return "\n\n".join(part for part in parts if part) + "\n"


def latex(results: Results) -> str:
    """The table of quality for booktabs."""
    rows = quality_rows(results)
    table: str = tabulate(
        [list(row.values()) for row in rows],
        list(rows[0]),
        tablefmt="latex_booktabs",
        disable_numparse=True,
        colalign=["left", "left", *["right"] * (len(rows[0]) - 2)],
    )
    return table + "\n"


def quality_rows(results: Results) -> list[Cells]:
    """Data set, system and measures; averages last."""
    labels = {system.name: system.label for system in results.systems}
    rows = [
        {
            "data set": row.dataset,
            "system": labels[row.system],
            **{name: number(row.scores[name]) + (MARK if _differs(row.comparisons.get(name)) else "") for name in results.measures},
        }
        for row in results.rows
    ]
    for each in results.averages:
        means = {name: number(each.scores[name]) for name in results.measures}
        rows.append({"data set": f"{each.name} ({len(each.datasets)})", "system": labels[each.system], **means})
    return rows


def published_rows(results: Results) -> list[Cells]:
    """Measured beside published, where the settings match."""
    systems = {system.name: system for system in results.systems}
    sets: Iterable[tuple[str, str, Mapping[str, float], Mapping[str, Published]]] = [
        *((row.dataset, row.system, row.scores, row.published) for row in results.rows),
        *((each.name, each.system, each.scores, each.published) for each in results.averages),
    ]
    return [
        {
            "data set": name,
            "system": systems[system].label,
            "measure": measure,
            "lengths": lengths(systems[system]),
            "measured": number(scores[measure]),
            "published lengths": published_lengths(systems[system]) or "-",
            "published": number(figure.value),
            "difference": signed(figure.difference),
            "": "OFF" if figure.off else "",
        }
        for name, system, scores, published in sets
        for measure, figure in published.items()
    ]


def cost_rows(results: Results) -> list[Cells]:
    """What each system costs on each data set."""
    labels = {system.name: system.label for system in results.systems}
    rows = []
    for row in results.rows:
        cost, timings = row.cost, row.timings
        if cost is None or timings is None:
            continue
        cells = {
            "data set": row.dataset,
            "system": labels[row.system],
            "documents": f"{cost.documents:,}",
            "index MB": f"{cost.index_bytes / 1e6:.2f}",
            "encode s": _seconds(timings.encode_seconds),
            "index s": _seconds(timings.index_seconds),
            "search ms": _times(timings.search_ms),
            "with encoding": _times(timings.query_ms),
            "terms a query": f"{cost.terms_per_query:.1f}",
            "a document": f"{cost.terms_per_document:.1f}",
            "FLOPS": f"{cost.flops:.2f}",
        }
        rows.append(cells)
    return rows


def significance_rows(results: Results) -> list[Cells]:
    """Each system against the baseline in each measure."""
    labels = {system.name: system.label for system in results.systems}
    return [
        {
            "data set": row.dataset,
            "system": labels[row.system],
            "measure": measure,
            "difference": signed(each.difference),
            "wins/ties/losses": f"{each.wins}/{each.ties}/{each.losses}",
            "t-test p": p_value(each.t_p_holm),
            "randomisation p": p_value(each.randomisation_p_holm),
        }
        for row in results.rows
        for measure, each in row.comparisons.items()
    ]


def unexpected_rows(unexpected: Iterable[Unexpected]) -> list[Cells]:
    """Scores that are not as expected."""
    return [
        {
            "data set": each.dataset,
            "system": each.system,
            "measure": each.measure,
            "expected": number(each.expected),
            "measured": "-" if each.measured is None else number(each.measured),
        }
        for each in unexpected
    ]


def lengths(system: System) -> str:
    """Tokens that passages and queries are cut at: ``documents/queries``; a dash for systems that read all."""
    return "-" if system.encoder is None else f"{system.settings.get('max_length') or '?'}/{system.encoder.query_max_length}"


def number(value: float) -> str:
    """A score as papers print it: four digits, no zero before the point."""
    text = f"{value:.4f}"
    return text.removeprefix("0") if text.startswith("0") else text


def signed(value: float) -> str:
    """A difference with its sign, four digits; 0 without one."""
    text = f"{value:+.4f}"
    return "0" if float(text) == 0 else text[0] + text[1:].removeprefix("0")


def p_value(value: float) -> str:
    """A p value; small ones as a bound."""
    return "<.0001" if value < 0.0001 else number(value)  # noqa: PLR2004


def _differs(comparison: Comparison | None) -> bool:
    return comparison is not None and max(comparison.t_p_holm, comparison.randomisation_p_holm) < LEVEL


def _settings(results: Results) -> str:
    lengths = [
        f"{system.label}: passages cut at {system.settings['max_length']} tokens, queries at {system.record.query_max_length}, "
        f"scale {system.record.scale}, {system.record.precision}, weights {system.record.document.weights_sha256[:12]}"
        for system in results.systems
        if system.kind == "impact"
    ]
    machine = results.machine
    where = f"{machine['cores']} cores, {machine['cpu']}" if machine else ""
    hits = f"{results.settings['hits']:,} hits a query" if "hits" in results.settings else ""
    return "; ".join(part for part in (*lengths, hits, where) if part) + f". {results.created}."


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"


def _times(value: Milliseconds) -> str:
    return f"{value.mean:.1f} / {value.p50:.1f} / {value.p99:.1f}"


def _flat(results: Results, row: Row) -> Cells:
    """One line of the CSV: figures in full."""
    system = results.system(row.system)
    model = system.encoder.model if system.encoder else ""
    cells: dict[str, object] = {"dataset": row.dataset, "system": row.system, "kind": system.kind, "model": model}
    for measure in results.measures:
        cells[measure] = row.scores[measure]
        figure, comparison = row.published.get(measure), row.comparisons.get(measure)
        if figure:
            cells |= {f"{measure} published": figure.value, f"{measure} difference": figure.difference}
        if comparison:
            cells |= {
                f"{measure} against {results.baseline}": comparison.difference,
                f"{measure} wins": comparison.wins,
                f"{measure} ties": comparison.ties,
                f"{measure} losses": comparison.losses,
                f"{measure} t p": comparison.t_p,
                f"{measure} t p Holm": comparison.t_p_holm,
                f"{measure} randomisation p": comparison.randomisation_p,
                f"{measure} randomisation p Holm": comparison.randomisation_p_holm,
            }
    cells |= {"missing queries": row.missing, "unjudged queries": row.unjudged}
    if row.cost:
        cells |= vars(row.cost)
    if row.timings:
        cells |= {"encode_seconds": row.timings.encode_seconds, "index_seconds": row.timings.index_seconds}
        for name, each in (("search", row.timings.search_ms), ("query", row.timings.query_ms)):
            cells |= {f"{name}_ms mean": each.mean, f"{name}_ms p50": each.p50, f"{name}_ms p99": each.p99}
    return {key: "" if value is None else str(value) for key, value in cells.items()}
