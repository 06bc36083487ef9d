from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from splade_lucene.cli.main import COMMANDS, main

CORPUS = [
    {"_id": "d1", "title": "Glass", "text": "Thermal stress is created when one area of a glass pane gets hotter."},
    {"_id": "d2", "title": "", "text": "Lucene is a library for full-text search with an inverted index."},
    {"_id": "d3", "title": "Lists", "text": "Return the index where to insert an item in a sorted list."},
]


@pytest.fixture(scope="module")
def beir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("beir")
    (folder / "qrels").mkdir()
    (folder / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in CORPUS))
    queries = {"q1": "why does glass break", "q2": "search engine", "q3": "not judged"}
    (folder / "queries.jsonl").write_text("".join(json.dumps({"_id": query_id, "text": text}) + "\n" for query_id, text in queries.items()))
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td1\t1\nq2\td2\t1\n")
    return folder


@pytest.fixture(scope="module")
def indexes(beir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("indexes")
    assert main(["encode", str(beir), str(folder / "out"), "--model", "tiny", "--max-length", "64"]) == 0
    assert main(["index", str(folder / "out"), str(folder / "splade")]) == 0
    assert main(["bm25", str(beir), str(folder / "bm25")]) == 0
    return folder


@pytest.fixture
def places(beir: Path, indexes: Path) -> dict[str, Path]:
    return {"beir": beir, "indexes": indexes}


def test_the_whole_way(beir: Path, indexes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("splade", "bm25"):
        assert main(["search", str(indexes / kind), str(beir), str(tmp_path / f"{kind}.trec"), "--hits", "2"]) == 0
        first = (tmp_path / f"{kind}.trec").read_text().splitlines()[0].split()
        assert first[:4] == ["q1", "Q0", "d1", "1"]
        assert first[5] == kind
    capsys.readouterr()
    assert main(["evaluate", str(beir), str(tmp_path / "splade.trec"), str(tmp_path / "bm25.trec"), "--measures", "RR@10 nDCG@10"]) == 0
    header, _, splade, bm25 = capsys.readouterr().out.splitlines()
    assert [cell.strip() for cell in header.strip("|").split("|")][:4] == ["run", "RR@10", "nDCG@10", "documents"]
    assert [cell.strip() for cell in splade.strip("|").split("|")][1:4] == ["1.0000", "1.0000", "3"]
    assert "64/64" in splade
    assert [cell.strip() for cell in bm25.strip("|").split("|")][-1] == "-"


def test_a_run_made_elsewhere_has_quality_but_no_cost(beir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").write_text("q1 Q0 d1 1 2.5 x\nq9 Q0 d1 1 2.5 x\n")
    assert main(["evaluate", str(beir / "qrels" / "test.tsv"), str(tmp_path / "run"), "--measures", "R@1"]) == 0
    out, err = capsys.readouterr()
    assert "0.5000" in out
    assert "1 judged queries have no hits and count 0, 1 are not judged" in err


def test_split_and_tag_and_single_query_file(indexes: Path, tmp_path: Path) -> None:
    with gzip.open(tmp_path / "topics.tsv.gz", "wt") as stream:
        stream.write("7\tglass pane\n8\tsorted list\n")
    assert main(["search", str(indexes / "bm25"), str(tmp_path / "topics.tsv.gz"), str(tmp_path / "run"), "--tag", "mine"]) == 0
    assert {tuple(line.split()[::5]) for line in (tmp_path / "run").read_text().splitlines()} == {("7", "mine"), ("8", "mine")}


def test_a_file_of_queries_is_taken_whole_unless_a_split_is_named(beir: Path, indexes: Path, tmp_path: Path) -> None:
    for options, expected in (([], "3"), (["--split", "test"], "2")):
        assert main(["search", str(indexes / "bm25"), str(beir / "queries.jsonl"), str(tmp_path / "run"), *options]) == 0
        assert str(json.loads((tmp_path / "run.json").read_text())["queries"]) == expected


def test_encoding_again_changes_nothing_and_other_settings_are_refused(
    beir: Path, indexes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {file: file.read_bytes() for file in (indexes / "out").rglob("*.json*")}
    again = ["encode", str(beir), str(indexes / "out"), "--model", "tiny"]
    assert main([*again, "--max-length", "64"]) == 0
    assert {file: file.read_bytes() for file in (indexes / "out").rglob("*.json*")} == before
    capsys.readouterr()
    assert main([*again, "--max-length", "32"]) == 1
    assert "max_length=64 (settings); this run uses max_length=32" in capsys.readouterr().err


def test_explain_prints_what_the_model_card_prints(capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        "Glass and Thermal Stress. Thermal Stress is created when one area of a glass pane gets hotter than an adjacent area. If the "
        "stress is too great then the glass will crack. The stress level at which the glass will break is governed by several factors."
    )
    assert main(["explain", text, "--model", "tiny", "--card"]) == 0
    count, title, bag = capsys.readouterr().out.splitlines()
    entries = eval(bag)  # the card prints a Python list
    assert (count, title) == (f"number of actual dimensions:  {len(entries)}", "SPLADE BOW rep:")
    assert {"glass", "stress"} <= {token for token, _ in entries[:5]}
    assert [weight for _, weight in entries] == sorted((weight for _, weight in entries), reverse=True)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["encode", "{tmp}/nowhere", "{tmp}/o", "--model", "tiny"], "no such file or folder"),
        (["encode", "{tmp}", "{tmp}/o", "--model", "tiny"], "holds no corpus.jsonl"),
        (["encode", "{beir}", "{tmp}/o", "--model", "no/such-model"], "--model tiny"),
        (["encode", "{beir}", "{tmp}/o", "--model", "tiny", "--max-length", "9999"], "between 3 and the 512 tokens"),
        (["index", "{beir}", "{tmp}/i"], "holds no manifest.json"),
        (["index", "{indexes}/out", "{indexes}/splade"], "--overwrite"),
        (["bm25", "{tmp}/nowhere", "{tmp}/i"], "no such file or folder"),
        (["search", "{beir}", "{beir}", "{tmp}/r"], "no index that"),
        (["search", "{indexes}/bm25", "{beir}", "{tmp}/r", "--split", "dev"], "no such split; there is test"),
        (["search", "{indexes}/bm25", "{tmp}/nowhere", "{tmp}/r"], "cannot be read"),
        (["evaluate", "{beir}", "{beir}/corpus.jsonl"], "columns; a run has 6"),
        (["evaluate", "{beir}", "{tmp}/nowhere"], "cannot be read"),
        (["evaluate", "{beir}", "{beir}/corpus.jsonl", "--measures", "quality"], "unknown measure 'quality'"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(
    arguments: list[str], sentence: str, places: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([argument.format(**places, tmp=tmp_path) for argument in arguments]) == 1
    out, err = capsys.readouterr()
    assert sentence in err
    assert err.count("\n") == 1
    assert out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["encode"], ["search", "a", "b", "c", "--hits", "0"]])
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["ix"], "the folder that `encode` wrote is missing"),
        (["out", "ix", "--delete", "ids"], "say --append"),
        (["out", "ix", "--append", "--overwrite"], "leave --overwrite, --store-contents, --filter-field and --engine out"),
        (["ix", "--delete", "ids", "--threads", "2"], "--threads is for passages to index"),
    ],
)
def test_options_of_index_that_do_not_go_together_are_refused(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["index", *arguments])
    assert caught.value.code == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert command in capsys.readouterr().out


def test_an_interrupted_encode_says_how_to_go_on_and_is_not_taken_for_complete(tmp_path: Path) -> None:
    text = "A passage about glass, stress and heat that is long enough to keep the encoder busy for a while. " * 5
    (tmp_path / "corpus.tsv").write_text("".join(f"d{number}\t{text}\n" for number in range(400)))
    command = [sys.executable, "-m", "splade_lucene.cli.main", "encode", str(tmp_path / "corpus.tsv"), str(tmp_path / "out")]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what a shell starts with `&` ignores Ctrl-C, and so would the child
    with subprocess.Popen([*command, "--model", "tiny"], stderr=subprocess.PIPE, text=True, env=os.environ) as child:
        while not (tmp_path / "out" / "vectors").exists():
            assert child.poll() is None
            time.sleep(0.005)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert err.splitlines()[-1] == "splade-lucene encode: interrupted; run the same command again to resume"
    assert main(["index", str(tmp_path / "out"), str(tmp_path / "index")]) == 1
