"""The figures that tables, plots and the terminal show, each described once: a new cost is a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

from splade_lucene.evaluation.cost import Cost, Latency, Timings, UnderLoad
from splade_lucene.evaluation.numbers import COUNT, DIFFERENCE, P_VALUE, PLAIN, NumberFormat, Style, write
from splade_lucene.evaluation.result_records import Comparison, System
from splade_lucene.records import EncoderRecord

S_contra = TypeVar("S_contra", contravariant=True)


class HasCost(Protocol):
    """What has a cost: a row of the results, or a run with its notes."""

    @property
    def cost(self) -> Cost | None:
        """None where it is not known."""

    @property
    def timings(self) -> Timings | None:
        """Likewise."""


class Shared(NamedTuple):
    """The one column that several figures share where there is little space.

    Attributes:
        name: its heading.
        separator: stands between the figures.
    """

    name: str
    separator: str = " / "


@dataclass(frozen=True)
class Figure(Generic[S_contra]):
    """A column.

    Attributes:
        name: its heading.
        value: takes the figure from what the row is about; None where it is not known.
        format: how it is written.
        key: its name in the CSV, which has the value in full.
        unit: the value is divided by this wherever people read it.
        start: whether it begins a group of columns.
        shared: the column of the compact tables that it is part of.
        axis: its name beside a plot's axis.
    """

    name: str
    value: Callable[[S_contra], float | str | None]
    format: NumberFormat
    key: str = ""
    unit: float = 1
    start: bool = False
    shared: Shared | None = None
    axis: str = ""

    def shown(self, subject: S_contra) -> float | str | None:
        """The value in the unit that the name says."""
        value = self.value(subject)
        return value if value is None or isinstance(value, str) else value / self.unit

    def text(self, subject: S_contra, style: Style = PLAIN) -> str:
        """The value as it is written."""
        return write(self.shown(subject), self.format, style)


def _cost(field: Callable[[Cost], float]) -> Callable[[HasCost], float | None]:
    return lambda subject: None if subject.cost is None else field(subject.cost)


def _timings(field: Callable[[Timings], float | None]) -> Callable[[HasCost], float | None]:
    return lambda subject: None if subject.timings is None else field(subject.timings)


def _load(field: Callable[[UnderLoad], float]) -> Callable[[HasCost], float | None]:
    return _timings(lambda timings: None if timings.under_load is None else field(timings.under_load))


def _latency(name: str, key: str, times: Callable[[Timings], Latency | None]) -> tuple[Figure[HasCost], ...]:
    def figure(which: str, field: Callable[[Latency], float], *, start: bool = False) -> Figure[HasCost]:
        value = _timings(lambda timings: None if (known := times(timings)) is None else field(known))
        return Figure(f"{name}, {which}", value, NumberFormat(2), f"{key} {which}", start=start, shared=Shared(name))

    return (
        figure("mean", lambda each: each.mean, start=True),
        figure("p50", lambda each: each.p50),
        figure("p99", lambda each: each.p99),
    )


MILLISECONDS = NumberFormat(1)
"""Of a single latency; those in full have a decimal more."""

DOCUMENTS = Figure[HasCost]("documents", _cost(lambda cost: cost.documents), COUNT, "documents", start=True)
FLOPS = Figure[HasCost]("FLOPS", _cost(lambda cost: cost.flops), NumberFormat(2), "flops", axis="FLOPS a query and document")
TERMS_PER_QUERY = Figure[HasCost]("terms a query", _cost(lambda cost: cost.terms_per_query), NumberFormat(1), "terms_per_query")
TERMS_PER_DOCUMENT = Figure[HasCost]("terms a document", _cost(lambda cost: cost.terms_per_document), NumberFormat(1), "terms_per_document")
INDEX_MB = Figure[HasCost]("index MB", _cost(lambda cost: cost.index_bytes), NumberFormat(2), "index_bytes", 1e6, axis="index size, MB")
ENCODE_SECONDS = Figure[HasCost](
    "encode s", _timings(lambda timings: timings.encode_seconds), NumberFormat(1), "encode_seconds", start=True
)
INDEX_SECONDS = Figure[HasCost]("index s", _timings(lambda timings: timings.index_seconds), NumberFormat(1), "index_seconds")
QUERY_MS = Figure[HasCost](
    "query ms", _timings(lambda timings: timings.query_ms.p50), MILLISECONDS, start=True, axis="median query latency, ms"
)

SIZES = (DOCUMENTS, FLOPS, TERMS_PER_QUERY, TERMS_PER_DOCUMENT, INDEX_MB)
TIMES = (
    ENCODE_SECONDS,
    INDEX_SECONDS,
    *_latency("search ms", "search_ms", lambda timings: timings.search_ms),
    *_latency("with encoding", "query_ms", lambda timings: timings.query_ms),
    *_latency("under load", "load_ms", lambda timings: None if timings.under_load is None else timings.under_load.query_ms),
    Figure[HasCost]("threads", _load(lambda load: load.threads), COUNT, "load_threads"),
    Figure[HasCost]("queries/s", _load(lambda load: load.per_second), NumberFormat(1), "queries_per_second"),
)
COSTS = (*SIZES, *TIMES)
"""All that is known; the tables of costs and the CSV have it."""

MAIN_COSTS = (QUERY_MS, INDEX_MB, FLOPS)
"""What stands beside the quality of a system, and what quality is plotted against."""

SIGNIFICANCE = (
    Figure[Comparison]("difference", lambda each: each.difference, DIFFERENCE, start=True),
    Figure[Comparison]("won", lambda each: each.wins, COUNT, "wins", start=True, shared=Shared("wins/ties/losses", "/")),
    Figure[Comparison]("equal", lambda each: each.ties, COUNT, "ties", shared=Shared("wins/ties/losses", "/")),
    Figure[Comparison]("lost", lambda each: each.losses, COUNT, "losses", shared=Shared("wins/ties/losses", "/")),
    Figure[Comparison]("t-test p", lambda each: each.t_p, P_VALUE, "t p", start=True),
    Figure[Comparison]("t-test p, corrected", lambda each: each.t_p_holm, P_VALUE, "t p Holm"),
    Figure[Comparison]("randomisation p", lambda each: each.randomisation_p, P_VALUE, "randomisation p", start=True),
    Figure[Comparison]("randomisation p, corrected", lambda each: each.randomisation_p_holm, P_VALUE, "randomisation p Holm"),
)
"""A system against the baseline in one measure; the key of the difference names the baseline."""


def system_lengths(system: System) -> str | None:
    """Likewise of a system."""
    return None if system.encoder is None else lengths(system.vectors.max_length, system.encoder)


def lengths(max_length: int | None, encoder: EncoderRecord | None) -> str | None:
    """Tokens that passages and queries are cut at: ``documents/queries``; None for systems that read all."""
    return None if encoder is None else f"{max_length or '?'}/{encoder.query_max_length}"
