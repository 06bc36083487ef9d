"""Both BM25s of BEIR on real collections: the published figures to four digits, from the functions and from the command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from splade_lucene.cli.main import main
from splade_lucene.collections.passages import read_passages
from splade_lucene.collections.queries import read_qrels, read_queries
from splade_lucene.evaluation.measures import score_run
from splade_lucene.evaluation.results import read_results
from splade_lucene.lucene.bm25_indexing import build_bm25_index
from splade_lucene.pipeline.search import open_searcher, search_queries
from tests.effort import ALL

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
@pytest.mark.parametrize(("name", "system"), [(name, system) for name, systems in PUBLISHED.items() for system in systems])
def test_functions_have_the_published_figures(name: str, system: str, real_collection: Callable[[str], Path], tmp_path: Path) -> None:
    collection, published = real_collection(name), PUBLISHED[name][system]
    build_bm25_index(read_passages(collection), tmp_path / "index", multifield=system == "bm25-multifield", threads=2)
    with open_searcher(tmp_path / "index") as searcher:
        hits = max(int(measure.partition("@")[2]) for measure in published)
        run = search_queries(searcher, read_queries(collection), k=hits, threads=2, remove_query=True).run
    assert rounded(score_run(run, read_qrels(collection), " ".join(published)).mean, published) == published


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["nfcorpus", pytest.param("scifact", marks=pytest.mark.skipif(not ALL, reason="takes 20 seconds; scripts/test --all"))],
)
def test_the_command_has_the_published_figures_and_says_so(name: str, real_collection: Callable[[str], Path], tmp_path: Path) -> None:
    systems = PUBLISHED[name]
    assert main(["beir", str(real_collection(name)), "--output", str(tmp_path), "--systems", *systems]) == 0
    results = read_results(tmp_path)
    assert [row.system for row in results.rows] == list(systems)
    for row in results.rows:
        assert list(row.published) == ["nDCG@10", "R@100", "R@1000"]
        assert not any(figure.off for figure in row.published.values())
        assert all(round(row.scores[measure], 4) == figure.value for measure, figure in row.published.items())
        assert rounded(row.scores, systems[row.system]) == systems[row.system]
