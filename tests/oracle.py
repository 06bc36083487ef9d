"""The oracle of impact search: a brute-force sparse dot product."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from splade_lucene.records import Hit, ImpactVector


def brute_force(vectors: Iterable[ImpactVector], query: Mapping[str, int], k: int) -> list[Hit]:
    scores = (
        (vector.doc_id, sum(query[token] * vector.vector[token] for token in query.keys() & vector.vector.keys())) for vector in vectors
    )
    best = sorted(((doc_id, score) for doc_id, score in scores if score), key=lambda hit: (-hit[1], hit[0]))
    return [Hit(doc_id, float(score)) for doc_id, score in best[:k]]
