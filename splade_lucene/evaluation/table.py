"""The table of systems: quality and cost side by side, as Markdown that also reads well on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tabulate import tabulate

from splade_lucene.records import EncoderRecord


def cost_columns(notes: Mapping[str, Any]) -> dict[str, str]:
    """The cost of a run, from its notes; a dash where nothing is known.

    *search ms* is the median over the queries, which the first ones, run by a cold JVM, do not distort; *encode ms* the mean of
    encoding them in batches.
    """
    if not notes.keys() >= {"documents", "index_bytes", "flops"}:
        return dict.fromkeys(("documents", "index MB", "search ms", "encode ms", "FLOPS", "lengths"), "-")
    encoder = EncoderRecord.from_json(notes["encoder"]) if "encoder" in notes else None
    return {
        "documents": f"{notes['documents']:,}",
        "index MB": f"{notes['index_bytes'] / 1e6:.2f}" if "index_bytes" in notes else "-",
        "search ms": f"{notes['search_ms']['p50']:.1f}" if "search_ms" in notes else "-",
        "encode ms": f"{notes['encode_ms']:.1f}" if encoder else "0" if "search_ms" in notes else "-",
        "FLOPS": f"{notes['flops']:.2f}" if "flops" in notes else "-",
        "lengths": f"{notes['settings']['max_length'] or '?'}/{encoder.query_max_length}" if encoder else "-",
    }


def markdown_table(rows: Sequence[Mapping[str, str]], *, left: int = 1) -> str:
    """Rows of equal keys as a Markdown table, the first ``left`` columns to the left, the others to the right."""
    header = list(rows[0])
    return tabulate(
        [[cell.replace("|", "\\|") for cell in row.values()] for row in rows],
        header,
        tablefmt="pipe",
        disable_numparse=True,
        colalign=["left"] * left + ["right"] * (len(header) - left),
    )


def per_query_lines(means: Mapping[str, float], queries: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Lines as ``trec_eval -q`` prints them: measure, query id and value apart by tabs, and last the means as the query ``all``.

    Args:
        means: measure → mean.
        queries: measure → query id → value.
    """
    for query_id in next(iter(queries.values()), {}):
        yield from (f"{name:<22}\t{query_id}\t{_value(name, values[query_id])}" for name, values in queries.items())
    yield from (f"{name:<22}\tall\t{_value(name, mean)}" for name, mean in means.items())


def _value(name: str, value: float) -> str:
    return f"{value:.0f}" if name.startswith("Num") else f"{value:.4f}"  # counts are whole numbers there, too
