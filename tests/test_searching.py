from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from splade_lucene.cli.main import main
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.errors import IndexMismatchError, InputError
from splade_lucene.lucene.bm25_indexing import build_bm25_index
from splade_lucene.lucene.impact_searcher import ImpactIndexSearcher
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.pipeline.encode import encode_collection
from splade_lucene.pipeline.search import ImpactSearcher, open_searcher, search_queries
from splade_lucene.pipeline.timing import query_load, query_times
from splade_lucene.records import Hit, Passage, Query
from splade_lucene.vectors.reader import read_vectors
from tests import small_indexes
from tests.oracle import brute_force

PASSAGES = [*small_indexes.PASSAGES, Passage("nothing", "")]
QUERIES = [Query("glass", "why does glass break"), Query("q2", "search engine library"), Query("q3", "insert into sorted list")]


@pytest.fixture(scope="module")
def folder(tiny: SpladeModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_indexes.make_small_indexes(tiny, tmp_path_factory.mktemp("search"), PASSAGES)


def test_hits_equal_brute_force_over_the_stored_vectors(folder: Path, tiny: SpladeModel) -> None:
    vectors = list(read_vectors(folder / "out"))
    with ImpactSearcher(folder / "index", model=tiny) as searcher:
        for query in QUERIES:
            (impacts,) = tiny.encode_queries([query.text], max_length=16, scale=50)
            assert searcher.search(query.text, 3) == brute_force(vectors, impacts, 3)


def test_the_index_names_its_encoder_lengths_and_scale(folder: Path, tiny: SpladeModel) -> None:
    with ImpactSearcher(folder / "index") as named, ImpactSearcher(folder / "index", model=tiny) as handed_in:
        assert named.query_max_length == 16
        assert named.search(QUERIES[0].text) == handed_in.search(QUERIES[0].text)


def test_the_query_length_can_be_chosen(folder: Path, tiny: SpladeModel) -> None:
    text = "break " * 10 + "library"
    with ImpactSearcher(folder / "index", model=tiny, query_max_length=5) as searcher:
        (impacts,) = tiny.encode_queries([text], max_length=5, scale=50)
        assert searcher.search(text) == searcher.search_impacts(impacts)


def test_a_query_can_be_cut_to_its_heaviest_tokens(folder: Path, tiny: SpladeModel) -> None:
    with ImpactSearcher(folder / "index", model=tiny, query_top_k=3) as searcher:
        (impacts,) = tiny.encode_queries([QUERIES[1].text], max_length=16, scale=50)
        heaviest = dict(sorted(impacts.items(), key=lambda item: -item[1])[:3])
        assert len(impacts) > 3
        assert searcher.search(QUERIES[1].text) == searcher.search_impacts(heaviest)
        assert search_queries(searcher, QUERIES).notes["encoder"]["query_top_k"] == 3
    with pytest.raises(IndexMismatchError, match="--query-top-k"):
        open_searcher(folder / "bm25", query_top_k=3)


def test_more_queries_than_are_encoded_at_a_time(folder: Path, tiny: SpladeModel) -> None:
    queries = {f"q{number}": QUERIES[number % 3].text for number in range(150)}
    with ImpactSearcher(folder / "index", model=tiny) as searcher:
        alone = {query.text: searcher.search(query.text, 5) for query in QUERIES}
        for threads in (1, 3):
            found = searcher.search_batch(queries, 5, threads)
            assert found == {query_id: alone[text] for query_id, text in queries.items()}
            assert list(found) == list(queries)


def test_threads_share_the_cores(folder: Path, tiny: SpladeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    every, seen = torch.get_num_threads(), set[int]()
    encode = SpladeModel.encode_queries

    def spied(*args: Any, **options: Any) -> Any:
        seen.add(torch.get_num_threads())
        return encode(*args, **options)

    monkeypatch.setattr(SpladeModel, "encode_queries", spied)
    with ImpactSearcher(folder / "index", model=tiny) as searcher:
        searcher.search_batch({f"q{number}": QUERIES[0].text for number in range(100)}, 5, threads=every)
    assert seen == {1}
    assert torch.get_num_threads() == every


def test_an_encoder_that_fails_ends_a_batch(folder: Path) -> None:
    class Failing:
        def encode_queries(self, texts: object) -> list[dict[str, int]]:
            raise ValueError("no such language")

    with ImpactIndexSearcher(folder / "index", Failing()) as searcher, pytest.raises(ValueError, match="no such language"):
        searcher.search_batch({"q": "text"}, threads=2)


def test_stored_text_is_shown(tiny: SpladeModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    encode_collection(PASSAGES, tmp_path / "out", tiny, max_length=32, store_contents=True)
    build_impact_index(tmp_path / "out", tmp_path / "index", store_contents=True)
    (tmp_path / "queries.tsv").write_text("q1\tbroken glass\n")
    command = ["search", *map(str, (tmp_path / "index", tmp_path / "queries.tsv", tmp_path / "run")), "--show", "1"]
    assert main(command) == 0
    assert re.search(r"q1: broken glass\n +1\. +\d+  glass  Glass Thermal stress is created", capsys.readouterr().out)
    with ImpactIndexSearcher(tmp_path / "index") as searcher:
        assert searcher.contents("sort") == PASSAGES[2].text
        with pytest.raises(InputError, match="has no document 'nobody'"):
            searcher.contents("nobody")


@pytest.mark.parametrize("engine", ["lucene", "anserini", "bm25"])
def test_relative_paths_follow_the_working_directory(
    engine: Literal["lucene", "anserini", "bm25"], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Java's own is the one that it was started in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").symlink_to(folder / "out")
    if engine == "bm25":
        build_bm25_index(PASSAGES, "index")
    else:
        build_impact_index("out", "index", engine=engine)
    assert [file.name for file in tmp_path.iterdir() if file.is_dir() and not file.is_symlink()] == ["index"]
    with open_searcher("index") as searcher:
        assert searcher.document_frequencies(["glass"])["glass"] > 0


def test_an_index_of_another_encoder_is_refused(folder: Path, tiny: SpladeModel, tmp_path: Path) -> None:
    index = tmp_path / "index"
    index.mkdir()
    for file in (folder / "index").iterdir():
        (index / file.name).write_bytes(file.read_bytes())
    card = json.loads((index / "splade_lucene.json").read_text())
    card["encoder"]["query"]["weights_sha256"] = "0" * 64
    (index / "splade_lucene.json").write_text(json.dumps(card))
    with pytest.raises(IndexMismatchError, match=r"was made with the model tiny \(weights_sha256 000000000000…\), not with tiny"):
        ImpactSearcher(index, model=tiny)
    with ImpactSearcher(index) as searcher, pytest.raises(IndexMismatchError, match="encode and index again"):
        searcher.search("text")


def test_notes_say_how_a_run_was_made_and_what_it_cost(folder: Path, tiny: SpladeModel) -> None:
    vectors = list(read_vectors(folder / "out"))
    with ImpactSearcher(folder / "index", model=tiny) as searcher:
        run, info = search_queries(searcher, QUERIES, k=3)
    notes = info.notes()
    encoded = tiny.encode_queries([query.text for query in QUERIES], max_length=16, scale=50)
    overlaps = [len(query.keys() & vector.vector.keys()) for query in encoded for vector in vectors]
    assert notes["flops"] == pytest.approx(sum(overlaps) / len(encoded) / notes["documents"])
    assert notes["terms_per_query"] == pytest.approx(sum(map(len, encoded)) / 3)
    assert (notes["kind"], notes["queries"], notes["hits"]) == ("impact", 3, 3)
    assert notes["index_bytes"] == sum(file.stat().st_size for file in (folder / "index").iterdir())
    assert notes["encoder"]["query_max_length"] == 16
    assert list(run) == [query.query_id for query in QUERIES]


@pytest.mark.parametrize("index", ["index", "bm25"])
def test_the_querys_own_document_is_removed_and_the_list_refilled(folder: Path, index: str) -> None:
    with open_searcher(folder / index) as searcher:
        whole = search_queries(searcher, QUERIES, k=10).run["glass"]
        assert whole[0].doc_id == "glass"
        for k in (1, 2, 10):
            assert search_queries(searcher, QUERIES, k=k, remove_query=True).run["glass"] == whole[1 : k + 1]


def test_queries_without_terms_are_counted(folder: Path) -> None:
    with open_searcher(folder / "bm25") as searcher:
        run, info = search_queries(searcher, [Query("q", "the of"), Query("r", "glass")])
    assert run["q"] == []
    assert info.queries_without_terms == 1


def test_latency_is_measured_over_single_queries(folder: Path) -> None:
    with open_searcher(folder / "bm25") as searcher:
        assert all(each.encode_ms == 0 and each.search_ms > 0 for each in query_times(searcher, QUERIES).values())
        asked: list[str] = []
        search = searcher.search

        def counted(text: str, *args: Any, **options: Any) -> list[Hit]:
            asked.append(text)
            return search(text, *args, **options)

        searcher.search = counted  # type: ignore[method-assign]
        found = query_load(searcher, QUERIES, k=2, threads=2)
        assert sorted(asked) == sorted([query.text for query in QUERIES] * 2)
        assert found.per_second > 0
        assert (found.threads, set(found.times)) == (2, {query.query_id for query in QUERIES})
        assert found.latency.p99 >= found.latency.p50 > 0


def test_scores_that_are_no_longer_exact_are_said(tmp_path: Path, tiny: SpladeModel) -> None:
    with pytest.warns(RuntimeWarning, match="would score"):
        encode_collection(PASSAGES, tmp_path / "out", tiny, scale=3000)
    build_impact_index(tmp_path / "out", tmp_path / "index")
    with (
        ImpactSearcher(tmp_path / "index", model=tiny) as searcher,
        pytest.warns(RuntimeWarning, match=r"\d queries have hits with scores from 2\^24 on, where Lucene's scores are no longer exact"),
    ):
        search_queries(searcher, QUERIES)
