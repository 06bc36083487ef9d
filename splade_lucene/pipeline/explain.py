"""Explanations: how a model encodes a text, and why one document is ranked before another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from splade_lucene.lucene.bm25_searcher import Bm25Searcher
from splade_lucene.lucene.explanation import Explanation
from splade_lucene.pipeline.search import ImpactSearcher

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel

# Hits among which ranks are looked up.
RANKS = 1000


class TextWord(NamedTuple):
    """A word of a text, its pieces joined.

    Attributes:
        text: as it stands where it comes first.
        pieces: its tokens with their weights; 0 for a token that the model drops.
        places: start and end of each occurrence, in characters.
    """

    text: str
    pieces: list[tuple[str, float]]
    places: list[tuple[int, int]]

    @property
    def weight(self) -> float:
        """The sum over its different tokens."""
        return sum(dict(self.pieces).values())


class TextExplanation(NamedTuple):
    """What a model makes of a text.

    Attributes:
        text: the text.
        weights: token → weight, largest first: the whole bag of words.
        words: the words of the text, largest weight first.
        expansion: token → weight of the tokens that are in no word of the text, largest first.
        end: how far the model read, in characters; the length of the text if it was not cut.
    """

    text: str
    weights: dict[str, float]
    words: list[TextWord]
    expansion: dict[str, float]
    end: int


class Ranked(NamedTuple):
    """An explained document and its place.

    Attributes:
        explanation: of its score.
        rank: from 1; None if it is not among the first :data:`RANKS` hits.
    """

    explanation: Explanation
    rank: int | None


class TermDifference(NamedTuple):
    """What a term contributes to two documents.

    Attributes:
        token: the term.
        field: the field of the index.
        query_weight: in the query.
        first: the product of the weights in the query and in the first document; 0 if it lacks the term.
        second: the same for the second document.
    """

    token: str
    field: str
    query_weight: float
    first: float
    second: float

    @property
    def gain(self) -> float:
        """By how much the term puts the first document before the second."""
        return self.first - self.second


def explain_text(model: SpladeModel, text: str, *, max_length: int | None = None) -> TextExplanation:
    """Encodes a text and tells its own words from the expansion.

    Args:
        model: the encoder.
        text: the text.
        max_length: tokens it is cut at; the model's default for passages if None.

    Raises:
        ModelError: ``max_length`` is more than the model can read.
    """
    (bag,) = model.document_weights([text], max_length=max_length)
    weights = dict(sorted(bag.items(), key=lambda item: item[1], reverse=True))
    words, cut = model.read_words(text, max_length=max_length)
    # A word that comes again in other letters has the same tokens.
    places: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    for word in words:
        places.setdefault(word.tokens, []).append((word.start, word.end))
    joined = [
        TextWord(text[slice(*where[0])].strip(), [(token, weights.get(token, 0.0)) for token in tokens], where)
        for tokens, where in places.items()
    ]
    in_text = {token for tokens in places for token in tokens}
    return TextExplanation(
        text,
        weights,
        sorted(joined, key=lambda word: -word.weight),
        {token: weight for token, weight in weights.items() if token not in in_text},
        max((word.end for word in words), default=0) if cut else len(text),
    )


def explain_documents(searcher: ImpactSearcher | Bm25Searcher, query: str, doc_ids: Sequence[str]) -> list[Ranked]:
    """Explains the scores of documents for a query.

    Args:
        searcher: of either kind.
        query: its text.
        doc_ids: the documents.

    Raises:
        InputError: the index lacks one of them.
    """
    explanations = [searcher.explain(query, doc_id) for doc_id in doc_ids]
    ranks = {hit.doc_id: rank for rank, hit in enumerate(searcher.search(query, RANKS), start=1)}
    return [Ranked(explanation, ranks.get(explanation.doc_id)) for explanation in explanations]


def differences(first: Explanation, second: Explanation) -> list[TermDifference]:
    """What sets two documents apart for the same query, the largest difference first."""
    matches = [{(match.token, match.field): match for match in each.matches} for each in (first, second)]
    found = []
    for key in dict.fromkeys([*matches[0], *matches[1]]):
        ours, others = (each.get(key) for each in matches)
        query_weight = next(match.query_weight for match in (ours, others) if match)
        found.append(TermDifference(*key, query_weight, ours.product if ours else 0, others.product if others else 0))
    return sorted(found, key=lambda each: -abs(each.gain))
