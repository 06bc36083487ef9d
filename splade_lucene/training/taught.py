"""What a model learns from a teacher: judged queries, titles, or queries without judgments."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from splade_lucene.collections.queries import QueryFields, read_queries
from splade_lucene.errors import InputError
from splade_lucene.pipeline.pool import ModelSpec
from splade_lucene.records import Qrel, Query
from splade_lucene.training.corpus import Corpus
from splade_lucene.training.examples import number_examples
from splade_lucene.training.judgments import LEAST_QUERIES, HeldOut, Judgments
from splade_lucene.training.mining import Mining
from splade_lucene.training.sources import (
    CHOOSING_DEPTH,
    CHOOSING_POOL,
    HELD_OUT_SHARE,
    HELD_OUT_TITLES,
    VERDICT_DEPTH,
    VERDICT_POOL,
    HeldOutPool,
    TrainingData,
    at_most,
    held_out_part,
    title_source,
)
from splade_lucene.training.teacher import FUSION, PASSAGES, draw_taught, teach

# Of a teacher's hits, those that count as relevant where nothing is judged.
_TRUTH = 10
# Titles that are asked, where the steps do not need more.
_MOST_TITLES = 2000


class Taught(NamedTuple):
    """Queries to learn from a teacher with.

    Attributes:
        name: where they come from.
        queries: to train on.
        positives: query id → docids, where they are judged.
        bodies: passages are read without their titles, which are the queries.
        choosing: decides between steps; None where the teacher's own hits on ``held`` stand for judgments.
        verdict: likewise.
        held: queries that are held out.
        notes: for the model card.
    """

    name: str
    queries: tuple[Query, ...]
    positives: Mapping[str, Sequence[str]] = {}
    bodies: bool = False
    choosing: HeldOutPool | None = None
    verdict: HeldOutPool | None = None
    held: tuple[Query, ...] = ()
    notes: tuple[str, ...] = ()


class Teaching(NamedTuple):
    """A teacher.

    Attributes:
        teacher: ``fusion`` or a model.
        spec: how a model is loaded.
        rows: how many are drawn.
        seed: of the draw.
    """

    teacher: str
    spec: ModelSpec
    rows: int
    seed: int


def taught_source(corpus: Corpus, given: Taught, mining: Mining, request: Teaching) -> TrainingData:
    """Queries with what a teacher thinks of the passages that the untrained systems find.

    Args:
        corpus: the collection.
        given: the queries, and what judges.
        mining: what the untrained systems find.
        request: the teacher, and how much is drawn.

    Raises:
        InputError: for too few queries enough passages are found.
    """
    asked = at_most(given.queries, request.rows, request.seed)
    runs = mining.runs("training", asked)
    taught = teach(
        request.teacher,
        asked,
        runs,
        corpus,
        mining.folder / "runs" / "training.teacher.trec",
        spec=request.spec,
        bodies=given.bodies,
    )
    drawn = draw_taught(taught, given.positives, request.rows, request.seed)
    queries = {query.query_id: query.text for query in asked if len(taught.get(query.query_id, ())) >= PASSAGES}
    if len(queries) < LEAST_QUERIES:
        raise InputError(
            given.name, f"has {len(queries)} queries for which {PASSAGES} passages are found; at least {LEAST_QUERIES} are needed"
        )
    examples = number_examples(
        queries,
        corpus.texts({doc_id for _, doc_ids, _ in drawn for doc_id in doc_ids}, bodies=given.bodies),
        [(query_id, doc_ids) for query_id, doc_ids, _ in drawn],
        {},
        [scores for _, _, scores in drawn],
    )
    name = "the fusion of BM25 and the untrained model" if request.teacher == FUSION else request.teacher
    notes = (f"{len(queries):,} queries, with {name} as the teacher", *given.notes)
    if given.choosing is not None and given.verdict is not None:
        return TrainingData(given.name, examples, len(queries), given.choosing, given.verdict, notes)
    held = given.held
    held_runs = mining.runs("heldout", held)
    file = mining.folder / "runs" / "heldout.teacher.trec"
    truth = teach(request.teacher, held, held_runs, corpus, file, spec=request.spec, bodies=given.bodies)
    middle = (len(held) + 1) // 2
    parts = []
    for queries_of, size, depth in (
        (held[:middle], CHOOSING_POOL, CHOOSING_DEPTH),
        (held[middle:], VERDICT_POOL, VERDICT_DEPTH),
    ):
        qrels = [Qrel(query.query_id, hit.doc_id, 1) for query in queries_of for hit in truth.get(query.query_id, ())[:_TRUTH]]
        parts.append(held_out_part(corpus, HeldOut(tuple(queries_of), tuple(qrels)), held_runs, size=size, depth=depth, seed=request.seed))
    agree = f"the teacher's first {_TRUTH} hits stand for judgments of the held-out queries"
    return TrainingData(given.name, examples, len(queries), parts[0], parts[1], (*notes, agree))


def judged_for_teacher(corpus: Corpus, judgments: Judgments, mining: Mining, *, seed: int) -> Taught:
    """Judged queries, whose positives are among the passages of a row."""
    runs = mining.runs("heldout", [*judgments.choosing.queries, *judgments.verdict.queries])
    return Taught(
        judgments.source,
        judgments.queries,
        {query_id: tuple(known) for query_id, known in judgments.positives.items()},
        choosing=held_out_part(corpus, judgments.choosing, runs, size=CHOOSING_POOL, depth=CHOOSING_DEPTH, seed=seed),
        verdict=held_out_part(corpus, judgments.verdict, runs, size=VERDICT_POOL, depth=VERDICT_DEPTH, seed=seed),
    )


def titles_for_teacher(corpus: Corpus, *, rows: int, seed: int) -> Taught:
    """Titles as queries, judged by held-out titles."""
    source = title_source(corpus, rows=max(rows, _MOST_TITLES), seed=seed)
    queries = tuple(Query(f"title-{number}", text) for number, text in enumerate(source.examples.queries))
    return Taught(source.name, queries, bodies=True, choosing=source.choosing, verdict=source.verdict, notes=source.notes)


def queries_for_teacher(file: Path, fields: QueryFields | None, *, seed: int) -> Taught:
    """Queries without judgments.

    Raises:
        InputError: ``file`` is a folder, whose queries may be those that models are compared on, or is malformed.
    """
    if file.is_dir():
        raise InputError(file, "is a folder, whose queries are also those of its test split; give a file of queries to train on")
    queries = read_queries(file, fields=fields, every=True)
    random.Random(seed).shuffle(queries)
    count = min(HELD_OUT_TITLES, round(len(queries) * HELD_OUT_SHARE))
    return Taught(str(file), tuple(queries[count:]), held=tuple(queries[:count]), notes=("no judgments",))
