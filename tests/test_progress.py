"""How far a long work is, and how much is left."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest

from splade_lucene.collections.passages import estimate_passages
from splade_lucene.errors import InputError
from splade_lucene.pipeline import progress as module
from splade_lucene.pipeline.progress import progress


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_on_a_pipe_a_line_comes_every_30_seconds_with_the_speed_and_the_time_left(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("encoding", "passages", 100_000) as advance:
        for _ in range(7):
            clock.now += 10
            advance(200)
    assert capsys.readouterr().err.splitlines() == [
        "encoding: 600 passages in 30.0 s, 20.0/s, about 83 min left",
        "encoding: 1,200 passages in 60.0 s, 20.0/s, about 82 min left",
        "encoding: 1,400 passages in 70.0 s, 20.0/s, about 82 min left",
    ]


@pytest.mark.parametrize(("total", "left"), [(1300, ", about 5 s left"), (1200, ""), (10**6, ", about 13.9 h left"), (None, "")])
def test_time_left_is_told_as_far_as_it_is_known(clock: Clock, capsys: pytest.CaptureFixture[str], total: int | None, left: str) -> None:
    with progress("encoding", "passages", total) as advance:
        clock.now += 60
        advance(1200)
    assert capsys.readouterr().err.splitlines()[0] == f"encoding: 1,200 passages in 60.0 s, 20.0/s{left}"


def test_what_an_earlier_run_finished_does_not_count_for_the_speed(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("encoding", "passages", 10_000) as advance:
        advance.skip(8000)
        clock.now += 50
        advance(1000)
    line = "encoding: 9,000 passages (8,000 by an earlier run) in 50.0 s, 20.0/s, about 50 s left"
    assert capsys.readouterr().err.splitlines()[0] == line


def test_on_a_terminal_there_is_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with progress("encoding", "passages", 1000) as advance:
        advance.skip(600)
        advance(400)
    bar = capsys.readouterr().err.split("\r")[-1]
    assert "encoding: 100%" in bar and "1000/1000" in bar and "passages/s" in bar


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("lines", [1, 700, 120_000])
def test_the_number_of_passages_is_estimated_well_enough(tmp_path: Path, lines: int, packed: bool) -> None:
    chance = random.Random(lines)
    text = "".join(json.dumps({"id": f"d{number}", "contents": f"{number} " * chance.randrange(10, 60)}) + "\n" for number in range(lines))
    file = tmp_path / ("corpus.jsonl.gz" if packed else "corpus.jsonl")
    with gzip.open(file, "wt", compresslevel=1) if packed else file.open("w") as stream:
        stream.write(text)
    assert (len(text) > 1 << 24) is (lines > 700)
    assert estimate_passages(file) == pytest.approx(lines, rel=0.0 if lines <= 700 else 0.15)


def test_a_folder_is_the_sum_of_its_files_and_what_cannot_be_read_is_left_to_the_reader(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("d1\tone\nd2\ttwo\n")
    (tmp_path / "b.jsonl").write_text('{"id": "d3", "contents": "three"}\n')
    (tmp_path / "c.jsonl.gz").write_bytes(b"no gzip")
    assert estimate_passages(tmp_path) == 3
    with pytest.raises(InputError, match="no such file or folder"):
        estimate_passages(tmp_path / "nowhere")
