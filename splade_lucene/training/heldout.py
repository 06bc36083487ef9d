"""Quality and cost of a model on held-out queries, over a pool of passages."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from splade_lucene.encoding.defaults import Lengths
from splade_lucene.evaluation.cost import flops
from splade_lucene.evaluation.measures import score_run
from splade_lucene.evaluation.runs import Run
from splade_lucene.records import Hit
from splade_lucene.training.judgments import HeldOut

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel

MEASURE = "nDCG@10"
_DEPTH = 10


class Evaluation(NamedTuple):
    """A model on held-out queries.

    Attributes:
        score: the mean of nDCG@10 over the queries.
        queries: query id → nDCG@10.
        flops: mean multiplications to score a query against a passage of the pool.
        query_terms: mean number of terms of a query.
        document_terms: of a passage.
        empty: the share of passages without a term, or of queries, whichever is more.
    """

    score: float
    queries: Mapping[str, float]
    flops: float
    query_terms: float
    document_terms: float
    empty: float

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Evaluation:
        """Reads what ``_asdict`` gave."""
        return cls(**data)

    def line(self) -> str:
        """For a person."""
        return (
            f"{MEASURE} {self.score:.4f}, FLOPS {self.flops:.2f}, {self.query_terms:.1f} terms a query, {self.document_terms:.1f} a passage"
        )


class Evaluator:
    """Measures models on the same queries and passages.

    Args:
        held_out: queries with judgments.
        pool: docid → text: what is searched.
        lengths: tokens that passages and queries are cut at.
    """

    def __init__(self, held_out: HeldOut, pool: Mapping[str, str], lengths: Lengths) -> None:
        self.held_out, self._lengths = held_out, lengths
        self._doc_ids, self._texts = list(pool), list(pool.values())

    @property
    def passages(self) -> int:
        """The number of passages that are searched."""
        return len(self._doc_ids)

    def measure(self, model: SpladeModel) -> Evaluation:
        """Encodes the pool and the queries as ``encode`` and ``search`` do, and searches exhaustively."""
        documents = model.encode_documents(self._texts, max_length=self._lengths.documents)
        queries = model.encode_queries([query.text for query in self.held_out.queries], max_length=self._lengths.queries)
        scores = score_run(self._search(model.vocabulary, documents, queries), self.held_out.qrels, MEASURE)
        frequencies = Counter(token for bag in documents for token in bag)
        empty = max(_share_empty(documents), _share_empty(queries))
        return Evaluation(
            float(scores.mean[MEASURE]),
            dict(scores.queries[MEASURE]),
            flops(queries, frequencies, len(documents)),
            _mean_terms(queries),
            _mean_terms(documents),
            empty,
        )

    def _search(self, vocabulary: Sequence[str], documents: Sequence[Mapping[str, int]], queries: Sequence[Mapping[str, int]]) -> Run:
        entries = {token: entry for entry, token in enumerate(vocabulary)}
        matrix = _matrix(documents, entries)
        run: Run = {}
        for query, bag in zip(self.held_out.queries, queries, strict=True):
            scores = (matrix @ _matrix([bag], entries).T).toarray().ravel()
            count = min(_DEPTH, len(scores))
            # All that tie with the last of them compete for its place.
            least = max(1, np.partition(scores, -count)[-count])
            hits = [Hit(self._doc_ids[place], float(scores[place])) for place in np.flatnonzero(scores >= least)]
            run[query.query_id] = sorted(hits, key=lambda hit: (-hit.score, hit.doc_id))[:_DEPTH]
        return run


def choose_pool(doc_ids: Sequence[str], held_out: HeldOut, runs: Mapping[str, Run], *, size: int, depth: int, seed: int) -> list[str]:
    """Chooses the passages to search: all where they are few, else what is relevant, what the untrained systems find, and others.

    Args:
        doc_ids: of the whole collection.
        held_out: the queries.
        runs: of the untrained systems on them.
        size: the number of passages; more only where the relevant ones alone are more.
        depth: hits of each query and system that are taken before others.
        seed: of the draw of the others.
    """
    if len(doc_ids) <= size:
        return list(doc_ids)
    chosen = dict.fromkeys(qrel.doc_id for qrel in held_out.qrels)
    for rank in range(depth):
        for run in runs.values():
            for query in held_out.queries:
                hits = run.get(query.query_id, ())
                if rank < len(hits) and len(chosen) < size:
                    chosen[hits[rank].doc_id] = None
    others = [doc_id for doc_id in doc_ids if doc_id not in chosen]
    random.Random(seed).shuffle(others)
    chosen.update(dict.fromkeys(others[: max(0, size - len(chosen))]))
    return list(chosen)


def cheapest(found: Sequence[Evaluation], within: float) -> int:
    """The place of the one of the fewest FLOPS among those that are no further below the highest nDCG@10; the first of equal ones."""
    least = max(each.score for each in found) - within
    return min((place for place, each in enumerate(found) if each.score >= least), key=lambda place: found[place].flops)


def load_measured(folder: Path, evaluator: Evaluator, device: str) -> Evaluation:
    """Measures a saved model."""
    from splade_lucene.encoding.model import SpladeModel

    return evaluator.measure(SpladeModel.load(folder, device=device))


def _matrix(bags: Sequence[Mapping[str, int]], entries: Mapping[str, int]) -> Any:
    ends = np.cumsum([0, *(len(bag) for bag in bags)])
    columns = np.fromiter((entries[token] for bag in bags for token in bag), np.int64, ends[-1])
    values = np.fromiter((impact for bag in bags for impact in bag.values()), np.int64, ends[-1])
    return csr_matrix((values, columns, ends), shape=(len(bags), len(entries)))


def _mean_terms(bags: Sequence[Mapping[str, int]]) -> float:
    return sum(map(len, bags)) / max(1, len(bags))


def _share_empty(bags: Sequence[Mapping[str, int]]) -> float:
    return sum(not bag for bag in bags) / max(1, len(bags))
