"""Searches restricted to some documents."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from splade_lucene.cli.main import main
from splade_lucene.lucene.bm25_searcher import Bm25Searcher
from splade_lucene.lucene.impact_searcher import ImpactIndexSearcher
from splade_lucene.lucene.indexing import build_bm25_index, build_impact_index
from splade_lucene.lucene.updating import update_impact_index
from splade_lucene.records import ImpactVector, Passage
from tests.oracle import brute_force
from tests.vector_factory import NASTY, made_up, write_vectors

TOKENS = [*NASTY, *(f"t{number}" for number in range(40)), "unknown"]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[ImpactVector]]:
    """Two segments, one with deleted documents."""
    folder, vectors = tmp_path_factory.mktemp("filters"), made_up(1000)
    build_impact_index(write_vectors(folder / "out", vectors[:800]), folder / "index")
    (folder / "gone").write_text("\n".join(vector.doc_id for vector in vectors[:100]))
    update_impact_index(folder / "index", add=write_vectors(folder / "more", vectors[800:]), delete=folder / "gone", optimize=False)
    return folder / "index", vectors[100:]


@pytest.fixture(scope="module", params=[True, False], ids=["in memory", "from disk"])
def searcher(request: pytest.FixtureRequest, index: tuple[Path, list[ImpactVector]]) -> Iterator[ImpactIndexSearcher]:
    with ImpactIndexSearcher(index[0], in_memory=request.param) as opened:
        yield opened


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from(TOKENS), st.integers(1, 9), max_size=8),
    st.tuples(st.sampled_from([0, 1, 3, 30, 60, 400, 1000]), st.integers(0, 9)),
    st.sampled_from([1, 10, 2000]),
)
def test_hits_are_those_of_an_index_of_these_documents(
    searcher: ImpactIndexSearcher, index: tuple[Path, list[ImpactVector]], query: dict[str, int], sample: tuple[int, int], k: int
) -> None:
    _, vectors = index
    size, seed = sample
    chosen = random.Random(seed).sample([f"d{number}" for number in range(1100)], size)  # deleted ones, too, and some that never were
    left = [vector for vector in vectors if vector.doc_id in set(chosen)]
    assert searcher.search_impacts(query, k, within=chosen) == brute_force(left, query, k)


def test_a_filter_is_made_once_and_used_often(searcher: ImpactIndexSearcher, index: tuple[Path, list[ImpactVector]]) -> None:
    _, vectors = index
    chosen = searcher.filter(["d101", "d102", "d900", "nobody", "d1"])
    assert chosen.documents == 3
    left = [vector for vector in vectors if vector.doc_id in {"d101", "d102", "d900"}]
    queries = {token: {token: 3, "t1": 1} for token in TOKENS}
    expected = {name: brute_force(left, query, 2) for name, query in queries.items()}
    assert searcher.search_impacts_batch(queries, 2, 2, within=chosen) == expected
    assert searcher.search_impacts({"t1": 1}, 5, within=()) == []


def test_one_string_is_no_list_of_docids(searcher: ImpactIndexSearcher) -> None:
    with pytest.raises(TypeError, match=r"write \['d1'\]"):
        searcher.search_impacts({"t1": 1}, within="d1")


def test_bm25_scores_are_those_of_the_whole_index(tmp_path: Path) -> None:
    passages = [Passage(f"p{number}", f"glass {'pane ' * number} breaks") for number in range(9)]
    build_bm25_index(passages, tmp_path / "index")
    with Bm25Searcher(tmp_path / "index") as searcher:
        every = searcher.search("glass pane", 9)
        assert searcher.search("glass pane", 2, within=["p3", "p7", "p0"]) == [hit for hit in every if hit.doc_id in {"p3", "p7", "p0"}][:2]


def test_the_command_reads_a_file_of_docids(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    passages = [Passage(f"p{number}", f"glass {'pane ' * number} breaks") for number in range(9)]
    build_bm25_index(passages, tmp_path / "index")
    (tmp_path / "q.tsv").write_text("q\tglass\n")
    (tmp_path / "docids").write_text("p3\n\np7\nnobody\n")
    command = ["search", str(tmp_path / "index"), str(tmp_path / "q.tsv"), str(tmp_path / "run"), "--filter", str(tmp_path / "docids")]
    assert main(command) == 0
    assert {line.split()[2] for line in (tmp_path / "run").read_text().splitlines()} == {"p3", "p7"}
    assert "3 docids, 2 documents of the index" in capsys.readouterr().err
    (tmp_path / "docids").write_text("p3\np7\np3\n")
    assert main(command) == 1
    assert "line 3: the id 'p3' was there before; remove it" in capsys.readouterr().err
