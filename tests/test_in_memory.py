"""Search in memory: the same hits, scores and ties as Lucene's own search and as brute force."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from splade_lucene.errors import JavaError
from splade_lucene.lucene import lucene_writer
from splade_lucene.lucene.entry import call
from splade_lucene.lucene.impact_searcher import ImpactIndexSearcher
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.lucene.updating import update_impact_index
from splade_lucene.records import ImpactVector
from tests.deleting import mark_deleted
from tests.oracle import brute_force
from tests.vector_factory import NASTY, made_up, write_vectors

TOKENS = [*NASTY, *(f"t{number}" for number in range(40)), "unknown", "ünknown"]


def large(documents: int) -> list[ImpactVector]:
    """Tokens with impacts that take more than a byte: a few of them, all of them, and up to the largest that an index takes."""
    dice = random.Random(5)
    ranges = {"small": (1, 255), "few": (250, 258), "all": (256, 5000), "huge": (1, (1 << 24) - 1), "byte": (255, 255), "rare": (1, 9)}
    tokens = [*ranges]
    return [
        ImpactVector(f"{number:x}", {token: dice.randint(*ranges[token]) for token in dice.sample(tokens, dice.randint(1, len(tokens)))})
        for number in range(documents)
    ]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("memory")


@pytest.fixture(scope="module")
def segments(made: Path) -> Iterator[tuple[ImpactIndexSearcher, ImpactIndexSearcher, list[ImpactVector]]]:
    """Several segments with deleted documents; searched in memory, and from disk."""
    vectors = made_up(1500)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lucene_writer, "_MEMORY_BUFFER", 0.05)
        build_impact_index(write_vectors(made / "out", vectors, shards=4), made / "index", threads=2, optimize=False)
        gone = {vector.doc_id for vector in vectors[::7]}
        (made / "gone").write_text("\n".join(gone))
        added = [ImpactVector(f"new{number}", vector.vector) for number, vector in enumerate(vectors[:200])]
        update_impact_index(made / "index", add=write_vectors(made / "more", added), delete=made / "gone", optimize=False)
    marked = {vector.doc_id for vector in added[::9]} | {vector.doc_id for vector in vectors[1::11]} - gone
    mark_deleted(made / "index", marked)
    gone |= marked
    left = [vector for vector in [*vectors, *added] if vector.doc_id not in gone]
    with (
        ImpactIndexSearcher(made / "index", in_memory=True) as memory,
        ImpactIndexSearcher(made / "index", in_memory=False) as disk,
    ):
        yield memory, disk, left


@pytest.fixture(scope="module")
def impacts(made: Path) -> Iterator[tuple[ImpactIndexSearcher, ImpactIndexSearcher, list[ImpactVector]]]:
    vectors = large(700)
    index = made / "large"
    build_impact_index(write_vectors(made / "large-out", vectors), index)
    with ImpactIndexSearcher(index, in_memory=True) as memory, ImpactIndexSearcher(index, in_memory=False) as disk:
        yield memory, disk, vectors


Both = tuple[ImpactIndexSearcher, ImpactIndexSearcher, list[ImpactVector]]


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from(TOKENS), st.integers(1, 60), max_size=12),
    st.sampled_from([1, 2, 9, 10, 100, 1000, 5000, 2**31 - 1]),
)
def test_hits_scores_and_ties_equal_lucene_and_brute_force(segments: Both, query: dict[str, int], k: int) -> None:
    memory, disk, vectors = segments
    expected = brute_force(vectors, query, k)
    assert memory.search_impacts(query, k) == expected
    if k < 2**30:  # Lucene would make place for so many
        assert disk.search_impacts(query, k) == expected


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from(["small", "few", "all", "huge", "byte", "rare"]), st.integers(1, 1 << 24), max_size=6),
    st.sampled_from([1, 10, 700]),
)
def test_weights_of_any_size_give_what_lucene_gives(impacts: Both, query: dict[str, int], k: int) -> None:
    memory, disk, vectors = impacts
    found = memory.search_impacts(query, k)
    assert found == disk.search_impacts(query, k)
    largest = {token: max(vector.vector.get(token, 0) for vector in vectors) for token in query}
    if sum(weight * largest[token] for token, weight in query.items()) < 1 << 24:
        assert found == brute_force(vectors, query, k)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from(["small", "few", "all", "byte", "rare"]), st.integers(1, 300), max_size=6),
    st.sampled_from([1, 10, 700]),
)
def test_impacts_above_a_byte_add_up(impacts: Both, query: dict[str, int], k: int) -> None:
    memory, _, vectors = impacts
    assert memory.search_impacts(query, k) == brute_force(vectors, query, k)


def test_several_windows_of_documents(tmp_path: Path) -> None:
    """More documents than one window of accumulators holds, some windows without a posting."""
    vectors = [
        ImpactVector(
            f"{number}",
            {"all": 1 + number % 7, **({"some": 300} if number % 9000 == 1 else {}), **({"last": 2} if number > 39_990 else {})},
        )
        for number in range(40_000)
    ]
    build_impact_index(write_vectors(tmp_path / "out", vectors, shards=3), tmp_path / "index")
    with ImpactIndexSearcher(tmp_path / "index", in_memory=True) as searcher:
        for query in ({"all": 3}, {"some": 1, "last": 500}, {"last": 1}, {"all": 2, "some": 1, "last": 1}):
            for k in (1, 7, 1000, 50_000):
                assert searcher.search_impacts(query, k) == brute_force(vectors, query, k)
        assert searcher.memory is not None
        searcher.load()
        assert searcher.memory.held is not None
        assert 3 * sum(len(vector.vector) for vector in vectors) < searcher.memory.held <= searcher.memory.needed


def test_threads_share_the_decoded_postings(segments: Both) -> None:
    memory, _, vectors = segments
    dice = random.Random(3)
    queries = {f"q{number}": {token: dice.randint(1, 50) for token in dice.sample(TOKENS, 6)} for number in range(300)}
    expected = {query_id: brute_force(vectors, query, 30) for query_id, query in queries.items()}
    for threads in (1, 2, 5):
        found = memory.search_impacts_batch(queries, 30, threads)
        assert (found, list(found)) == (expected, list(queries))
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda query: memory.search_impacts(query, 30), queries.values())) == list(expected.values())
    with pytest.raises(ValueError, match="at least 1"):
        memory.search_impacts_batch(queries, 30, 0)


def test_auto_reads_from_disk_until_decoding_pays(made: Path, segments: Both) -> None:
    _, _, vectors = segments
    query = {"t1": 2, "|": 3}
    expected = brute_force(vectors, query, 20)
    with ImpactIndexSearcher(made / "index") as searcher:
        assert searcher.memory is not None
        assert (searcher.memory.policy, searcher.memory.held) == ("auto", None)
        assert "from disk" in str(searcher.memory)
        for _ in range(2000):
            assert searcher.search_impacts(query, 20) == expected
            if searcher.memory.held is not None:
                break
        assert "in memory" in str(searcher.memory)
        assert searcher.search_impacts(query, 20) == expected


def test_what_does_not_fit_is_searched_from_disk_or_refused(made: Path, segments: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("splade_lucene.lucene.memory._SHARE_AUTO", 1e-9)
    monkeypatch.setattr("splade_lucene.lucene.memory._SHARE_ASKED", 1e-9)
    with ImpactIndexSearcher(made / "index") as searcher:
        assert searcher.memory is not None
        assert searcher.memory.policy == "disk"
        assert "more than" in str(searcher.memory)
    with pytest.raises(JavaError, match=r"give Java more memory with --java-heap, or search from disk"):
        ImpactIndexSearcher(made / "index", in_memory=True)


def test_where_memory_ends_lucene_answers(made: Path, segments: Both) -> None:
    """Impacts of four bytes take more than was reckoned with: then terms stay on disk."""
    _, _, vectors = segments
    with ImpactIndexSearcher(made / "index", in_memory=False) as searcher:
        full = call("open engine", searcher=searcher._searcher, parser=searcher._queries, memory="ALWAYS", limit="1")
        searcher._everything = searcher._everything._replace(search=_function(call("search", engine=full)))
        for query in ({"t1": 2, "|": 3}, {"unknown": 1}, {}):
            assert searcher.search_impacts(query, 20) == brute_force(vectors, query, 20)
        assert int(call("held bytes", engine=full)) < 60 * len(vectors)
        call("close engine", engine=full)


def test_a_closed_index_gives_its_memory_back_and_answers_no_more(made: Path, segments: Both) -> None:
    before = call("heap").split()[1]
    searcher = ImpactIndexSearcher(made / "index", in_memory=True)
    searcher.load()
    assert int(call("heap").split()[1]) > int(before)
    searcher.close()
    assert call("heap").split()[1] == before
    with pytest.raises(JavaError, match="closed"):
        searcher.search_impacts({"t1": 1})


def test_an_index_without_documents_left(tmp_path: Path) -> None:
    vectors = made_up(5)
    build_impact_index(write_vectors(tmp_path / "out", vectors), tmp_path / "index")
    (tmp_path / "gone").write_text("\n".join(vector.doc_id for vector in vectors))
    update_impact_index(tmp_path / "index", delete=tmp_path / "gone")
    with ImpactIndexSearcher(tmp_path / "index", in_memory=True) as searcher:
        assert searcher.search_impacts({"t1": 1}, 10) == []


def _function(search: object) -> object:
    from splade_lucene.lucene.java import upcast

    return upcast("BiFunction", search)
