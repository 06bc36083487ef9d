"""Records of ir_datasets and ir_measures, the real classes, wherever ours are taken; and ours where theirs are."""

from __future__ import annotations

import doctest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from splade_lucene.collections.queries import read_qrels
from splade_lucene.core import ir_adapters
from splade_lucene.core.ir_adapters import as_passages, as_qrels, as_queries, as_run, ir_qrels, scored_docs
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.errors import InputError
from splade_lucene.evaluation.fusion import fuse
from splade_lucene.evaluation.measures import score_run
from splade_lucene.evaluation.runs import read_run, write_run
from splade_lucene.lucene.bm25_indexing import build_bm25_index
from splade_lucene.lucene.bm25_searcher import Bm25Searcher
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.pipeline.encode import encode_collection
from splade_lucene.pipeline.search import ImpactSearcher, search_queries
from splade_lucene.pipeline.timing import query_times
from splade_lucene.records import Hit, Passage, Qrel, Query
from splade_lucene.vectors.reader import read_vectors

ir_datasets: Any = pytest.importorskip("ir_datasets", reason="ir_datasets is an extra: pip install 'splade_lucene[ir_datasets]'")
ir_measures: Any = pytest.importorskip("ir_measures")

DOCS = {"d1": "Thermal stress breaks a glass pane.", "d2": "Lucene is a search library.", "d3": "Insert an item in a sorted list."}
QUERIES = {"q1": "why does glass break", "q2": "search engine"}
QRELS = [("q1", "d1", 2), ("q2", "d2", 1), ("q2", "d3", 0)]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A data set of ir_datasets from local files, registered under a name as its own are."""
    folder = tmp_path_factory.mktemp("ir_datasets")
    for name, rows in (("docs", DOCS.items()), ("queries", QUERIES.items())):
        (folder / name).write_text("".join("\t".join(row) + "\n" for row in rows))
    (folder / "qrels").write_text("".join(f"{query_id} 0 {doc_id} {relevance}\n" for query_id, doc_id, relevance in QRELS))
    made = ir_datasets.create_dataset(*(str(folder / name) for name in ("docs", "queries", "qrels")))
    ir_datasets.registry.register("splade_lucene-test", made)
    return ir_datasets.load("splade_lucene-test")


def test_a_data_set_goes_the_whole_way(dataset: Any, tiny: SpladeModel, tmp_path: Path) -> None:
    encode_collection(dataset, tmp_path / "out", tiny)
    ours = [Passage(doc_id, text) for doc_id, text in DOCS.items()]
    assert [(each.doc_id, each.vector) for each in read_vectors(tmp_path / "out")] == list(
        zip(DOCS, tiny.encode_documents(list(DOCS.values())), strict=True)
    )
    build_impact_index(tmp_path / "out", tmp_path / "splade")
    build_bm25_index(dataset.docs_iter(), tmp_path / "bm25")
    build_bm25_index(ours, tmp_path / "bm25-ours")
    queries = [Query(query_id, text) for query_id, text in QUERIES.items()]
    with ImpactSearcher(tmp_path / "splade", model=tiny) as searcher:
        result = search_queries(searcher, dataset)
        assert result.run == search_queries(searcher, queries).run
        assert query_times(searcher, dataset.queries_iter()).keys() == QUERIES.keys()
    with Bm25Searcher(tmp_path / "bm25") as searcher, Bm25Searcher(tmp_path / "bm25-ours") as other:
        assert search_queries(searcher, dataset.queries_iter()).run == search_queries(other, queries).run
    hits = list(result.scored_docs())
    assert all(type(hit) is ir_measures.ScoredDoc for hit in hits)
    assert [(hit.doc_id, hit.score) for hit in hits if hit.query_id == "q1"] == result.run["q1"]
    means = score_run(result.run, dataset, "nDCG@10 RR@10").mean
    assert means == score_run(iter(hits), dataset.qrels_iter(), "nDCG@10 RR@10").mean
    official = ir_measures.calc_aggregate([ir_measures.nDCG @ 10, ir_measures.RR @ 10], dataset.qrels_iter(), result.scored_docs())
    assert means == {str(measure): value for measure, value in official.items()}
    assert means["RR@10"] == 1


def test_documents_with_title_and_text_are_taken_apart_and_others_taken_whole() -> None:
    from ir_datasets.datasets.beir import BeirTitleDoc
    from ir_datasets.datasets.msmarco_document import MsMarcoDocument
    from ir_datasets.formats import GenericDoc

    found = as_passages(
        [
            BeirTitleDoc("1", "text", "title"),
            BeirTitleDoc("2", "text", ""),
            GenericDoc("3", "text"),
            MsMarcoDocument("4", "http://x", "title", "body"),
            Passage("5", "text", "title"),
        ]
    )
    default = MsMarcoDocument("4", "http://x", "title", "body").default_text()
    assert "body" in default
    assert list(found) == [
        Passage("1", "text", "title"),
        Passage("2", "text"),
        Passage("3", "text"),
        Passage("4", default),
        Passage("5", "text", "title"),
    ]


def test_queries_of_several_fields_are_their_default_text() -> None:
    from ir_datasets.formats import GenericQuery, TrecQuery

    topic = TrecQuery("301", "organized crime", "description", "narrative")
    assert list(as_queries([topic, GenericQuery("q", "text"), Query("r", "text")])) == [
        Query("301", topic.default_text()),
        Query("q", "text"),
        Query("r", "text"),
    ]


def test_judgments_of_every_kind_are_the_same(dataset: Any) -> None:
    expected = [Qrel(*qrel) for qrel in QRELS]
    nested = {"q1": {"d1": 2}, "q2": {"d2": 1, "d3": 0}}
    sources: list[Any] = [expected, dataset, list(dataset.qrels_iter()), [ir_measures.Qrel(*each) for each in QRELS], nested]
    for source in (*sources, ir_qrels(nested)):
        assert list(as_qrels(source)) == expected
    assert all(type(qrel) is ir_measures.Qrel for qrel in ir_qrels(expected))


def test_ir_measures_takes_our_judgments_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "qrels").write_text("q1 0 d1 1\nq1 0 d2 0\n")
    run = scored_docs({"q1": [Hit("d2", 2.0), Hit("d1", 1.0)]})
    assert ir_measures.calc_aggregate([ir_measures.RR], read_qrels(tmp_path / "qrels"), run) == {ir_measures.RR: 0.5}


def test_runs_of_every_kind_are_the_same(tmp_path: Path) -> None:
    ours = {"q1": [Hit("b", 2.0), Hit("a", 2.0), Hit("c", 1.0)], "q2": [Hit("a", 1.0)]}
    theirs = [ir_measures.ScoredDoc(*row) for row in (("q1", "a", 2.0), ("q1", "c", 1), ("q1", "b", 2.0), ("q2", "a", 1.0))]
    nested = {query_id: {hit.doc_id: hit.score for hit in reversed(hits)} for query_id, hits in ours.items()}

    class Runs:
        def scoreddocs_iter(self) -> Iterator[Any]:
            return (ir_datasets.formats.GenericScoredDoc(*each) for each in theirs)

    sources: list[Any] = [ours, theirs, nested, Runs()]
    for number, source in enumerate(sources):
        assert as_run(source) == ours
        write_run(tmp_path / str(number), source, tag="x")
        assert read_run(tmp_path / str(number)) == ours
        assert fuse(source, source) == fuse(ours, ours)
    assert as_run({"q": [Hit("b", 1.0), Hit("a", 2.0)]}) == {"q": [Hit("b", 1.0), Hit("a", 2.0)]}


def test_records_that_are_none_are_named() -> None:
    text: Any = ["just a text"]
    takes: list[tuple[Any, str]] = [
        (as_passages, "a passage"),
        (as_queries, "a query"),
        (as_qrels, "a judgment"),
        (as_run, "a scored document"),
    ]
    for take, what in takes:
        with pytest.raises(TypeError, match=f"{what}.*'just a text'"):
            list(take(text))


def test_ids_that_cannot_be_used_or_come_twice_are_refused(tiny: SpladeModel, tmp_path: Path) -> None:
    from ir_datasets.formats import GenericDoc, GenericQuery

    with pytest.raises(InputError, match="the id 'two words' cannot be used"):
        encode_collection([GenericDoc("two words", "text")], tmp_path / "out", tiny)
    with pytest.raises(InputError, match="duplicate id '1'"):
        build_bm25_index([GenericDoc("1", "text"), GenericDoc("1", "other")], tmp_path / "bm25")
    with pytest.raises(InputError, match="cannot be used"):
        list(as_queries([GenericQuery("", "text")]))
    with pytest.raises(InputError, match="'d' twice"):
        as_run([ir_measures.ScoredDoc("q", "d", 1.0), ir_measures.ScoredDoc("q", "d", 2.0)])
    assert list(tmp_path.iterdir()) == []


def test_the_example_of_the_docstring_is_true() -> None:
    assert doctest.testmod(ir_adapters).failed == 0
