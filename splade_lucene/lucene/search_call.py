"""A search as one call into Java, from the text of a query to two rows of numbers, however many terms and hits there are.

Each call from Python takes 10 to 20 microseconds, and fetching hits one by one takes as long as the search itself.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from splade_lucene.lucene.functions import as_interface, chain, field, method, spread, static_method, with_first, with_second


def search_call(searcher: Any, to_query: Any) -> Any:
    """A Java function of a query's text and a number of hits.

    Args:
        searcher: Lucene's ``IndexSearcher``.
        to_query: handle of a function from a text to Lucene's query.

    Returns:
        A ``BiFunction``, to be handed to :func:`top_docs`.
    """
    search = with_first(method("IndexSearcher", "search", "TopDocs", "Query", "int"), searcher)
    call = chain(to_query, search, _read_top_docs())
    return as_interface("BiFunction", call)


def top_docs(call: Any, text: str, hits: int) -> tuple[list[float], list[float]]:
    """The document numbers and the scores of the best hits, best first.

    Args:
        call: from :func:`search_call`.
        text: what its function makes a query of.
        hits: the number of hits.
    """
    found = call.apply(text, hits)
    half = len(found) // 2
    return found[:half], found[half:]


@cache
def _read_top_docs() -> Any:
    """The handle of a function from ``TopDocs`` to the document numbers followed by the scores."""
    number = as_interface("ToIntFunction", field("ScoreDoc", "doc", "int"))
    score = as_interface("ToDoubleFunction", field("ScoreDoc", "score", "float"))
    hits = chain(field("TopDocs", "scoreDocs", "ScoreDoc[]"), static_method("Arrays", "stream", "Stream", "Object[]"))
    to_numbers = with_second(method("Stream", "mapToInt", "IntStream", "ToIntFunction"), number)
    to_scores = with_second(method("Stream", "mapToDouble", "DoubleStream", "ToDoubleFunction"), score)
    numbers = chain(hits, to_numbers, method("IntStream", "asDoubleStream", "DoubleStream"))
    both = spread(numbers, chain(hits, to_scores), static_method("DoubleStream", "concat", "DoubleStream", "DoubleStream", "DoubleStream"))
    return chain(both, method("DoubleStream", "toArray", "double[]"))
