"""What a teacher thinks of the passages that the untrained systems find: distilled without judgments."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from splade_lucene.encoding.defaults import DEFAULT_SCALE
from splade_lucene.evaluation.fusion import fuse
from splade_lucene.evaluation.runs import Run, read_run, write_run
from splade_lucene.pipeline.pool import ModelSpec
from splade_lucene.records import Hit, Query
from splade_lucene.training.corpus import Corpus
from splade_lucene.training.mining import DEPTH, HARD

FUSION = "fusion"
"""The teacher that is the sum of min-max-normalised scores of BM25 and the untrained model, half and half."""

# Passages of a row: one of the teacher's first few, and others.
PASSAGES, _FIRST = 4, 3
# Normalised scores are from 0 to 1; as logits they would say little.
_SHARPNESS = 10.0

Row = tuple[str, tuple[str, ...], tuple[float, ...]]
"""Query id, docids, and the teacher's scores of them."""


def teach(
    teacher: str, queries: Sequence[Query], runs: Mapping[str, Run], corpus: Corpus, file: Path, *, spec: ModelSpec, bodies: bool
) -> Run:
    """Ranks what BM25 and the untrained model find.

    Args:
        teacher: ``fusion``, or a model as :meth:`SpladeModel.load` takes it.
        queries: the queries.
        runs: ``bm25`` and ``splade`` → query id → hits.
        corpus: the collection.
        file: where the ranking of a model is kept; it is read if it is there.
        spec: how the model is loaded.
        bodies: a model reads passages without their titles.

    Returns:
        Query id → hits with scores that a softmax takes as they are.
    """
    if teacher == FUSION:
        fused = fuse(runs["bm25"], runs["splade"], k=DEPTH)
        return {query_id: [Hit(hit.doc_id, hit.score * _SHARPNESS) for hit in hits] for query_id, hits in fused.items()}
    if not file.is_file():
        write_run(file, _rank_with_model(teacher, queries, runs, corpus, spec, bodies=bodies), tag="teacher")
    return read_run(file) if file.stat().st_size else {}


def draw_taught(taught: Run, positives: Mapping[str, Sequence[str]], count: int, seed: int) -> list[Row]:
    """Draws rows of four passages of a query: one that is relevant as far as is known, and others that were found.

    Args:
        taught: the teacher's ranking of each query.
        positives: query id → docids, of judged queries; of others one of the teacher's first three stands for them.
        count: the number of rows.
        seed: of the draw.
    """
    rng = random.Random(seed)
    usable = {query_id: {hit.doc_id: hit.score for hit in hits} for query_id, hits in taught.items() if len(hits) >= PASSAGES}
    rows: list[Row] = []
    while usable and len(rows) < count:
        order = list(usable)
        rng.shuffle(order)
        for query_id in order:
            scores = usable[query_id]
            known = [doc_id for doc_id in positives.get(query_id, ()) if doc_id in scores]
            first = rng.choice(known or list(scores)[:_FIRST])
            doc_ids = (first, *rng.sample([doc_id for doc_id in scores if doc_id != first], PASSAGES - 1))
            rows.append((query_id, doc_ids, tuple(scores[doc_id] for doc_id in doc_ids)))
    return rows[:count]


def _rank_with_model(
    teacher: str, queries: Sequence[Query], runs: Mapping[str, Run], corpus: Corpus, spec: ModelSpec, *, bodies: bool
) -> Run:
    from splade_lucene.encoding.model import SpladeModel

    model = SpladeModel.load(teacher, device=spec.device, token=spec.token)
    found = {
        query.query_id: list(dict.fromkeys(hit.doc_id for run in runs.values() for hit in run.get(query.query_id, ())[:HARD]))
        for query in queries
    }
    texts = corpus.texts({doc_id for doc_ids in found.values() for doc_id in doc_ids}, bodies=bodies)
    vectors = dict(zip(texts, model.encode_documents(list(texts.values())), strict=True))
    bags = model.encode_queries([query.text for query in queries])
    run: Run = {}
    for query, bag in zip(queries, bags, strict=True):
        hits = [Hit(doc_id, _dot(bag, vectors[doc_id])) for doc_id in found[query.query_id]]
        run[query.query_id] = sorted(hits, key=lambda hit: (-hit.score, hit.doc_id))
    return run


def _dot(query: Mapping[str, int], passage: Mapping[str, int]) -> float:
    """The score of weights, of which impacts are multiples."""
    return sum(impact * passage.get(token, 0) for token, impact in query.items()) / DEFAULT_SCALE**2
