from __future__ import annotations

import gzip
import math
import re
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import pytest

from splade_lucene.errors import InputError, SpladeLuceneError
from splade_lucene.evaluation.cost import Latency, flops, latency
from splade_lucene.evaluation.fusion import fuse
from splade_lucene.evaluation.measures import DEFAULT_MEASURES, parse_measures, score_run
from splade_lucene.evaluation.runs import Run, read_notes, read_run, write_run
from splade_lucene.evaluation.table import cost_columns, markdown_table
from splade_lucene.records import Hit, Qrel
from tests.vector_factory import ENCODER

RUN: Run = {
    "q2": [Hit("d9", 161287.0), Hit("d10", 161287.0), Hit("d1", 7.0)],
    "q1": [Hit("d1", 0.1 + 0.2), Hit("d2", 1e-17), Hit("d3", 0.0), Hit("d4", -2.5)],
}
QRELS = [Qrel("q1", "a", 2), Qrel("q1", "b", 1), Qrel("q1", "z", 0), Qrel("q2", "c", 1)]
HITS: Run = {"q1": [Hit("z", 3.0), Hit("a", 2.0), Hit("b", 1.0)], "unjudged": [Hit("c", 9.0)]}
BAD_SCORES = ("high", "nan", "inf", "-inf", "infinity", "1e999", "1_000", "0x10", "1,5", "１")
NOTES: dict[str, Any] = {
    "documents": 5183,
    "index_bytes": 12_345_678,
    "search_ms": {"mean": 3.14159, "p50": 3.0, "p99": 9.0},
    "encode_ms": 7.26,
    "flops": 1.234,
    "terms_per_query": 24.5,
    "terms_per_document": 130.25,
    "settings": {"max_length": 128},
    "encoder": replace(ENCODER, query_max_length=24).to_json(),
}


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    write_run(tmp_path / "a.trec", RUN, tag="tag")
    assert read_run(tmp_path / "a.trec") == RUN
    assert list(read_run(str(tmp_path / "a.trec"))) == ["q2", "q1"]


def test_whole_scores_are_written_without_a_point(tmp_path: Path) -> None:
    write_run(tmp_path / "a.trec", {"q1": [Hit("d1", 161287.0), Hit("d2", 2.5), Hit("d3", 0.0)]}, tag="tag")
    assert (tmp_path / "a.trec").read_text() == "q1 Q0 d1 1 161287 tag\nq1 Q0 d2 2 2.5 tag\nq1 Q0 d3 3 0 tag\n"


@pytest.mark.parametrize("packed", [False, True])
def test_hits_are_ordered_by_score_and_docid_whatever_their_ranks(tmp_path: Path, packed: bool) -> None:
    text = "q1 Q0 a 1 1 t\r\n\r\nq2\tQ0\tx\t1\t-.5\tt\r\nq1 Q0 b 2 2e1 t\r\nq1 Q0 c 9 1 t"
    file = tmp_path / ("a.trec.gz" if packed else "a.trec")
    file.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
    assert read_run(file) == {"q1": [Hit("b", 20.0), Hit("c", 1.0), Hit("a", 1.0)], "q2": [Hit("x", -0.5)]}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("q1 Q0 d2 2 1.5", "5 columns; a run has 6: query Q0 document rank score tag"),
        ("q1 Q0 d2 2 1.5 my tag", "7 columns"),
        *((f"q1 Q0 d2 2 {score} tag", f"the score '{score}' is not a finite number") for score in BAD_SCORES),
        ("q1 Q0 d\x002 2 1.5 tag", r"the id 'd\\x002' cannot be used"),
        ("q1 Q0 d1 2 1.5 tag", "query 'q1' has the document 'd1' twice"),
    ],
)
def test_lines_that_are_no_hits_are_refused_with_their_place(tmp_path: Path, line: str, reason: str) -> None:
    file = tmp_path / "a.trec"
    file.write_text(f"q1 Q0 d1 1 2.5 tag\n\n{line}\n")
    with pytest.raises(InputError, match=f"^{re.escape(str(file))}, line 3: {reason}"):
        read_run(file)


def test_a_run_that_is_empty_or_absent_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.trec").write_text("\n")
    with pytest.raises(InputError, match="holds no hits"):
        read_run(tmp_path / "a.trec")
    with pytest.raises(InputError, match="cannot be read"):
        read_run(tmp_path / "absent.trec")


def test_notes_stand_beside_the_run_and_are_read_back(tmp_path: Path) -> None:
    write_run(tmp_path / "a.trec", RUN, tag="tag", notes=NOTES)
    notes = read_notes(str(tmp_path / "a.trec"))
    assert len(notes.pop("sha256")) == 64
    assert notes == NOTES
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.trec", "a.trec.json"]


def test_notes_of_a_run_that_was_changed_are_dropped(tmp_path: Path) -> None:
    write_run(tmp_path / "a.trec", RUN, tag="tag", notes=NOTES)
    write_run(tmp_path / "a.trec", RUN, tag="other")
    assert read_notes(tmp_path / "a.trec") == {}


@pytest.mark.parametrize("text", [None, "{}", "[]", "{", '{"sha256": null}'])
def test_without_notes_of_ours_nothing_is_known(tmp_path: Path, text: str | None) -> None:
    write_run(tmp_path / "a.trec", RUN, tag="tag")
    if text is not None:
        (tmp_path / "a.trec.json").write_text(text)
    assert read_notes(tmp_path / "a.trec") == {}


NDCG = (2 / math.log2(3) + 1 / math.log2(4)) / (2 / math.log2(2) + 1 / math.log2(3))


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        ("nDCG@10", NDCG),
        ("nDCG@2", 2 / math.log2(3) / (2 + 1 / math.log2(3))),
        ("R@2", 1 / 2),
        ("R@100", 1.0),
        ("RR@10", 1 / 2),
        ("RR@1", 0.0),
        ("AP", (1 / 2 + 2 / 3) / 2),
        ("P@5", 2 / 5),
        ("RR(rel=2)@10", 1 / 2),
    ],
)
def test_measures_have_their_textbook_values_and_a_missing_query_counts_0(measure: str, value: float) -> None:
    scores = score_run(HITS, QRELS, measure)
    assert scores.queries == {measure: {"q1": pytest.approx(value), "q2": 0.0}}
    assert scores.mean == {measure: pytest.approx(value / 2)}


@pytest.mark.parametrize("names", ["P@5 nDCG@10 AP R@2", "R@2 AP nDCG@10 P@5", DEFAULT_MEASURES])
def test_means_come_in_the_order_asked_for(names: str) -> None:
    scores = score_run(HITS, QRELS, names)
    assert list(scores.mean) == list(scores.queries) == names.split()


def test_a_run_without_any_judged_query_scores_0() -> None:
    assert score_run({}, QRELS, "AP R@10").mean == {"AP": 0.0, "R@10": 0.0}


# P@0 and nDCG@0 abort the whole process once trec_eval gets them, so they are only parsed here.
@pytest.mark.parametrize("name", ["foo@10", "nDCG@", "nDCG@x", "nDCG@10,AP", "P(", "1", "__import__('os')", "", "P@0", "nDCG@0"])
def test_unknown_measures_are_refused(name: str) -> None:
    with pytest.raises(SpladeLuceneError, match=re.escape(repr(name)) if name else "no measures given"):
        parse_measures(f"AP {name}" if name else name)


@pytest.mark.parametrize("name", ["P", "R", "nDCG(foo=1)@10", "nDCG@1.5", "alpha_nDCG@10"])
def test_measures_that_cannot_be_computed_are_refused(name: str) -> None:
    with pytest.raises(SpladeLuceneError, match=re.escape(name)):
        score_run(HITS, QRELS, f"AP {name}")


def test_flops_are_the_mean_overlap_of_a_query_and_a_document() -> None:
    queries = [{"a": 3, "b": 1}, {"b": 2, "c": 9, "none": 1}, {}]
    documents = [{"a", "b"}, {"b"}, {"b", "c", "x"}, set[str](), {"x"}]
    frequencies = {term: sum(term in document for document in documents) for term in ("a", "b", "c", "x", "none")}
    naive = sum(len(query.keys() & document) for query in queries for document in documents) / len(queries) / len(documents)
    assert flops(queries, frequencies, len(documents)) == pytest.approx(naive)
    assert flops(iter(queries), frequencies, len(documents)) == pytest.approx(naive)


@pytest.mark.parametrize(("queries", "documents"), [([], 5), ([{"a": 1}], 0)])
def test_without_queries_or_documents_flops_are_0(queries: list[dict[str, int]], documents: int) -> None:
    assert flops(queries, {"a": 1}, documents) == 0.0


def test_latency_is_in_milliseconds() -> None:
    seconds = [((7 * number) % 101) / 1000 for number in range(101)]  # 0 to 100 ms, shuffled
    assert astuple(latency(seconds)) == pytest.approx((50.0, 50.0, 99.0))
    assert astuple(latency([0.002, 0.001])) == pytest.approx((1.5, 1.5, 1.99))  # between two values, in proportion
    assert latency([]) == Latency(0.0, 0.0, 0.0)


def test_fusion_adds_normalised_scores_by_weight() -> None:
    first = {"q": [Hit("a", 9.0), Hit("b", 6.0), Hit("c", 5.0)]}
    second = {"q": [Hit("c", 30.0), Hit("d", 20.0), Hit("b", 10.0)]}
    fused = fuse(first, second, weight=0.75)["q"]
    assert [hit.doc_id for hit in fused] == ["a", "c", "b", "d"]
    assert [hit.score for hit in fused] == pytest.approx([0.75, 0.25, 0.75 * 0.25, 0.25 * 0.5])


def test_fusion_keeps_the_queries_of_either_run() -> None:
    only = [Hit("a", 4.0), Hit("b", 2.0)]
    fused = fuse({"q1": only, "q3": []}, {"q2": only}, weight=0.25)
    assert fused == {"q1": [Hit("a", 0.25), Hit("b", 0.0)], "q3": [], "q2": [Hit("a", 0.75), Hit("b", 0.0)]}


@pytest.mark.parametrize("score", [0.0, -3.0, 7.0])
def test_constant_scores_count_as_the_best_there_is(score: float) -> None:
    fused = fuse({"q": [Hit("b", score), Hit("a", score)]}, {"q": [Hit("c", 2.0), Hit("a", 1.0)]})
    assert fused == {"q": [Hit("a", 0.5), Hit("b", 0.5), Hit("c", 0.5)]}


def test_fusion_cuts_after_ordering_equal_scores_by_docid() -> None:
    assert fuse({"q": [Hit("z", 2.0), Hit("y", 1.0)]}, {"q": [Hit("b", 2.0), Hit("x", 1.0)]}, k=3) == {
        "q": [Hit("b", 0.5), Hit("z", 0.5), Hit("x", 0.0)]
    }


def test_the_cost_of_an_impact_run_names_its_lengths() -> None:
    assert cost_columns(NOTES) == {
        "documents": "5,183",
        "index MB": "12.35",
        "search ms": "3.0",
        "encode ms": "7.3",
        "FLOPS": "1.23",
        "lengths": "128/24",
    }


def test_a_bm25_run_has_no_encoder_to_pay_for() -> None:
    notes = {key: value for key, value in NOTES.items() if key not in {"encoder", "encode_ms"}}
    assert cost_columns(notes) == {**cost_columns(NOTES), "encode ms": "0", "lengths": "-"}


def test_what_is_not_known_of_another_engines_run_is_a_dash() -> None:
    notes = {key: value for key, value in NOTES.items() if key not in {"index_bytes", "terms_per_document", "flops"}}
    assert cost_columns(notes) == {**cost_columns(NOTES), "index MB": "-", "FLOPS": "-"}


def test_without_notes_every_cost_is_a_dash() -> None:
    assert list(cost_columns({})) == list(cost_columns(NOTES))
    assert set(cost_columns({}).values()) == {"-"}


def test_the_table_is_markdown_with_the_first_column_to_the_left() -> None:
    table = markdown_table([{"system": "BM25", "nDCG@10": "0.6790"}, {"system": "SPLADE++", "nDCG@10": "0.7"}])
    assert table.splitlines() == [
        "| system   |   nDCG@10 |",
        "|:---------|----------:|",
        "| BM25     |    0.6790 |",
        "| SPLADE++ |       0.7 |",
    ]
