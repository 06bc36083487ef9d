"""What explains hits: the terms of the query, what each adds to each score, and where it is in the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from splade_lucene.lucene.explanation import Explanation
from splade_lucene.pipeline.explain import RANKS, differences
from splade_lucene.serving.highlighting import Marked, mark_stems, mark_tokens
from splade_lucene.serving.responses import (
    ExplainAnswer,
    ExplainedDocument,
    ExplainedMatch,
    FullCandidate,
    QueryAnswer,
    Term,
    TermDifference,
    TermMatch,
)

if TYPE_CHECKING:
    from splade_lucene.serving.served_index import IndexSnapshot


def query_terms(index: IndexSnapshot, text: str) -> list[Term]:
    """What is searched for, largest weight first, and whether the text of the query has it."""
    weights = index.searcher.terms(text)
    marked = _mark(index, text, weights, of_query=True)
    own = set(weights) if marked is None else marked.terms
    return [Term(term=term, weight=weight, in_query=term in own) for term, weight in sorted(weights.items(), key=lambda item: -item[1])]


def explain_hits(index: IndexSnapshot, text: str, terms: Sequence[Term], candidates: Sequence[FullCandidate]) -> None:
    """Adds to hits what each term adds to their scores, and where their texts have it.

    Args:
        index: what was searched.
        text: of the query.
        terms: of the query.
        candidates: the hits, changed in place; those of a fusion may not be in the index.
    """
    own = {term.term for term in terms if term.in_query}
    added = index.searcher.contributions({"": text}, {"": [each.docid for each in candidates]})[""]
    for each in candidates:
        products = added.get(each.docid, {})
        names = {name: name.partition(":")[2] or name if index.encoder is None else name for name in products}
        marked = _mark(index, each.doc, set(names.values())) if isinstance(each.doc, str) else None
        each.highlights = None if marked is None else marked.highlights
        each.matches = [
            TermMatch(
                term=name,
                product=product,
                in_query=names[name] in own,
                in_document=None if marked is None else index.encoder is None or names[name] in marked.terms,
            )
            for name, product in products.items()
        ]


def explain_scores(name: str, index: IndexSnapshot, text: str, doc_ids: Sequence[str]) -> ExplainAnswer:
    """Explains the scores of one or two documents.

    Raises:
        InputError: the index lacks one of them.
    """
    explanations = [index.searcher.explain(text, doc_id) for doc_id in doc_ids]
    ranks = {hit.doc_id: rank for rank, hit in enumerate(index.searcher.search(text, RANKS), start=1)}
    compared = None
    if len(explanations) > 1:
        compared = [
            TermDifference(term=each.token, field=each.field, first=each.first, second=each.second) for each in differences(*explanations)
        ]
    return ExplainAnswer(
        index=name,
        query=QueryAnswer(text=text, terms=query_terms(index, text)),
        documents=[_explained(each, ranks) for each in explanations],
        differences=compared,
    )


def _explained(explanation: Explanation, ranks: Mapping[str, int]) -> ExplainedDocument:
    return ExplainedDocument(
        docid=explanation.doc_id,
        score=explanation.score,
        rank=ranks.get(explanation.doc_id),
        matches=[
            ExplainedMatch(
                term=match.token,
                field=match.field,
                query_weight=match.query_weight,
                document_weight=match.document_weight,
                product=match.product,
            )
            for match in explanation.matches
        ],
        unmatched=explanation.unmatched,
    )


def _mark(index: IndexSnapshot, text: str, terms: Mapping[str, float] | set[str], *, of_query: bool = False) -> Marked | None:
    if index.encoder is None:
        return mark_stems(index.searcher.terms, text, terms)
    length = index.encoder.record.query_max_length if of_query else index.card.vectors.max_length
    return mark_tokens(index.encoder.model, text, terms, length)
