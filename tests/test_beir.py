"""The whole evaluation, with the real model on slices of real or written data: right figures, reuse, interruption, failures said."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from splade_lucene.cli.main import main
from splade_lucene.collections.passages import read_passages
from splade_lucene.collections.queries import read_qrels, read_queries
from splade_lucene.core.processors import usable_processors
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.evaluation.fusion import fuse, fuse_ranks
from splade_lucene.evaluation.measures import score_run
from splade_lucene.evaluation.result_files import read_evidence, read_evidence_passages, read_latency, read_scores
from splade_lucene.evaluation.result_records import Results
from splade_lucene.evaluation.results import locate, read_results
from splade_lucene.evaluation.runs import read_run
from splade_lucene.vectors.reader import read_vectors
from tests.oracle import brute_force

SYSTEMS = ["bm25-flat", "bm25-multifield", "splade-tiny", "rrf-splade-tiny", "sum-splade-tiny"]
MEASURES = ["nDCG@10", "R@100", "R@1000", "RR@10"]
OPTIONS = ["--model", "tiny", "--max-length", "64", "--query-max-length", "32", "--threads", "2", "--device", "cpu"]
# One query has a passage of its own name, one is judged without anything relevant, one is judged but has no text.
QRELS = "q1\td1\t2\nq1\td4\t1\nq2\td2\t1\nd3\td3\t1\nd3\td2\t1\nq4\td1\t0\nlost\td1\t1\n"
QUERIES = {
    "q1": "why does glass break",
    "q2": "search engine library",
    "d3": "insert into a sorted list",
    "q4": "nothing",
    "q9": "unjudged",
}
PASSAGES = [
    ("d1", "Glass", "Thermal stress is created when one area of a glass pane gets hotter than an adjacent area."),
    ("d2", "", "Lucene is a library for full-text search with an inverted index."),
    ("d3", "Lists", "Return the index where to insert an item in a sorted list."),
    ("d4", "", "Heat makes a window crack if its parts expand differently."),
    ("d5", "", ""),
]


def write_collection(folder: Path, passages: list[tuple[str, str, str]]) -> Path:
    (folder / "qrels").mkdir(parents=True, exist_ok=True)
    lines = [{"_id": doc_id, "title": title, "text": text} for doc_id, title, text in passages]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "queries.jsonl").write_text("".join(json.dumps({"_id": query_id, "text": text}) + "\n" for query_id, text in QUERIES.items()))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + QRELS)
    return folder


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_collection(tmp_path_factory.mktemp("beir") / "toy", PASSAGES)


@pytest.fixture(scope="module")
def out(collection: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "main"
    assert main(["beir", str(collection), "--output", str(folder), *OPTIONS]) == 0
    return folder


@pytest.fixture(scope="module")
def results(out: Path) -> Results:
    return read_results(out)


def timeless(results: Results) -> Results:
    return dataclasses.replace(results, name="", created="", rows=tuple(dataclasses.replace(row, timings=None) for row in results.rows))


def test_every_system_has_its_row_with_its_cost(results: Results) -> None:
    assert [system.name for system in results.systems] == [row.system for row in results.rows] == SYSTEMS
    assert list(results.measures) == list(results.rows[0].scores) == MEASURES
    flat, multifield, splade, rrf, total = [row.cost for row in results.rows]
    assert flat and multifield and splade and rrf and total
    assert (flat.documents, multifield.documents, splade.documents) == (4, 4, 5)  # for the model even no text has terms
    assert multifield.terms_per_document > 0
    assert splade.terms_per_document > flat.terms_per_document
    assert rrf == total
    assert rrf.index_bytes == flat.index_bytes + splade.index_bytes
    assert rrf.flops == pytest.approx(flat.flops + splade.flops)
    for row in results.rows:
        assert row.timings
        assert row.timings.queries == 4
        assert row.timings.query_ms.mean >= row.timings.search_ms.mean > 0
        assert row.timings.under_load
        assert row.timings.under_load.threads == usable_processors()
        assert row.timings.under_load.per_second > 0
        assert row.timings.under_load.query_ms.p99 >= row.timings.under_load.query_ms.p50 > 0
        assert row.timings.index_seconds
    assert results.rows[2].timings and (results.rows[2].timings.encode_seconds or 0) > 0
    assert results.rows[0].timings and results.rows[0].timings.encode_seconds == 0
    assert set(results.versions) >= {"splade_lucene", "lucene", "torch", "ir_measures", "python"}
    assert results.machine["cores"] >= 1
    assert results.system("splade-tiny").record.document.weights_sha256.startswith("96e1dd8d")


def test_scores_are_those_of_the_runs_and_the_runs_those_of_brute_force(
    collection: Path, out: Path, results: Results, tiny: SpladeModel
) -> None:
    qrels = read_qrels(collection)
    per_query = read_scores(locate(results.datasets[0].scores, out))
    runs = {row.system: read_run(locate(row.run, out)) for row in results.rows}
    for row in results.rows:
        scored = score_run(runs[row.system], qrels, " ".join(MEASURES))
        assert row.scores == pytest.approx(scored.mean)
        assert per_query[row.system] == {measure: pytest.approx(values) for measure, values in scored.queries.items()}
        assert (row.missing, row.unjudged) == (len({qrel.query_id for qrel in qrels} - runs[row.system].keys()), 0)
    # Only the passage of its own name matches d3 in words, nothing matches q4; the query that has no text is lost to every system.
    assert [row.missing for row in results.rows] == [3, 3, 1, 1, 1]
    queries = read_queries(collection)
    vectors = [vector for vector in read_vectors(out / "toy" / "encoded" / "splade-tiny") if vector.vector]
    for query, impacts in zip(queries, tiny.encode_queries([query.text for query in queries], max_length=32), strict=True):
        expected = [hit for hit in brute_force(vectors, impacts, 1000) if hit.doc_id != query.query_id]
        assert {hit.doc_id: hit.score for hit in runs["splade-tiny"][query.query_id]} == {hit.doc_id: hit.score for hit in expected}
    joined = runs["bm25-flat"], runs["splade-tiny"]
    for name, fused in (("rrf-splade-tiny", fuse_ranks(*joined)), ("sum-splade-tiny", fuse(*joined, weight=0.5))):
        assert {query_id: dict(hits) for query_id, hits in runs[name].items()} == {query_id: dict(hits) for query_id, hits in fused.items()}


def test_the_passage_of_the_querys_name_is_in_no_run_and_that_is_said(out: Path, results: Results) -> None:
    for row in results.rows:
        assert all(hit.doc_id != query_id for query_id, hits in read_run(locate(row.run, out)).items() for hit in hits)
    notes = " ".join(results.datasets[0].notes)
    assert "For 1 of the queries a passage with the query's own id was found" in notes
    assert "1 judged queries have no relevant passage" in notes
    assert "1 judged queries have no text" in notes
    table = (out / "table.md").read_text()
    assert "The passage whose id equals the query's is left out of every system's run" in table
    assert "For 1 of the queries" in table


def test_every_system_is_compared_with_the_baseline(results: Results) -> None:
    assert results.baseline == "bm25-flat"
    for row in results.rows:
        assert list(row.comparisons) == ([] if row.system == "bm25-flat" else MEASURES)
        for measure, each in row.comparisons.items():
            assert each.difference == pytest.approx(row.scores[measure] - results.rows[0].scores[measure])
            assert each.wins + each.ties + each.losses == results.datasets[0].queries == 5
            assert 0 <= each.t_p <= each.t_p_holm <= 1
            assert 0 < each.randomisation_p <= each.randomisation_p_holm <= 1


def test_the_evidence_shows_what_matched(collection: Path, out: Path, results: Results) -> None:
    (dataset,) = results.datasets
    assert dataset.evidence and dataset.passages and dataset.latency
    evidence = {each.query_id: each for each in read_evidence(locate(dataset.evidence, out))}
    passages = read_evidence_passages(locate(dataset.passages, out))
    known = {passage.doc_id: passage for passage in read_passages(collection)}
    assert list(evidence) == ["q1", "q2", "d3", "q4"]
    assert evidence["q1"].relevant == {"d1": 2, "d4": 1}
    for query_id, each in evidence.items():
        assert each.text == QUERIES[query_id]
        assert list(each.top) == SYSTEMS
        for system in SYSTEMS[:3]:
            run = read_run(locate(f"toy/runs/{system}.trec", out))
            for hit in each.top[system]:
                assert sum(each.matches[system][hit.doc_id].values()) == pytest.approx(hit.score, abs=1e-3)
                assert passages[hit.doc_id] == known[hit.doc_id]
            assert each.top[system] == run.get(query_id, [])[:5]
    assert next(iter(evidence["q1"].matches["bm25-multifield"]["d1"])) in {"glass", "title:glass"}
    times = read_latency(locate(dataset.latency, out))
    assert list(times) == SYSTEMS
    assert times["bm25-flat"]["q1"].encode_ms == 0 < times["splade-tiny"]["q1"].encode_ms < times["rrf-splade-tiny"]["q1"].search_ms * 1e6


def test_tables_as_markdown_csv_and_latex(out: Path, results: Results) -> None:
    markdown = (out / "table.md").read_text()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines() if line.startswith("| toy")]
    assert [row[1] for row in cells[:5]] == [system.label for system in results.systems]
    assert [row[2].strip("*") for row in cells[:5]] == [f"{row.scores['nDCG@10']:.4f}".removeprefix("0") for row in results.rows]
    for title in ("## Cost", "## Against BM25 flat, query by query"):
        assert title in markdown
    rows = list(csv.DictReader((out / "table.csv").open()))
    assert [row["system"] for row in rows] == SYSTEMS
    for row, measured in zip(rows, results.rows, strict=True):
        assert float(row["nDCG@10"]) == measured.scores["nDCG@10"]
        assert measured.cost and float(row["flops"]) == measured.cost.flops
    assert rows[0]["nDCG@10 wins"] == "" != rows[1]["nDCG@10 wins"]
    latex = (out / "table.tex").read_text()
    assert latex.startswith("\\begin{tabular}{llrrrr}")
    assert latex.count("\\\\") == len(SYSTEMS) + 1


def test_the_same_command_again_takes_what_is_there(
    collection: Path, out: Path, results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = {
        path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file() and path.parent.name in {*SYSTEMS, "runs", "vectors"}
    }
    assert len(kept) > 20
    assert main(["beir", str(collection), "--output", str(out), *OPTIONS]) == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert timeless(read_results(out)) == timeless(results)
    assert read_results(out).rows == results.rows  # latencies are kept with the runs
    assert capsys.readouterr().err.count("is there") == 3 + 5


@pytest.fixture
def copied(collection: Path, out: Path, tmp_path: Path) -> tuple[Path, Path]:
    import shutil

    shutil.copytree(collection, tmp_path / "toy")
    shutil.copytree(out, tmp_path / "main")
    return tmp_path / "toy", tmp_path / "main"


def test_what_was_made_from_something_else_is_made_again(
    copied: tuple[Path, Path], results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    collection, out = copied
    command = ["beir", str(collection), "--output", str(out), *OPTIONS]
    run = out / "toy" / "runs" / "bm25-flat.trec"
    before = run.read_text()
    run.write_text("q1 Q0 d2 1 9 forged\n")
    assert main(command) == 0
    assert run.read_text() == before
    assert timeless(read_results(out)).rows == timeless(results).rows
    write_collection(collection, [*PASSAGES, ("d6", "", "Glass breaks, and why does it?")])
    capsys.readouterr()
    assert main(command) == 1  # encoded vectors are hours of work and are not thrown away unasked
    assert re.search("toy: skipped: .*the collection has changed, so use --overwrite", capsys.readouterr().err)
    assert main([*command, "--overwrite"]) == 0
    changed = read_results(out)
    assert [row.cost.documents for row in changed.rows if row.cost] == [5, 5, 6, 6, 6]
    assert all("d6" in path.read_text() for path in (out / "toy" / "runs").glob("*.trec"))


def test_other_hits_and_measures_take_the_indexes_but_not_the_runs(copied: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    collection, out = copied
    options = ["--hits", "2", "--measures", "P@1", "--baseline", "splade-tiny", "--systems", "bm25-flat", "splade"]
    assert main(["beir", str(collection), "--output", str(out), *OPTIONS, *options]) == 0
    changed = read_results(out)
    assert [row.system for row in changed.rows] == ["bm25-flat", "splade-tiny"]
    assert list(changed.rows[0].comparisons) == ["P@1"]
    assert changed.rows[1].comparisons == {}
    assert max(len(hits) for hits in read_run(out / "toy" / "runs" / "splade-tiny.trec").values()) == 2
    assert capsys.readouterr().err.count("the index") == 2


def test_passages_of_the_querys_name_can_be_kept(copied: tuple[Path, Path]) -> None:
    collection, out = copied
    options = ["--keep-same-id", "--systems", "bm25-flat", "splade"]
    assert main(["beir", str(collection), "--output", str(out), *OPTIONS, *options]) == 0
    results = read_results(out)
    for row in results.rows:
        assert read_run(locate(row.run, out))["d3"][0].doc_id == "d3"
        assert row.scores["RR@10"] >= 3 / 5
    assert results.settings["remove_query"] is False
    assert "is kept in every system's run" in (out / "table.md").read_text()


def test_bm25_alone_loads_no_model_and_no_torch(copied: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    collection, out = copied
    monkeypatch.setitem(sys.modules, "splade_lucene.encoding.model", None)  # importing it is an error
    assert main(["beir", str(collection), "--output", str(out), *OPTIONS, "--systems", "bm25-flat", "bm25-multifield"]) == 0


def test_a_data_set_that_cannot_be_had_is_skipped_and_the_status_says_so(
    copied: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    collection, out = copied
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "corpus.jsonl").write_text('{"_id": "d1", "text": "a"}\n')
    assert main(["beir", str(tmp_path / "broken"), "bioasq", str(collection), "--output", str(out), *OPTIONS]) == 1
    stdout, stderr = capsys.readouterr()
    assert "2 data sets were skipped; everything else is in" in stderr
    found = read_results(out)
    assert [each.dataset for each in found.skipped] == ["broken", "bioasq"]
    assert "holds no queries.jsonl" in found.skipped[0].reason
    assert "only its owners distribute it" in found.skipped[1].reason
    assert len(found.rows) == 5
    assert "## Skipped" in stdout


def test_if_nothing_is_left_there_are_no_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["beir", "bioasq", "--output", str(tmp_path / "out"), *OPTIONS]) == 1
    assert "no data set could be evaluated: bioasq" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (["beir"], 2, "name a DATASET, or --all"),
        (["beir", "scifact", "--revision", "v1", "--model", "a", "--model", "b"], 2, "--revision is for a single --model"),
        (["beir", "scifact", "--measures", "foo"], 1, "unknown measure 'foo'"),
        (["beir", "scifact", "--expect", "absent.yaml"], 1, "absent.yaml: cannot be read"),
        (["beir", "scifact", "--model", "tiny", "--systems", "splade", "fusion"], 1, "fusion joins bm25-flat and splade"),
        (
            ["beir", "scifact", "--model", "tiny", "--systems", "splade", "--baseline", "bm25-flat"],
            1,
            "the baseline 'bm25-flat' is none of the systems",
        ),
        (["beir", "scifact", "--model", "tiny", "--model", "tiny"], 1, "two models would both be called splade-tiny"),
        (["beir", "scifact", "--model", "tiny", "--max-length", "9999"], 1, "9999"),
    ],
)
def test_wrong_usage_fails_before_any_work(
    arguments: list[str], status: int, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*arguments, "--output", str(tmp_path / "out")]
    if status == 2:
        with pytest.raises(SystemExit, match="2"):
            main(command)
    else:
        assert main(command) == status
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_evaluation_becomes_the_expectation_of_the_next(
    copied: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    collection, out = copied
    command = ["beir", str(collection), "--output", str(out), *OPTIONS]
    file = tmp_path / "expected.yaml"
    assert main([*command, "--write-expect", str(file)]) == 0
    expected = yaml.safe_load(file.read_text())
    assert list(expected["scores"]["toy"]) == SYSTEMS
    assert main([*command, "--expect", str(file)]) == 0
    expected["scores"]["toy"]["splade-tiny"]["nDCG@10"] -= 0.0002
    expected["scores"]["toy"]["absent"] = {"AP": 0.5}
    file.write_text(yaml.safe_dump(expected))
    capsys.readouterr()
    assert main([*command, "--expect", str(file)]) == 1
    stdout, stderr = capsys.readouterr()
    assert "2 scores are not as expected" in stderr
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in stdout.partition("Not as ")[2].splitlines() if "toy" in line]
    assert [row[:3] for row in rows] == [["toy", "absent", "AP"], ["toy", "splade-tiny", "nDCG@10"]]
    assert rows[0][4] == "-"


@pytest.fixture(scope="module")
def slice_of_scifact(real_collection: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 of its queries and 200 of its passages, those that are relevant among them."""
    source = real_collection("scifact")
    folder = tmp_path_factory.mktemp("slice") / "scifact"
    (folder / "qrels").mkdir(parents=True)
    queries = read_queries(source)[:30]
    ids = {query.query_id for query in queries}
    qrels = [qrel for qrel in read_qrels(source) if qrel.query_id in ids]
    relevant = {qrel.doc_id for qrel in qrels}
    passages = sorted(read_passages(source), key=lambda passage: passage.doc_id not in relevant)[:200]
    lines = [{"_id": passage.doc_id, "title": passage.title, "text": passage.text} for passage in passages]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "queries.jsonl").write_text("".join(json.dumps({"_id": query.query_id, "text": query.text}) + "\n" for query in queries))
    judged = "".join(f"{qrel.query_id}\t{qrel.doc_id}\t{qrel.relevance}\n" for qrel in qrels)
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged)
    return folder


@pytest.mark.slow
def test_killed_twice_it_comes_to_the_same_results(slice_of_scifact: Path, tmp_path: Path) -> None:
    options = ["--model", "tiny", "--max-length", "128", "--threads", "2", "--device", "cpu"]
    assert main(["beir", str(slice_of_scifact), "--output", str(tmp_path / "whole"), *options]) == 0
    out = tmp_path / "killed"
    for sign in ("runs/bm25-flat.trec.json", "encoded/splade-tiny/manifest.json"):
        command = [sys.executable, "-m", "splade_lucene.cli.main", "beir", str(slice_of_scifact), "--output", str(out), *options]
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        while not (out / "scifact" / sign).is_file():
            assert child.poll() is None, f"it ended before {sign} was there"
            time.sleep(0.005)
        os.killpg(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        assert not (out / "results.json").exists()
    assert main(["beir", str(slice_of_scifact), "--output", str(out), *options]) == 0
    whole, killed = read_results(tmp_path / "whole"), read_results(out)
    assert timeless(killed) == timeless(whole)
    assert len(killed.rows) == 5
    for name in ("scores.csv", "evidence.jsonl", "passages.jsonl", "qrels.trec"):
        assert (out / "scifact" / name).read_bytes() == (tmp_path / "whole" / "scifact" / name).read_bytes()
    # A slice is not what the published figures are of.
    assert killed.rows[0].published == {}
    assert any("the index has 200 documents, the published one 5,183" in note for note in killed.datasets[0].notes)
