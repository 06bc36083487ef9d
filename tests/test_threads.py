from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from splade_lucene.errors import InputError
from splade_lucene.lucene import build_impacts, lucene_writer
from splade_lucene.lucene.impact_searcher import ImpactIndexSearcher
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.lucene.normalize import VectorSource
from splade_lucene.records import ImpactVector
from tests.oracle import brute_force
from tests.vector_factory import made_up, write_vectors


@pytest.fixture(scope="module")
def vectors() -> list[ImpactVector]:
    return made_up(400)


@pytest.fixture(scope="module")
def index(vectors: list[ImpactVector], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("threads")
    build_impact_index(write_vectors(folder / "out", vectors, shards=3), folder / "index", threads=2)
    return folder / "index"


class Letters:
    """Encodes a text as its words."""

    def encode_queries(self, texts: Sequence[str]) -> list[dict[str, int]]:
        return [dict.fromkeys(text.split(), 2) for text in texts]


def test_a_large_collection_is_added_by_a_thread_for_each_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lucene_writer, "_MEMORY_BUFFER", 0.05)
    monkeypatch.setattr(build_impacts, "_BUFFERED", 10_000)
    monkeypatch.setattr(build_impacts, "usable_processors", lambda: 3)
    adding = set[int]()
    counts: list[int] = []

    def advance(count: int) -> None:
        adding.add(threading.get_ident())
        counts.append(count)

    for documents, threads in ((300, 1), (9000, 3)):
        vectors = made_up(documents)
        adding.clear()
        counts.clear()
        build_impact_index(write_vectors(tmp_path / f"out-{documents}", vectors, shards=7), tmp_path / f"{documents}", advance=advance)
        assert (len(adding), sum(counts)) == (threads, documents)
        with ImpactIndexSearcher(tmp_path / f"{documents}") as searcher:
            for query in ({"t1": 3, "|": 1}, {"t2": 1}):
                assert searcher.search_impacts(query, 200) == brute_force(vectors, query, 200)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_bad_line_in_one_of_several_threads_is_named(tmp_path: Path, threads: int) -> None:
    out = write_vectors(tmp_path / "out", made_up(3000), shards=3)
    shard = out / "vectors" / "part-00001.jsonl"
    lines = shard.read_text().splitlines(keepends=True)
    lines[500] = lines[500].replace('"vector":{', '"vector":{"x":0.5,')
    shard.write_text("".join(lines))
    counts: list[int] = []
    with pytest.raises(InputError, match=rf"{shard}, line 501: document 'd\d+' has the impact 0.5 for 'x'"):
        build_impacts.write_impacts(tmp_path / "index", VectorSource(out), build_impacts.IndexSettings(threads), advance=counts.append)
    assert sum(counts) < 3000


def test_threads_change_nothing(index: Path, vectors: list[ImpactVector]) -> None:
    queries = {f"q{number}": f"t{number % 40} | 😀" for number in range(60)}
    with ImpactIndexSearcher(index, Letters()) as searcher:
        alone = {query_id: searcher.search(text, 50) for query_id, text in queries.items()}
        assert searcher.search_batch(queries, 50) == alone
        assert searcher.search_batch(queries, 50, threads=4) == alone
        assert list(searcher.search_batch(queries, 50, threads=4)) == list(queries)
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(lambda text: searcher.search(text, 50), queries.values())) == list(alone.values())


def test_threads_encode_and_search_side_by_side(index: Path) -> None:
    together = threading.Barrier(2, timeout=60)

    class Meeting:
        def encode_queries(self, texts: Sequence[str]) -> list[dict[str, int]]:
            together.wait()  # passes only if two threads encode at the same time
            return [{"t1": 1} for _ in texts]

    with ImpactIndexSearcher(index, Meeting()) as searcher:
        found = searcher.search_batch({f"q{number}": "text" for number in range(64)}, 5, threads=2)
        assert set(map(tuple, found.values())) == {tuple(searcher.search_impacts({"t1": 1}, 5))}


def test_a_thread_that_fails_stops_the_others(index: Path) -> None:
    failing = threading.Event()
    calls, chunks = itertools.count(), set[int]()

    class Failing:
        def encode_queries(self, texts: Sequence[str]) -> list[dict[str, int]]:
            call = next(calls)
            chunks.add(len(texts))
            if call == 0:
                failing.set()
                raise ValueError("no such language")
            assert failing.wait(60)
            return [{"t1": 1, "t2": 1} for _ in texts]

    with ImpactIndexSearcher(index, Failing()) as searcher, pytest.raises(ValueError, match="no such language"):
        searcher.search_batch({f"q{number}": "text" for number in range(6400)}, 1000, threads=2)
    assert next(calls) < 6400 / max(chunks)


def test_threads_must_be_positive(index: Path, tmp_path: Path) -> None:
    with ImpactIndexSearcher(index, Letters()) as searcher, pytest.raises(ValueError, match="at least 1"):
        searcher.search_batch({"q": "text"}, threads=0)
    with pytest.raises(ValueError, match="at least 1"):
        build_impact_index(write_vectors(tmp_path / "out", made_up(3)), tmp_path / "index", threads=0)
    assert not (tmp_path / "index").exists()


def test_two_indexes_searched_and_opened_at_once_do_not_mix(index: Path, vectors: list[ImpactVector], tmp_path: Path) -> None:
    """pyjnius shares bound methods between the objects of a class; see java.py."""
    others = made_up(50, seed=3)
    build_impact_index(write_vectors(tmp_path / "out", others), tmp_path / "index")
    query = {"t1": 2, "t2": 1, "|": 3}
    expected = {index: brute_force(vectors, query, 20), tmp_path / "index": brute_force(others, query, 20)}

    def work(folder: Path) -> bool:
        for _ in range(15):
            with ImpactIndexSearcher(folder) as searcher:
                for _ in range(10):
                    if searcher.search_impacts(query, 20) != expected[folder] or searcher.document_frequencies(["t1"])["t1"] < 1:
                        return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(work, [index, tmp_path / "index"] * 3))
