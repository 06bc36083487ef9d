"""An index in parts: the same hits as one index, ties included, whoever builds it and however it is interrupted."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from splade_lucene.cli.main import main
from splade_lucene.collections.passages import read_passages
from splade_lucene.collections.queries import read_queries
from splade_lucene.errors import IndexMismatchError, InputError, JavaError
from splade_lucene.evaluation.runs import read_notes
from splade_lucene.lucene import build_parts
from splade_lucene.lucene.bm25_indexing import build_bm25_index
from splade_lucene.lucene.bm25_searcher import Bm25Searcher
from splade_lucene.lucene.build_parts import IndexPart, build_impact_parts, split_shards
from splade_lucene.lucene.card import FILE, part_folders, read_card
from splade_lucene.lucene.impact_searcher import ImpactIndexSearcher
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.pipeline.encode import encode_collection
from splade_lucene.records import ImpactVector, Passage
from splade_lucene.vectors.check import find_manifest
from splade_lucene.vectors.manifest import Shard
from tests.effort import rounds
from tests.oracle import brute_force
from tests.vector_factory import NASTY, made_up, write_vectors

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel


@pytest.mark.parametrize(("parts", "threads"), [(1, 1), (3, 2), (7, 4)])
def test_parts_find_what_brute_force_finds_with_ties_in_the_order_of_docids(tmp_path: Path, parts: int, threads: int) -> None:
    vectors = made_up(700)
    out = write_vectors(tmp_path / "out", vectors, shards=9)
    added: list[int] = []
    card = build_impact_parts(out, tmp_path / "index", parts, threads=threads, advance=added.append)
    assert card.documents == sum(added) == 700
    assert [file.name for file in part_folders(tmp_path / "index")] == [f"part-{number}-of-{parts}" for number in range(1, parts + 1)]
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []
    dice = random.Random(parts)
    with ImpactIndexSearcher(tmp_path / "index") as searcher:
        assert searcher.document_frequencies(["t1"]) == {"t1": sum("t1" in vector.vector for vector in vectors)}
        for k in (1, 7, 100, 1000):
            for _ in range(10):
                query = {token: dice.choice([1, 3]) for token in dice.sample([*NASTY, "t1", "t2", "t3"], 4)}
                assert searcher.search_impacts(query, k) == brute_force(vectors, query, k)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "passages", "parts"), [("nfcorpus", rounds(800, 400), 4), ("debian-packages", rounds(2000, 700), 5)])
def test_every_query_of_real_collections_has_the_hits_of_one_index(
    name: str, passages: int, parts: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    tiny, collection = request.getfixturevalue("tiny"), request.getfixturevalue("real_collection")(name)
    out = tmp_path / "out"
    encode_collection(islice(read_passages(collection), passages), out, tiny, max_length=32, shard_size=100)
    build_impact_index(out, tmp_path / "one")
    build_impact_parts(out, tmp_path / "index", parts)
    impacts = tiny.encode_queries([query.text for query in read_queries(collection / "queries.jsonl")], max_length=32)
    assert len(impacts) >= 500
    with ImpactIndexSearcher(tmp_path / "one") as one, ImpactIndexSearcher(tmp_path / "index") as several:
        for each in impacts:
            assert several.search_impacts(each, 100) == one.search_impacts(each, 100)


def test_the_command_searches_several_folders_as_one_and_options_may_stand_anywhere(
    tiny: SpladeModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    passages = [Passage(f"d{number}", text) for number, text in enumerate(["glass breaks under stress", "stress at work", "a glass"] * 4)]
    out = tmp_path / "out"
    encode_collection(passages, out, tiny, max_length=32, shard_size=2, store_contents=True)
    (tmp_path / "topics.tsv").write_text("q1\tglass under stress\nq2\twork\n")
    index, topics, runs = str(tmp_path / "index"), str(tmp_path / "topics.tsv"), [str(tmp_path / f"run{number}") for number in range(3)]
    assert main(["index", str(out), str(tmp_path / "one"), "--store-contents"]) == 0
    assert main(["index", str(out), index, "--parts", "3", "--store-contents"]) == 0
    assert f"{index}: impact index in 3 parts, 12 documents" in capsys.readouterr().out
    assert main(["search", str(tmp_path / "one"), topics, "--tag", "x", runs[0]]) == 0
    assert main(["search", index, topics, runs[1], "--tag", "x", "--show", "1"]) == 0
    assert "glass breaks under stress" in capsys.readouterr().out
    parts = [str(part) for part in part_folders(Path(index))]
    assert main(["search", "--tag", "x", *parts[::-1], "--hits", "1000", topics, runs[2]]) == 0
    assert Path(runs[0]).read_text() == Path(runs[1]).read_text() == Path(runs[2]).read_text()
    one, several = (read_notes(run) for run in runs[:2])
    same = ("documents", "flops", "terms_per_document", "terms_per_query", "encoder", "settings")
    assert {key: one[key] for key in same} == {key: several[key] for key in same}
    assert main(["index", str(out), index, "--append"]) == 1
    assert "is an index in 3 parts; this works on one of them at a time" in capsys.readouterr().err


def test_bm25_in_parts_has_the_statistics_of_all(tmp_path: Path) -> None:
    passages = [
        Passage(f"d{number}", text) for number, text in enumerate(["a glass of water", "glass", "water and stress", "more stress"] * 3)
    ]
    build_bm25_index(passages, tmp_path / "one")
    for number in range(3):
        build_bm25_index(passages[number::3], tmp_path / f"part{number}")
    with Bm25Searcher(tmp_path / "one") as one, Bm25Searcher([tmp_path / f"part{number}" for number in range(3)]) as several:
        for query in ("glass of water", "stress", "more glass"):
            assert several.search(query, 20) == one.search(query, 20)


def test_an_interrupted_build_keeps_the_parts_that_are_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = made_up(120)
    out = write_vectors(tmp_path / "out", vectors, shards=6)
    built: list[str] = []

    def build(part: IndexPart, advance: Callable[[int], None]) -> None:
        if part.folder.name == "part-2-of-3" and "part-1-of-3" in built and len(built) < 2:
            raise JavaError("the disk is full")
        built.append(part.folder.name)
        original(part, advance)

    original = build_parts.build_part
    monkeypatch.setattr(build_parts, "build_part", build)
    with pytest.raises(JavaError, match="disk is full"):
        build_impact_parts(out, tmp_path / "index", 3, threads=1)
    assert built == ["part-1-of-3"]
    assert not (tmp_path / "index").exists()
    built.append("")
    build_impact_parts(out, tmp_path / "index", 3, threads=1)
    assert built == ["part-1-of-3", "", "part-2-of-3", "part-3-of-3"]
    with ImpactIndexSearcher(tmp_path / "index") as searcher:
        assert searcher.search_impacts({"t1": 3, "|": 1}, 50) == brute_force(vectors, {"t1": 3, "|": 1}, 50)


def test_an_index_is_replaced_when_told_and_stays_until_then(tmp_path: Path) -> None:
    out = write_vectors(tmp_path / "out", made_up(50), shards=4)
    build_impact_index(out, tmp_path / "index")
    with pytest.raises(InputError, match="exists already; give another name or --overwrite"):
        build_impact_parts(out, tmp_path / "index", 2)
    with mock.patch.object(build_parts, "build_part", side_effect=JavaError("no")), pytest.raises(JavaError):
        build_impact_parts(out, tmp_path / "index", 2, overwrite=True)
    assert read_card(tmp_path / "index").documents == 50
    build_impact_parts(out, tmp_path / "index", 2, overwrite=True)
    assert len(part_folders(tmp_path / "index")) == 2
    build_impact_index(out, tmp_path / "index", overwrite=True)
    assert read_card(tmp_path / "index").documents == 50


def test_a_docid_that_is_in_two_parts_is_named(tmp_path: Path) -> None:
    vectors = [ImpactVector("a", {"x": 1}), ImpactVector("b", {"x": 2}), ImpactVector("c", {"x": 3}), ImpactVector("a", {"x": 4})]
    out = write_vectors(tmp_path / "out", vectors, shards=2)
    manifest = find_manifest(out)
    assert [shard.passages for shard in manifest.shards] == [2, 2]
    with pytest.raises(InputError, match=r"part-00001.jsonl, line 2: duplicate id 'a'"):
        build_impact_parts(out, tmp_path / "index", 2)
    for name in ("one", "two"):
        build_impact_index(write_vectors(tmp_path / f"{name}-out", [ImpactVector("a", {"x": 1})]), tmp_path / name)
    with (
        ImpactIndexSearcher([tmp_path / "one", tmp_path / "two"]) as searcher,
        pytest.raises(IndexMismatchError, match="the document 'a' is in more than one of"),
    ):
        searcher.search_impacts({"x": 1})


def test_parts_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    out = write_vectors(tmp_path / "out", made_up(40), shards=3)
    build_impact_parts(out, tmp_path / "index", 3)
    build_bm25_index([Passage("d", "text")], tmp_path / "bm25")
    other = write_vectors(tmp_path / "other-out", made_up(10), scale=50)
    build_impact_index(other, tmp_path / "other")
    for given, message in (
        ([tmp_path / "index", tmp_path / "bm25"], "is an index of the kind bm25, not impact"),
        ([tmp_path / "index", tmp_path / "other"], "encoder value scale = 50, .* with 100; scores of the two do not compare"),
        ([tmp_path / "index", tmp_path / "index" / "part-2-of-3"], "is given twice"),
        ([], "no index to search"),
    ):
        with pytest.raises(IndexMismatchError, match=message):
            ImpactIndexSearcher(given)
    (tmp_path / "index" / "part-2-of-3").rename(tmp_path / "elsewhere")
    with pytest.raises(IndexMismatchError, match="lacks part-2-of-3"):
        ImpactIndexSearcher(tmp_path / "index")
    with ImpactIndexSearcher([tmp_path / "index" / "part-1-of-3", tmp_path / "elsewhere"]) as searcher:
        assert searcher.card.documents < 40
    (tmp_path / "elsewhere" / FILE).write_text(json.dumps({"format": "x"}))
    with pytest.raises(IndexMismatchError, match="written by another version"):
        ImpactIndexSearcher([tmp_path / "index" / "part-1-of-3", tmp_path / "elsewhere"])


def test_shards_are_split_by_their_postings(tmp_path: Path) -> None:
    shards = [Shard(f"part-{number:05d}.jsonl", 1, 0, postings, "", "") for number, postings in enumerate([10, 10, 10, 30, 5, 5, 5, 15])]
    assert [sum(shard.postings for shard in part) for part in split_shards(tmp_path, shards, 3)] == [30, 30, 30]
    assert [len(part) for part in split_shards(tmp_path, shards, 8)] == [1] * 8
    with pytest.raises(InputError, match="has 8 shards, too few for 9 parts; give at most 8 --parts"):
        split_shards(tmp_path, shards, 9)
