"""A server that is told how queries are encoded searches as `search` does with the same options."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from splade_lucene.cli.main import main
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.lucene.updating import update_impact_index
from splade_lucene.pipeline.encode import encode_collection
from splade_lucene.pipeline.search import ImpactSearcher
from splade_lucene.records import Passage
from splade_lucene.serving.catalog import Catalog
from splade_lucene.serving.settings import IndexSource, QueryEncodingSettings
from tests.served import QUERY, Indexes, client, serving

QUERIES = [QUERY, "sorted list", "socket timeout", "parse a date", "regular expression", "compress bytes", " "]


def test_the_command_obeys_all_three(indexes: Indexes) -> None:
    options = ["--query-idf", ".5", "--query-top-k", "6", "--query-max-length", "7"]
    with serving([f"python={indexes.impact}", "--bm25", f"words={indexes.bm25}", *options]) as server, client(server) as http:
        encoder = http.get("v1/indexes").json()[0]["encoder"]
        assert (encoder["query_idf"], encoder["query_top_k"], encoder["query_max_length"]) == (0.5, 6, 7)
        with ImpactSearcher(indexes.impact, query_idf=0.5, query_top_k=6, query_max_length=7, device="cpu") as searcher:
            found = http.get("v1/python/search", params={"query": QUERY, "hits": 5}).json()["candidates"]
            assert [(each["docid"], each["score"]) for each in found] == searcher.search(QUERY, 5)


def test_queries_of_a_batch_are_those_of_the_searcher_for_every_index(indexes: Indexes, tiny: SpladeModel, tmp_path: Path) -> None:
    """Two indexes of one model have frequencies of their own."""
    encode_collection(indexes.passages[:20], tmp_path / "vectors", tiny, max_length=64)
    build_impact_index(tmp_path / "vectors", tmp_path / "few")
    folders = {"all": indexes.impact, "few": tmp_path / "few"}
    catalog = Catalog([IndexSource(name, folder) for name, folder in folders.items()], QueryEncodingSettings(top_k=8, idf=1.5))
    bags = []
    for name, folder in folders.items():
        index = catalog[name].current
        assert index.encoder is not None
        with ImpactSearcher(folder, model=tiny, query_top_k=8, query_idf=1.5) as searcher:
            together = index.encoder.queries.encoder.encode_queries(QUERIES)
            assert together == [searcher.query_encoder().encode_queries([text])[0] for text in QUERIES]
            assert [index.searcher.search(text, 5) for text in QUERIES] == [searcher.search(text, 5) for text in QUERIES]
        bags.append(together)
    assert bags[0] != bags[1]
    catalog.close()


def test_an_index_that_was_replaced_has_its_new_frequencies(indexes: Indexes, tiny: SpladeModel, tmp_path: Path) -> None:
    changing = tmp_path / "changing"
    shutil.copytree(indexes.impact, changing)
    catalog = Catalog([IndexSource("changing", changing)], QueryEncodingSettings(idf=1.0))
    before = dict(catalog["changing"].current.searcher.terms(QUERY))
    encode_collection([Passage(f"new{n}", QUERY) for n in range(30)], tmp_path / "vectors", tiny, store_contents=True, max_length=64)
    update_impact_index(changing, add=tmp_path / "vectors")
    assert catalog.reload_changed() == ["changing"]
    with ImpactSearcher(changing, model=tiny, query_idf=1.0) as searcher:
        after = dict(catalog["changing"].current.searcher.terms(QUERY))
        assert after == searcher.terms(QUERY) != before
    catalog.close()


def test_the_query_model_idf_has_one_power_more(indexes: Indexes, tiny: SpladeModel, tmp_path: Path) -> None:
    model = SpladeModel.load("tiny", query_model="idf", device="cpu")
    encode_collection(indexes.passages[:20], tmp_path / "vectors", model, max_length=64)
    build_impact_index(tmp_path / "vectors", tmp_path / "index")
    catalog = Catalog([IndexSource("idf", tmp_path / "index")], QueryEncodingSettings(idf=0.5))
    with ImpactSearcher(tmp_path / "index", query_idf=0.5) as searcher:
        assert catalog["idf"].current.searcher.terms(QUERY) == searcher.terms(QUERY)
    catalog.close()


@pytest.mark.parametrize("options", [["--query-idf", ".5"], ["--query-top-k", "3"], ["--query-max-length", "9"]])
def test_without_an_impact_index_they_are_refused(options: list[str], indexes: Indexes, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", str(indexes.bm25), "--port", "0", *options]) == 1
    assert "only BM25 indexes are served, which encode no queries; leave --query-max-length" in capsys.readouterr().err


def test_a_query_length_that_the_model_cannot_read_is_refused(indexes: Indexes, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", str(indexes.impact), "--port", "0", "--query-max-length", "100000"]) == 1
    assert "100000" in capsys.readouterr().err
