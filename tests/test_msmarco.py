"""MS MARCO as it is downloaded: runs of three columns, MRR@10 as its own script has it, and the whole evaluation from three files."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from splade_lucene.cli.main import main
from splade_lucene.collections.judged import FilesCollection
from splade_lucene.errors import InputError
from splade_lucene.evaluation.measures import score_run
from splade_lucene.evaluation.reference import published, published_documents, references, settings_match, source
from splade_lucene.evaluation.result_records import System
from splade_lucene.evaluation.runs import read_notes, read_run, write_run
from splade_lucene.records import Hit, Passage, Qrel, Query
from tests.vector_factory import ENCODER, SIDE

FLAT = System("bm25-flat", "BM25 flat", "bm25", {"k1": 0.9, "b": 0.4, "fields": {"contents": 1.0}})
NAVER = replace(SIDE, model="naver/splade-cocondenser-ensembledistil")
PLUSPLUS = System("splade-ed", "SPLADE", "impact", {}, replace(ENCODER, document=NAVER, query=NAVER))


def test_a_run_of_three_columns_is_written_and_read_in_its_order(tmp_path: Path) -> None:
    run = {"2": [Hit("7", 5.0), Hit("9", 5.0), Hit("8", 5.0)], "1": [Hit("9", 0.0)]}
    write_run(tmp_path / "run", run, tag="x", notes={"hits": 3}, format="msmarco")
    assert (tmp_path / "run").read_text() == "2\t7\t1\n2\t9\t2\n2\t8\t3\n1\t9\t1\n"
    assert read_run(tmp_path / "run") == {"2": [Hit("7", 1.0), Hit("9", 1 / 2), Hit("8", 1 / 3)], "1": [Hit("9", 1.0)]}
    assert read_notes(tmp_path / "run")["hits"] == 3


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1\t7\t1\n1\t8\t3\n", "run: query '1' has no rank 2; number the hits of a query from 1 on"),
        ("1\t7\t2\n", "run: query '1' has no rank 1"),
        ("1\t7\t1\n1\t8\t1\n", "run: query '1' has the rank 1 twice"),
        ("1\t7\t1\n1\t7\t2\n", "run, line 2: query '1' has the document '7' twice"),
        ("1\t7\t1\n1\t8\t0\n", "run, line 2: the rank '0' is not an integer from 1; a line is query, document, rank"),
        ("1\t7\t1\n1\t8\t2.0\n", "run, line 2: the rank '2.0' is not an integer from 1"),
        ("1\t7\t1\n1 Q0 8 2 1.0 x\n", "run, line 2: 6 columns; a run has 3: query document rank, as the lines before"),
        ("1 Q0 8 2 1.0 x\n1\t7\t1\n", "run, line 2: 3 columns; a run has 6: query Q0 document rank score tag"),
    ],
)
def test_a_run_whose_ranks_are_not_1_2_3_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "run").write_text(text)
    with pytest.raises(InputError, match=problem):
        read_run(tmp_path / "run")


def official_mrr(judged: dict[str, set[str]], ranked: dict[str, dict[int, str]]) -> float:
    """MRR@10 as MS MARCO's script defines it: by the ranks in the file, over all judged queries, whatever a line's grade."""
    total = 0.0
    for query_id, relevant in judged.items():
        places = (rank for rank in range(1, 11) if ranked.get(query_id, {}).get(rank) in relevant)
        total += 1 / next(places, float("inf"))
    return total / len(judged)


@pytest.mark.parametrize("seed", range(5))
def test_mrr_at_10_is_that_of_the_official_script(tmp_path: Path, seed: int) -> None:
    """Runs shorter and longer than ten, queries without hits, queries that are not judged, lines in any order."""
    dice = random.Random(seed)
    documents = [str(number) for number in range(40)]
    judged = {str(query): set(dice.sample(documents, dice.randint(1, 3))) for query in range(30)}
    ranked = {str(query): dict(enumerate(dice.sample(documents, dice.randint(1, 30)), start=1)) for query in dice.sample(range(40), 32)}
    lines = [f"{query}\t{document}\t{rank}\n" for query, hits in ranked.items() for rank, document in hits.items()]
    dice.shuffle(lines)
    (tmp_path / "run").write_text("".join(lines))
    qrels = [Qrel(query, document, 1) for query, relevant in judged.items() for document in relevant]
    expected = official_mrr(judged, ranked)
    assert 0 < expected < 1
    for name in ("RR@10", "MRR@10"):
        assert score_run(read_run(tmp_path / "run"), qrels, name).mean == {"RR@10": pytest.approx(expected, abs=1e-12)}


def test_published_figures_are_for_the_whole_collection_and_its_judgments_only() -> None:
    for name in ("msmarco", "dl19", "dl20"):
        assert set(references(name)) == {"bm25-flat", "splade-pp-ed", "splade-v3"}
        assert published_documents(name, FLAT) == 8_841_823
        assert "Anserini" in source(name)
    figure = published("msmarco", FLAT, {"RR@10": 0.1840, "R@1000": 0.85, "nDCG@10": 0.2})
    assert {measure: (each.value, each.off) for measure, each in figure.items()} == {"RR@10": (0.184, False), "R@1000": (0.8526, True)}
    assert published("dl19", PLUSPLUS, {"nDCG@10": 0.7, "R(rel=2)@1000": 0.8})["R(rel=2)@1000"].value == 0.8728
    whole: dict[str, Any] = {"split": None, "queries": 6980, "hits": 1000, "remove_query": False}
    assert settings_match("msmarco", **whole)
    for other in ({"queries": 43}, {"hits": 100}, {"remove_query": True}):
        assert not settings_match("msmarco", **{**whole, **other})
    assert settings_match("scifact", split="test", queries=300, hits=1000, remove_query=True)
    assert not settings_match("scifact", split="test", queries=300, hits=1000, remove_query=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection in the shape of MS MARCO's downloads; a query and a passage have the same number, and are not the same."""
    folder = tmp_path_factory.mktemp("msmarco")
    words = ["glass", "stress", "index", "term", "heat", "pane", "query", "score"]
    lines = [f"{number}\t{words[number % 8]} {words[number * 3 % 8]} {words[number * 5 % 7]} number {number}\n" for number in range(30)]
    (folder / "collection.tsv").write_text("".join(lines))
    (folder / "queries.dev.small.tsv").write_text("1\tstress index\n2\tindex heat\n3\theat pane\n1000\tnot judged\n")
    (folder / "qrels.dev.small.tsv").write_text("1\t0\t1\t1\n2\t0\t10\t1\n3\t0\t4\t1\n")
    (folder / "2019qrels-pass.txt").write_text("1 Q0 1 3\n1 Q0 9 1\n2 Q0 10 2\n3 0 4 0\n")
    return folder


def from_files(folder: Path, qrels: str) -> list[str]:
    names = {"corpus": "collection.tsv", "queries": "queries.dev.small.tsv", "qrels": qrels}
    return [part for option, name in names.items() for part in (f"--{option}", str(folder / name))]


def test_files_are_a_collection(files: Path, tmp_path: Path) -> None:
    collection = FilesCollection("x", *(files / name for name in ("collection.tsv", "queries.dev.small.tsv", "qrels.dev.small.tsv")))
    assert next(collection.passages()) == Passage("0", "glass glass glass number 0")
    assert collection.queries() == [Query("1", "stress index"), Query("2", "index heat"), Query("3", "heat pane")]
    assert collection.qrels()[0] == Qrel("1", "1", 1)
    (tmp_path / "other.tsv").write_text("1000\tnot judged\n")
    with pytest.raises(InputError, match=r"other\.tsv: has no query that .* judges; are these the right judgments"):
        FilesCollection("x", files / "collection.tsv", tmp_path / "other.tsv", files / "qrels.dev.small.tsv")


KINDS = {
    "msmarco": ("qrels.dev.small.tsv", ["RR@10", "R@1000", "nDCG@10"]),
    "dl19": ("2019qrels-pass.txt", ["nDCG@10", "R(rel=2)@1000", "AP(rel=2)", "RR(rel=2)@10"]),
}


@pytest.mark.parametrize("name", KINDS)
def test_ms_marco_and_trec_dl_in_one_line(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    qrels, measures = KINDS[name]
    command = ["beir", name, *from_files(files, qrels), "--systems", "bm25-flat", "--output", str(tmp_path)]
    assert main(command) == 0
    out = capsys.readouterr().out
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["measures"] == measures
    assert any(note.endswith("it is kept in every run.") for note in results["datasets"][0]["notes"])
    scores = results["rows"][0]["scores"]
    run, judged = read_run(tmp_path / name / "runs" / "bm25-flat.trec"), tmp_path / name / "qrels.trec"
    assert any(hit.doc_id == "1" for hit in run["1"])  # ids that agree by chance
    assert main(["evaluate", str(judged), str(tmp_path / name / "runs" / "bm25-flat.trec"), "--measures", " ".join(measures)]) == 0
    printed = capsys.readouterr().out.splitlines()[-1]
    assert all(f"{scores[measure]:.4f}" in printed for measure in measures)
    assert all(measure in out for measure in measures)
    assert results["references"][name]["bm25-flat"]["R(rel=2)@1000" if name == "dl19" else "RR@10"] == (0.7501 if name == "dl19" else 0.184)
    if name == "msmarco":
        search = ["search", str(tmp_path / name / "indexes" / "bm25-flat"), str(files / "queries.dev.small.tsv"), str(tmp_path / "run")]
        assert main([*search, "--format", "msmarco"]) == 0
        ranks = [line.split("\t") for line in (tmp_path / "run").read_text().splitlines()]
        assert [line[2] for line in ranks if line[0] == "3"] == [str(rank) for rank in range(1, len(run["3"]) + 1)]
        assert [hit.score for hit in read_run(tmp_path / "run")["3"]][:3] == [1, 1 / 2, 1 / 3]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["msmarco", "--corpus", "c.tsv"], "are one data set; give all three"),
        (["a", "b", "--corpus", "c", "--queries", "q", "--qrels", "r"], "give one DATASET, its name"),
        (["a/b", "--corpus", "c", "--queries", "q", "--qrels", "r"], "give one DATASET, its name"),
        (["a", "--corpus", "c", "--queries", "q", "--qrels", "r", "--split", "dev"], "--split and --data are for folders and zips"),
        (["a", "--corpus", "-", "--queries", "q", "--qrels", "r"], "--corpus is read several times; give the name of a file"),
        (["scifact", "--text-field", "body"], "are for --corpus, --queries and --qrels"),
    ],
)
def test_options_that_do_not_go_together(arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["beir", *arguments])
    assert caught.value.code == 2
    assert problem in capsys.readouterr().err
