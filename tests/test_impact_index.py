from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from splade_lucene.errors import IndexMismatchError, InputError, JavaError
from splade_lucene.lucene import jvm, lucene_writer
from splade_lucene.lucene.card import FILE, folder_bytes, read_card
from splade_lucene.lucene.impact_searcher import ImpactIndexSearcher
from splade_lucene.lucene.indexing import Engine, build_impact_index
from splade_lucene.lucene.statistics import index_statistics
from splade_lucene.records import ImpactVector
from tests.oracle import brute_force
from tests.vector_factory import NASTY, made_up, write_vectors


@pytest.fixture(scope="module")
def vectors() -> list[ImpactVector]:
    return made_up(400)


@pytest.fixture(scope="module", params=["lucene", "anserini"])
def index(request: pytest.FixtureRequest, vectors: list[ImpactVector], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    build_impact_index(write_vectors(folder / "out", vectors, shards=3), folder / "index", engine=request.param, threads=2)
    return folder / "index"


@pytest.mark.parametrize("k", [1, 7, 100, 1000])
def test_top_k_equals_brute_force_with_ties_cut_in_the_order_of_docids(index: Path, vectors: list[ImpactVector], k: int) -> None:
    dice = random.Random(k)
    with ImpactIndexSearcher(index) as searcher:
        for _ in range(30):
            query = {token: dice.choice([1, 3]) for token in dice.sample([*NASTY, "t1", "t2", "t3"], 4)}
            assert searcher.search_impacts(query, k) == brute_force(vectors, query, k)


def test_the_postings_are_the_vectors(index: Path, vectors: list[ImpactVector]) -> None:
    """Term by term: a query of one term with weight 1 returns its documents with their impacts."""
    tokens = {token for vector in vectors for token in vector.vector}
    with ImpactIndexSearcher(index) as searcher:
        for token in tokens:
            assert searcher.search_impacts({token: 1}, 1000) == brute_force(vectors, {token: 1}, 1000)
    statistics = index_statistics(index)
    assert (statistics.documents, statistics.terms) == (len(vectors), len(tokens))
    assert statistics.postings == sum(len(vector.vector) for vector in vectors)
    assert sum(statistics.bytes.values()) == folder_bytes(index)
    assert set(NASTY) <= tokens


def test_documents_keep_their_order_when_lucene_writes_many_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lucene_writer, "_MEMORY_BUFFER", 0.05)
    vectors = made_up(3000)
    build_impact_index(write_vectors(tmp_path / "out", vectors), tmp_path / "index")
    with ImpactIndexSearcher(tmp_path / "index") as searcher:
        for query in ({"t1": 3, "|": 1}, {"t2": 1}):
            assert searcher.search_impacts(query, 200) == brute_force(vectors, query, 200)


def test_hits_that_all_tie_come_in_the_order_of_docids(tmp_path: Path) -> None:
    vectors = [ImpactVector(f"d{number % 10}{number}", {"x": 5}) for number in range(500)]
    build_impact_index(write_vectors(tmp_path / "out", vectors), tmp_path / "index")
    with ImpactIndexSearcher(tmp_path / "index") as searcher:
        for k in (1, 10, 499, 500, 501):
            assert searcher.search_impacts({"x": 2}, k) == brute_force(vectors, {"x": 2}, k)


@pytest.mark.parametrize("engine", ["lucene", "anserini"])
def test_the_text_is_stored_if_asked_for(tmp_path: Path, engine: Engine) -> None:
    write_vectors(tmp_path / "out", [ImpactVector("a", {"x": 1}, "the “text” of it")], contents=True)
    build_impact_index(tmp_path / "out", tmp_path / "index", engine=engine, store_contents=True)
    simple = jvm.jnius().autoclass("io.anserini.search.SimpleImpactSearcher")(str(tmp_path / "index"))
    assert json.loads(simple.doc_raw("a"))["contents"] == "the “text” of it"
    build_impact_index(tmp_path / "out", tmp_path / "index", engine=engine, overwrite=True)
    assert jvm.jnius().autoclass("io.anserini.search.SimpleImpactSearcher")(str(tmp_path / "index")).doc_raw("a") is None


def test_text_that_was_not_kept_cannot_be_stored(tmp_path: Path) -> None:
    out = write_vectors(tmp_path / "out", [ImpactVector("a", {"x": 1})])
    with pytest.raises(InputError, match="encode with --store-contents"):
        build_impact_index(out, tmp_path / "index", store_contents=True)


def test_queries_of_any_length(index: Path, vectors: list[ImpactVector]) -> None:
    query = {f"t{number}": 1 + number % 3 for number in range(3000)}
    with ImpactIndexSearcher(index) as searcher:
        assert searcher.search_impacts(query, 1000) == brute_force(vectors, query, 1000)


class Fixed:
    """Encodes every text as the same query."""

    def __init__(self, query: dict[str, int]) -> None:
        self.query = query

    def encode_queries(self, texts: Sequence[str]) -> list[dict[str, int]]:
        return [self.query for _ in texts]


@pytest.mark.parametrize("query", [{}, {"nowhere": 5}, {"t1": 0}, {"no token": 5}, {"\x01": 5}, {"": 5}, {"\u2028": 5}])
def test_a_query_without_a_matching_term_has_no_hits(index: Path, query: dict[str, int]) -> None:
    with ImpactIndexSearcher(index, Fixed(query)) as searcher:
        assert searcher.search_impacts(query) == []
        assert searcher.explain("text", "d0").score == 0
        assert searcher.contributions({"q": "text"}, {"q": ["d0"]}) == {"q": {"d0": {}}}


def test_what_is_no_token_is_left_out_of_a_query(index: Path, vectors: list[ImpactVector]) -> None:
    with ImpactIndexSearcher(index) as searcher:
        assert searcher.search_impacts({"no token": 5, "t1": 2, "\ud800": 1, "😀": 3}, 20) == brute_force(vectors, {"t1": 2, "😀": 3}, 20)


def test_explanations_are_the_vectors_and_add_up_to_the_scores(index: Path, vectors: list[ImpactVector]) -> None:
    query = {**dict.fromkeys(NASTY, 3), "t1": 2, "nowhere": 7}

    with ImpactIndexSearcher(index, Fixed(query)) as searcher:
        scores = dict(searcher.search("text", 1000))
        for vector in vectors[::5]:
            found = searcher.explain("text", vector.doc_id)
            assert {match.token: match.document_weight for match in found.matches} == {
                token: vector.vector[token] for token in query.keys() & vector.vector.keys()
            }
            assert sum(match.product for match in found.matches) == found.score == scores.get(vector.doc_id, 0)
            assert found.unmatched == {token: weight for token, weight in query.items() if token not in vector.vector}
        with pytest.raises(InputError, match="has no document 'd400'"):
            searcher.explain("text", "d400")


def test_docids_come_back_whole_and_in_the_order_of_their_characters(tmp_path: Path) -> None:
    doc_ids = ["b" * 300, "ä", "\uffee", "😀", '"', "\\", "a,b", "0", "\u200b"]
    build_impact_index(write_vectors(tmp_path / "out", [ImpactVector(doc_id, {"x": 1}) for doc_id in doc_ids]), tmp_path / "index")
    with ImpactIndexSearcher(tmp_path / "index") as searcher:
        assert [hit.doc_id for hit in searcher.search_impacts({"x": 1}, 100)] == sorted(doc_ids)
        assert [hit.doc_id for hit in searcher.search_impacts({"x": 1}, 4)] == sorted(doc_ids)[:4]


def test_document_frequencies(index: Path, vectors: list[ImpactVector]) -> None:
    with ImpactIndexSearcher(index) as searcher:
        found = searcher.document_frequencies(["|", "t3", "nowhere"])
    assert found == {token: sum(token in vector.vector for vector in vectors) for token in ("|", "t3", "nowhere")}


def test_text_needs_an_encoder(index: Path) -> None:
    with ImpactIndexSearcher(index) as searcher, pytest.raises(IndexMismatchError, match="needs a query encoder"):
        searcher.search("text")


def test_a_closed_searcher_says_so(index: Path) -> None:
    with ImpactIndexSearcher(index) as searcher:
        pass
    with pytest.raises(JavaError, match="closed"):
        searcher.search_impacts({"t1": 1})


def test_k_must_be_positive(index: Path) -> None:
    with ImpactIndexSearcher(index) as searcher, pytest.raises(ValueError, match="at least 1"):
        searcher.search_impacts({"t1": 1}, 0)


def test_empty_vectors_are_counted_and_not_in_the_index(tmp_path: Path) -> None:
    out = write_vectors(tmp_path / "out", [ImpactVector("a", {"x": 1}), ImpactVector("b", {}), ImpactVector("c", {"x": 2})])
    told: list[int] = []
    card = build_impact_index(out, tmp_path / "index", advance=told.append)
    assert (card.documents, card.empty) == (2, 1)
    assert sum(told) == 2
    assert read_card(tmp_path / "index") == card
    with ImpactIndexSearcher(tmp_path / "index") as searcher:
        assert [hit.doc_id for hit in searcher.search_impacts({"x": 1})] == ["c", "a"]


def test_an_existing_index_is_kept_unless_overwritten(tmp_path: Path) -> None:
    first = write_vectors(tmp_path / "first", [ImpactVector("a", {"x": 1})])
    second = write_vectors(tmp_path / "second", [ImpactVector("b", {"x": 1})])
    build_impact_index(first, tmp_path / "index")
    with pytest.raises(InputError, match="--overwrite"):
        build_impact_index(second, tmp_path / "index")
    with ImpactIndexSearcher(tmp_path / "index") as searcher:
        assert searcher.search_impacts({"x": 1})[0].doc_id == "a"
    build_impact_index(second, tmp_path / "index", overwrite=True)
    with ImpactIndexSearcher(tmp_path / "index") as searcher:
        assert searcher.search_impacts({"x": 1})[0].doc_id == "b"


def test_overwriting_spares_a_folder_of_something_else(tmp_path: Path) -> None:
    out = write_vectors(tmp_path / "out", [ImpactVector("a", {"x": 1})])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis").write_text("text")
    with pytest.raises(InputError, match="no index of splade-lucene"):
        build_impact_index(out, tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis").read_text() == "text"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"id":"b","vector":{"x":0.9}}', "0.9"),
        ('{"id":"b","vector":{"x y":1}}', "split"),
        ('{"id":"b"}', "no object 'vector'"),
        ('{"id":"a","vector":{"x":1}}', "duplicate id"),
        ("{", "not a JSON object"),
    ],
)
def test_what_anserini_would_corrupt_is_refused_and_leaves_nothing(tmp_path: Path, line: str, problem: str) -> None:
    out = write_vectors(tmp_path / "out", [ImpactVector("a", {"x": 1}), ImpactVector("b", {"x": 1})])
    shard, manifest = out / "vectors" / "part-00000.jsonl", out / "manifest.json"
    shard.write_text(shard.read_text().splitlines()[0] + "\n" + line + "\n")
    from splade_lucene.core.files import file_sha256

    data = json.loads(manifest.read_text())
    data["shards"][0]["sha256"] = file_sha256(shard)
    manifest.write_text(json.dumps(data))
    with pytest.raises(InputError, match="line 2") as caught:
        build_impact_index(out, tmp_path / "index")
    assert problem in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_an_index_that_lost_documents_is_not_published(tmp_path: Path) -> None:
    out = write_vectors(tmp_path / "out", [ImpactVector("a", {"x": 1}), ImpactVector("b", {"x": 1})])
    manifest = out / "manifest.json"
    data = json.loads(manifest.read_text())
    data["shards"][0]["passages"] = 3
    manifest.write_text(json.dumps(data))
    with pytest.raises(JavaError, match="2 documents where 3 were expected"):
        build_impact_index(out, tmp_path / "index")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


@pytest.mark.parametrize("content", [None, "{", '{"format": "other"}', '{"format": "splade_lucene index 1", "kind": "impact"}'])
def test_a_folder_without_a_good_card_is_no_index(index: Path, tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / FILE).write_text(content)
    with pytest.raises(IndexMismatchError):
        ImpactIndexSearcher(tmp_path)


def test_a_missing_folder_and_the_other_kind_are_refused(index: Path, tmp_path: Path) -> None:
    from splade_lucene.lucene.bm25_searcher import Bm25Searcher

    with pytest.raises(IndexMismatchError, match="no index folder"):
        ImpactIndexSearcher(tmp_path / "nowhere")
    with pytest.raises(IndexMismatchError, match="of the kind impact, not bm25"):
        Bm25Searcher(index)


def test_a_damaged_index_is_refused(tmp_path: Path) -> None:
    build_impact_index(write_vectors(tmp_path / "out", [ImpactVector("a", {"x": 1})]), tmp_path / "index")
    segments = next((tmp_path / "index").glob("segments_*"))
    segments.write_bytes(segments.read_bytes()[:20])
    with pytest.raises(IndexMismatchError, match="cannot be opened") as caught:
        ImpactIndexSearcher(tmp_path / "index")
    assert "\n" not in str(caught.value)
