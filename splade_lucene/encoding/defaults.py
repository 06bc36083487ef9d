"""Default lengths and scale; DESIGN: the budget of the model card for its models, the usual SPLADE lengths for others."""

from __future__ import annotations

from typing import NamedTuple

DEFAULT_MODEL = "prithivida/Splade_PP_en_v2"
DEFAULT_SCALE = 100
TINY = "tiny"
# From 2^24 on not even one impact is exact in the single precision of Lucene's scores.
MAX_BITS = 24


class Lengths(NamedTuple):
    """Maximum numbers of tokens, special tokens included."""

    documents: int
    queries: int


def default_lengths(model: str) -> Lengths:
    """128 and 24 tokens for prithivida's models, which were trained for that budget; 256 and 64 for all others."""
    return Lengths(128, 24) if model.startswith("prithivida/") else Lengths(256, 64)
