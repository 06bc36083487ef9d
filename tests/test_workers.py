"""Several processes that encode: the same bytes as one, and no process is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from splade_lucene.encoding import devices
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.errors import InputError, SpladeLuceneError
from splade_lucene.pipeline.encode import EncodingSettings, encode_collection
from splade_lucene.records import Passage
from splade_lucene.vectors.check import merge_parts
from splade_lucene.vectors.manifest import read_manifest
from splade_lucene.vectors.parts import Part
from splade_lucene.vectors.writer import exclusive

SETTINGS = EncodingSettings(max_length=32, query_max_length=16, top_k=50, min_weight=0.05, bits=8, store_contents=True, shard_size=3)
PASSAGES = [Passage(f"d{number}", f"The glass of pane {number} “cracks” under thermal stress.", "Größe") for number in range(20)]


@pytest.fixture(autouse=True, scope="module")
def one_thread_each() -> Iterator[None]:
    """Keeps the workers from fighting for the cores; what it is set to changes no byte (the first test compares)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="module")
def encoded(tiny: SpladeModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process makes."""
    out = tmp_path_factory.mktemp("alone") / "out"
    encode_collection(PASSAGES, out, tiny, settings=SETTINGS)
    return out


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_workers_make_the_bytes_that_one_process_makes_and_may_change_in_number(tiny: SpladeModel, encoded: Path, tmp_path: Path) -> None:
    out, advanced, skipped = tmp_path / "out", list[int](), list[int]()

    def interrupt(count: int) -> None:
        advanced.append(count)
        if len(advanced) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_collection(PASSAGES, out, "tiny", workers=2, settings=SETTINGS, advance=interrupt)
    assert children() == []
    begun = read_manifest(out)
    assert begun is not None and not begun.complete and 0 < len(begun.shards) < 5
    before = files(out / "vectors")
    advanced.clear()
    encode_collection(PASSAGES, out, tiny, settings=SETTINGS, advance=advanced.append, skip=skipped.append)
    assert (sum(advanced), sum(skipped)) == (20 - begun.passages, begun.passages)
    assert all(before[shard.file] == files(out / "vectors")[shard.file] for shard in begun.shards)
    assert files(out) == files(encoded)


def test_a_part_can_have_workers_of_its_own(tiny: SpladeModel, encoded: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    encode_collection(PASSAGES, out, "tiny", workers=2, settings=SETTINGS, part=Part(2, 2))
    encode_collection(PASSAGES, out, tiny, settings=SETTINGS, part=Part(1, 2))
    assert merge_parts(out).complete
    assert files(out) == files(encoded)


def test_a_folder_that_another_process_writes_is_refused(tmp_path: Path) -> None:
    with exclusive(tmp_path / "out"), pytest.raises(InputError, match="out"):
        encode_collection(PASSAGES, tmp_path / "out", "tiny", workers=2, settings=SETTINGS)
    assert not (tmp_path / "out").exists()


def test_what_a_worker_refuses_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SpladeLuceneError, match=r"^the maximum length 9999 is not between 3 and the 512"):
        encode_collection(PASSAGES, tmp_path / "out", "tiny", workers=2, settings=SETTINGS._replace(max_length=9999))
    assert not (tmp_path / "out").exists()


def test_a_collection_that_breaks_off_stops_all_workers(tmp_path: Path) -> None:
    def broken() -> Iterator[Passage]:
        yield from PASSAGES[:10]
        raise InputError("corpus.jsonl", "not a JSON object", 11)

    with pytest.raises(InputError, match="line 11"):
        encode_collection(broken(), tmp_path / "out", "tiny", workers=2, settings=SETTINGS)
    assert children() == []
    begun = read_manifest(tmp_path / "out")
    assert begun is not None and not begun.complete


def children(parent: int | None = None) -> list[int]:
    """The workers of a process."""
    listed = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in listed.splitlines()]
    return [int(pid) for pid, of, *args in rows if int(of) == (parent or os.getpid()) and "pipeline.worker" in " ".join(args)]


def wait_for(condition: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def long_run(tmp_path: Path, tiny: SpladeModel) -> Iterator[subprocess.Popen[str]]:
    """The command with two workers, busy for long, its first shards finished."""
    text = "A passage about glass, stress and heat that is long enough to keep the encoder busy for a while. " * 5
    (tmp_path / "corpus.tsv").write_text("".join(f"d{number}\t{text}\n" for number in range(20_000)))
    command = [sys.executable, "-m", "splade_lucene.cli.main", "encode", str(tmp_path / "corpus.tsv"), str(tmp_path / "out")]
    options = ["--model", "tiny", "--workers", "2", "--shard-size", "8"]
    with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True) as child:
        try:
            wait_for(lambda: len(list((tmp_path / "out" / "vectors").glob("part-*.jsonl"))) > 2 or child.poll() is not None)
            assert child.poll() is None
            yield child
        finally:
            child.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)], ids=["killed", "ctrl-c"])
def test_workers_end_with_the_process_that_started_them(long_run: subprocess.Popen[str], tmp_path: Path, number: signal.Signals) -> None:
    workers = children(long_run.pid)
    assert len(workers) == 2
    long_run.send_signal(number)
    _, err = long_run.communicate(timeout=60)
    wait_for(lambda: not any(map(is_running, workers)), 10)
    if number == signal.SIGINT:
        assert long_run.returncode == 130
        assert err.splitlines()[-1] == "splade-lucene encode: interrupted; run the same command again to resume"
    else:
        assert long_run.returncode == -number
    listed = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert not listed["complete"] and len(listed["shards"]) > 0


@pytest.mark.slow
def test_a_worker_that_is_killed_is_named_and_takes_the_others_along(long_run: subprocess.Popen[str]) -> None:
    workers = children(long_run.pid)
    os.kill(workers[1], signal.SIGKILL)
    _, err = long_run.communicate(timeout=60)
    assert long_run.returncode == 1
    assert "of 2 was killed by signal 9 (out of memory?); run the same command again to resume, with fewer --workers" in err
    wait_for(lambda: not any(map(is_running, workers)), 10)


def test_each_worker_gets_a_gpu_in_turn_unless_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [devices.worker_device("auto", number) for number in range(3)] == ["cuda:0", "cuda:1", "cuda:0"]
    assert [devices.worker_device(name, 1) for name in ("cuda", "cuda:0", "cpu")] == ["cuda:1", "cuda:0", "cpu"]
    for count in (0, 1):
        monkeypatch.setattr(torch.cuda, "device_count", lambda count=count: count)
        assert devices.worker_device("auto", 1) == "auto"
