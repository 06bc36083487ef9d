"""Which systems an evaluation has, in the order of its table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from splade_lucene.errors import SpladeLuceneError
from splade_lucene.evaluation.fusion import RANK_CONSTANT
from splade_lucene.evaluation.result_records import System
from splade_lucene.experiment.fusion_weight import UNTUNED
from splade_lucene.lucene.defaults import DEFAULT_ANALYZERS, DEFAULT_B, DEFAULT_K1, DEFAULT_LANGUAGE, FLAT, MULTIFIELD

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel

KINDS = ("bm25-flat", "bm25-multifield", "splade", "fusion")
BASELINE = "bm25-flat"
# Of BM25 in the weighted sum; that of ``tuned-…`` is learned on each data set's training queries.
WEIGHT = UNTUNED
TUNED = "tuned"


class Systems(NamedTuple):
    """The systems of an evaluation.

    Attributes:
        all: in the order of the table.
        models: name of a SPLADE system → its model.
    """

    all: tuple[System, ...]
    models: Mapping[str, SpladeModel]

    @property
    def baseline(self) -> str:
        """What the others are compared with unless the user says otherwise: BM25 flat, or the first where that is not among them."""
        return next((system.name for system in self.all if system.name == BASELINE), self.all[0].name)


class SpladeSettings(NamedTuple):
    """How all models encode.

    Attributes:
        documents: tokens a passage is cut at; each model's default if None.
        queries: tokens a query is cut at; likewise.
        scale: impacts are ``round(weight × scale)``.
        split_words: cut documents into passages of this number of words, and find documents by the best of them.
        overlap: words that two passages of a document share.
        query_idf: multiply query weights by idf to this power; not if None.
    """

    documents: int | None
    queries: int | None
    scale: float
    split_words: int | None = None
    overlap: int = 0
    query_idf: float | None = None


def plan_systems(kinds: Sequence[str], models: Sequence[SpladeModel], splade: SpladeSettings, *, tuned: bool = False) -> Systems:
    """The systems that were asked for.

    Args:
        kinds: some of :data:`KINDS`.
        models: loaded; not needed where ``kinds`` has neither ``splade`` nor ``fusion``.
        splade: how they encode.
        tuned: whether fusion also has a sum whose weight is learned.

    Raises:
        SpladeLuceneError: fusion is wanted without what it joins.
        ModelError: a length is more than a model can read.
    """
    if "fusion" in kinds and not {"bm25-flat", "splade"} <= set(kinds):
        raise SpladeLuceneError("fusion joins bm25-flat and splade; name both among the systems, or leave fusion out")
    if tuned and "fusion" not in kinds:
        raise SpladeLuceneError("the weight of a fusion is to be tuned, and there is none; add fusion to the systems")
    systems = [_bm25(kind, label, fields) for kind, label, fields in _BM25 if kind in kinds]
    names = _names(models) if "splade" in kinds else []
    impact = [_splade(name, model, splade) for name, model in zip(names, models, strict=False)]
    systems += impact
    if "fusion" in kinds:
        systems += [fusion for system in impact for fusion in _fusions(system)[: 3 if tuned else 2]]
    return Systems(tuple(systems), {system.name: model for system, model in zip(impact, models, strict=False)})


_BM25 = (("bm25-flat", "BM25 flat", FLAT), ("bm25-multifield", "BM25 multifield", MULTIFIELD))


def _bm25(name: str, label: str, fields: Mapping[str, float]) -> System:
    analyzer = DEFAULT_ANALYZERS[DEFAULT_LANGUAGE]
    return System(
        name, label, "bm25", {"k1": DEFAULT_K1, "b": DEFAULT_B, "fields": fields, "language": DEFAULT_LANGUAGE, "analyzer": analyzer}
    )


def _splade(name: str, model: SpladeModel, splade: SpladeSettings) -> System:
    documents = model.lengths.documents if splade.documents is None else splade.documents
    record = model.record(query_max_length=splade.queries, scale=splade.scale).with_queries(idf=splade.query_idf)
    model.check_length(documents)
    model.check_query_length(record.query_max_length)
    settings: dict[str, Any] = {"max_length": documents}
    if splade.split_words is not None:
        settings |= {"split_words": splade.split_words, "overlap": splade.overlap}
    other_queries = "" if record.query.model == record.document.model else f", queries {Path(record.query.model).name}"
    idf = "" if splade.query_idf is None else f", queries × idf^{splade.query_idf:g}"
    return System(name, f"SPLADE {name.removeprefix('splade-')}{other_queries}{idf}", "impact", settings, record)


def _fusions(system: System) -> list[System]:
    joined = ("bm25-flat", system.name)
    label = f"BM25 flat + {system.label}"
    return [
        System(f"rrf-{system.name}", f"{label}, reciprocal rank", "fusion", {"method": "rrf", "constant": RANK_CONSTANT}, None, joined),
        System(f"sum-{system.name}", f"{label}, sum", "fusion", {"method": "min-max sum", "weight": WEIGHT}, None, joined),
        System(f"tuned-{system.name}", f"{label}, tuned sum", "fusion", {"method": "min-max sum", "weight": TUNED}, None, joined),
    ]


def _names(models: Sequence[SpladeModel]) -> list[str]:
    """The last part of each model's name, the whole of it where two share that."""
    short = [Path(model.name).name for model in models]
    names = [last if short.count(last) == 1 else model.name for last, model in zip(short, models, strict=True)]
    slugs = [f"splade-{re.sub(r'[^A-Za-z0-9._-]+', '-', name).strip('-.')}" for name in names]
    if len(set(slugs)) < len(slugs):
        twice = max(slugs, key=slugs.count)
        raise SpladeLuceneError(f"two models would both be called {twice}; name each model once, in folders of other names")
    return slugs
