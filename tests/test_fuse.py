"""Fusion of any number of runs, in Python and as a command."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from splade_lucene.cli.main import main
from splade_lucene.errors import InputError
from splade_lucene.evaluation.fusion import fuse, fuse_ranks, fuse_runs
from splade_lucene.evaluation.runs import Run, read_run
from splade_lucene.records import Hit

A: Run = {"q": [Hit("a", 9.0), Hit("b", 6.0), Hit("c", 5.0)]}
B: Run = {"q": [Hit("c", 30.0), Hit("d", 20.0), Hit("b", 10.0)], "only b": [Hit("x", 1.0)]}
C: Run = {"q": [Hit("d", -1.0), Hit("a", -3.0)]}
LINES = {
    "a.trec": "q Q0 a 1 9 x\nq Q0 b 2 6 x\nq Q0 c 3 5 x\n",
    "b.trec": "q Q0 c 1 30 x\nq Q0 d 2 20 x\nq Q0 b 3 10 x\nonly Q0 x 1 1 x\n",
    "c.trec": "q Q0 d 1 -1 x\nq Q0 a 2 -3 x\n",
}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name, text in LINES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def as_scores(run: Run, query_id: str = "q") -> dict[str, float]:
    return {hit.doc_id: hit.score for hit in run[query_id]}


def test_three_runs_by_rank() -> None:
    expected = {"a": 1 / 61 + 1 / 62, "b": 1 / 62 + 1 / 63, "c": 1 / 63 + 1 / 61, "d": 1 / 62 + 1 / 61}
    found = fuse_runs([A, B, C])
    assert as_scores(found) == pytest.approx(expected)
    assert [hit.doc_id for hit in found["q"]] == ["a", "d", "c", "b"]
    weighted = fuse_runs([A, B, C], weights=[2, 0, 1], rank_constant=1)
    assert as_scores(weighted) == pytest.approx({"a": 2 / 2 + 1 / 3, "b": 2 / 3, "c": 2 / 4, "d": 1 / 2})


def test_three_runs_by_score() -> None:
    expected = {"a": 1 + 0, "b": 0.25 + 0, "c": 0 + 1, "d": 0.5 + 1}
    assert as_scores(fuse_runs([A, B, C], method="sum")) == pytest.approx({key: value / 3 for key, value in expected.items()})
    assert as_scores(fuse_runs([A, B, C], method="sum", weights=[1, 1, 1])) == pytest.approx(expected)
    assert as_scores(fuse_runs([A, B, C], method="max")) == pytest.approx({"a": 1.0, "b": 0.25, "c": 1.0, "d": 1.0})
    assert as_scores(fuse_runs([A, B, C], method="max", weights=[0.1, 1, 0.6])) == pytest.approx({"a": 0.1, "b": 0.025, "c": 1.0, "d": 0.6})


def test_two_runs_are_fused_as_ever() -> None:
    assert fuse(A, B) == fuse_runs([A, B], method="sum")
    assert fuse_ranks(A, B) == fuse_runs([A, B], method="rrf")


@pytest.mark.parametrize("method", ["rrf", "sum", "max"])
def test_the_largest_scores_there_are_stay_finite(method: Any) -> None:
    run = {"q": [Hit("a", 1.7e308), Hit("b", 0.0), Hit("c", -1.7e308)]}
    scores = as_scores(fuse_runs([run, run], method=method))
    assert list(scores) == ["a", "b", "c"]
    assert all(math.isfinite(score) for score in scores.values())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"k": -1}, "k is the number of hits and must be at least 1, not -1"),
        ({"k": 0}, "at least 1, not 0"),
        ({"method": "mean"}, "method is one of rrf, sum, max, not 'mean'"),
        ({"weights": [1]}, "1 weights for 2 runs"),
        ({"weights": [0, 0]}, "not all of them 0"),
        ({"weights": [1, -1]}, "numbers from 0"),
        ({"weights": [1, math.nan]}, "numbers from 0"),
        ({"rank_constant": 0}, "the rank constant must be at least 1"),
    ],
)
def test_options_that_cannot_be_obeyed_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        fuse_runs([A, B], **options)
    for name in options.keys() & {"k"}:
        for two in (fuse, fuse_ranks):
            with pytest.raises(ValueError, match=reason):
                two(A, B, **{name: options[name]})


@pytest.mark.parametrize("weight", [-0.1, 1.1, math.nan])
def test_a_weight_outside_0_to_1_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        fuse(A, B, weight=weight)


@pytest.mark.parametrize("score", [math.inf, -math.inf, math.nan])
def test_scores_that_are_not_finite_and_documents_that_come_twice_are_refused(score: float) -> None:
    for join in (fuse, fuse_ranks):
        with pytest.raises(InputError, match="scores must be finite"):
            join(A, {"q": [Hit("a", score)]})
        with pytest.raises(InputError, match="'a' twice"):
            join(A, {"q": [Hit("a", 3.0), Hit("b", 2.0), Hit("a", 1.0)]})


def test_the_command_writes_what_python_gives(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [str(runs / name) for name in LINES]
    out = runs / "fused.trec"
    for method in ("rrf", "sum", "max"):
        assert main(["fuse", *paths, "--output", str(out), "--method", method, "--weights", "1", "0.5", "2", "--hits", "3"]) == 0
        read = [read_run(path) for path in paths]
        expected = fuse_runs(read, method=method, weights=[1, 0.5, 2], k=3)
        assert {query_id: as_scores(run, query_id) for run in [read_run(out)] for query_id in run} == {
            query_id: as_scores(expected, query_id) for query_id in expected
        }
        assert out.read_text().split()[5] == method
    notes = json.loads((runs / "fused.trec.json").read_text())
    assert notes["fusion"] == {"method": "max", "weights": [1.0, 0.5, 2.0], "hits": 3}
    assert [Path(each["run"]).name for each in notes["made_from"]] == list(LINES)
    assert main(["evaluate", str(write_qrels(runs)), str(out), "--measures", "RR"]) == 0
    assert "1.0000" in capsys.readouterr().out


def test_a_fused_run_costs_what_its_parts_cost(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from splade_lucene.evaluation.runs import write_run

    cost = {"documents": 10, "flops": 1.25, "terms_per_query": 2.0, "terms_per_document": 3.0, "index_bytes": 5_000_000}
    more = {"settings": {}, "search_ms": {"p50": 1.0}}
    for name in ("a", "b"):
        write_run(runs / f"{name}.trec", read_run(runs / f"{name}.trec"), tag="x", notes={**cost, **more})
    assert main(["fuse", str(runs / "a.trec"), str(runs / "b.trec"), "--output", str(runs / "f.trec")]) == 0
    row = [cell.strip() for cell in capsys.readouterr().out.splitlines()[2].strip("|").split("|")]
    assert row[1:] == ["2", "5", "10", "10.00", "-", "-", "2.50", "-"]
    assert main(["compare", str(write_qrels(runs)), str(runs / "a.trec"), str(runs / "f.trec")]) == 0


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (["a.trec"], 2, "at least two runs"),
        (["a.trec", "b.trec", "--weights", "1"], 2, "1 weights for 2 runs"),
        (["a.trec", "b.trec", "--weights", "-1", "1"], 2, "--weights"),
        (["a.trec", "b.trec", "--weights", "0", "0"], 2, "all weights are 0"),
        (["a.trec", "b.trec", "--rank-constant", "5", "--method", "max"], 2, "--rank-constant is for --method rrf"),
        (["a.trec", "a.trec"], 1, "is named twice"),
        (["a.trec", "other.trec"], 1, "share no query"),
        (["a.trec", "absent.trec"], 1, "cannot be read"),
    ],
)
def test_what_cannot_be_fused_is_named(
    runs: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, reason: str
) -> None:
    arguments = [str(runs / each) if each.endswith(".trec") else each for each in arguments]
    (runs / "other.trec").write_text("z Q0 d 1 1 x\n")
    try:
        found = main(["fuse", *arguments, "--output", str(runs / "fused.trec")])
    except SystemExit as ended:
        found = int(str(ended.code))
    assert found == status
    assert reason in capsys.readouterr().err
    assert not (runs / "fused.trec").exists()


def write_qrels(folder: Path) -> Path:
    (folder / "qrels").write_text("q 0 d 1\n")
    return folder / "qrels"
