"""The sweep: points are what the commands give with their settings, chosen by one half of the queries, and resumable."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import yaml

from splade_lucene.cli.main import main
from splade_lucene.cli.tune import budget
from splade_lucene.collections.passages import read_passages
from splade_lucene.collections.queries import read_qrels, read_queries
from splade_lucene.errors import InputError
from splade_lucene.evaluation.cost import Cost, Latency, Timings
from splade_lucene.evaluation.measures import score_run
from splade_lucene.evaluation.results import locate, read_results
from splade_lucene.evaluation.runs import read_run
from splade_lucene.experiment.tuning.choosing import PRICES, MeasuredPoint, most_promising, operating_points, pareto_front, within_budget
from splade_lucene.experiment.tuning.halves import LIKENESS, exact_judgments, halve
from splade_lucene.experiment.tuning.points import Point, joined, knobs, options, single_points
from splade_lucene.records import Hit, Qrel

BASE = Point("tiny", 32, 16)
PASSAGES, QUERIES = 60, 16
LENGTHS = ["--max-length", "32", "--query-max-length", "16", "--device", "cpu", "--threads", "1"]


@pytest.fixture(scope="module")
def collection(real_collection: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory, tiny: object) -> Path:
    """The first passages of cranfield, and queries that are judged on them."""
    source, folder = real_collection("cranfield"), tmp_path_factory.mktemp("tune") / "small"
    passages = list(islice(read_passages(source), PASSAGES))
    known = {passage.doc_id for passage in passages}
    qrels = [qrel for qrel in read_qrels(source) if qrel.doc_id in known and qrel.relevance > 0]
    queries = [query for query in read_queries(source) if query.query_id in {qrel.query_id for qrel in qrels}][:QUERIES]
    (folder / "qrels").mkdir(parents=True)
    rows = [{"_id": passage.doc_id, "title": passage.title, "text": passage.text} for passage in passages]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "queries.jsonl").write_text("".join(json.dumps({"_id": f"q{each.query_id}", "text": each.text}) + "\n" for each in queries))
    kept = {query.query_id for query in queries}
    lines = [f"q{qrel.query_id}\t{qrel.doc_id}\t{qrel.relevance}\n" for qrel in qrels if qrel.query_id in kept]
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "".join(lines))
    return folder


def command(collection: Path, out: Path, *more: str) -> list[str]:
    return ["tune", str(collection), "--model", "tiny", "--max-points", "8", "--output", str(out), *LENGTHS, *more]


@pytest.fixture(scope="module")
def swept(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("swept") / "out"
    assert main(command(collection, out, "--write", str(out / "settings.yaml"))) == 0
    return out


def test_every_setting_is_tried_before_a_second_value_of_any() -> None:
    points = list(single_points([BASE]))
    names = [next(iter(point.changes(BASE))) for point in points[1:]]
    first = [knob.name for knob in knobs(BASE)]
    assert points[0] == BASE
    assert names[: len(first)] == first == list(dict.fromkeys(names))
    assert len(set(points)) == len(points)
    assert len({point.name for point in points}) == len(points)


def test_points_join_unless_both_change_the_same() -> None:
    one, other = replace(BASE, top_k=8), replace(BASE, query_idf=0.25)
    both = joined(one, other, BASE)
    assert both == replace(BASE, top_k=8, query_idf=0.25)
    assert both is not None and both.label(BASE) == "--top-k 8 --query-idf 0.25"
    assert joined(one, replace(BASE, top_k=9), BASE) is None
    assert joined(one, replace(BASE, alpha_mass=0.9), BASE) is None
    assert joined(BASE, one, BASE) is None


def test_options_are_those_of_the_commands() -> None:
    point = replace(BASE, precision="bf16", query_model="idf", alpha_mass=0.75, query_top_k=8, query_idf=0.5)
    assert options(point, {"scale": 50}) == {
        "encode": {
            "scale": 50,
            "model": "tiny",
            "max-length": 32,
            "query-max-length": 16,
            "precision": "bf16",
            "query-model": "idf",
            "alpha-mass": 0.75,
        },
        "index": {},
        "search": {"query-top-k": 8, "query-idf": 0.5, "precision": "bf16"},
    }


def measured(name: str, quality: float, ms: float, flops: float, index_bytes: int) -> MeasuredPoint:
    times = Latency(ms, ms, ms)
    cost = Cost(documents=1, flops=flops, terms_per_query=1, terms_per_document=1, index_bytes=index_bytes)
    return MeasuredPoint(replace(BASE, model=name), name, quality, cost, Timings(1, 1, times, times, 1), 10)


A, B, C, D = measured("a", 0.5, 10, 8, 400), measured("b", 0.498, 4, 6, 500), measured("c", 0.497, 5, 2, 100), measured("d", 0.3, 4, 9, 900)


def test_the_front_has_what_no_other_point_beats() -> None:
    assert pareto_front([A, B, C, D], PRICES[0]) == [B, A]
    assert pareto_front([A, B, C, D], PRICES[1]) == [C, A]


def test_the_cheapest_near_the_best_are_named_and_a_budget_is_met() -> None:
    named = operating_points([A, B, C, D], 0.005)
    assert [each.measured for each in named] == [A, B, C, C]
    assert [each.measured for each in operating_points([A, B, C, D], 0.002)] == [A, B, A, B]
    assert within_budget([A, B, C, D], {"latency": 5}) == B
    assert within_budget([A, B, C, D], {"latency": 5, "index": 0.0001}) == C
    assert within_budget([A, B, C, D], {"documents-per-second": 11}) is None


def test_combinations_are_tried_where_they_are_expected_to_win() -> None:
    cost = Cost(documents=1, flops=10, terms_per_query=1, terms_per_document=1, index_bytes=1)

    def known(quality: float, flops: float, **changes: object) -> tuple[Point, MeasuredPoint]:
        point = replace(BASE, **changes)  # type: ignore[arg-type]
        return point, MeasuredPoint(point, "", quality, replace(cost, flops=flops), None, 1)

    base, better, cheaper, bad = known(0.4, 10), known(0.41, 10, query_idf=0.25), known(0.395, 5, top_k=64), known(0.3, 6, max_length=16)
    measured_points = dict([base, better, cheaper, bad])
    singles = [better[0], cheaper[0], bad[0]]
    both = replace(BASE, query_idf=0.25, top_k=64)
    assert most_promising(measured_points, singles, [BASE]) == both
    # Once it is known there is nothing left that is expected to be near the best.
    assert most_promising(measured_points | {both: replace(better[1], point=both)}, singles, [BASE]) is None
    assert most_promising(dict([better, cheaper]), singles, [BASE]) is None


def test_a_budget_has_units() -> None:
    assert budget("latency=5ms, index=1GB,flops=2.5") == {"latency": 5, "index": 1000, "flops": 2.5}
    assert budget("latency=0.5s,index=300KB") == {"latency": 500, "index": 0.3}
    for bad in ("latency", "latency=fast", "size=1GB", "index=1ms", "latency=1ms,latency=2ms", ""):
        with pytest.raises(ArgumentTypeError):
            budget(bad)


def test_halves_share_no_query_and_too_few_queries_are_refused() -> None:
    qrels = [Qrel(f"q{number}", "d", 1) for number in range(21) for _ in range(2)]
    choosing, reporting = halve(qrels, "x")
    assert not {qrel.query_id for qrel in choosing} & {qrel.query_id for qrel in reporting}
    assert len(choosing) + len(reporting) == 42 and abs(len(choosing) - len(reporting)) == 2
    assert halve(qrels[::-1], "x").choosing == choosing[::-1]
    with pytest.raises(InputError, match="has 3 judged queries"):
        halve(qrels[:6], "x")


def test_the_exact_run_is_most_like_itself() -> None:
    run = {"q": [Hit(f"d{number}", 20.0 - number) for number in range(15)]}
    qrels = list(exact_judgments(run))
    worse = {"q": [*run["q"][1:3], run["q"][0]._replace(score=17.5), *run["q"][3:]]}
    scores = [score_run(each, qrels, f"{LIKENESS} R@10").mean for each in (run, worse)]
    assert [each["R@10"] for each in scores] == [1, 1]
    assert scores[0][LIKENESS] == pytest.approx(1)
    assert scores[1][LIKENESS] < 0.9


def test_a_point_is_what_the_commands_give_with_its_settings(swept: Path, collection: Path, tmp_path: Path) -> None:
    settings = ["--settings", str(swept / "settings.yaml"), "--device", "cpu"]
    vectors, index, run = (str(tmp_path / name) for name in ("vectors", "index", "run"))
    assert main(["encode", str(collection), vectors, *settings]) == 0
    assert main(["index", vectors, index, "--settings", str(swept / "settings.yaml")]) == 0
    assert main(["search", index, str(collection), run, "--remove-query", *settings]) == 0
    results = read_results(swept)
    label = (swept / "settings.yaml").read_text().partition("\n")[0].partition(": ")[2]
    system = next(system for system in results.systems if system.label == label)
    row = results.row("small", system.name)
    assert row is not None and row.cost is not None
    assert read_run(Path(run)) == read_run(locate(row.run, swept))
    assert json.loads(Path(f"{run}.json").read_text())["flops"] == pytest.approx(row.cost.flops)


def test_figures_are_of_the_half_that_nothing_was_chosen_by(swept: Path, collection: Path) -> None:
    results, (choosing, reporting) = read_results(swept), halve(read_qrels(collection), "")
    with (swept / "points.csv").open() as stream:
        points = {row["point"]: row for row in csv.DictReader(stream)}
    assert len(points) == len(results.sweep) == 8
    for row in results.rows:
        run, label = read_run(locate(row.run, swept)), results.system(row.system).label
        assert row.scores["nDCG@10"] == pytest.approx(score_run(run, reporting, "nDCG@10").mean["nDCG@10"])
        assert float(points[label]["nDCG@10 other half"]) == pytest.approx(row.scores["nDCG@10"])
        assert float(points[label]["nDCG@10 choosing half"]) == pytest.approx(score_run(run, choosing, "nDCG@10").mean["nDCG@10"])
    assert results.rows[0].system == results.baseline
    assert results.rows[0].scores == results.sweep[0].scores
    assert all(row.timings and row.timings.query_ms.p50 > row.timings.search_ms.p50 > 0 for row in results.rows)
    assert results.notes[0].startswith("The best nDCG@10, ")
    assert all(note.startswith("Within .005 of the best nDCG@10 at ") for note in results.notes[1:])
    assert "latency" in " ".join(results.notes)
    assert sum(" from all weights (" in note for note in results.notes) >= len(results.notes) - 1
    page = (swept / "report.html").read_text()
    assert "Small dots: all settings that were tried." in page
    assert "The best nDCG@10, " in page


def test_a_sweep_resumes_after_a_kill_and_ends_with_the_same_points(swept: Path, collection: Path, tmp_path: Path) -> None:
    begun = subprocess.Popen(
        [sys.executable, "-m", "splade_lucene.cli.main", *command(collection, tmp_path / "out")], stderr=subprocess.PIPE, text=True
    )
    assert begun.stderr is not None
    written = (line for line in begun.stderr if "is written" in line)
    assert len(list(islice(written, 4))) == 4
    begun.kill()
    begun.communicate()
    assert not (tmp_path / "out" / "results.json").exists()
    assert main(command(collection, tmp_path / "out")) == 0
    again, before = read_results(tmp_path / "out"), read_results(swept)
    assert [(each.label, each.scores, each.cost) for each in again.sweep] == [(each.label, each.scores, each.cost) for each in before.sweep]


def test_what_is_there_is_kept_and_a_budget_nothing_meets_is_one_sentence(
    swept: Path, collection: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(collection, swept, "--budget", "latency=0.000001ms")) == 1
    err = capsys.readouterr().err
    assert "is written" not in err
    assert "none of the 8 points is within the budget (latency 1e-06); the least of each that was reached is latency " in err
    assert main(command(collection, swept, "--budget", "flops=1000")) == 0
    assert "The best within the budget (flops 1000): " in capsys.readouterr().out


def test_without_judgments_the_run_with_all_weights_is_the_reference(
    collection: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--corpus", str(collection / "corpus.jsonl"), "--queries", str(collection / "queries.jsonl")]
    more = ["--model", "tiny", "--max-points", "4", "--output", str(tmp_path / "out"), *files, *LENGTHS]
    assert main(["tune", "mine", *more]) == 0
    results = read_results(tmp_path / "out")
    assert results.measures == (LIKENESS, "R@10")
    assert results.rows[0].scores == pytest.approx({LIKENESS: 1.0, "R@10": 1.0})
    assert results.datasets[0].queries == QUERIES // 2
    assert "There are no judgments: Compat(p=0.8) is the rank-biased overlap" in capsys.readouterr().out
    assert yaml.safe_load((tmp_path / "out" / "results.json").read_text())["sweep"][0]["label"] == "all weights"
