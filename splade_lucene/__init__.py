"""SPLADE on Lucene: impact indexes, BEIR zero-shot evaluation, comparison with BM25; the cost beside every figure.

The public names are loaded when first used: importing the package loads neither torch nor the JVM.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from splade_lucene._version import __version__

if TYPE_CHECKING:
    from splade_lucene.collections.passages import passages_of as passages_of
    from splade_lucene.collections.passages import read_passages as read_passages
    from splade_lucene.collections.qrels import read_qrels as read_qrels
    from splade_lucene.collections.queries import read_queries as read_queries
    from splade_lucene.core.ir_adapters import scored_docs as scored_docs
    from splade_lucene.encoding.expander import Expander as Expander
    from splade_lucene.encoding.model import SpladeModel as SpladeModel
    from splade_lucene.evaluation.runs import read_run as read_run
    from splade_lucene.evaluation.runs import write_run as write_run
    from splade_lucene.lucene.bm25_indexing import build_bm25_index as build_bm25_index
    from splade_lucene.lucene.bm25_searcher import Bm25Searcher as Bm25Searcher
    from splade_lucene.lucene.indexing import build_impact_index as build_impact_index
    from splade_lucene.lucene.jvm import start_jvm as start_jvm
    from splade_lucene.pipeline.encode import encode_collection as encode_collection
    from splade_lucene.pipeline.search import ImpactSearcher as ImpactSearcher
    from splade_lucene.pipeline.search import search_queries as search_queries
    from splade_lucene.records import Hit as Hit
    from splade_lucene.records import ImpactVector as ImpactVector
    from splade_lucene.records import Passage as Passage
    from splade_lucene.records import Query as Query

# What the imports above say, for when the program runs; a test holds the two together.
_HOMES = {
    "Bm25Searcher": "splade_lucene.lucene.bm25_searcher",
    "Expander": "splade_lucene.encoding.expander",
    "Hit": "splade_lucene.records",
    "ImpactSearcher": "splade_lucene.pipeline.search",
    "ImpactVector": "splade_lucene.records",
    "Passage": "splade_lucene.records",
    "Query": "splade_lucene.records",
    "SpladeModel": "splade_lucene.encoding.model",
    "build_bm25_index": "splade_lucene.lucene.bm25_indexing",
    "build_impact_index": "splade_lucene.lucene.indexing",
    "encode_collection": "splade_lucene.pipeline.encode",
    "passages_of": "splade_lucene.collections.passages",
    "read_passages": "splade_lucene.collections.passages",
    "read_qrels": "splade_lucene.collections.qrels",
    "read_queries": "splade_lucene.collections.queries",
    "read_run": "splade_lucene.evaluation.runs",
    "scored_docs": "splade_lucene.core.ir_adapters",
    "search_queries": "splade_lucene.pipeline.search",
    "start_jvm": "splade_lucene.lucene.jvm",
    "write_run": "splade_lucene.evaluation.runs",
}
__all__ = [*_HOMES, "__version__"]  # noqa: PLE0604  # names only


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
