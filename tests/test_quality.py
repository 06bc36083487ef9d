"""The quality of a trained model on real collections: that of exact search, and what bf16 on a CPU changes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from splade_lucene.collections.passages import read_passages
from splade_lucene.collections.queries import read_qrels, read_queries
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.evaluation.measures import score_run
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.pipeline.encode import encode_collection
from splade_lucene.pipeline.search import ImpactSearcher, search_queries
from splade_lucene.records import Hit, Passage, Qrel, Query
from splade_lucene.vectors.reader import read_vectors
from tests.effort import ALL

# Below, the processor has no bf16 arithmetic, and torch computes it in fp32: nobody would ask for it, and it takes minutes.
_FASTER = 1.2
_HITS = 100


@pytest.fixture(scope="module")
def cranfield(tiny: SpladeModel, real_collection: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of it encoded in fp32, which takes longest."""
    out = tmp_path_factory.mktemp("cranfield") / "out"
    encode_collection(read_passages(real_collection("cranfield")), out, tiny, max_length=256, query_max_length=64)
    return out


@pytest.mark.slow
def test_cranfield_scores_equal_brute_force_for_every_query(
    tiny: SpladeModel, cranfield: Path, tmp_path: Path, real_collection: Callable[[str], Path]
) -> None:
    collection = real_collection("cranfield")
    build_impact_index(cranfield, tmp_path / "index", threads=2)
    queries = read_queries(collection)
    with ImpactSearcher(tmp_path / "index", model=tiny) as searcher:
        batch = searcher.run_batch(dict(queries), 1000, threads=2)
        run = search_queries(searcher, queries, threads=2).run
    vectors = list(read_vectors(cranfield))
    # The terms as they were searched for: encoded with other queries, a weight at the edge may round the other way.
    asked = [{token: int(impact) for token, impact in batch.terms[query.query_id].items()} for query in queries]
    entries = {token: number for number, token in enumerate(tiny.vocabulary)}
    for query, scores in zip(queries, products(asked, [vector.vector for vector in vectors], entries).tolist(), strict=True):
        best = sorted((-score, vector.doc_id) for vector, score in zip(vectors, scores, strict=True) if score)[:1000]
        expected = [Hit(doc_id, float(-negative)) for negative, doc_id in best]
        assert run[query.query_id] == batch.hits[query.query_id] == expected
    measured = score_run(run, read_qrels(collection)).mean
    # Exact brute-force search with unquantized weights gives these.
    assert measured == pytest.approx({"nDCG@10": 0.3762, "R@100": 0.7281, "RR@10": 0.5334}, abs=0.002)


@pytest.mark.parametrize(
    ("name", "expected"),
    [  # what docs/benchmarks.md has for tiny in fp32
        ("cranfield", 0.3761),
        pytest.param("scifact", 0.6436, marks=pytest.mark.skipif(not ALL, reason="takes a minute; scripts/test --all")),
        pytest.param("nfcorpus", 0.3059, marks=pytest.mark.skipif(not ALL, reason="takes a minute; scripts/test --all")),
    ],
)
def test_bf16_changes_ndcg_by_at_most_what_encode_says(
    tiny: SpladeModel, real_collection: Callable[[str], Path], name: str, expected: float, request: pytest.FixtureRequest
) -> None:
    collection = real_collection(name)
    if tiny.bf16_gain() < _FASTER:
        pytest.skip("this processor computes bf16 no faster than fp32")
    rounded = SpladeModel.load("tiny", device="cpu", precision="bf16")
    passages, queries, qrels = list(read_passages(collection)), read_queries(collection), read_qrels(collection)
    encoded = (
        [vector.vector for vector in read_vectors(request.getfixturevalue("cranfield"))] if name == "cranfield" else encode(tiny, passages)
    )
    exact = ndcg(tiny, passages, encoded, queries, qrels)
    assert exact == pytest.approx(expected, abs=0.0003)  # ties and single impacts that other kernels round the other way
    if not ALL:  # those without a judgment are only in the way of the others
        judged = {qrel.doc_id for qrel in qrels}
        encoded = [vector for passage, vector in zip(passages, encoded, strict=True) if passage.doc_id in judged]
        passages = [passage for passage in passages if passage.doc_id in judged]
        exact = ndcg(tiny, passages, encoded, queries, qrels)
    changed = ndcg(rounded, passages, encode(rounded, passages), queries, qrels)
    assert exact != changed
    assert abs(changed - exact) <= 0.002


def encode(model: SpladeModel, passages: Iterable[Passage]) -> list[dict[str, int]]:
    return model.encode_documents((passage.contents for passage in passages), max_length=256)


def ndcg(
    model: SpladeModel, passages: Sequence[Passage], encoded: Iterable[Mapping[str, int]], queries: Sequence[Query], qrels: Sequence[Qrel]
) -> float:
    """Of encoded passages and of queries that the model encodes, all dot products computed."""
    entries = {token: number for number, token in enumerate(model.vocabulary)}
    asked = model.encode_queries((query.text for query in queries), max_length=64)
    run = {}
    for query, scores in zip(queries, products(asked, encoded, entries), strict=True):
        best = [int(place) for place in np.argsort(-scores, kind="stable")[:_HITS] if scores[place]]
        run[query.query_id] = [Hit(passages[place].doc_id, float(scores[place])) for place in best]
    return score_run(run, qrels, "nDCG@10").mean["nDCG@10"]


def products(queries: Iterable[Mapping[str, int]], documents: Iterable[Mapping[str, int]], entries: Mapping[str, int]) -> NDArray[np.int64]:
    """All dot products, in whole numbers and so exact: queries × documents."""
    found: NDArray[np.int64] = (matrix(queries, entries) @ matrix(documents, entries).T).toarray()
    assert found.dtype == np.int64
    return found


def matrix(bags: Iterable[Mapping[str, int]], entries: Mapping[str, int]) -> csr_matrix:
    """Texts × vocabulary."""
    rows = [[(entries[token], impact) for token, impact in bag.items()] for bag in bags]
    ends = np.cumsum([0, *map(len, rows)])
    pairs = [pair for row in rows for pair in row]
    columns, impacts = zip(*pairs, strict=True)
    return csr_matrix((np.array(impacts, np.int64), np.array(columns), ends), shape=(len(rows), len(entries)))
