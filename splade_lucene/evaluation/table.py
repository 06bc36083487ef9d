"""The table of systems: quality and cost side by side, as Markdown that also reads well on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tabulate import tabulate


def cost_columns(notes: Mapping[str, Any]) -> dict[str, str]:
    """The cost of a run, from its notes; a dash where nothing is known.

    *search ms* is the median over the queries, which the first ones, run by a cold JVM, do not distort; *encode ms* the mean of
    encoding them in batches.
    """
    if not notes:
        return dict.fromkeys(("documents", "index MB", "search ms", "encode ms", "FLOPS", "lengths"), "-")
    settings, encoder = notes["settings"], notes.get("encoder")
    return {
        "documents": f"{notes['documents']:,}",
        "index MB": f"{notes['index_bytes'] / 1e6:.2f}",
        "search ms": f"{notes['search_ms']['p50']:.1f}",
        "encode ms": f"{notes['encode_ms']:.1f}" if encoder else "0",
        "FLOPS": f"{notes['flops']:.2f}",
        "lengths": f"{settings['max_length']}/{encoder['query_max_length']}" if encoder else "-",
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
