"""Searches BM25 indexes as Anserini does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from splade_lucene.lucene.analyzers import java_analyzer, plan_analysis
from splade_lucene.lucene.card import Kind
from splade_lucene.lucene.entry import call
from splade_lucene.lucene.explanation import Match, bm25_matches, explain_tree, term_contributions
from splade_lucene.lucene.java import java_class, upcast
from splade_lucene.lucene.java_engine import SEPARATOR
from splade_lucene.lucene.searcher import LuceneSearcher
from splade_lucene.records import Hit

# Anserini's rounding of scores and the step between equal ones.
_RESOLUTION, _STEP = 1e-4, 1e-6


class Bm25Searcher(LuceneSearcher[str]):
    """Searches a BM25 index as Anserini does: bag of words; analyzer, ``k1``, ``b`` and fields are those of the index's card.

    Scores are Anserini's: rounded to four decimals, equal ones kept apart by 1e-6 (:func:`separate_ties`).

    Args:
        index: the folder, or several that are searched as one.

    Raises:
        IndexMismatchError: ``index`` is no BM25 index.

    Example:
        >>> with Bm25Searcher("runs/reproduce/scifact/indexes/bm25-flat") as searcher:
        ...     searcher.search("0-dimensional biomaterials lack inductive properties.", k=1)
        [Hit(doc_id='10608397', score=6.5988)]
    """

    kind: Kind = "bm25"

    @cached_property
    def _analyzer(self) -> Any:
        return upcast("Analyzer", java_analyzer(plan_analysis(self.card.bm25.language, self.card.bm25.analyzer)))

    def _similarity(self) -> Any:
        return java_class("BM25Similarity")(self.card.bm25.k1, self.card.bm25.b)

    def _prepare(self, texts: Sequence[str]) -> Sequence[str]:
        return texts

    def _finished(self, hits: list[Hit]) -> list[Hit]:
        return separate_ties(hits)

    def _terms(self, prepared: str) -> Mapping[str, float]:
        terms = java_class("AnalyzerUtils").analyze(self._analyzer, prepared)
        counts: dict[str, float] = {}
        for term in (terms.get(number) for number in range(terms.size())):
            counts[term] = counts.get(term, 0.0) + 1.0
        return counts

    def _text(self, prepared: str) -> str:
        return prepared.replace(SEPARATOR, " ")

    def _parser(self) -> Any:
        generator = java_class("BagOfWordsQueryGenerator")()
        weights = self.card.bm25.fields
        if len(weights) == 1:
            return call("word queries", generator=generator, analyzer=self._analyzer, fields="contents")
        fields = java_class("HashMap")()
        for field, weight in weights.items():
            boost = java_class("Float")(weight)
            fields.put(field, boost)
        return call("word queries", generator=generator, analyzer=self._analyzer, fields=fields)

    def _matches(self, prepared: str, document: int) -> list[Match]:
        return bm25_matches(self._searcher, self._terms(prepared), self.card.bm25.fields, document)

    def _contributions(self, prepared: str, documents: Sequence[int]) -> dict[int, dict[str, float]]:
        query = self._query(prepared)
        return {document: term_contributions(explain_tree(self._searcher, query, document)) for document in documents}


def separate_ties(hits: Sequence[Hit]) -> list[Hit]:
    """Separates equal BM25 scores by 1e-6, so that trec_eval, which orders them its own way, keeps the order of the docids.

    Anserini does the same to every run (``ScoreTiesAdjusterReranker``), and its published figures depend on it: scores are rounded
    to four decimals, and each further hit of a tie loses another 1e-6.

    Args:
        hits: best first.

    Returns:
        The same documents in the same order, with strictly falling scores.
    """
    separated: list[Hit] = []
    previous, ties = math.inf, 0
    for hit in hits:
        score = math.floor(hit.score / _RESOLUTION + 0.5) * _RESOLUTION
        ties = ties + 1 if previous - score <= _RESOLUTION else 0
        previous = round(score - ties * _STEP, 6)
        separated.append(Hit(hit.doc_id, previous))
    return separated
