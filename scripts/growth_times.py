"""What bench_growth.py measured: kept in a file over several runs, as a table, and as a plot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

STOCK = "LuceneImpactSearcher"


class Measured(NamedTuple):
    """A system at a size.

    Attributes:
        documents: in the index.
        k: hits of a query.
        system: its name.
        mean: milliseconds a query.
        p50: likewise, the median.
        p99: likewise, the 99th percentile.
        processor: milliseconds of processor time of the searching thread a query, which other work disturbs least; the mean.
        recall: of the exact hits.
    """

    documents: int
    k: int
    system: str
    mean: float
    p50: float
    p99: float
    processor: float
    recall: float


def kept(file: Path | None, measured: Sequence[Measured]) -> list[Measured]:
    """Adds to what a file has, in which a later figure takes the place of an earlier one, and returns all of it."""
    there = [Measured(*each) for each in json.loads(file.read_text(encoding="utf-8"))] if file and file.exists() else []
    latest = {each[:3]: each for each in (*there, *measured)}
    found = sorted(latest.values(), key=lambda each: each[:2])
    if file:
        file.write_text("[\n" + ",\n".join(map(json.dumps, found)) + "\n]\n", encoding="utf-8")
    return found


def rows(measured: Sequence[Measured]) -> list[dict[str, str]]:
    """The table; how many times as fast as Pyserini's searcher each system is goes by processor time."""
    stock = {each[:2]: each.processor for each in measured if each.system == STOCK}
    return [
        {
            "documents": f"{each.documents:,}",
            "k": str(each.k),
            "system": each.system,
            "mean ms": f"{each.mean:.2f}",
            "p50": f"{each.p50:.2f}",
            "p99": f"{each.p99:.2f}",
            "processor ms": f"{each.processor:.2f}",
            "times as fast": f"{stock[each[:2]] / each.processor:.1f}",
            "recall": f"{each.recall:.3f}",
        }
        for each in measured
    ]


def draw(measured: Sequence[Measured], file: Path) -> None:
    """Processor time over documents, both axes logarithmic, one picture for each k."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.2), layout="constrained")
    for axes, k in zip(figure.subplots(1, 2, sharey=True), (10, 1000), strict=True):
        for name in dict.fromkeys(each.system for each in measured):
            points = [(each.documents, each.processor) for each in measured if (each.system, each.k) == (name, k)]
            axes.plot(*zip(*points, strict=True), "o-", label=name)
        axes.set(xlabel="documents", ylabel="processor ms per query", xscale="log", yscale="log", title=f"k={k}")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="small")
    figure.savefig(file)
