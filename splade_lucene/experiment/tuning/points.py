"""The points of a sweep: one setting each of everything that costs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from splade_lucene.pipeline.encode import EncodingSettings

# Each keeps the largest weights of a passage, so of several the strictest decides.
_PRUNINGS = {"top_k", "min_weight", "max_ratio", "alpha_mass"}


@dataclass(frozen=True)
class Point:
    """How a collection is encoded and searched.

    Attributes:
        model: name.
        max_length: tokens a passage is cut at.
        query_max_length: tokens a query is cut at.
        precision: of the arithmetic: ``auto`` or ``bf16``.
        query_model: ``idf`` for queries without a model; None for the model's own.
        top_k: see :class:`~splade_lucene.encoding.quantization.Quantization`, and so the next three.
        min_weight: see there.
        max_ratio: see there.
        alpha_mass: see there.
        query_top_k: the largest weights of a query that are searched for.
        query_idf: query weights are multiplied by idf to this power.
    """

    model: str
    max_length: int
    query_max_length: int
    precision: str = "auto"
    query_model: str | None = None
    top_k: int | None = None
    min_weight: float | None = None
    max_ratio: float | None = None
    alpha_mass: float | None = None
    query_top_k: int | None = None
    query_idf: float | None = None

    def changes(self, base: Point) -> dict[str, Any]:
        """What is different from another point."""
        return {each.name: getattr(self, each.name) for each in fields(self) if getattr(self, each.name) != getattr(base, each.name)}

    def label(self, base: Point) -> str:
        """Its options, as far as they differ from another's."""
        changed = self.changes(base)
        model = changed.pop("model", None)
        parts = [Path(model).name] if model else []
        parts += [f"--{name.replace('_', '-')} {_number(value)}" for name, value in changed.items()]
        return " ".join(parts) or "all weights"

    def encoding(self, scale: float) -> EncodingSettings:
        """How its passages are encoded; the length of queries is given to the search."""
        return EncodingSettings(
            max_length=self.max_length,
            scale=scale,
            top_k=self.top_k,
            min_weight=self.min_weight,
            max_ratio=self.max_ratio,
            alpha_mass=self.alpha_mass,
        )

    @property
    def weights_name(self) -> str:
        """Points of the same name share the weights of their passages."""
        return _slug(Path(self.model).name, str(self.max_length), self.precision)

    @property
    def index_name(self) -> str:
        """Points of the same name share an index."""
        pruning = ("top_k", "min_weight", "max_ratio", "alpha_mass", "query_model")
        kept = [f"{name.replace('_', '')}{_number(value)}" for name in pruning if (value := getattr(self, name)) is not None]
        return _slug(self.weights_name, *kept)

    @property
    def name(self) -> str:
        """In file names."""
        names = ("query_max_length", "query_top_k", "query_idf")
        kept = [f"{name.replace('_', '')}{_number(value)}" for name in names if (value := getattr(self, name)) is not None]
        return _slug(self.index_name, *kept)

    @property
    def encoder_name(self) -> str:
        """Points of the same name encode queries in the same way."""
        own = _slug(Path(self.model).name, self.precision) if self.query_model is None else self.index_name
        return _slug(own, str(self.query_max_length))


class Knob(NamedTuple):
    """A setting and the values to try, the most promising first."""

    name: str
    values: Sequence[Any]


def knobs(base: Point) -> list[Knob]:
    """What is swept, around a point with all weights."""
    halves = [length for length in (base.max_length // 2, base.max_length // 4) if length >= 16]  # noqa: PLR2004
    query_halves = [length for length in (base.query_max_length // 2, base.query_max_length // 4) if length >= 8]  # noqa: PLR2004
    return [
        Knob("query_idf", [0.25, 0.5]),
        Knob("query_top_k", [16, 32, 8]),
        Knob("top_k", [128, 64, 32]),
        Knob("min_weight", [0.5, 0.2]),
        Knob("query_model", ["idf"]),
        Knob("alpha_mass", [0.75, 0.9]),
        Knob("max_ratio", [0.25, 0.1]),
        Knob("max_length", halves),
        Knob("query_max_length", query_halves),
        Knob("precision", ["bf16"]),
    ]


def single_points(bases: Sequence[Point]) -> Iterator[Point]:
    """All base points, then each with one setting changed: a value of every setting before a second one of any."""
    yield from bases
    for base in bases:
        columns = [[replace(base, **{knob.name: value}) for value in knob.values] for knob in knobs(base)]
        for row in zip_longest(*columns):
            yield from (point for point in row if point is not None)


def joined(first: Point, second: Point, base: Point) -> Point | None:
    """A point with the changes of both; None where they change the same setting, prune passages both, or there is nothing to join."""
    one, other = first.changes(base), second.changes(base)
    alike = one.keys() & other.keys() or (one.keys() & _PRUNINGS and other.keys() & _PRUNINGS)
    if not one or not other or alike or "model" in other:
        return None
    return replace(first, **other)


def options(point: Point, base: Mapping[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    """The arguments of ``encode``, ``index`` and ``search`` that make a point, by the names of the options."""
    encode: dict[str, Any] = {"model": point.model, "max-length": point.max_length, "query-max-length": point.query_max_length}
    names = ("precision", "query_model", "top_k", "min_weight", "max_ratio", "alpha_mass")
    encode |= {name.replace("_", "-"): value for name in names if (value := getattr(point, name)) not in (None, "auto")}
    search = {name.replace("_", "-"): value for name in ("query_top_k", "query_idf") if (value := getattr(point, name)) is not None}
    if point.precision != "auto":
        search["precision"] = point.precision
    return {"encode": {**(base or {}), **encode}, "index": {}, "search": search}


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _slug(*parts: str) -> str:
    return "-".join(re.sub(r"[^A-Za-z0-9._]+", "-", part).strip("-.") for part in parts)
