"""Searchers at the edges: hits without end, queries without text, indexes without text, copies for other processes."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from splade_lucene.cli.main import main
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.lucene.bm25_indexing import build_bm25_index
from splade_lucene.lucene.bm25_searcher import Bm25Searcher
from splade_lucene.lucene.impact_searcher import ImpactIndexSearcher
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.pipeline.encode import encode_collection
from splade_lucene.pipeline.search import ImpactSearcher, search_queries
from splade_lucene.records import Passage, Query

PASSAGES = [Passage("d1", "Thermal stress breaks a glass pane."), Passage("d2", "Lucene is a search library."), Passage("d3", "A.")]


@pytest.fixture(scope="module")
def indexes(tiny: SpladeModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("edges")
    encode_collection(PASSAGES, folder / "out", tiny, max_length=32, store_contents=True)
    build_impact_index(folder / "out", folder / "splade")
    build_impact_index(folder / "out", folder / "with-text", store_contents=True)
    build_bm25_index(PASSAGES, folder / "bm25")
    (folder / "queries.tsv").write_text("q1\tglass\n")
    return folder


@pytest.mark.parametrize("kind", ["splade", "bm25"])
@pytest.mark.parametrize("hits", ["2147483647", "2147483648", "99999999999999999999"])
def test_more_hits_than_java_can_count_are_all_hits(indexes: Path, tmp_path: Path, kind: str, hits: str) -> None:
    found = {}
    for number in (hits, "10"):
        command = ["search", str(indexes / kind), str(indexes / "queries.tsv"), str(tmp_path / number), "--hits", number, "--tag", "x"]
        assert main([*command, "--remove-query"]) == 0
        found[number] = (tmp_path / number).read_text()
    assert found[hits] == found["10"] != ""


def test_a_query_without_text_finds_nothing(indexes: Path, tiny: SpladeModel) -> None:
    with ImpactSearcher(indexes / "splade", model=tiny) as splade, Bm25Searcher(indexes / "bm25") as bm25:
        for searcher in (splade, bm25):
            for text in ("", "  ", "\t\n"):
                assert searcher.search(text) == []
            result = search_queries(searcher, [Query("q1", ""), Query("q2", "glass"), Query("q3", " ")])
            assert {query_id: bool(hits) for query_id, hits in result.run.items()} == {"q1": False, "q2": True, "q3": False}
            assert result.run["q2"] == searcher.search("glass", 1000)
        assert splade.query_encoder().encode_queries(["", "glass", " "]) == [{}, *splade.query_encoder().encode_queries(["glass"]), {}]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("splade", "this impact index holds no text, so --show prints docids alone; build it with `encode --store-contents` and"),
        ("bm25", "this bm25 index holds no text, so --show prints docids alone\n"),
        ("with-text", ""),
    ],
)
def test_what_cannot_be_shown_is_said(indexes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, reason: str) -> None:
    assert main(["search", str(indexes / kind), str(indexes / "queries.tsv"), str(tmp_path / "run"), "--show", "1"]) == 0
    out, err = capsys.readouterr()
    assert reason in err
    assert ("holds no text" in err) == bool(reason)
    assert ("Thermal stress" in out) == (not reason)


def test_a_copy_of_a_searcher_opens_the_index_itself(indexes: Path, tiny: SpladeModel) -> None:
    with ImpactSearcher(indexes / "splade", model=tiny, query_max_length=8, query_top_k=3) as searcher:
        found = searcher.search("why does glass break")
        for another in (pickle.loads(pickle.dumps(searcher)), copy.copy(searcher), copy.deepcopy(searcher)):
            with another:
                assert type(another) is ImpactSearcher
                assert (another.query_max_length, another.query_top_k) == (8, 3)
                assert another.search("why does glass break") == found
    with ImpactIndexSearcher(indexes / "splade") as impacts, pickle.loads(pickle.dumps(impacts)) as another:
        assert another.search_impacts({"glass": 2}) == impacts.search_impacts({"glass": 2}) != []
    with Bm25Searcher(indexes / "bm25") as bm25, pickle.loads(pickle.dumps(bm25)) as another:
        assert another.search("glass") == bm25.search("glass") != []


def test_a_searcher_travels_to_another_process(indexes: Path, tmp_path: Path) -> None:
    with Bm25Searcher(indexes / "bm25") as searcher:
        (tmp_path / "searcher").write_bytes(pickle.dumps(searcher))
        expected = [hit.doc_id for hit in searcher.search("glass")]
    code = "import pickle, sys; print([hit.doc_id for hit in pickle.load(open(sys.argv[1], 'rb')).search('glass')])"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "searcher")], capture_output=True, text=True, check=True)
    assert done.stdout == f"{expected}\n"
