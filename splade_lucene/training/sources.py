"""What a model is trained on: judged queries with mined negatives, or titles with the bodies below them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from splade_lucene.errors import InputError
from splade_lucene.evaluation.runs import Run
from splade_lucene.records import Qrel, Query
from splade_lucene.training.corpus import Corpus
from splade_lucene.training.examples import Examples, number_examples
from splade_lucene.training.heldout import choose_pool
from splade_lucene.training.judgments import LEAST_QUERIES, HeldOut, Judgments, Positives
from splade_lucene.training.mining import Mined, Mining, draw_rows, mine

# Passages that are searched to choose, after every few steps, and to judge, once.
CHOOSING_POOL, VERDICT_POOL = 1500, 10_000
CHOOSING_DEPTH, VERDICT_DEPTH = 10, 50
# Queries that are searched for in any case.
_FEW = 1000
# Titles that are held out, at most, and of all.
HELD_OUT_TITLES, HELD_OUT_SHARE = 200, 0.25


class HeldOutPool(NamedTuple):
    """Held-out queries and the passages that are searched for them: docid → text."""

    held_out: HeldOut
    pool: Mapping[str, str]


class TrainingData(NamedTuple):
    """What is trained on and judged by.

    Attributes:
        name: for the model card.
        examples: in the order of the steps.
        queries: the number of queries that are trained on.
        choosing: decides between recipes and steps.
        verdict: used once, in the end.
        notes: what was left out, for the model card.
        joined: makes the examples of all queries, the held-out ones among them, for when these have chosen and judged; None where that
            would add nothing, or they are not to be trained on.
    """

    name: str
    examples: Examples
    queries: int
    choosing: HeldOutPool
    verdict: HeldOutPool
    notes: tuple[str, ...] = ()
    joined: Callable[[], Examples] | None = None


def judged_source(corpus: Corpus, judgments: Judgments, mining: Mining, *, rows: int, seed: int) -> TrainingData:
    """Positives of judged queries, each with a hard negative.

    Args:
        corpus: the collection.
        judgments: its training queries.
        mining: what the untrained systems find.
        rows: how many are drawn.
        seed: of the draw.

    Raises:
        InputError: too few queries are left.
    """
    asked = at_most(judgments.queries, rows, seed)
    searched = mining.runs("training", asked)
    mined = mine({query.query_id: judgments.positives[query.query_id] for query in asked}, searched)
    if len(mined.positives) < LEAST_QUERIES:
        raise InputError(
            judgments.source,
            f"leaves {len(mined.positives)} training queries once positives that no system finds are left out; at least {LEAST_QUERIES} "
            "are needed, so give more judgments",
        )
    examples = _judged_examples(corpus, asked, judgments.positives, mined, rows=rows, seed=seed)
    notes = [f"{len(mined.positives):,} queries with {sum(map(len, mined.positives.values())):,} positives"]
    if mined.dropped:
        notes.append(f"{mined.unreachable:.1%} of the positives are beyond the first 100 hits of BM25 and of the untrained model: left out")
    held = [*judgments.choosing.queries, *judgments.verdict.queries]
    runs = mining.runs("heldout", held)
    choosing = held_out_part(corpus, judgments.choosing, runs, size=CHOOSING_POOL, depth=CHOOSING_DEPTH, seed=seed)
    verdict = held_out_part(corpus, judgments.verdict, runs, size=VERDICT_POOL, depth=VERDICT_DEPTH, seed=seed)
    joined = None
    if not judgments.own_split and len(asked) + len(held) <= rows:  # else not even the others are all used
        joined = partial(
            _joined_examples, corpus, judgments, {system: {**searched[system], **runs[system]} for system in runs}, rows=rows, seed=seed
        )
    return TrainingData(judgments.source, examples, len(mined.positives), choosing, verdict, tuple(notes), joined)


def _joined_examples(corpus: Corpus, judgments: Judgments, runs: Mapping[str, Run], *, rows: int, seed: int) -> Examples:
    queries, positives = judgments.joined()
    return _judged_examples(corpus, queries, positives, mine(positives, runs), rows=rows, seed=seed)


def _judged_examples(corpus: Corpus, queries: Sequence[Query], positives: Positives, mined: Mined, *, rows: int, seed: int) -> Examples:
    drawn = draw_rows(mined, list(corpus.doc_ids), rows, seed)
    texts = {query.query_id: query.text for query in queries if query.query_id in mined.positives}
    return number_examples(
        texts,
        corpus.texts({doc_id for _, *pair in drawn for doc_id in pair}),
        [(query_id, (positive, negative)) for query_id, positive, negative in drawn],
        # Those that were left out are no negatives either.
        {query_id: tuple(positives[query_id]) for query_id in texts},
    )


def at_most(queries: Sequence[Query], count: int, seed: int) -> Sequence[Query]:
    """A draw of that many queries, but a thousand in any case: more than a run has rows need not be searched for."""
    count = max(count, _FEW)
    return queries if len(queries) <= count else random.Random(seed).sample(list(queries), count)


def title_source(corpus: Corpus, *, rows: int, seed: int) -> TrainingData:
    """Titles as queries, the bodies below them as positives; the other bodies of a batch are the negatives.

    Args:
        corpus: the collection.
        rows: how many are drawn.
        seed: of the draw.

    Raises:
        InputError: too few passages have a title.
    """
    titled = list(corpus.titled)
    rng = random.Random(seed)
    rng.shuffle(titled)
    count = min(HELD_OUT_TITLES, round(len(titled) * HELD_OUT_SHARE))
    held, training = titled[:count], titled[count:]
    if len(training) < LEAST_QUERIES:
        raise InputError(
            corpus.path,
            f"has {len(titled):,} passages with a title and a text; without judgments at least {LEAST_QUERIES} titles are "
            "needed to train on, so give --qrels",
        )
    drawn: list[str] = []
    while len(drawn) < rows:
        drawn += rng.sample(training, min(len(training), rows - len(drawn)))
    titles = corpus.titles({*drawn, *held})
    same: dict[str, list[str]] = {}
    for doc_id in set(drawn):
        same.setdefault(titles[doc_id], []).append(doc_id)
    examples = number_examples(
        {doc_id: " ".join(titles[doc_id].split()) for doc_id in dict.fromkeys(drawn)},
        corpus.texts(set(drawn), bodies=True),
        [(doc_id, (doc_id,)) for doc_id in drawn],
        {doc_id: same[titles[doc_id]] for doc_id in drawn},
    )
    middle = (len(held) + 1) // 2
    parts = []
    for doc_ids, size in ((held[:middle], CHOOSING_POOL), (held[middle:], VERDICT_POOL)):
        queries = tuple(Query(doc_id, " ".join(titles[doc_id].split())) for doc_id in doc_ids)
        held_out = HeldOut(queries, tuple(Qrel(doc_id, doc_id, 1) for doc_id in doc_ids))
        pool = choose_pool(corpus.titled, held_out, {}, size=size, depth=0, seed=seed)
        parts.append(HeldOutPool(held_out, _ordered(corpus.texts(pool, bodies=True), pool)))
    notes = (f"{len(training):,} titles as queries against the texts below them; no judgments",)
    return TrainingData(f"{corpus.path} (titles)", examples, len(training), parts[0], parts[1], notes)


def held_out_part(corpus: Corpus, held_out: HeldOut, runs: Mapping[str, Run], *, size: int, depth: int, seed: int) -> HeldOutPool:
    """Held-out queries with their pool, as of :func:`~splade_lucene.training.heldout.choose_pool`."""
    pool = choose_pool(list(corpus.doc_ids), held_out, runs, size=size, depth=depth, seed=seed)
    return HeldOutPool(held_out, _ordered(corpus.texts(pool), pool))


def _ordered(texts: Mapping[str, str], doc_ids: Sequence[str]) -> dict[str, str]:
    return {doc_id: texts[doc_id] for doc_id in doc_ids}
