"""Both BM25s of BEIR on real collections: the published figures to four digits, from the command and from the functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from splade_lucene.cli.main import main
from splade_lucene.collections.queries import read_qrels, read_queries
from splade_lucene.evaluation.measures import score_run
from splade_lucene.evaluation.results import read_results
from splade_lucene.pipeline.search import open_searcher, search_queries

PUBLISHED = {
    "scifact": {
        "bm25-flat": {"nDCG@10": 0.6789, "R@100": 0.9253, "R@1000": 0.9767},
        "bm25-multifield": {"nDCG@10": 0.6647, "R@100": 0.9076},
    },
    "nfcorpus": {
        "bm25-flat": {"nDCG@10": 0.3218, "R@100": 0.2457, "R@1000": 0.3704},
        "bm25-multifield": {"nDCG@10": 0.3254, "R@100": 0.2500},
    },
}


def rounded(scores: Mapping[str, float], measures: Mapping[str, float]) -> dict[str, float]:
    return {measure: round(scores[measure], 4) for measure in measures}


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_both_bm25s_have_the_published_figures(name: str, real_collection: Callable[[str], Path], tmp_path: Path) -> None:
    collection, systems = real_collection(name), PUBLISHED[name]
    command = ["beir", str(collection), "--output", str(tmp_path), "--systems", *systems, "--threads", "2"]
    assert main(command) == 0
    results = read_results(tmp_path)
    assert [row.system for row in results.rows] == list(systems)
    for row in results.rows:
        assert list(row.published) == ["nDCG@10", "R@100", "R@1000"]
        assert not any(figure.off for figure in row.published.values())
        assert all(round(row.scores[measure], 4) == figure.value for measure, figure in row.published.items())
        assert rounded(row.scores, systems[row.system]) == systems[row.system]
    queries, qrels = read_queries(collection), read_qrels(collection)
    for system, published in systems.items():
        with open_searcher(tmp_path / name / "indexes" / system) as searcher:
            run = search_queries(searcher, queries, threads=2, remove_query=True).run
        assert rounded(score_run(run, qrels, " ".join(published)).mean, published) == published
