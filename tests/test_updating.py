from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from splade_lucene.cli.main import main
from splade_lucene.errors import IndexMismatchError, InputError
from splade_lucene.lucene.card import read_card
from splade_lucene.lucene.impact_searcher import ImpactIndexSearcher
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.lucene.statistics import index_statistics
from splade_lucene.lucene.updating import update_impact_index
from splade_lucene.records import EncoderRecord, ImpactVector, Passage, VectorSettings
from splade_lucene.vectors.writer import VectorWriter
from tests.deleting import mark_deleted
from tests.oracle import brute_force
from tests.vector_factory import ENCODER, SIDE, made_up, write_vectors

Fields = dict[str, object]
QUERIES = [{"t1": 3, "|": 1}, {"t2": 1, "😀": 2}, {'"': 1}]


def agree(index: Path, vectors: list[ImpactVector]) -> bool:
    with ImpactIndexSearcher(index) as searcher:
        return read_card(index).documents == len(vectors) and all(
            searcher.search_impacts(query, k) == brute_force(vectors, query, k) for query in QUERIES for k in (5, 1000)
        )


def ids_file(path: Path, doc_ids: list[str]) -> Path:
    path.write_text("".join(f"{doc_id}\n" for doc_id in doc_ids))
    return path


@pytest.fixture
def old(tmp_path: Path) -> list[ImpactVector]:
    vectors = made_up(60)
    build_impact_index(write_vectors(tmp_path / "out", vectors), tmp_path / "index")
    return vectors


@pytest.fixture
def new(tmp_path: Path) -> list[ImpactVector]:
    vectors = [ImpactVector(f"n{vector.doc_id}", vector.vector) for vector in made_up(40, seed=9)]
    write_vectors(tmp_path / "out2", vectors)
    return vectors


@pytest.mark.parametrize("optimize", [True, False])
def test_documents_are_added(tmp_path: Path, old: list[ImpactVector], new: list[ImpactVector], optimize: bool) -> None:
    update_impact_index(tmp_path / "index", add=tmp_path / "out2", optimize=optimize)
    assert agree(tmp_path / "index", old + new)
    assert len(list((tmp_path / "index").glob("*.si"))) == (1 if optimize else 2)


@pytest.mark.parametrize("optimize", [True, False])
def test_documents_are_deleted_and_leave_nothing(tmp_path: Path, old: list[ImpactVector], optimize: bool) -> None:
    gone = ids_file(tmp_path / "gone", [vector.doc_id for vector in old[::3]])
    update_impact_index(tmp_path / "index", delete=gone, optimize=optimize)
    left = [vector for vector in old if vector not in old[::3]]
    assert agree(tmp_path / "index", left)
    assert index_statistics(tmp_path / "index").postings == sum(len(vector.vector) for vector in left)


@pytest.mark.parametrize("optimize", [True, False])
def test_documents_are_replaced(tmp_path: Path, old: list[ImpactVector], optimize: bool) -> None:
    changed = [ImpactVector(vector.doc_id, {"t1": 7, "new": 1}) for vector in old[10:20]]
    write_vectors(tmp_path / "out2", changed)
    gone = ids_file(tmp_path / "gone", [vector.doc_id for vector in changed])
    for _ in range(2):  # once more: what was deleted before is no hindrance
        update_impact_index(tmp_path / "index", add=tmp_path / "out2", delete=gone, optimize=optimize)
        assert agree(tmp_path / "index", old[:10] + changed + old[20:])


def test_documents_that_are_only_marked_as_deleted_are_gone(tmp_path: Path, old: list[ImpactVector]) -> None:
    index, gone = tmp_path / "index", [vector.doc_id for vector in old[:30]]
    mark_deleted(index, gone)
    assert agree(index, old[30:])
    with ImpactIndexSearcher(index) as searcher:
        assert searcher.sample(3) == ["d35", "d45", "d55"]
        assert searcher.sample(1000) == [vector.doc_id for vector in old[30:]]
    with pytest.raises(InputError, match="line 2: no document 'd7' in"):
        update_impact_index(index, delete=ids_file(tmp_path / "gone", ["d40", "d7"]))
    again = [ImpactVector("d7", {"t1": 3})]
    update_impact_index(index, add=write_vectors(tmp_path / "out2", again), optimize=False)
    assert agree(index, old[30:] + again)


def test_an_open_searcher_keeps_its_view(tmp_path: Path, old: list[ImpactVector], new: list[ImpactVector]) -> None:
    with ImpactIndexSearcher(tmp_path / "index") as before:
        update_impact_index(tmp_path / "index", add=tmp_path / "out2", delete=ids_file(tmp_path / "gone", [old[0].doc_id]))
        for query in QUERIES:
            assert before.search_impacts(query, 100) == brute_force(old, query, 100)
    assert agree(tmp_path / "index", old[1:] + new)


def test_ids_that_are_there_are_refused_and_the_index_stays(tmp_path: Path, old: list[ImpactVector]) -> None:
    write_vectors(tmp_path / "out2", [ImpactVector("new", {"t1": 1}), old[5]])
    shard = tmp_path / "out2" / "vectors" / "part-00000.jsonl"
    with pytest.raises(InputError, match=rf"{shard}, line 2: duplicate id 'd5', here or in .*index"):
        update_impact_index(tmp_path / "index", add=tmp_path / "out2")
    assert agree(tmp_path / "index", old)
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".tmp") == []


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["d1", "nobody"], "line 2: no document 'nobody' in .*index; remove the line"),
        (["d1", "d2", "d1"], "line 3: duplicate id 'd1'; remove it"),
        ([""], "holds no docids; write one per line"),
    ],
)
def test_a_list_of_ids_that_does_not_fit_is_refused(tmp_path: Path, old: list[ImpactVector], lines: list[str], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        update_impact_index(tmp_path / "index", delete=ids_file(tmp_path / "gone", lines))
    assert agree(tmp_path / "index", old)


def test_vectors_of_another_encoder_are_refused(tmp_path: Path, old: list[ImpactVector]) -> None:
    others: list[tuple[str, EncoderRecord, dict[str, Any]]] = [
        ("scale", replace(ENCODER, scale=50), {}),
        ("document.weights_sha256", replace(ENCODER, document=replace(SIDE, weights_sha256="1")), {}),
        ("document.pooling", replace(ENCODER, document=replace(SIDE, pooling="sum")), {}),
        ("max_length", ENCODER, {"max_length": 128}),
    ]
    for number, (key, encoder, settings) in enumerate(others):
        out = tmp_path / f"other{number}"
        writer = VectorWriter(out, encoder=encoder, settings=VectorSettings(max_length=256)._replace(**settings))
        writer.write_shard([Passage("x", "")], [ImpactVector("x", {"t1": 1})])
        writer.finish()
        with pytest.raises(IndexMismatchError, match=f"was encoded with the .* value {key} = "):
            update_impact_index(tmp_path / "index", add=out)
    assert agree(tmp_path / "index", old)


def test_files_are_shared_on_disk_until_they_are_merged(tmp_path: Path, old: list[ImpactVector], new: list[ImpactVector]) -> None:
    postings = next((tmp_path / "index").glob("*.doc"))
    inode = postings.stat().st_ino
    update_impact_index(tmp_path / "index", add=tmp_path / "out2", optimize=False)
    assert postings.stat().st_ino == inode
    assert postings.stat().st_nlink == 1


def test_the_command(tmp_path: Path, old: list[ImpactVector], new: list[ImpactVector], capsys: pytest.CaptureFixture[str]) -> None:
    index, out = str(tmp_path / "index"), str(tmp_path / "out2")
    assert main(["index", out, index, "--append"]) == 0
    assert agree(tmp_path / "index", old + new)
    gone = ids_file(tmp_path / "gone", [vector.doc_id for vector in new])
    assert main(["index", index, "--delete", str(gone), "--no-optimize"]) == 0
    assert agree(tmp_path / "index", old)
    assert main(["index", out, index, "--append"]) == 0
    assert main(["index", out, index, "--append"]) == 1
    assert "ids must be unique" in capsys.readouterr().err
    for wrong in (["index", index], ["index", index, "--append"], ["index", out, index, "--append", "--overwrite"],
                  ["index", out, index, "--delete", str(gone)], ["index", out, index, "--append", "--engine", "anserini"]):  # fmt: skip
        with pytest.raises(SystemExit) as stopped:
            main(wrong)
        assert stopped.value.code == 2


def test_what_is_no_impact_index_is_left_alone(tmp_path: Path, new: list[ImpactVector]) -> None:
    with pytest.raises(IndexMismatchError, match="no index folder"):
        update_impact_index(tmp_path / "nowhere", add=tmp_path / "out2")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(IndexMismatchError, match="is no index that"):
        update_impact_index(tmp_path / "other", add=tmp_path / "out2")
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith(".")) == ["other", "out2"]
