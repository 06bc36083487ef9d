"""What the untrained model and BM25 find for training queries: where hard negatives, and candidates for evaluation, come from."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from splade_lucene.core.notices import notice
from splade_lucene.encoding.defaults import Lengths
from splade_lucene.evaluation.runs import Run, read_run, write_run
from splade_lucene.lucene.bm25_indexing import build_bm25_index
from splade_lucene.lucene.bm25_searcher import Bm25Searcher
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.pipeline.encode import encode_collection
from splade_lucene.pipeline.progress import progress
from splade_lucene.pipeline.search import ImpactSearcher, search_queries
from splade_lucene.records import Query
from splade_lucene.training.corpus import Corpus
from splade_lucene.training.judgments import Positives
from splade_lucene.vectors.reader import read_vectors

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel

# Hits that are looked at for positives, and those among which negatives are drawn.
DEPTH, HARD = 100, 50
# Positives beyond the reach of both systems are dropped where this share of all is like that.
_MOST = 0.5


class Mining:
    """Searches with the untrained systems; what is finished is kept in a folder and not done again.

    Args:
        folder: where indexes and runs go.
        corpus: the collection.
        model: untrained.
        lengths: tokens that passages and queries are cut at.
        threads: that search.
        bodies: passages are searched without their titles, which are the queries: with them each would be found by its own title.

    Attributes:
        folder: likewise.
    """

    def __init__(
        self, folder: Path, corpus: Corpus, model: SpladeModel, lengths: Lengths, *, threads: int = 1, bodies: bool = False
    ) -> None:
        self.folder, self._corpus, self._model, self._lengths, self._threads = folder, corpus, model, lengths, threads
        self._bodies = bodies

    def runs(self, name: str, queries: Sequence[Query]) -> dict[str, Run]:
        """What BM25 and the untrained model find for queries.

        Args:
            name: of the set of queries.
            queries: the queries.

        Returns:
            ``bm25`` and ``splade`` → query id → the first 100 hits.
        """
        return {system: self._run(system, name, queries) for system in ("bm25", "splade")}

    @cached_property
    def document_frequencies(self) -> tuple[Counter[str], int]:
        """For each token the number of passages whose untrained vector has it, and the number of passages."""
        found: Counter[str] = Counter()
        passages = 0
        for vector in read_vectors(self._encoded()):
            found.update(vector.vector.keys())
            passages += 1
        return found, passages

    def _run(self, system: str, name: str, queries: Sequence[Query]) -> Run:
        file = self.folder / "runs" / f"{name}.{system}.trec"
        if not file.is_file():
            searcher = self._bm25() if system == "bm25" else self._impacts()
            with searcher:
                run = search_queries(searcher, queries, k=DEPTH, threads=self._threads).run
            write_run(file, run, tag=system)
        # A run without any hits is an empty file.
        return read_run(file) if file.stat().st_size else {}

    def _bm25(self) -> Bm25Searcher:
        index = self.folder / "bm25"
        if not index.is_dir():
            with progress("indexing for BM25", "documents") as advance:
                build_bm25_index(self._corpus.passages(bodies=self._bodies), index, advance=advance)
        return Bm25Searcher(index)

    def _impacts(self) -> ImpactSearcher:
        index = self.folder / "impacts"
        if not index.is_dir():
            with progress("indexing the untrained vectors", "documents") as advance:
                build_impact_index(self._encoded(), index, advance=advance)
        return ImpactSearcher(index, model=self._model)

    def _encoded(self) -> Path:
        vectors = self.folder / "vectors"
        with progress("encoding with the untrained model", "passages") as advance:
            encode_collection(
                self._corpus.passages(bodies=self._bodies),
                vectors,
                self._model,
                max_length=self._lengths.documents,
                query_max_length=self._lengths.queries,
                advance=advance,
            )
        return vectors


class Mined(NamedTuple):
    """What is trained on.

    Attributes:
        positives: query id → docids.
        negatives: query id → docids among the first hits of either system that are no known positives.
        unreachable: the share of all positives that are among the first 100 hits of neither system.
        dropped: whether these are left out.
    """

    positives: Mapping[str, tuple[str, ...]]
    negatives: Mapping[str, tuple[str, ...]]
    unreachable: float
    dropped: bool


def mine(positives: Positives, runs: Mapping[str, Run]) -> Mined:
    """Chooses positives and hard negatives.

    Where most positives are beyond the first 100 hits of both systems, the judgments are noisy, or no model of words can learn them:
    those are left out, with a notice.

    Args:
        positives: query id → docid → grade.
        runs: of several systems: query id → hits.
    """
    found = {query_id: {hit.doc_id for run in runs.values() for hit in run.get(query_id, ())} for query_id in positives}
    total = sum(map(len, positives.values()))
    within = {query_id: tuple(doc_id for doc_id in known if doc_id in found[query_id]) for query_id, known in positives.items()}
    unreachable = 1 - sum(map(len, within.values())) / total
    dropped = unreachable > _MOST
    if dropped:
        notice(
            f"{unreachable:.1%} of the {total:,} positives are among the first {DEPTH} hits of neither BM25 nor the untrained model; "
            "they are left out"
        )
    kept = {query_id: within[query_id] if dropped else tuple(known) for query_id, known in positives.items()}
    kept = {query_id: known for query_id, known in kept.items() if known}
    negatives = {}
    for query_id in kept:
        hits = [[hit.doc_id for hit in run.get(query_id, ())[:HARD]] for run in runs.values()]
        negatives[query_id] = tuple(dict.fromkeys(doc_id for each in hits for doc_id in each if doc_id not in positives[query_id]))
    return Mined(kept, negatives, unreachable, dropped)


def draw_rows(mined: Mined, doc_ids: Sequence[str], count: int, seed: int) -> list[tuple[str, str, str]]:
    """Draws what is trained on, step by step.

    Args:
        mined: positives and negatives.
        doc_ids: of the whole collection, for queries without hard negatives.
        count: the number of rows.
        seed: of the draw.

    Returns:
        Rows of query id, positive, negative; every positive is used once before any is used twice, and the positives of one query are
        spread over a pass.
    """
    rng = random.Random(seed)
    rows: list[tuple[str, str, str]] = []
    while len(rows) < count:
        pairs = [(query_id, doc_id) for query_id, known in mined.positives.items() for doc_id in known]
        rng.shuffle(pairs)
        for query_id, doc_id in pairs:
            among = mined.negatives[query_id]
            rows.append((query_id, doc_id, rng.choice(among) if among else rng.choice(doc_ids)))
    return rows[:count]
