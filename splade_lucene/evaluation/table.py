"""The table of systems: quality and cost side by side, as Markdown that also reads well on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from splade_lucene.evaluation.cost import Cost, Timings
from splade_lucene.evaluation.figures import FLOPS, INDEX_MB, MILLISECONDS, Figure, lengths
from splade_lucene.evaluation.numbers import COUNT, TEXT, NumberFormat, write
from splade_lucene.records import EncoderRecord

T = TypeVar("T")


@dataclass(frozen=True)
class RunCost:
    """What the notes of a run know of its cost.

    Attributes:
        documents: in the index.
        cost: sizes; None where one of them is not known, as of another engine's index.
        search_ms: the median over the queries, which the first ones, run by a cold JVM, do not distort.
        encode_ms: the mean of encoding the queries in batches; 0 for BM25.
        lengths: of passages and queries in tokens.
    """

    documents: int | None
    cost: Cost | None
    search_ms: float | None
    encode_ms: float | str | None
    lengths: str | None
    timings: Timings | None = None

    @classmethod
    def from_notes(cls, notes: Mapping[str, Any]) -> RunCost:
        """Takes the cost from notes; a fusion has that of its parts and no times."""
        documents, cost, times = notes.get("documents"), Cost.from_notes(notes), notes.get("search_ms")
        search_ms = times["p50"] if times else None
        if "encoder" not in notes:
            return cls(documents, cost, search_ms, "0" if times else None, None)
        cut = lengths(notes["settings"].get("max_length"), EncoderRecord.from_json(notes["encoder"]))
        return cls(documents, cost, search_ms, notes["encode_ms"], cut)


RUN_COSTS = (
    Figure[RunCost]("documents", lambda each: each.documents, COUNT),
    INDEX_MB,
    Figure[RunCost]("search ms", lambda each: each.search_ms, MILLISECONDS),
    Figure[RunCost]("encode ms", lambda each: each.encode_ms, MILLISECONDS),
    FLOPS,
    Figure[RunCost]("lengths", lambda each: each.lengths, TEXT),
)


def columns(subject: T, figures: Sequence[Figure[T]]) -> dict[str, str]:
    """Figures by their headings, a dash where nothing is known."""
    return {figure.name: figure.text(subject) for figure in figures}


def cost_columns(notes: Mapping[str, Any]) -> dict[str, str]:
    """The cost of a run, from its notes; a dash where nothing is known."""
    return columns(RunCost.from_notes(notes), RUN_COSTS)


def score_columns(scores: Mapping[str, float]) -> dict[str, str]:
    """Scores by their measures, with the zero before the point, as trec_eval prints them."""
    return {measure: write(value, NumberFormat(4)) for measure, value in scores.items()}


def markdown_table(rows: Sequence[Mapping[str, str]], *, left: int = 1) -> str:
    """Rows of equal keys as a Markdown table, the first ``left`` columns to the left, the others to the right."""
    return pipe_table(list(rows[0]), [list(row.values()) for row in rows], left=left)


def pipe_table(heading: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """The same from a heading and the texts of rows."""
    from tabulate import tabulate

    return tabulate(
        [[cell.replace("|", "\\|") for cell in row] for row in rows],
        list(heading),
        tablefmt="pipe",
        disable_numparse=True,
        colalign=["left"] * left + ["right"] * (len(heading) - left),
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
