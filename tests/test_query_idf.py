"""Query weights times idf to a power: exact, from the index's own document frequencies, and written down."""

from __future__ import annotations

import json
import math
import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from splade_lucene.cli.main import main
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.errors import IndexMismatchError
from splade_lucene.evaluation.results import read_results
from splade_lucene.evaluation.runs import read_run
from splade_lucene.integrations.pyserini import IndexQueryEncoder
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.lucene.updating import update_impact_index
from splade_lucene.pipeline.encode import encode_collection
from splade_lucene.pipeline.query_encoder import bind_encoder
from splade_lucene.pipeline.search import ImpactSearcher, open_searcher, search_queries
from splade_lucene.records import ImpactVector, Passage, Query
from splade_lucene.vectors.reader import read_vectors
from tests import small_indexes
from tests.oracle import brute_force

PASSAGES = [*small_indexes.PASSAGES, Passage("list", "A list holds items in the order of their insertion.")]
QUERIES = [Query("q1", "why does glass break"), Query("q2", "search engine library"), Query("q3", "insert into sorted list")]


@pytest.fixture(scope="module")
def folder(tiny: SpladeModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_indexes.make_small_indexes(tiny, tmp_path_factory.mktemp("idf"), PASSAGES)


def expected(model: SpladeModel, text: str, vectors: list[ImpactVector], power: float, top_k: int | None = None) -> dict[str, int]:
    """By the formula: round(weight × ln(1 + (n - df + 0.5) / (df + 0.5)) ^ power × scale)."""
    frequencies = Counter(token for vector in vectors for token in vector.vector)
    (weights,) = model.query_weights([text], max_length=16)
    products = {
        token: weight * math.log(1 + (len(vectors) - frequencies[token] + 0.5) / (frequencies[token] + 0.5)) ** power
        for token, weight in weights.items()
    }
    kept = sorted(products, key=lambda token: -products[token])[:top_k]
    impacts = {token: round(products[token] * 50) for token in products if token in kept}
    return {token: impact for token, impact in impacts.items() if impact}


@pytest.mark.parametrize("top_k", [None, 4])
@pytest.mark.parametrize("power", [0.25, 1.5])
def test_scores_are_the_brute_force_dot_products_of_the_multiplied_query(
    folder: Path, tiny: SpladeModel, power: float, top_k: int | None
) -> None:
    vectors = list(read_vectors(folder / "out"))
    with ImpactSearcher(folder / "index", model=tiny, query_idf=power, query_top_k=top_k) as searcher:
        for query in QUERIES:
            impacts = expected(tiny, query.text, vectors, power, top_k)
            assert searcher.terms(query.text) == impacts
            assert searcher.search(query.text) == brute_force(vectors, impacts, 10)
    with ImpactSearcher(folder / "index", model=tiny, query_top_k=top_k) as plain:
        assert plain.terms(QUERIES[0].text) != expected(tiny, QUERIES[0].text, vectors, power, top_k)


def test_the_largest_products_are_kept_not_the_largest_weights(folder: Path, tiny: SpladeModel) -> None:
    with (
        ImpactSearcher(folder / "index", model=tiny, query_top_k=3) as plain,
        ImpactSearcher(folder / "index", model=tiny, query_top_k=3, query_idf=3) as searcher,
    ):
        assert any(plain.terms(query.text).keys() != searcher.terms(query.text).keys() for query in QUERIES)


def test_a_handful_of_queries_without_torch_and_a_copied_searcher_give_the_same(folder: Path, tiny: SpladeModel) -> None:
    with ImpactSearcher(folder / "index", model=tiny, query_idf=0.25) as searcher:
        run = search_queries(searcher, QUERIES).run
    with ImpactSearcher(folder / "index", query_idf=0.25, device="cpu") as light:
        found = search_queries(light, QUERIES)
        assert found.run == run
        with pickle.loads(pickle.dumps(light)) as copy:
            assert copy.query_idf == 0.25
            assert search_queries(copy, QUERIES).run == run


def test_deleted_documents_do_not_count(folder: Path, tiny: SpladeModel, tmp_path: Path) -> None:
    build_impact_index(folder / "out", tmp_path / "index")
    (tmp_path / "gone").write_text("list\nheat\n")
    update_impact_index(tmp_path / "index", delete=tmp_path / "gone", optimize=False)
    left = [vector for vector in read_vectors(folder / "out") if vector.doc_id not in {"list", "heat"}]
    with ImpactSearcher(tmp_path / "index", model=tiny, query_idf=0.5) as searcher:
        assert searcher.terms(QUERIES[2].text) == expected(tiny, QUERIES[2].text, left, 0.5)


def test_parts_have_the_frequencies_of_the_whole(folder: Path, tiny: SpladeModel, tmp_path: Path) -> None:
    for number, some in enumerate((PASSAGES[:2], PASSAGES[2:])):
        encode_collection(some, tmp_path / f"out{number}", tiny, max_length=32, query_max_length=16, scale=50)
        build_impact_index(tmp_path / f"out{number}", tmp_path / f"index{number}")
    with (
        ImpactSearcher(folder / "index", model=tiny, query_idf=0.25) as whole,
        ImpactSearcher([tmp_path / "index0", tmp_path / "index1"], model=tiny, query_idf=0.25) as parts,
    ):
        for query in QUERIES:
            assert parts.terms(query.text) == whole.terms(query.text)
            assert parts.search(query.text) == whole.search(query.text)


def test_the_query_model_idf_has_one_power_more(tiny: SpladeModel, tmp_path: Path) -> None:
    model = SpladeModel.load("tiny", query_model="idf", device="cpu")
    encode_collection(PASSAGES, tmp_path / "out", model, max_length=32, scale=50)
    build_impact_index(tmp_path / "out", tmp_path / "index")
    vectors = list(read_vectors(tmp_path / "out"))
    frequencies = Counter(token for vector in vectors for token in vector.vector)
    with ImpactSearcher(tmp_path / "index", query_idf=0.5) as searcher:
        impacts = searcher.terms("insert into sorted list")
        idf = {token: math.log(1 + (5 - frequencies[token] + 0.5) / (frequencies[token] + 0.5)) for token in impacts}
        assert impacts == {token: max(1, round(50 * value**1.5)) for token, value in idf.items()} != {}


def test_the_run_says_so(folder: Path, tmp_path: Path) -> None:
    queries = tmp_path / "queries.tsv"
    queries.write_text("".join(f"{query.query_id}\t{query.text}\n" for query in QUERIES))
    with ImpactSearcher(folder / "index", query_idf=0.25, device="cpu") as searcher:
        run = search_queries(searcher, QUERIES).run
    out = tmp_path / "run.trec"
    assert main(["search", str(folder / "index"), str(queries), str(out), "--query-idf", ".25", "--device", "cpu"]) == 0
    assert read_run(out) == run
    assert json.loads(out.with_name("run.trec.json").read_text())["encoder"]["query_idf"] == 0.25


def test_where_it_cannot_apply_it_is_refused(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny: SpladeModel) -> None:
    with pytest.raises(IndexMismatchError, match="is a BM25 index, whose scores have idf in them already; leave --query-idf out"):
        open_searcher(folder / "bm25", query_idf=0.25)
    with pytest.raises(SystemExit, match="2"):
        main(["search", "--engine", "opensearch://localhost:9200/x", "queries", "run", "--query-idf", ".25"])
    assert "--query-idf needs document frequencies, which --engine does not tell" in capsys.readouterr().err
    for power in ("0", "-1", "nan", "inf"):
        with pytest.raises(SystemExit, match="2"):
            main(["search", str(folder / "index"), "queries", "run", "--query-idf", power])
    for bad in (0, -0.5, math.nan, math.inf, True):
        with pytest.raises(ValueError, match="query_idf is a power and must be a number above 0"):
            ImpactSearcher(folder / "index", model=tiny, query_idf=bad)
    with ImpactSearcher(folder / "index", model=tiny) as searcher:
        record = searcher.encoder_record.with_queries(idf=0.25)
    with pytest.raises(IndexMismatchError, match="does not tell in how many documents a token is"):
        bind_encoder(record, "elsewhere", model=tiny)


def test_pyserinis_encoder_needs_the_index_no_more_once_it_is_made(folder: Path, tiny: SpladeModel) -> None:
    encoder = IndexQueryEncoder(folder / "index", query_idf=0.25, device="cpu")
    with ImpactSearcher(folder / "index", model=tiny, query_idf=0.25) as searcher:
        assert [encoder.encode(query.text) for query in QUERIES] == [searcher.terms(query.text) for query in QUERIES]


def test_pyterriers_retriever_multiplies_what_it_encodes_itself(folder: Path, tiny: SpladeModel) -> None:
    pytest.importorskip("pyterrier", reason="pyterrier is not installed: pip install 'splade_lucene[pyterrier]'")
    import pandas as pd

    from splade_lucene.integrations.pyterrier import ImpactRetriever

    retriever = ImpactRetriever(folder / "index", model=tiny, query_idf=0.25)
    frame = retriever.transform(pd.DataFrame([{"qid": "q1", "query": QUERIES[0].text}]))
    with ImpactSearcher(folder / "index", model=tiny, query_idf=0.25) as searcher:
        hits = searcher.search(QUERIES[0].text)
    assert [(row.docno, row.score) for row in frame.itertuples()] == [tuple(hit) for hit in hits]
    encoded = retriever.transform(pd.DataFrame([{"qid": "q1", "query_toks": {"glass": 3}}]))
    assert np.all(encoded["score"] == retriever.searcher().search_impacts({"glass": 3})[0].score)


def test_an_evaluation_searches_again_with_another_power_and_encodes_only_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    collection = tmp_path / "toy"
    (collection / "qrels").mkdir(parents=True)
    rows = [{"_id": passage.doc_id, "title": passage.title, "text": passage.text} for passage in PASSAGES]
    (collection / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (collection / "queries.jsonl").write_text("".join(json.dumps({"_id": q.query_id, "text": q.text}) + "\n" for q in QUERIES))
    (collection / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\tglass\t1\nq2\tlucene\t1\nq3\tsort\t1\n")
    command = ["beir", str(collection), "--output", str(tmp_path / "out"), "--model", "tiny", "--systems", "splade", "--device", "cpu"]
    assert main(command) == 0
    before = read_run(tmp_path / "out" / "toy" / "runs" / "splade-tiny.trec")
    capsys.readouterr()
    assert main([*command, "--query-idf", "2"]) == 0
    said = capsys.readouterr()
    assert "the index splade-tiny is there" in said.err
    assert "the run splade-tiny is written" in said.err
    assert "SPLADE tiny, queries × idf^2" in said.out
    assert "query weights times idf^2" in said.out
    assert read_run(tmp_path / "out" / "toy" / "runs" / "splade-tiny.trec") != before
    assert read_results(tmp_path / "out").system("splade-tiny").record.query_idf == 2
