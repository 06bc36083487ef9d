"""Every measure sees the ranking that trec_eval sees, whichever provider of ir_measures computes it."""

from __future__ import annotations

import random
import shutil
from typing import Any

import ir_measures
import numpy as np
import pytest

from splade_lucene.errors import InputError, SpladeLuceneError
from splade_lucene.evaluation.measures import parse_measures, score_run
from splade_lucene.evaluation.ranking import trec_order
from splade_lucene.records import Hit, Qrel

# At least one of each measure of ir_measures that we take, with the parameters that change who computes it.
MEASURES = (
    "Accuracy Accuracy@1 Accuracy@5 AP AP@10 AP(rel=2) AP(judged_only=True)@5 Bpref Bpref(rel=2) Compat Compat(p=0.8) "
    "Compat(normalize=False) ERR@5 ERR@20 infAP IPrec@0.2 IPrec@0.5 Judged Judged@5 nDCG nDCG@5 nDCG(judged_only=True)@5 "
    "nDCG(dcg='exp-log2')@5 nDCG(gains={1:3})@5 NumQ NumRel NumRet NumRelRet NumRet(rel=2) P@5 P(rel=2,judged_only=True)@3 R@5 R(rel=2)@5 "
    "Rprec RR RR@5 RR@10 RR(rel=2)@5 RR(rel=2) RR(judged_only=True) SetP SetRelP SetR SetF SetF(beta=2.) SetAP Success@1 Success@5 "
    "RBP(rel=1) RBP(rel=1,p=0.5) BPM(max_rel=4)@10 SDCG(max_rel=4)@10 NERR8(max_rel=4)@10 NERR9(max_rel=4)@10 NERR10(max_rel=4) "
    "NERR11(max_rel=4) INST(max_rel=4) INSQ(max_rel=4)"
)
SUBTOPICS = {"ERR_IA", "nERR_IA", "alpha_DCG", "alpha_nDCG", "NRBP", "nNRBP", "AP_IA", "P_IA", "StRecall"}
perl = pytest.mark.skipif(shutil.which("perl") is None, reason="gdeval, ir_measures' provider of ERR, is a Perl script")


def full_of_ties() -> tuple[dict[str, list[Hit]], dict[str, list[Hit]], list[Qrel]]:
    """A run of few scores, some apart only beyond a float, and the same run as trec_eval orders it, with scores apart."""
    rng = random.Random(1)
    documents = [f"D-{number}" for number in range(40)]
    tied, apart, qrels = {}, {}, []
    for query_id in ("PLAIN-1", "MED-1", "two words", "7"):
        hits = [Hit(each, rng.choice([16777216.0, 16777217.0, 3.0, 3.0000000001, -1.0])) for each in rng.sample(documents, 30)]
        ordered = sorted(hits, key=lambda hit: (np.float32(hit.score), hit.doc_id), reverse=True)
        tied[query_id] = hits
        apart[query_id] = [Hit(hit.doc_id, 1000.0 - rank) for rank, hit in enumerate(ordered)]
        qrels += [Qrel(query_id, each, rng.choice([0, 1, 1, 2, 3])) for each in rng.sample(documents, 20)]
    return tied, apart, [*qrels, Qrel("without hits", "D-1", 1)]


@perl
def test_ties_are_the_same_as_the_order_of_trec_eval_made_explicit_in_every_measure() -> None:
    pytest.importorskip("cwl", reason="cwl-eval computes some of them")
    tied, apart, qrels = full_of_ties()
    found, expected = score_run(tied, qrels, MEASURES), score_run(apart, qrels, MEASURES)
    assert found == expected
    assert len(found.mean) == len(MEASURES.split())
    # A wrong order would show: with docids upside down most of them differ.
    swapped = {query_id: [Hit(hit.doc_id, hit.score) for hit in hits] for query_id, hits in tied.items()}
    for query_id, hits in swapped.items():
        hits.sort(key=lambda hit: (-np.float32(hit.score), hit.doc_id))
        swapped[query_id] = [Hit(hit.doc_id, 1000.0 - rank) for rank, hit in enumerate(hits)]
    other = score_run(swapped, qrels, MEASURES).mean
    same = {name for name in other if other[name] == found.mean[name]}
    assert all(name.startswith(("Num", "Set", "Success", "Judged", "IPrec")) for name in same), same


def test_the_values_of_an_explicit_order_are_those_of_ir_measures_itself() -> None:
    pytest.importorskip("cwl", reason="cwl-eval computes some of them")
    _, apart, qrels = full_of_ties()
    scored = [ir_measures.ScoredDoc(query_id, *hit) for query_id, hits in apart.items() for hit in hits]
    judged = [ir_measures.Qrel(*qrel) for qrel in qrels]
    # Of those left out Accuracy divides by zero, and gdeval fails on these ids.
    names = [name for name in MEASURES.split() if not name.startswith(("Accuracy", "ERR", "nDCG(dcg"))]
    found = score_run(apart, qrels, " ".join(names)).mean
    for measure in parse_measures(" ".join(names)):
        assert found[str(measure)] == pytest.approx(measure.calc_aggregate(judged, scored)), measure


def test_all_measures_of_ir_measures_are_taken_or_refused_with_a_reason() -> None:
    tested = {measure.NAME for measure in parse_measures(MEASURES)}
    for name, measure in ir_measures.measures.registry.items():
        if measure.NAME in SUBTOPICS:
            with pytest.raises(SpladeLuceneError, match="judgments of subtopics"):
                parse_measures(f"{name}@5" if "cutoff" in measure.SUPPORTED_PARAMS else name)
        else:
            assert measure.NAME in tested


def test_twelve_equal_scores_count_from_the_highest_docid() -> None:
    run = {"q": [Hit(f"d{number:02}", 5.0) for number in range(1, 13)]}
    scores = score_run(run, [Qrel("q", "d01", 1)], "nDCG@10 RR@10 RR P@10 Judged@1").mean
    assert scores == {"nDCG@10": 0.0, "RR@10": 0.0, "RR": pytest.approx(1 / 12), "P@10": 0.0, "Judged@1": 0.0}


def test_scores_that_are_equal_as_c_floats_are_equal() -> None:
    assert trec_order([Hit("a", 16777217.0), Hit("b", 16777216.0), Hit("c", 16777218.0)]) == ["c", "b", "a"]
    assert trec_order([Hit("a", 1e300), Hit("b", 1e39), Hit("c", -1e300)]) == ["b", "a", "c"]
    assert score_run({"q": [Hit("a", 1.000000001), Hit("b", 1.0)]}, [Qrel("q", "b", 1)], "RR@10 RR").mean == {"RR@10": 1.0, "RR": 1.0}


@perl
@pytest.mark.parametrize(
    "ids", [("1", "2", "11", "12"), ("PLAIN-1", "PLAIN-2", "d-1", "d-2"), ("PLAIN-1", "MED-1", "x-1", "y-1"), ("q", "ü q", "a", "b c")]
)
def test_gdeval_gives_the_same_whatever_the_ids(ids: tuple[str, str, str, str]) -> None:
    first, second, one, two = ids
    run = {first: [Hit(one, 2.0), Hit(two, 1.0)], second: [Hit(one, 2.0), Hit(two, 1.0)]}
    qrels = [Qrel(first, one, 1), Qrel(first, two, 2), Qrel(second, two, 4)]
    scores = score_run(run, qrels, "ERR@20 nDCG(dcg='exp-log2')@10")
    # Chapelle et al., CIKM 2009, with 4 as the highest grade; to five digits, as gdeval prints them.
    assert scores.queries["ERR@20"] == {
        first: pytest.approx(1 / 16 + 15 / 16 * 3 / 16 / 2, abs=1e-5),
        second: pytest.approx(15 / 32, abs=1e-5),
    }
    log = np.log2([2, 3])
    ideal, found = (3 / log[0] + 1 / log[1]), (1 / log[0] + 3 / log[1])
    assert scores.queries["nDCG(dcg='exp-log2')@10"][first] == pytest.approx(found / ideal, abs=1e-5)


@perl
def test_grades_that_gdeval_does_not_take_are_named() -> None:
    with pytest.raises(InputError, match=r"ERR@20 takes grades up to 4, and query 'q' has document 'd' with 5"):
        score_run({"q": [Hit("d", 1.0)]}, [Qrel("q", "d", 5)], "ERR@20")


@pytest.mark.parametrize("names", ["Accuracy@1", "Accuracy", "Accuracy@1 nDCG@10"])
def test_accuracy_is_a_number_whatever_is_retrieved(names: str) -> None:
    qrels = [Qrel("q1", "a", 1), Qrel("q2", "a", 1), Qrel("q3", "a", 1), Qrel("q4", "a", 1)]
    run = {"q1": [Hit("a", 1.0)], "q2": [Hit("b", 2.0), Hit("a", 1.0)], "q3": [Hit("b", 1.0)]}
    first = names.split(maxsplit=1)[0]
    assert score_run(run, qrels, names).queries[first] == {"q1": 1.0, "q2": 0.0, "q3": 0.0, "q4": 0.0}
    assert score_run({}, qrels, names).mean[first] == 0.0


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("INST", r"it needs max_rel, as in INST\(max_rel=3\)$"),
        ("BPM", r"it needs cutoff and max_rel, as in BPM\(max_rel=3\)@10$"),
        ("BPM(max_rel=3)", r"it needs cutoff, as in BPM@10$"),
        ("IPrec", r"it needs recall, as in IPrec@0.5$"),
        ("P", r"it needs cutoff, as in P@10$"),
        ("nDCG@9999999999", "the cutoff must be from 1 to 2147483647"),
    ],
)
def test_what_a_measure_lacks_is_named(name: str, reason: str) -> None:
    with pytest.raises(SpladeLuceneError, match=reason):
        parse_measures(name)


def test_names_of_trec_eval_and_spaces_in_parentheses_are_taken() -> None:
    names = "ndcg_cut_10 recall_100,1000 recip_rank map P_5 RR(rel=2, cutoff=10)"
    assert list(map(str, parse_measures(names))) == ["nDCG@10", "R@100", "R@1000", "RR", "AP", "P@5", "RR(rel=2)@10"]
    assert list(map(str, parse_measures("AP map nDCG@10 ndcg_cut_10"))) == ["AP", "nDCG@10"]


def test_whole_numbers_are_ids_and_whole_floats_are_grades() -> None:
    run: Any = {1: {7: 2, 8: 1.5}}
    qrels: Any = {1: {7: 0, 8: 1.0}}
    numbers = score_run(run, qrels, "RR nDCG@10")
    assert numbers == score_run({"1": {"7": 2.0, "8": 1.5}}, {"1": {"7": 0, "8": 1}}, "RR nDCG@10")
    library: Any = ir_measures
    records = [library.ScoredDoc(np.int64(1), np.int32(7), np.float32(2)), library.ScoredDoc(1, 8, 1)]
    judged = [library.Qrel(1, 8, np.int64(1))]
    assert score_run(records, judged, "RR").mean == {"RR": 0.5}


@pytest.mark.parametrize(
    ("run", "qrels", "error", "reason"),
    [
        ({"q": [Hit("a", float("nan"))]}, {"q": {"a": 1}}, InputError, "query 'q' has the score nan for document 'a'"),
        ({"q": {"a": float("inf")}}, {"q": {"a": 1}}, InputError, "the score inf"),
        ({"q": [Hit("a", 2.0), Hit("a", 1.0)]}, {"q": {"a": 1}}, InputError, "the document 'a' twice"),
        ({"q": [("a", "high")]}, {"q": {"a": 1}}, TypeError, "the score 'high' is not a number"),
        ({"q": ["a"]}, {"q": {"a": 1}}, TypeError, "a hit is Hit"),
        ({"q": {None: 1.0}}, {"q": {"a": 1}}, TypeError, "an id is text or a whole number, not None"),
        ({"q": {"a": 1.0}}, {"q": {1.5: 1}}, TypeError, "an id is text or a whole number, not 1.5"),
        ({"q": {"a": 1.0}}, {"q": {"a": 0.5}}, InputError, "the relevance of document 'a' for query 'q' is 0.5"),
        ({"q": {"a": 1.0}}, {"q": {"a": "1"}}, TypeError, "is '1', not a whole number"),
        ({"q": {"a": 1.0}}, {"q": {"a": float("nan")}}, InputError, "is nan, not a whole number"),
        ({"q": {"a": 1.0}}, [Qrel("q", "a", 1), Qrel("q", "a", 2)], InputError, "judged twice and differently"),
    ],
)
def test_scores_ids_and_grades_that_are_none_are_refused(run: Any, qrels: Any, error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        score_run(run, qrels)
