"""The plots of the report: quality against cost, differences query by query, distributions of latency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from splade_lucene.evaluation.report.svg import SERIES, axes, colour, printable, style, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from splade_lucene.evaluation.cost import QueryTime

MARKERS = {"o": "●", "s": "■", "^": "▲", "D": "◆", "v": "▼", "*": "★", "P": "✚", "X": "✖"}
"""matplotlib's marker of a system, in their order, and the character that stands for it in the legend."""

WIDTHS = {"wide": 1060, "narrow": 340}
"""Plots that fill the page exist twice, for a screen and for a phone, since text in a scaled plot would become too small; pixels."""

MARGIN_LEFT, MARGIN_RIGHT = 48, 8
_PANEL = (340, 260)
_LOGARITHMIC_FROM = 8  # largest over smallest value
_TENS_FROM = 300  # likewise: more than that, and ticks are tens only
_MAX_STEPS = {"wide": 700, "narrow": 350}
_LABEL_CHARACTERS = {"wide": 120, "narrow": 44}


class PlotPoint(NamedTuple):
    """A system in the plane of cost and quality."""

    label: str
    number: int
    cost: float
    quality: float


def series(number: int) -> str:
    """The page's colour variable of the system with this number."""
    return f"s{number % SERIES}"


def marker(number: int) -> str:
    """The marker of the system with this number; together with the colour it is the same in all plots."""
    return list(MARKERS)[(number + number // SERIES) % len(MARKERS)]


def pareto_front(points: Sequence[PlotPoint]) -> list[PlotPoint]:
    """The points that no other beats in quality at the same or a lower cost, cheapest first."""
    front: list[PlotPoint] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.quality)):
        if not front or point.quality > front[-1].quality:
            front.append(point)
    return front


def quality_against_cost(points: Sequence[PlotPoint], *, quality: str, cost: str, others: Sequence[PlotPoint] = ()) -> str:
    """A scatter plot with a point per system; a line joins those that no other system beats.

    Args:
        points: the systems whose cost is known.
        quality: what the vertical axis shows.
        cost: what the horizontal axis shows, with its unit.
        others: settings that are no systems, as small dots.

    Returns:
        The SVG element.
    """
    costs = [point.cost for point in (*points, *others)]
    with style():
        plane = axes(*_PANEL, left=MARGIN_LEFT, right=14, top=24)
        plane.set_title(quality, loc="left", x=-0.12, fontsize=11, color=colour("muted"))
        front = pareto_front(points)
        if len(front) > 1:
            plane.plot(
                [point.cost for point in front],
                [point.quality for point in front],
                color=colour("muted"),
                linewidth=1,
                linestyle=(0, (3, 3)),
            )
        titles = {}
        for number, point in enumerate(others):
            titles[f"other-{number}"] = f"{point.label}: {quality} {point.quality:.4f}, {cost} {point.cost:,.4g}"
            (dot,) = plane.plot(
                [point.cost], [point.quality], marker="o", markersize=3.5, color=colour("muted"), linestyle="none", alpha=0.7
            )
            dot.set_gid(f"other-{number}")
        for point in points:
            titles[f"point-{point.number}"] = f"{point.label}: {quality} {point.quality:.4f}, {cost} {point.cost:,.4g}"
            (drawn,) = plane.plot(
                [point.cost],
                [point.quality],
                marker=marker(point.number),
                markersize=10,
                color=colour(series(point.number)),
                markeredgecolor=colour("paper"),
                linestyle="none",
                clip_on=False,
            )
            drawn.set_gid(f"point-{point.number}")
        if min(costs) > 0 and max(costs) / min(costs) > _LOGARITHMIC_FROM:
            plane.set_xscale("log")
            _logarithmic(plane, min(costs) / 1.4, max(costs) * 1.4)
        else:
            plane.set_xlim(0, max(costs) * 1.12 or 1)
            plane.locator_params(axis="x", nbins=5)
        values = [point.quality for point in (*points, *others)]
        room = max(0.15 * (max(values) - min(values)), 0.01)
        plane.set_ylim(min(values) - room, max(values) + room)
        plane.locator_params(axis="y", nbins=6)
        plane.set_xlabel(cost)
        return to_svg(plane.figure, label=f"{quality} over {cost}", titles=titles)  # type: ignore[arg-type]  # add_axes is of a Figure


def differences(values: Sequence[float], *, width: str, label: str) -> str:
    """Differences to the baseline as bars without gaps.

    Args:
        values: one per query, largest first; where there are more than bars can be told apart, evenly spaced ones stand for all.
        width: a key of ``WIDTHS``.
        label: what is compared, for those who do not see the plot.

    Returns:
        The SVG element; the bars span all of it but ``MARGIN_LEFT`` and ``MARGIN_RIGHT``.
    """
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    number = len(values)
    steps = min(number, _MAX_STEPS[width])
    shown = np.asarray(values)[np.arange(steps) * number // steps]
    edges = np.linspace(0.5, number + 0.5, steps + 1)
    with style():
        plane = axes(WIDTHS[width], 190, left=MARGIN_LEFT, right=MARGIN_RIGHT)
        plane.stairs(np.maximum(shown, 0), edges, fill=True, color=colour("better"), linewidth=0)
        plane.stairs(np.minimum(shown, 0), edges, fill=True, color=colour("worse"), linewidth=0)
        plane.axhline(0, color=colour("muted"), linewidth=0.8)
        plane.set_xlim(0.5, number + 0.5)
        low, high = min(0.0, float(shown.min())), max(0.0, float(shown.max()))
        room = 0.06 * (high - low) or 0.05
        plane.set_ylim(low - room, high + room)
        plane.grid(visible=False, axis="x")
        plane.xaxis.set_major_locator(MaxNLocator(nbins=6 if width == "narrow" else 10, integer=True))
        plane.locator_params(axis="y", nbins=6)
        plane.yaxis.set_major_formatter(lambda value, _: f"{value:+.2f}".replace("-", "−") if round(value, 9) else "0")
        plane.set_xlabel("queries, sorted by difference")
        return to_svg(plane.figure, label=label)  # type: ignore[arg-type]  # as above


def latencies(times: Mapping[int, tuple[str, Sequence[QueryTime]]], *, width: str) -> str:
    """The distributions of latency, a pair of halves per system: without encoding above the line, with encoding below it.

    Args:
        times: number of the system → its label and the times of its queries; at least one.
        width: a key of ``WIDTHS``.

    Returns:
        The SVG element.
    """
    import numpy as np

    row, space = 62, _LABEL_CHARACTERS[width]
    smallest, largest = np.inf, 0.0
    with style():
        plane = axes(WIDTHS[width], row * len(times) + 48, left=8, right=14)
        for place, (number, (label, queries)) in enumerate(reversed(list(times.items()))):
            search = np.array([max(each.search_ms, 1e-3) for each in queries])
            whole = np.array([max(each.encode_ms + each.search_ms, 1e-3) for each in queries])
            _half(plane, search, place, "high", series(number))
            _half(plane, whole, place, "low", series(number))
            plane.axhline(place, color=colour("line"), linewidth=0.8)
            name = label if len(label) <= space else f"{label[: space - 1]}…"
            plane.text(
                0.0,
                place + 0.40,
                printable(name),
                transform=plane.get_yaxis_transform(),
                ha="left",
                va="center",
                color=colour("ink"),
            )
            smallest, largest = min(smallest, search.min()), max(largest, whole.max())
        plane.set_ylim(-0.5, len(times) - 0.38)
        plane.set_yticks([])
        plane.spines["left"].set_visible(False)
        plane.set_xscale("log")
        _logarithmic(plane, smallest / 1.15, largest * 1.15)
        plane.set_xlabel("milliseconds a query, one thread")
        names = ", ".join(label for label, _ in times.values())
        return to_svg(plane.figure, label=f"distributions of query latency: {names}")  # type: ignore[arg-type]  # as above


def _half(plane: Axes, times: Any, place: int, side: str, variable: str) -> None:
    """Half a violin of times on a logarithmic axis, with strokes at the median and the 99th percentile."""
    import numpy as np
    from matplotlib.cbook import violin_stats
    from matplotlib.mlab import GaussianKDE

    def density(values: Any, places: Any) -> Any:
        return np.ones_like(places) if np.ptp(values) == 0 else GaussianKDE(values).evaluate(places)

    logs = np.log10(times)
    (stats,) = violin_stats(logs, density, points=120)
    up = 1 if side == "high" else -1
    height = stats["vals"] / stats["vals"].max() * 0.27
    plane.fill_between(
        10 ** stats["coords"], place, place + up * height, color=colour(variable), alpha=0.75 if up > 0 else 0.35, linewidth=0.8
    )
    for quantile, length in ((50, 0.30), (99, 0.18)):
        at = float(10 ** np.percentile(logs, quantile))
        plane.plot([at, at], [place, place + up * length], color=colour("ink"), linewidth=1.4, solid_capstyle="butt")


def _logarithmic(plane: Axes, low: float, high: float) -> None:
    """Ticks with plain numbers: tens over several decades, else finer."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    subs = (1.0, 2.0, 5.0) if high / low < _TENS_FROM else (1.0,)
    plane.set_xlim(low, high)
    plane.xaxis.set_major_locator(LogLocator(subs=subs, numticks=12))
    plane.xaxis.set_minor_locator(NullLocator())
    plane.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
