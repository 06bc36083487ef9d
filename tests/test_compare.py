"""Runs made elsewhere, scored as trec_eval (through pytrec_eval) and ir_measures score them, oddities included."""

from __future__ import annotations

import csv
import random
import re
from pathlib import Path
from typing import Any

import ir_measures
import pytest
from scipy import stats

from splade_lucene.cli.main import main
from splade_lucene.evaluation.judging import judge
from splade_lucene.evaluation.result_files import read_scores
from splade_lucene.evaluation.results import read_results
from splade_lucene.evaluation.runs import read_run
from splade_lucene.records import Qrel

MEASURES = "nDCG@10 R@100 RR@10 AP"
# ir_measures' names and trec_eval's.
TREC_EVAL = {"nDCG@10": "ndcg_cut_10", "R@100": "recall_100", "AP": "map"}
RECIPROCAL_RANK = "recip_rank"


def make_qrels() -> list[Qrel]:
    rng = random.Random(0)
    judged = [Qrel(f"q{query}", f"d{document}", rng.choice([0, 0, 1, 2])) for query in range(20) for document in rng.sample(range(60), 25)]
    return [*judged, Qrel("barren", "d1", 0), Qrel("barren", "d2", 0), Qrel("alone", "d3", 1)]


QRELS = make_qrels()


def write_odd_run(path: Path, seed: int, *, skill: float) -> None:
    """Ranks that lie, ties, lines out of order, a judged query without relevant documents, one without hits, one unjudged."""
    rng = random.Random(seed)
    relevant = {(qrel.query_id, qrel.doc_id) for qrel in QRELS if qrel.relevance}
    lines = []
    for query in [*(f"q{number}" for number in range(20)), "barren", "unjudged"]:
        for document in rng.sample(range(60), 40):
            good = (query, f"d{document}") in relevant
            score = round(rng.random() + skill * good, 1)  # one decimal: many ties
            lines.append(f"{query} Q0 d{document} {rng.randrange(100)} {score} tag\n")
    rng.shuffle(lines)
    path.write_text("".join(lines))


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "qrels.txt").write_text("".join(f"{qrel.query_id} 0 {qrel.doc_id} {qrel.relevance}\n" for qrel in QRELS))
    for seed, skill in enumerate((0.0, 0.3, 1.5)):
        write_odd_run(tmp_path / f"run{seed}.trec", seed, skill=skill)
    return {path.stem: path for path in tmp_path.iterdir()}


def trec_eval(run: Path) -> dict[str, dict[str, float]]:
    """pytrec_eval on the lines as they stand; like trec_eval it knows nothing of ranks."""
    pytrec_eval = pytest.importorskip("pytrec_eval")
    qrels: dict[str, dict[str, int]] = {}
    for qrel in QRELS:
        qrels.setdefault(qrel.query_id, {})[qrel.doc_id] = qrel.relevance
    scores: dict[str, dict[str, float]] = {}
    for line in run.read_text().splitlines():
        query_id, _, doc_id, _, score, _ = line.split()
        scores.setdefault(query_id, {})[doc_id] = float(score)
    evaluated: dict[str, dict[str, float]] = pytrec_eval.RelevanceEvaluator(qrels, {*TREC_EVAL.values(), RECIPROCAL_RANK}).evaluate(scores)
    return evaluated


@pytest.mark.parametrize("name", ["run0", "run1", "run2"])
def test_every_query_scores_what_trec_eval_gives_it(files: dict[str, Path], name: str) -> None:
    judged = judge(read_run(files[name]), QRELS, MEASURES)
    expected = trec_eval(files[name])
    assert expected.keys() == {f"q{number}" for number in range(20)} | {"barren"}
    for measure, theirs in TREC_EVAL.items():
        for query_id, scores in expected.items():
            assert judged.queries[measure][query_id] == pytest.approx(scores[theirs], abs=1e-9)
        # Means are over all judged queries, as with trec_eval -c: the query without hits and the one without relevant documents count 0.
        assert judged.queries[measure]["alone"] == judged.queries[measure]["barren"] == 0
        assert judged.scores[measure] == pytest.approx(sum(scores[theirs] for scores in expected.values()) / 22)
    assert (judged.missing, judged.unjudged) == (1, 1)


@pytest.mark.parametrize("name", ["run0", "run1", "run2"])
def test_means_are_those_of_ir_measures_reading_the_same_files(files: dict[str, Path], name: str) -> None:
    measures = [ir_measures.parse_measure(measure) for measure in MEASURES.split()]
    library: Any = ir_measures
    qrels, run = library.read_trec_qrels(str(files["qrels"])), library.read_trec_run(str(files[name]))
    theirs = {str(measure): value for measure, value in ir_measures.calc_aggregate(measures, list(qrels), list(run)).items()}
    # By itself ir_measures breaks ties the other way round in RR@10; its RR, which trec_eval computes, does not.
    reciprocal_ranks = [scores[RECIPROCAL_RANK] for scores in trec_eval(files[name]).values()]
    theirs["RR@10"] = sum(each for each in reciprocal_ranks if each >= 0.1) / 22
    assert judge(read_run(files[name]), QRELS, MEASURES).scores == pytest.approx(theirs)


def test_runs_are_compared_with_the_first(files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["compare", str(files["qrels"]), *(str(files[f"run{number}"]) for number in range(3)), "--measures", MEASURES]
    assert main([*command, "--output", str(tmp_path / "out")]) == 0
    out, err = capsys.readouterr()
    assert "1 judged queries have no relevant document; they count 0 for every run" in err
    for number in range(3):
        assert f"run{number}: 1 of 22 judged queries have no hits and count 0" in err
        assert f"run{number}: 1 of its queries are not judged and left out" in err
        assert f"run{number}: 1 of its queries" in out
    results = read_results(tmp_path / "out")
    assert (results.baseline, [system.kind for system in results.systems]) == ("run0", ["run"] * 3)
    scores = read_scores(tmp_path / "out" / "scores.csv")
    for row in results.rows[1:]:
        for measure, each in row.comparisons.items():
            ours = list(scores[row.system][measure].values())
            base = list(scores["run0"][measure].values())
            assert each.t_p == pytest.approx(stats.ttest_rel(ours, base).pvalue)
            assert each.wins == sum(a > b + 1e-9 for a, b in zip(ours, base, strict=True))
            assert each.difference == pytest.approx(row.scores[measure] - results.rows[0].scores[measure])
    better = results.rows[2].comparisons["nDCG@10"]
    assert max(better.t_p_holm, better.randomisation_p_holm) < 0.001
    assert f"{results.rows[2].scores['nDCG@10']:.4f}"[1:] + "*" in out
    assert {"results.json", "scores.csv", "table.md", "table.csv", "table.tex"} <= {path.name for path in (tmp_path / "out").iterdir()}
    rows = list(csv.DictReader((tmp_path / "out" / "table.csv").open()))
    assert [row["unjudged queries"] for row in rows] == ["1"] * 3


def test_the_wrong_judgments_are_said(files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "other.trec").write_text("x1 Q0 d1 1 2.0 t\nx2 Q0 d1 1 2.0 t\n")
    assert main(["compare", str(files["qrels"]), str(files["run1"]), str(tmp_path / "other.trec"), "--measures", "AP"]) == 0
    out, err = capsys.readouterr()
    assert "other: none of its queries is judged (it has queries like 'x1', the judgments like 'q0'), so it scores 0" in err
    row = next(line for line in out.splitlines() if line.startswith("| qrels") and "other" in line)
    assert ".0000*" in row


@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_a_run_without_a_single_judged_document_is_said(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    lines = files["run1"].read_text().replace(" Q0 d", " Q0 0")
    (tmp_path / "other.trec").write_text(lines)
    assert main([command, str(files["qrels"]), str(files["run1"]), str(tmp_path / "other.trec"), "--measures", "AP"]) == 0
    err = capsys.readouterr().err
    assert re.search(r"other(\.trec)?: no judged document occurs in it \(it has documents like '0\d+', the judgments like 'd\d+'\)", err)
    assert "so it scores 0; do the ids agree?" in err
    assert not re.search(r"run1(\.trec)?: no judged", err)


def test_scores_by_query_are_printed_as_trec_eval_prints_them(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(files["qrels"]), str(files["run1"]), "--measures", "AP NumRet P@10", "--per-query"]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert lines[0][0] == "AP                    "
    expected = trec_eval(files["run1"])
    values = {query_id: value for name, query_id, value in lines if name.strip() == "AP"}
    assert values.pop("all") == f"{sum(scores['map'] for scores in expected.values()) / 22:.4f}"
    assert values.pop("alone") == "0.0000"
    assert values == {query_id: f"{scores['map']:.4f}" for query_id, scores in expected.items()}
    assert {query_id: value for name, query_id, value in lines if name.strip() == "NumRet"}["all"] == str(21 * 40)
    assert [query_id for _, query_id, _ in lines][-3:] == ["all"] * 3
    with pytest.raises(SystemExit, match="2"):
        main(["evaluate", str(files["qrels"]), str(files["run1"]), str(files["run0"]), "--per-query"])
    assert "compare --output" in capsys.readouterr().err


def test_a_document_that_comes_twice_is_refused_as_trec_eval_does(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "twice.trec").write_text("q1 Q0 d1 1 2.0 t\nq1 Q0 d2 2 1.5 t\nq1 Q0 d1 3 1.0 t\n")
    assert main(["compare", str(files["qrels"]), str(files["run0"]), str(tmp_path / "twice.trec")]) == 1
    assert "twice.trec, line 3: query 'q1' has the document 'd1' twice" in capsys.readouterr().err


def test_runs_of_one_name_are_told_apart_and_one_run_twice_is_refused(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    same = tmp_path / "other" / "run0.trec"
    same.write_bytes(files["run0"].read_bytes())
    assert main(["compare", str(files["qrels"]), str(files["run0"]), str(same), "--measures", "AP"]) == 0
    out = capsys.readouterr().out
    assert str(same) in out
    assert "0/22/0" in out
    assert main(["compare", str(files["qrels"]), str(same), str(same)]) == 1
    assert f"the run {same} is named twice" in capsys.readouterr().err


def test_the_cost_of_a_run_that_search_wrote_is_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "passages.jsonl").write_text('{"id": "d1", "contents": "glass breaks"}\n{"id": "d2", "contents": "an index of glass"}\n')
    (tmp_path / "queries.tsv").write_text("q1\tglass index\n")
    (tmp_path / "qrels.txt").write_text("q1 0 d2 1\n")
    (tmp_path / "elsewhere.trec").write_text("q1 Q0 d1 1 1.0 t\n")
    assert main(["bm25", str(tmp_path / "passages.jsonl"), str(tmp_path / "index")]) == 0
    assert main(["search", str(tmp_path / "index"), str(tmp_path / "queries.tsv"), str(tmp_path / "ours.trec")]) == 0
    files = [str(tmp_path / name) for name in ("qrels.txt", "ours.trec", "elsewhere.trec")]
    assert main(["compare", *files, "--output", str(tmp_path / "out")]) == 0
    ours, elsewhere = read_results(tmp_path / "out").rows
    assert ours.cost
    assert (ours.cost.documents, ours.cost.terms_per_query, ours.cost.terms_per_document) == (2, 2.0, 2.0)
    assert elsewhere.cost is None
    assert ours.run == str(tmp_path / "ours.trec")
