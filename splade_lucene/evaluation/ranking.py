"""The ranking that trec_eval sees: scores decide, not ranks or the order of lines."""

from __future__ import annotations

from collections.abc import Sequence

from splade_lucene.records import Hit


def trec_order(hits: Sequence[Hit]) -> list[str]:
    """The docids of one query in trec_eval's order: by score, equal ones by docid, both falling.

    trec_eval holds scores as C floats (``TEXT_RESULTS.sim`` in trec_format.h, compared in form_res_rels.c), so two scores that round
    to the same float32 are equal: 16777217 and 16777216, or 1.000000001 and 1.

    Example:
        >>> trec_order([Hit("d1", 16777217.0), Hit("d2", 16777216.0), Hit("d3", 20000000.0)])
        ['d3', 'd2', 'd1']
    """
    import numpy as np

    with np.errstate(over="ignore"):  # beyond what a float holds all are infinite, and equal
        scores = np.array([hit.score for hit in hits], dtype=np.float64).astype(np.float32).tolist()
    pairs = sorted(zip(scores, (hit.doc_id for hit in hits), strict=True), reverse=True)
    return [doc_id for _, doc_id in pairs]
