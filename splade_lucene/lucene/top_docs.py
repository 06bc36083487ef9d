"""Lucene's hits brought over in bulk: two arrays for a query, however many hits there are."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

from splade_lucene.lucene.functions import as_interface, chain, field, method, static_method, with_second

_lock = threading.Lock()


def read_top_docs(top: Any) -> tuple[list[int], list[float]]:
    """The document numbers and the scores of the hits in Lucene's ``TopDocs``, best first.

    Java's own loops collect them: fetching them one by one through pyjnius takes as long as the search itself.
    """
    with _lock:  # the first threads to come must not make the functions side by side
        numbers, scores = _functions()
    return numbers.apply(top), scores.apply(top)


@cache
def _functions() -> tuple[Any, Any]:
    number = as_interface("ToIntFunction", field("ScoreDoc", "doc", "int"))
    score = as_interface("ToDoubleFunction", field("ScoreDoc", "score", "float"))
    hits = chain(field("TopDocs", "scoreDocs", "ScoreDoc[]"), static_method("Arrays", "stream", "Stream", "Object[]"))
    to_numbers = with_second(method("Stream", "mapToInt", "IntStream", "ToIntFunction"), number)
    to_scores = with_second(method("Stream", "mapToDouble", "DoubleStream", "ToDoubleFunction"), score)
    numbers = as_interface("Function", chain(hits, to_numbers, method("IntStream", "toArray", "int[]")))
    scores = as_interface("Function", chain(hits, to_scores, method("DoubleStream", "toArray", "double[]")))
    return numbers, scores
