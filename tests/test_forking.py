"""A JVM does not survive a fork: a forked process says so in a sentence, and may have a JVM of its own where its parent had none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from splade_lucene.cli.main import main

FORK = """
import os, sys, traceback
from pathlib import Path
from splade_lucene.errors import JavaError
from splade_lucene.lucene import jvm
from splade_lucene.lucene.bm25_searcher import Bm25Searcher

index = sys.argv[1]

def in_child(work):
    '''Runs work in a fork that has a minute; gives what it wrote.'''
    sys.stdout.flush()
    read, write = os.pipe()
    child = os.fork()
    if not child:
        import signal
        signal.alarm(60)
        try:
            said = work()
        except JavaError as error:
            said = f"JavaError: {error}"
        except BaseException:
            said = traceback.format_exc()
        os.write(write, str(said).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as stream:
        said = stream.read()
    _, status = os.waitpid(child, 0)
    return f"{said} ({status})"
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forking")
    (folder / "c.tsv").write_text("d1\tA pane of glass.\nd2\tHeat flows.\n")
    assert main(["bm25", str(folder / "c.tsv"), str(folder / "index")]) == 0
    return folder / "index"


def run(code: str, index: Path) -> list[str]:
    child = subprocess.run(
        [sys.executable, "-c", FORK + code, str(index)], capture_output=True, text=True, env=os.environ, timeout=300, check=False
    )
    assert child.returncode == 0, child.stderr
    return child.stdout.splitlines()


def test_a_child_of_a_process_with_a_jvm_is_told_so_whatever_it_tries(index: Path) -> None:
    code = """
searcher = Bm25Searcher(index)
print(searcher.search("glass")[0].doc_id)
for work in (
    lambda: searcher.search("glass"), lambda: searcher.search_batch({"q": "glass"}), lambda: searcher.document_frequencies(["glass"]),
    lambda: searcher.explain("glass", "d1"), lambda: Bm25Searcher(index), jvm.start, jvm.jnius,
):
    print(in_child(work))
print(in_child(searcher.close))
print(in_child(lambda: sum(range(10))))
print(searcher.search("glass")[0].doc_id)
"""
    first, *refused, closed, computed, last = run(code, index)
    assert (first, last) == ("d1", "d1")  # the parent goes on
    assert len(refused) == 7
    for said in refused:
        assert said.startswith("JavaError: this process was forked from one that runs Java, which does not survive that; start it"), said
        assert said.endswith("(0)")
    assert (closed, computed) == ("None (0)", "45 (0)")


def test_forked_children_may_each_start_java_where_the_parent_did_not(index: Path) -> None:
    code = """
def work():
    with Bm25Searcher(index) as searcher:
        return searcher.search("glass")[0].doc_id
print(in_child(work))
print(in_child(work))
print(work())
"""
    assert run(code, index) == ["d1 (0)", "d1 (0)", "d1"]


def test_a_data_loader_with_forked_workers_works_beside_java(index: Path) -> None:
    code = """
from torch.utils.data import DataLoader
searcher = Bm25Searcher(index)
print([batch.tolist() for batch in DataLoader(list(range(4)), batch_size=2, num_workers=2, multiprocessing_context="fork")])
print(searcher.search("glass")[0].doc_id)
"""
    assert run(code, index) == ["[[0, 1], [2, 3]]", "d1"]
