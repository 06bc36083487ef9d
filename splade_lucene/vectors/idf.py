"""Inverse document frequency: how rare a token is among the indexed documents.

The query model ``idf`` weights the tokens of a query by it; nothing is trained and nothing downloaded. The weight of a token that is in
``df`` of ``n`` documents is BM25's ``ln(1 + (n - df + 0.5) / (df + 0.5))`` (Robertson and Zaragoza, 2009), as an integer
``round(weight × scale)``, and at least 1: a table made twice of the same documents is the same.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from splade_lucene.vectors.manifest import Manifest
from splade_lucene.vectors.reader import read_vectors


def idf(frequency: int, documents: int) -> float:
    """The inverse document frequency of a token, always above 0.

    Args:
        frequency: the number of documents that have it.
        documents: the number of documents.

    Example:
        >>> round(idf(1, 10), 2)
        1.99
    """
    return math.log1p((documents - frequency + 0.5) / (frequency + 0.5))


def idf_impacts(frequencies: Mapping[str, int], documents: int, scale: float, power: float = 1.0) -> dict[str, int]:
    """The table of the query model ``idf``.

    Args:
        frequencies: token → the number of documents that have it, from 1.
        documents: the number of documents.
        scale: of the impacts.
        power: of the inverse document frequency.

    Returns:
        Token → impact, in the order of the tokens.

    Example:
        >>> idf_impacts({"glass": 1, "the": 9}, 10, 100)
        {'glass': 199, 'the': 15}
    """
    return {token: max(1, round(scale * idf(frequency, documents) ** power)) for token, frequency in sorted(frequencies.items())}


def query_table(manifest: Manifest, vectors: Path) -> dict[str, int] | None:
    """The table that an index of vectors will have; None where queries have another encoder.

    Args:
        manifest: of the vectors.
        vectors: their folder.
    """
    if manifest.encoder.query.kind != "idf":
        return None
    frequencies: Counter[str] = Counter()
    for vector in read_vectors(vectors):
        frequencies.update(vector.vector.keys())
    return idf_impacts(frequencies, manifest.passages - manifest.empty, manifest.encoder.scale)
