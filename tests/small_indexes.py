"""A handful of passages, and indexes of both kinds of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from splade_lucene.encoding.model import SpladeModel
from splade_lucene.lucene.bm25_indexing import build_bm25_index
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.pipeline.encode import encode_collection
from splade_lucene.records import Passage

PASSAGES = (
    Passage("glass", "Thermal stress is created when one area of a glass pane gets hotter than an adjacent area.", "Glass"),
    Passage("lucene", "Lucene is a library for full-text search with an inverted index."),
    Passage("sort", "Return the index where to insert an item in a sorted list."),
    Passage("heat", "Heat makes a window crack if its parts expand differently."),
)


def make_small_indexes(model: SpladeModel, folder: Path, passages: Sequence[Passage]) -> Path:
    """The vectors ``out`` (32 tokens, 16 of queries, scale 50) and the indexes ``index`` and ``bm25``."""
    encode_collection(passages, folder / "out", model, max_length=32, query_max_length=16, scale=50)
    build_impact_index(folder / "out", folder / "index")
    build_bm25_index(passages, folder / "bm25")
    return folder
