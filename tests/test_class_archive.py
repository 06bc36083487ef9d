"""The archive of Java's classes: made once, in the background, used from then on, and never in the way."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from splade_lucene.errors import JavaError
from splade_lucene.lucene import class_archive, class_training, examination, jvm
from splade_lucene.lucene.bm25_indexing import build_bm25_index
from splade_lucene.lucene.class_archive import SETTING, ClassArchive, archive_of
from splade_lucene.records import Passage
from tests.test_jvm import JAVAS

# ln 2, the idf of a word in one of two documents, by 1 / 1.9, its weight in a document of mean length.
RUN = "q1 Q0 d2 1 0.3648 index\n"
# Searches as the command does, and says on standard error whether Java mapped an archive.
SEARCH = """
import os, sys
from splade_lucene.cli.main import main
from splade_lucene.lucene import jvm
status = main(["search", *sys.argv[1:]])
if jvm._State.jnius is not None:
    print(jvm.jnius().autoclass("java.lang.System").getProperty("java.vm.info"), file=sys.stderr)
sys.stdout.flush(), sys.stderr.flush()
os._exit(status)
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archived")
    build_bm25_index([Passage("d1", "glass"), Passage("d2", "cats")], folder / "index")
    (folder / "queries.tsv").write_text("q1\tcat\n", encoding="utf-8")
    return folder / "index"


@pytest.fixture(scope="module")
def made(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache folder after the first search, which made the archive in the background."""
    cache = tmp_path_factory.mktemp("cache") / "new"
    first = search(index, cache)
    assert (first.returncode, first.stdout) == (0, RUN)
    assert "sharing" not in first.stderr
    wait_for(cache)
    return cache


def search(index: Path, cache: Path | str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SEARCH, str(index), str(index.parent / "queries.tsv"), "-"]
    environment = {**os.environ, SETTING: str(cache), **environment}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


def wait_for(cache: Path) -> None:
    """Waits for the process in the background, which holds the lock to its end."""
    deadline = time.monotonic() + 120
    while not list(cache.glob("*.jsa")) or list(cache.glob(".java-*")):
        assert time.monotonic() < deadline, f"no archive: {sorted(cache.glob('*'))}"
        time.sleep(0.1)


def archive_in(cache: Path, monkeypatch: pytest.MonkeyPatch) -> ClassArchive:
    monkeypatch.setenv(SETTING, str(cache))
    archive = archive_of(jvm.java_home(), jvm.anserini_jar())
    assert archive is not None
    return archive


def copy(made: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> ClassArchive:
    archive = archive_in(cache, monkeypatch)
    cache.mkdir()
    for kind in ("file", "jar"):
        file: Path = getattr(archive, kind)
        file.write_bytes((made / file.name).read_bytes())
    return archive


def test_the_second_search_maps_the_archive_that_the_first_one_made(made: Path, index: Path) -> None:
    second = search(index, made)
    assert (second.returncode, second.stdout) == (0, RUN)
    assert "sharing" in second.stderr
    (archive,) = made.glob("*.jsa")
    assert archive.stat().st_size < 40e6
    assert sorted(file.suffix for file in made.iterdir()) == [".jar", ".jsa", ".lock"]


@pytest.mark.parametrize("damage", ["empty", "cut", "garbage", "another jar"])
def test_an_archive_that_does_not_fit_changes_nothing(
    damage: str, made: Path, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = copy(made, tmp_path / "cache", monkeypatch)
    content = archive.file.read_bytes()
    if damage != "another jar":  # of which the copy of the jar, with its new path, is one already
        archive.file.write_bytes({"empty": b"", "cut": content[: len(content) // 2], "garbage": b"\xff" * len(content)}[damage])
    result = search(index, tmp_path / "cache")
    assert (result.returncode, result.stdout) == (0, RUN)
    assert "sharing" not in result.stderr
    assert len(result.stderr.splitlines()) == 4  # the table, and whether Java mapped an archive
    found = {each.topic: each for each in examination.examine_java()}["archive of Java's classes"]
    assert found.state == "missing"
    assert f"Java does not take {archive.file}; delete it" in found.detail


def test_without_a_folder_to_write_to_it_searches_and_doctor_says_why(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    result = search(index, file / "cache")
    assert (result.returncode, result.stdout) == (0, RUN)
    assert file.read_bytes() == b""
    assert class_archive.why_not(archive_in(file / "cache", monkeypatch)) == f"{file} cannot be written"


def test_who_wants_no_archive_gets_none(index: Path, tmp_path: Path) -> None:
    result = search(index, "off", HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))
    assert result.returncode == 0
    assert list(tmp_path.iterdir()) == []
    assert "there is no cache folder" in class_archive.why_not(None)


def test_two_processes_make_one_archive(tmp_path: Path) -> None:
    environment = {**os.environ, SETTING: str(tmp_path)}
    command = [sys.executable, "-m", "splade_lucene.lucene.class_training"]
    both = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) for _ in range(2)]
    assert [process.communicate(timeout=120)[1] for process in both] == [b"", b""]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".jar", ".jsa", ".lock"]


def test_a_failure_is_kept_said_and_not_tried_again(tmp_path: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = archive_in(tmp_path / "cache", monkeypatch)
    monkeypatch.setattr(class_training, "_build_indexes", lambda folder: None)  # so that there is nothing to search
    with pytest.raises(JavaError, match="ended with status 1"):
        class_training.make_archive(archive)
    assert not archive.file.exists()
    assert "making it failed" in class_archive.why_not(archive)
    assert "no index folder" in class_archive.why_not(archive)
    before = sorted((tmp_path / "cache").iterdir())
    assert search(index, tmp_path / "cache").returncode == 0
    time.sleep(1)
    assert sorted((tmp_path / "cache").iterdir()) == before


@pytest.mark.skipif(not any(version and version > 21 for version in JAVAS), reason="no Java later than 21 in /usr/lib/jvm")
def test_a_newer_java_has_an_archive_as_well(index: Path, tmp_path: Path) -> None:
    newest = {"JAVA_HOME": str(JAVAS[max(version for version in JAVAS if version)])}
    command = [sys.executable, "-m", "splade_lucene.lucene.class_training"]
    environment = {**os.environ, SETTING: str(tmp_path), **newest}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    result = search(index, tmp_path, **newest)
    assert (result.returncode, result.stdout) == (0, RUN)
    assert "sharing" in result.stderr
    assert len(result.stderr.splitlines()) == 4  # the table, and that Java mapped the archive


def test_the_archive_of_another_user_is_not_run(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = archive_in(made, monkeypatch)
    assert archive.usable()
    monkeypatch.setattr(os, "getuid", lambda: archive.file.stat().st_uid + 1)
    assert not archive.usable()


def test_another_java_has_another_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, str(tmp_path))
    names = set()
    for version in ("21.0.1", "21.0.2"):
        home = tmp_path / version
        (home / "lib" / "server").mkdir(parents=True)
        (home / "release").write_text(f'JAVA_VERSION="{version}"\n', encoding="utf-8")
        archive = archive_of(home, jvm.anserini_jar())
        assert archive is not None
        names.add(archive.file)
    assert len(names) == 2


def test_old_archives_are_removed(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = copy(made, tmp_path / "cache", monkeypatch)
    for age, name in enumerate(("a", "b", "c"), start=1):
        for kind in ("jsa", "jar"):
            file = tmp_path / "cache" / f"java-{name}.{kind}"
            file.touch()
            os.utime(file, (time.time() - age * 1000,) * 2)
    class_training._remove_others(archive)
    assert sorted(file.name for file in (tmp_path / "cache").iterdir()) == sorted(
        [archive.file.name, archive.jar.name, "java-a.jsa", "java-a.jar"]
    )
