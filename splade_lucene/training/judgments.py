"""Queries with known positives to train on, and those that are held out to choose and to judge."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from splade_lucene.collections.qrels import read_qrels, split_qrels
from splade_lucene.collections.queries import QueryFields, read_queries
from splade_lucene.core.notices import notice
from splade_lucene.core.streams import AnyPath
from splade_lucene.errors import InputError
from splade_lucene.records import Qrel, Query

LEAST_QUERIES = 50
# Of the training queries that are held out: a quarter, and no more than is needed to see a difference of a few points.
_HELD_OUT, _MOST_HELD_OUT = 0.25, 300
# The split that BEIR's folders have for choosing.
_DEV = "dev"
_TEST = "test"


Positives = Mapping[str, Mapping[str, int]]


class HeldOut(NamedTuple):
    """Queries that are never trained on.

    Attributes:
        queries: the queries.
        qrels: their judgments.
    """

    queries: tuple[Query, ...]
    qrels: tuple[Qrel, ...]


class Judgments(NamedTuple):
    """Training queries and held-out ones.

    Attributes:
        source: where they come from, for messages and the model card.
        queries: to train on.
        positives: query id → docid → grade above 0, of those queries.
        choosing: decides between settings and steps.
        verdict: decides whether the trained model replaces the original; used once.
        own_split: whether the held-out queries are those of another split, which are never trained on.
    """

    source: str
    queries: tuple[Query, ...]
    positives: Positives
    choosing: HeldOut
    verdict: HeldOut
    own_split: bool

    def joined(self) -> tuple[tuple[Query, ...], Positives]:
        """The training queries and the held-out ones, with the positives of both."""
        queries, positives = [*self.queries], {query_id: dict(known) for query_id, known in self.positives.items()}
        for part in (self.choosing, self.verdict):
            queries += part.queries
            for qrel in part.qrels:
                positives.setdefault(qrel.query_id, {})[qrel.doc_id] = qrel.relevance
        return tuple(queries), positives


def read_judgments(
    corpus: AnyPath,
    qrels: str,
    doc_ids: Collection[str],
    *,
    queries: AnyPath | None = None,
    fields: QueryFields | None = None,
    seed: int = 1,
) -> Judgments:
    """Reads the queries and judgments to train on.

    Args:
        corpus: the BEIR folder, for its splits and queries.
        qrels: the name of a split in it, or a file.
        doc_ids: of all its passages.
        queries: the file of queries, if it is not the folder's.
        fields: which fields of queries are read, if others.
        seed: of what is held out.

    Returns:
        The training queries, each with a positive. Held out is the split ``dev`` where there is one beside the split, else a quarter of
        the queries; one half of it chooses, the other judges.

    Raises:
        InputError: the split is ``test``, a file is missing or malformed, no query has a positive, the passages that are judged are
            not in the corpus, or there are fewer than 50 training queries.
    """
    file: AnyPath = Path(qrels)
    is_split = not file.is_file()
    if is_split:
        if qrels == _TEST:
            raise InputError(corpus, "the split test is what models are compared on; train on another, such as --qrels train")
        file = split_qrels(corpus, qrels)
    training, positives = _judged(file, corpus, queries, fields, doc_ids)
    rng = random.Random(seed)
    dev = corpus / "qrels" / f"{_DEV}.tsv"
    own_split = is_split and qrels != _DEV and dev.is_file()
    if own_split:
        held, held_positives = _judged(dev, corpus, queries, fields, doc_ids)
        held = [query for query in held if query.query_id not in positives]
        rng.shuffle(held)
        held = held[:_MOST_HELD_OUT]
        source = f"{file}, held out {dev}"
    else:
        shuffled = list(training)
        rng.shuffle(shuffled)
        count = min(_MOST_HELD_OUT, round(len(shuffled) * _HELD_OUT))
        held, training = shuffled[:count], shuffled[count:]
        held_positives, source = positives, str(file)
    if len(training) < LEAST_QUERIES:
        raise InputError(
            file, f"leaves {len(training)} training queries with a positive; at least {LEAST_QUERIES} are needed, so give more judgments"
        )
    held.sort()
    rng.shuffle(held)
    middle = (len(held) + 1) // 2
    return Judgments(
        source,
        tuple(training),
        {query.query_id: positives[query.query_id] for query in training},
        _held_out(held[:middle], held_positives),
        _held_out(held[middle:], held_positives),
        own_split,
    )


def _judged(
    file: AnyPath, corpus: AnyPath, queries: AnyPath | None, fields: QueryFields | None, doc_ids: Collection[str]
) -> tuple[list[Query], Positives]:
    """The queries of a file of judgments that have a positive in the corpus, and these positives."""
    judged = [qrel for qrel in read_qrels(file) if qrel.relevance > 0]
    if not judged:
        raise InputError(file, "no query has a positive, a judgment above 0; are these the right judgments?")
    known = [qrel for qrel in judged if qrel.doc_id in doc_ids]
    if not known:
        raise InputError(
            file, f"judges passages like {judged[0].doc_id!r} that are not in {corpus}; are these the judgments of that collection?"
        )
    if len(known) < len(judged):
        notice(f"{file}: {len(judged) - len(known):,} of {len(judged):,} positives are not in {corpus} and are left out")
    positives: dict[str, dict[str, int]] = {}
    for qrel in known:
        positives.setdefault(qrel.query_id, {})[qrel.doc_id] = qrel.relevance
    # Of all queries, which may lie in one file, only those of this split are kept, and the judgments of no other split are read.
    texts = read_queries(queries or corpus, fields=fields, every=True)
    found = [query for query in texts if query.query_id in positives and query.text.strip()]
    if not found:
        raise InputError(file, f"judges none of the queries of {queries or corpus}; are these the right judgments?")
    return found, {query.query_id: positives[query.query_id] for query in found}


def _held_out(queries: Iterable[Query], positives: Positives) -> HeldOut:
    queries = tuple(queries)
    qrels = tuple(Qrel(query.query_id, doc_id, grade) for query in queries for doc_id, grade in positives[query.query_id].items())
    return HeldOut(queries, qrels)
