"""Which points of a sweep are worth naming: the Pareto front, the cheapest near the best, the best within a budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from splade_lucene.evaluation.cost import Cost, Timings
from splade_lucene.experiment.tuning.points import Point, joined

# Combinations that are expected to be worse than the best by more are not tried.
_INTERESTING = 0.05


@dataclass(frozen=True)
class MeasuredPoint:
    """A point and what was measured.

    Attributes:
        point: its settings.
        label: them in short.
        quality: the mean on the half of the queries that points are chosen by.
        cost: sizes.
        timings: None before the latencies were measured.
        documents_per_second: that the model encodes.
    """

    point: Point
    label: str
    quality: float
    cost: Cost
    timings: Timings | None
    documents_per_second: float


class Price(NamedTuple):
    """What a point is chosen for.

    Attributes:
        key: in ``--budget``.
        name: for sentences.
        unit: likewise.
        value: of a point.
        most: whether more of it costs more; else more is better.
    """

    key: str
    name: str
    unit: str
    value: Callable[[MeasuredPoint], float]
    most: bool = True


def _milliseconds(measured: MeasuredPoint) -> float:
    assert measured.timings is not None  # before they are measured nothing is chosen
    return measured.timings.query_ms.p50


PRICES = (
    Price("latency", "latency", "ms a query, encoding included", _milliseconds),
    Price("index", "index size", "MB", lambda each: each.cost.index_bytes / 1e6),
    Price("flops", "FLOPS", "FLOPS", lambda each: each.cost.flops),
)
SPEED = Price("documents-per-second", "encoding speed", "documents/s", lambda each: each.documents_per_second, most=False)
"""Can be demanded in a budget; no point is named for it."""


class Operating(NamedTuple):
    """An operating point.

    Attributes:
        measured: the point.
        price: what it was chosen for; None for the best and for one within a budget.
        budget: whether it is the best within the budget.
    """

    measured: MeasuredPoint
    price: Price | None = None
    budget: bool = False


def pareto_front(points: Sequence[MeasuredPoint], price: Price) -> list[MeasuredPoint]:
    """The points that no other beats in quality at the same or a lower price, cheapest first."""
    front: list[MeasuredPoint] = []
    for point in sorted(points, key=lambda each: (price.value(each), -each.quality)):
        if not front or point.quality > front[-1].quality:
            front.append(point)
    return front


def best(points: Sequence[MeasuredPoint]) -> MeasuredPoint:
    """The point of the highest quality; of equal ones that with the fewest FLOPS."""
    return max(points, key=lambda each: (each.quality, -each.cost.flops))


def operating_points(points: Sequence[MeasuredPoint], within: float) -> list[Operating]:
    """The best point, and for each price the cheapest that is at most ``within`` worse."""
    top = best(points)
    near = [each for each in points if each.quality >= top.quality - within - 1e-12]
    return [Operating(top), *(Operating(min(near, key=lambda each: (price.value(each), -each.quality)), price) for price in PRICES)]


def within_budget(points: Sequence[MeasuredPoint], budget: Mapping[str, float]) -> MeasuredPoint | None:
    """The best point that meets a budget; None if none does.

    Args:
        points: all.
        budget: key of a price → its limit, in the unit of the price.
    """
    prices = {price.key: price for price in (*PRICES, SPEED)}

    def meets(point: MeasuredPoint) -> bool:
        values = {key: prices[key].value(point) for key in budget}
        return all(values[key] <= limit if prices[key].most else values[key] >= limit for key, limit in budget.items())

    fitting = [each for each in points if meets(each)]
    return best(fitting) if fitting else None


def most_promising(measured: Mapping[Point, MeasuredPoint], singles: Sequence[Point], bases: Sequence[Point]) -> Point | None:
    """The combination that is expected to beat what was measured by most at its FLOPS, or None.

    Expected are the sum of what its parts change in quality, and the product of what they change in FLOPS.

    Args:
        measured: what is known.
        singles: points with one setting changed.
        bases: the points with all weights, one for each model.
    """
    found: tuple[float, Point] | None = None
    known = sorted(measured.values(), key=lambda each: each.cost.flops)
    top = max(each.quality for each in known)
    for base in bases:
        start = measured.get(base)
        for first in known if start else ():
            for second in singles:
                other = measured.get(second)
                point = joined(first.point, second, base) if other and first.point.model == base.model else None
                if start is None or other is None or point is None or point in measured:
                    continue
                quality = first.quality + other.quality - start.quality
                flops = first.cost.flops * other.cost.flops / max(start.cost.flops, 1e-9)
                beaten = max((each.quality for each in known if each.cost.flops <= flops), default=0.0)
                gain = quality - max(beaten, top - _INTERESTING)
                if gain > 0 and (found is None or gain > found[0]):
                    found = gain, point
    return found[1] if found else None
