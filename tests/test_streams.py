"""``-`` for standard input and output in every command, and output into a pipe that nobody reads any more."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from splade_lucene.cli.main import build_parser, main
from splade_lucene.collections.passages import read_passages
from splade_lucene.core.streams import as_file, first_line, open_bytes
from splade_lucene.errors import InputError
from splade_lucene.records import Passage

CORPUS = '{"id": "d1", "contents": "glass breaks"}\n{"id": "d2", "contents": "an index of terms"}\n'
QUERIES = "q1\tglass\nq2\tindex\n"
QRELS = "q1 0 d1 1\nq2 0 d2 1\n"

Feed = Callable[[str | bytes], None]


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Feed:
    """Makes something the standard input of this process."""

    def feed(data: str | bytes) -> None:
        raw = io.BytesIO(data.encode() if isinstance(data, str) else data)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(raw))

    return feed


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("index")
    (folder / "corpus.jsonl").write_text(CORPUS)
    assert main(["bm25", str(folder / "corpus.jsonl"), str(folder / "index")]) == 0
    return folder / "index"


@pytest.mark.parametrize("blank", ["", "\n\n \n"])
@pytest.mark.parametrize("packed", [False, True])
def test_the_first_line_can_be_looked_at_before_all_is_read_once(feed: Feed, packed: bool, blank: str) -> None:
    data = (blank + "one\n" + "two\n" * 50_000).encode()
    feed(gzip.compress(data) if packed else data)
    assert first_line(Path("-")) == first_line(Path("-")) == b"one\n"
    with open_bytes(Path("-")) as stream:
        assert stream.read() == data
    with pytest.raises(InputError, match="standard input: can be read only once; name a file for the others"):
        open_bytes(Path("-"))


def test_standard_input_as_a_file(feed: Feed) -> None:
    feed("one\n")
    with as_file(Path("-")) as copy:
        assert copy.read_text() == "one\n"
    assert not copy.exists()


@pytest.mark.parametrize("text", [CORPUS, "d1\tglass breaks\nd2\tan index of terms\n", "[" + CORPUS.replace("}\n{", "},\n{") + "]"])
@pytest.mark.parametrize("packed", [False, True])
def test_passages_of_several_kinds_come_from_standard_input(feed: Feed, text: str, packed: bool) -> None:
    feed(gzip.compress(text.encode()) if packed else text)
    assert list(read_passages("-")) == [Passage("d1", "glass breaks"), Passage("d2", "an index of terms")]


@pytest.mark.parametrize(
    ("text", "problem"),
    [("one query\n", "unknown kind of file"), ("", "unknown kind of file"), (b"PAR1\n", "Parquet cannot be read from standard input")],
)
def test_what_cannot_be_read_from_standard_input(feed: Feed, text: str | bytes, problem: str) -> None:
    feed(text)
    with pytest.raises(InputError, match=problem):
        list(read_passages("-"))


def test_the_whole_way_through_pipes(
    feed: Feed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    feed(gzip.compress(CORPUS.encode()))
    assert main(["bm25", "-", "index"]) == 0
    assert "2 documents" in capsys.readouterr().out
    feed(QUERIES)
    assert main(["search", "index", "-", "-"]) == 0
    out, err = capsys.readouterr()
    assert [line.split()[:4:2] for line in out.splitlines()] == [["q1", "d1"], ["q2", "d2"]]
    assert "| run" in err and "queries" in err
    Path("qrels").write_text(QRELS)
    feed(out)
    assert main(["evaluate", "qrels", "-", "--measures", "recip_rank"]) == 0
    assert "| -" in (table := capsys.readouterr().out) and "1.0000" in table
    Path("run").write_text(out)
    feed(out)
    assert main(["fuse", "run", "-", "--output", "-"]) == 0
    fused, err = capsys.readouterr()
    assert len(fused.splitlines()) == 2 and "| run" in err
    feed(out)
    assert main(["compare", "qrels", "run", "-", "--measures", "RR"]) == 0
    assert "stdin" in capsys.readouterr().out
    feed(QRELS)
    assert main(["evaluate", "-", "run", "--measures", "RR"]) == 0
    feed(QRELS)
    assert main(["evaluate", "-", "-"]) == 1
    assert "standard input: can be read only once" in capsys.readouterr().err
    assert sorted(each.name for each in Path().iterdir()) == ["index", "qrels", "run"]


def test_an_html_page_goes_to_standard_output(tiny: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "glass", "--model", "tiny", "--html", "-"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("<!doctype html>") and out.rstrip().endswith("</html>")
    assert "number of actual dimensions" in err


def test_a_run_on_standard_output_is_not_shown_as_well(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["search", str(index), "q.tsv", "-", "--show", "3"])
    assert caught.value.code == 2
    assert "--show prints to stdout; give the run the name of a file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    ["encode c.jsonl -", "bm25 c.jsonl -", "index - i", "index o -", "search - q r", "index-stats -", "merge -", "demo --output -"],
)
def test_folders_have_a_name(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args(arguments.split())
    assert caught.value.code == 2
    assert "expected a folder, not standard input or output; give its name" in capsys.readouterr().err


CLOSED = ["index-stats {index}", "search {index} {queries} -", "evaluate {qrels} {run}", "--help"]


@pytest.mark.parametrize(("command", "also_stderr"), [*((command, False) for command in CLOSED), (CLOSED[0], True)])
def test_a_pipe_that_nobody_reads_ends_a_command_quietly(index: Path, tmp_path: Path, command: str, also_stderr: bool) -> None:
    (tmp_path / "q.tsv").write_text(QUERIES)
    (tmp_path / "qrels").write_text(QRELS)
    (tmp_path / "run").write_text("q1 Q0 d1 1 1 t\n")
    names = {"index": index, "queries": tmp_path / "q.tsv", "qrels": tmp_path / "qrels", "run": tmp_path / "run"}
    read, write = os.pipe()
    os.close(read)
    child = subprocess.run(
        [sys.executable, "-m", "splade_lucene.cli.main", *command.format(**names).split()],
        stdout=write,
        stderr=write if also_stderr else subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert child.returncode == 141
    if not also_stderr:
        assert b"Traceback" not in child.stderr and b"Exception" not in child.stderr and b"splade-lucene" not in child.stderr


def test_a_shell_sees_its_usual_status(index: Path) -> None:
    line = f'"{sys.executable}" -m splade_lucene.cli.main index-stats {index} | true; echo "${{PIPESTATUS[0]}}"'
    child = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert (child.stdout, child.stderr) == ("141\n", "")
