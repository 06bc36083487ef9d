"""What bf16 on a CPU changes of the quality of a trained model, on real collections, by exact search."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from splade_lucene.collections.passages import read_passages
from splade_lucene.collections.queries import read_qrels, read_queries
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.evaluation.measures import score_run
from splade_lucene.records import Hit
from tests.effort import ALL

# Below, the processor has no bf16 arithmetic, and torch computes it in fp32: nobody would ask for it, and it takes minutes.
_FASTER = 1.2
_HITS = 100


@pytest.mark.parametrize(
    ("name", "expected"),
    [  # what docs/benchmarks.md has for tiny in fp32
        ("cranfield", 0.3761),
        pytest.param("scifact", 0.6436, marks=pytest.mark.skipif(not ALL, reason="takes a minute; scripts/test --all")),
        pytest.param("nfcorpus", 0.3059, marks=pytest.mark.skipif(not ALL, reason="takes a minute; scripts/test --all")),
    ],
)
def test_bf16_changes_ndcg_by_at_most_what_encode_says(
    tiny: SpladeModel, real_collection: Callable[[str], Path], name: str, expected: float
) -> None:
    collection = real_collection(name)
    if tiny.bf16_gain() < _FASTER:
        pytest.skip("this processor computes bf16 no faster than fp32")
    rounded = SpladeModel.load("tiny", device="cpu", precision="bf16")
    exact, changed = (ndcg(model, collection) for model in (tiny, rounded))
    assert exact == pytest.approx(expected, abs=0.0003)  # ties and single impacts that other kernels round the other way
    assert exact != changed
    assert abs(changed - exact) <= 0.002


def ndcg(model: SpladeModel, collection: Path) -> float:
    """Of passages and queries that were both encoded by a model, all dot products computed."""
    passages, queries = list(read_passages(collection)), read_queries(collection)
    entries = {token: number for number, token in enumerate(model.vocabulary)}
    documents = matrix(model.encode_documents((passage.contents for passage in passages), max_length=256), entries)
    asked = matrix(model.encode_queries((query.text for query in queries), max_length=64), entries)
    run = {}
    for query, scores in zip(queries, (asked @ documents.T).toarray(), strict=True):
        best = [int(place) for place in np.argsort(-scores, kind="stable")[:_HITS] if scores[place]]
        run[query.query_id] = [Hit(passages[place].doc_id, float(scores[place])) for place in best]
    return score_run(run, read_qrels(collection), "nDCG@10").mean["nDCG@10"]


def matrix(bags: Iterable[Mapping[str, int]], entries: Mapping[str, int]) -> csr_matrix:
    """Texts × vocabulary."""
    rows = [[(entries[token], impact) for token, impact in bag.items()] for bag in bags]
    ends = np.cumsum([0, *map(len, rows)])
    pairs = [pair for row in rows for pair in row]
    columns, impacts = zip(*pairs, strict=True)
    return csr_matrix((np.array(impacts, np.int64), np.array(columns), ends), shape=(len(rows), len(entries)))
