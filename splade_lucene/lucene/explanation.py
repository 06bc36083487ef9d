"""Why a document got its score: what of a query it holds, term by term, from the index itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from splade_lucene.lucene.java import java_class, upcast

# How Lucene's explanation begins what one term adds.
_WEIGHT = re.compile(r"weight\((\w+):(.*) in \d+\) \[", re.DOTALL)


class Match(NamedTuple):
    """A term of a query that a document holds.

    Attributes:
        token: the term as the index holds it: a token of the model's vocabulary, or a stem.
        query_weight: its impact in the query; for BM25 how often the query has it, times the weight of the field.
        document_weight: its impact in the document; for BM25 the inverse document frequency times the saturated term frequency.
        product: of the two; the products add up to the score.
        field: the field of the index.
        idf: for BM25, the inverse document frequency.
        frequency: for BM25, how often the term is in that field of the document.
    """

    token: str
    query_weight: float
    document_weight: float
    product: float
    field: str = "contents"
    idf: float | None = None
    frequency: int | None = None


class Explanation(NamedTuple):
    """The score of a document for a query, taken apart.

    Attributes:
        doc_id: the document.
        score: Lucene's own; on an impact index exactly the integer that a search returns.
        matches: largest product first.
        unmatched: the terms of the query that the document lacks, with their weights, largest first.
    """

    doc_id: str
    score: float
    matches: list[Match]
    unmatched: dict[str, float]


def document_number(reader: Any, doc_id: str) -> int | None:
    """Lucene's number of a document, None if the index has no such docid."""
    found = next(_postings(reader, "id", doc_id), None)
    if found is None:
        return None
    base, postings = found
    return int(base + postings.nextDoc())


def impact_matches(reader: Any, query: Mapping[str, int], document: int) -> list[Match]:
    """The terms of an encoded query that a document holds, with its impacts: the frequencies in its postings.

    Args:
        reader: Lucene's, of an impact index.
        query: token → impact.
        document: its number.
    """
    matches = []
    for token, weight in query.items():
        for base, postings in _postings(reader, "contents", token):
            target = document - base
            if target >= 0 and postings.advance(target) == target:
                impact = postings.freq()
                matches.append(Match(token, weight, impact, weight * impact))
    return matches


def bm25_matches(searcher: Any, query: Mapping[str, float], fields: Mapping[str, float], document: int) -> list[Match]:
    """The terms of an analyzed query that a document holds, each with what Lucene's explanation says of it.

    Args:
        searcher: Lucene's, with the similarity of the index.
        query: term → how often the query has it.
        fields: field → weight.
        document: its number.
    """
    matches = []
    for field, field_weight in fields.items():
        for token, count in query.items():
            weight = count * field_weight
            term = java_class("Term")(field, token)
            term_query = upcast("Query", java_class("TermQuery")(term))
            tree = explain_tree(searcher, java_class("BoostQuery")(term_query, weight), document)
            if tree["match"]:
                # A term's weight has one part, its score, made of the boost if that is not 1, the idf, and last the term frequency.
                *_, idf, tf = tree["details"][0]["details"]
                frequency = int(tf["details"][0]["value"])
                matches.append(Match(token, weight, tree["value"] / weight, tree["value"], field, idf["value"], frequency))
    return matches


def explain_tree(searcher: Any, query: Any, document: int) -> dict[str, Any]:
    """Lucene's explanation of a score: ``match``, ``value``, ``description`` and ``details``, which are such trees again."""
    query = upcast("Query", query)
    explanation = searcher.explain(query, document)
    # One string instead of a call into Java for each part of each node.
    tree: dict[str, Any] = json.loads(_mapper().writeValueAsString(explanation))
    return tree


@cache
def _mapper() -> Any:
    """One for all: a new one works out anew how to write each class."""
    return java_class("ObjectMapper")()


def term_contributions(tree: Mapping[str, Any]) -> dict[str, float]:
    """What each term adds to a score, largest first, from Lucene's explanation of the whole query."""
    found: dict[str, float] = {}
    nodes = [tree]
    while nodes:
        node = nodes.pop()
        weight = _WEIGHT.match(node["description"])
        if weight:
            field, term = weight.groups()
            name = term if field == "contents" else f"{field}:{term}"
            found[name] = found.get(name, 0.0) + node["value"]
        else:
            nodes.extend(node["details"])
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _postings(reader: Any, field: str, text: str) -> Iterator[tuple[int, Any]]:
    """Yields the first document number of each segment that has the term, and the term's postings there."""
    term = java_class("Term")(field, text)
    leaves = reader.leaves()
    for leaf in (leaves.get(number) for number in range(leaves.size())):
        leaf_reader = leaf.reader()
        postings = leaf_reader.postings(term)
        if postings is not None:
            yield leaf.docBase, postings
