"""Default lengths and scale; DESIGN: the budget of the model card for its models, the usual SPLADE lengths for others."""

from __future__ import annotations

from typing import NamedTuple

DEFAULT_MODEL = "prithivida/Splade_PP_en_v2"
DEFAULT_SCALE = 100
TINY = "tiny"
# The query model that is made of the indexed collection.
IDF = "idf"
# No weight is as large as 16: log1p of the largest number that fp16 holds is 11.1. Impacts must stay below 2^24.
MAX_SCALE = 2**20
# From 2^24 on not even one impact is exact in the single precision of Lucene's scores.
MAX_BITS = 24
# Queries that are encoded without torch, where the model allows it: more, and importing torch is soon made up for.
FEW_QUERIES = 32
# Rows of an output layer beyond its tokenizer: rounding up to a multiple of 256 and some tokens in reserve. More is another vocabulary.
MOST_UNUSED = 512


class Lengths(NamedTuple):
    """Maximum numbers of tokens, special tokens included."""

    documents: int
    queries: int


CARD_LENGTHS = Lengths(128, 24)
"""The budget of prithivida's model cards."""


def default_lengths(model: str) -> Lengths:
    """128 and 24 tokens for prithivida's models, which were trained for that budget; 256 and 64 for all others."""
    return CARD_LENGTHS if model.startswith("prithivida/") else Lengths(256, 64)
