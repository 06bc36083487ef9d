"""Judged collections: from folders, from zips without unpacking, by name, and from ir_datasets' own classes over local files."""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from splade_lucene.cli.main import main
from splade_lucene.collections.beir_names import ALL, FORUMS, LICENSED, PUBLIC, collection_name, ir_datasets_id
from splade_lucene.collections.catalogue import find_collections
from splade_lucene.collections.irds import IrDatasetsCollection
from splade_lucene.collections.judged import JudgedCollection
from splade_lucene.errors import InputError, SpladeLuceneError
from splade_lucene.records import Passage, Qrel, Query

PASSAGES = [Passage("d1", "Thermal stress breaks glass.", "Glass"), Passage("d2", "An inverted index."), Passage("q1", "zażółć", "Ü")]
CORPUS = "".join(json.dumps({"_id": each.doc_id, "title": each.title, "text": each.text, "metadata": {}}) + "\n" for each in PASSAGES)
FILES = {
    "corpus.jsonl": CORPUS,
    "queries.jsonl": '{"_id": "q1", "text": "why"}\n{"_id": "q2", "text": "what"}\n{"_id": "q3", "text": "unjudged"}\n',
    "qrels/test.tsv": "query-id\tcorpus-id\tscore\nq1\td1\t2\nq2\td2\t1\nq2\td1\t0\n",
    "qrels/dev.tsv": "query-id\tcorpus-id\tscore\nq3\td1\t1\n",
}
QRELS = [Qrel("q1", "d1", 2), Qrel("q2", "d2", 1), Qrel("q2", "d1", 0)]


def folder(path: Path) -> Path:
    for name, text in FILES.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    return path


def packed(path: Path, *prefixes: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for prefix in prefixes:
            for name, text in FILES.items():
                archive.writestr(prefix + name, text)
    return path


def check(collection: JudgedCollection) -> None:
    assert list(collection.passages()) == list(collection.passages()) == PASSAGES
    assert collection.queries() == [Query("q1", "why"), Query("q2", "what")]
    assert collection.qrels() == QRELS


def test_a_folder_and_its_zip_are_the_same_collection(tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    sources = [folder(tmp_path / "toy"), packed(tmp_path / "toy.zip", "toy/"), packed(tmp_path / "flat" / "toy.zip", "")]
    for source in sources:
        (candidate,) = find_collections([str(source)])
        collection = candidate.open()
        assert (candidate.name, collection.name, collection.split) == ("toy", "toy", "test")
        check(collection)
        assert collection.sha256() == hashlib.sha256(CORPUS.encode()).hexdigest()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["flat", "toy", "toy.zip"]


def test_only_beirs_queries_share_their_ids_with_passages(tmp_path: Path, registered: Callable[..., str]) -> None:
    (beir,) = find_collections([str(folder(tmp_path / "toy"))])
    assert beir.open().shared_ids
    assert not IrDatasetsCollection(registered(), "local").shared_ids


def test_a_compressed_corpus_has_the_checksum_of_its_text(tmp_path: Path) -> None:
    (folder(tmp_path / "toy") / "corpus.jsonl").rename(tmp_path / "plain")
    with gzip.open(tmp_path / "toy" / "corpus.jsonl.gz", "wb") as stream:
        stream.write((tmp_path / "plain").read_bytes())
    collection = find_collections([str(tmp_path / "toy")])[0].open()
    check(collection)
    assert collection.sha256() == hashlib.sha256(CORPUS.encode()).hexdigest()


def test_another_split(tmp_path: Path) -> None:
    for source in (folder(tmp_path / "toy"), packed(tmp_path / "toy.zip", "toy/")):
        collection = find_collections([str(source)], split="dev")[0].open()
        assert (collection.queries(), collection.split) == ([Query("q3", "unjudged")], "dev")
        with pytest.raises(InputError, match="no such split; there is dev, test"):
            find_collections([str(source)], split="train")[0].open()


def test_the_forums_of_cqadupstack_are_found_in_its_folder_and_zip(tmp_path: Path) -> None:
    packed(tmp_path / "cqadupstack.zip", "cqadupstack/gis/", "cqadupstack/tex/", "__MACOSX/._")
    for forum in ("gis", "tex"):
        folder(tmp_path / "cqadupstack" / forum)
    for source in ("cqadupstack.zip", "cqadupstack"):
        found = find_collections([str(tmp_path / source)])
        assert [each.name for each in found] == ["cqadupstack-gis", "cqadupstack-tex"]
        check(found[1].open())
    (alone,) = find_collections([str(tmp_path / "cqadupstack" / "gis")])
    assert alone.name == "cqadupstack-gis"


@pytest.mark.parametrize("name", ["../evil/corpus.jsonl", "/etc/corpus.jsonl", "toy/../../corpus.jsonl", "toy\\..\\corpus.jsonl"])
def test_a_zip_that_names_files_outside_itself_is_refused(tmp_path: Path, name: str) -> None:
    packed(tmp_path / "toy.zip", "toy/")
    with zipfile.ZipFile(tmp_path / "toy.zip", "a") as archive:
        archive.writestr(name, "{}")
    (candidate,) = find_collections([str(tmp_path / "toy.zip")])
    with pytest.raises(InputError, match="which is outside the archive; do not trust it"):
        candidate.open()


def test_a_zip_that_explodes_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = packed(tmp_path / "toy.zip", "toy/")
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED, compresslevel=9) as archive, archive.open("toy/more.bin", "w") as stream:
        for _ in range(1100):
            stream.write(b" " * (1 << 20))
    assert file.stat().st_size < 2_000_000
    with pytest.raises(InputError, match=r"toy\.zip: would unpack to 1\.2 GB, and the limit is 1\.0; raise it with --max-unpacked"):
        find_collections([str(file)], max_unpacked=10**9)[0].open()
    assert main(["beir", str(file), "--output", str(tmp_path / "out"), "--systems", "bm25-flat", "--max-unpacked", "1"]) == 1
    assert "would unpack to 1.2 GB" in capsys.readouterr().err
    check(find_collections([str(file)])[0].open())


def test_a_damaged_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.zip").write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(InputError, match=r"no\.zip: is not a readable zip"):
        find_collections([str(tmp_path / "no.zip")])[0].open()
    file = packed(tmp_path / "toy.zip", "toy/")
    data = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as archive:
        corpus = archive.getinfo("toy/corpus.jsonl")
    data[corpus.header_offset + 30 + len(corpus.filename) + corpus.compress_size // 2] ^= 0xFF
    file.write_bytes(data)
    collection = find_collections([str(file)])[0].open()
    with pytest.raises(InputError, match=r"corpus\.jsonl.*(damaged zip data|not a JSON object|not UTF-8)"):
        list(collection.passages())


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    file = packed(tmp_path / "toy.zip", "toy/")
    data = file.read_bytes()
    for signature, flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):  # flag bit 0 in both headers of every file
        parts = data.split(signature)
        data = signature.join([parts[0], *(part[: flags - 4] + bytes([part[flags - 4] | 1]) + part[flags - 3 :] for part in parts[1:])])
    file.write_bytes(data)
    with pytest.raises(InputError, match="is encrypted; unpack it"):
        find_collections([str(file)])[0].open()


def test_what_is_no_collection_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    packed(tmp_path / "none.zip")
    for name in ("empty", "none.zip"):
        (candidate,) = find_collections([str(tmp_path / name)])
        with pytest.raises(InputError, match=r"holds no corpus\.jsonl"):
            candidate.open()


def test_two_of_the_same_name_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(SpladeLuceneError, match="the data set toy is named twice"):
        find_collections([str(folder(tmp_path / "a" / "toy")), str(folder(tmp_path / "b" / "toy"))])
    with pytest.raises(SpladeLuceneError, match="the data set scifact is named twice"):
        find_collections(["scifact", "beir/scifact/test"])


def test_beir_is_the_13_public_ones_and_all_are_29_collections() -> None:
    assert [each.name for each in find_collections(["beir"])] == list(PUBLIC)
    assert [each.name for each in find_collections(["cqadupstack"])] == list(FORUMS)
    assert (len(PUBLIC), len(FORUMS), len(set(ALL))) == (13, 12, 29)


def test_a_folder_of_a_groups_name_goes_before_what_ir_datasets_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for forum in ("gis", "tex"):
        folder(tmp_path / "cqadupstack" / forum)
    folder(tmp_path / "beir" / "toy")
    monkeypatch.chdir(tmp_path)
    found = find_collections(["cqadupstack", "beir"])
    assert [each.name for each in found] == ["cqadupstack-gis", "cqadupstack-tex", "toy"]
    for candidate in found:
        assert str(candidate.open().source).startswith(candidate.name.partition("-")[0] if "-" in candidate.name else "beir")
    (tmp_path / "empty" / "cqadupstack" / "results").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "empty")
    assert [each.name for each in find_collections(["cqadupstack"])] == list(FORUMS)


def test_names_are_looked_for_in_the_data_folder_first(tmp_path: Path) -> None:
    folder(tmp_path / "scifact")
    packed(tmp_path / "robust04.zip", "robust04/")
    packed(tmp_path / "cqadupstack.zip", "cqadupstack/gis/")
    for name in ("scifact", "robust04", "cqadupstack-gis"):
        (candidate,) = find_collections([name], data=tmp_path)
        collection = candidate.open()
        assert collection.name == candidate.name == name
        check(collection)
    with pytest.raises(InputError, match="does not hold it"):
        find_collections(["cqadupstack-tex"], data=tmp_path)[0].open()


@pytest.mark.parametrize("name", LICENSED)
def test_what_cannot_be_downloaded_says_where_to_put_it(name: str, tmp_path: Path) -> None:
    (candidate,) = find_collections([name], data=tmp_path)
    with pytest.raises(InputError, match=f"{name}: it cannot be downloaded, only its owners distribute it.*{tmp_path}.*--data"):
        candidate.open()


@pytest.fixture
def ir_datasets() -> Any:
    return pytest.importorskip("ir_datasets", reason="ir_datasets is not installed: pip install 'splade_lucene[ir_datasets]'")


def test_every_name_has_an_id_that_ir_datasets_knows_with_judgments(ir_datasets: Any) -> None:
    for name in ALL:
        known = ir_datasets_id(name)
        assert (known is None) == (name in LICENSED)
        if known:
            assert ir_datasets.load(known).has_qrels()
            assert collection_name(known) == name
    assert collection_name("msmarco-passage/dev/small") == "msmarco-passage-dev-small"
    assert collection_name("beir/scifact/train") == "beir-scifact-train"


@pytest.fixture
def registered(ir_datasets: Any, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Registers a data set made of ir_datasets' own BEIR classes over local files."""
    from ir_datasets.datasets import beir
    from ir_datasets.util import LocalDownload

    names: list[str] = []

    def register(*, document: Any = beir.BeirTitleDoc, qrels: bool = True) -> str:
        source = folder(tmp_path / "source")
        name = f"local/{tmp_path.name}/{len(names)}"
        docs = beir.BeirDocs(name, LocalDownload(source / "corpus.jsonl"), document)
        queries = beir.BeirQueries(name, LocalDownload(source / "queries.jsonl"), beir.GenericQuery)
        judged = [beir.BeirQrels(LocalDownload(source / "qrels" / "test.tsv"), {})] if qrels else []
        ir_datasets.registry.register(name, beir.Dataset(docs, queries, *judged))
        names.append(name)
        return name

    yield register
    for name in names:
        del ir_datasets.registry._registered[name]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IR_DATASETS_HOME", str(tmp_path / "ir_datasets"))


def test_a_data_set_of_ir_datasets(registered: Callable[..., str]) -> None:
    id = registered()
    (candidate,) = find_collections([id])
    collection = candidate.open()
    check(collection)
    assert (collection.name, collection.source, collection.split) == (id.replace("/", "-"), id, None)
    assert len(collection.sha256()) == 64
    assert collection.sha256() == IrDatasetsCollection(registered()).sha256()


def test_documents_without_titles_are_their_default_text(registered: Callable[..., str], ir_datasets: Any) -> None:
    collection = IrDatasetsCollection(registered(document=ir_datasets.formats.GenericDoc))
    assert list(collection.passages()) == [each._replace(title="") for each in PASSAGES]
    assert collection.sha256() != IrDatasetsCollection(registered()).sha256()


def test_a_data_set_without_judgments_is_refused(registered: Callable[..., str]) -> None:
    with pytest.raises(InputError, match="has no qrels; name a subset with judgments"):
        IrDatasetsCollection(registered(qrels=False))


def test_an_id_that_nothing_knows_is_refused(ir_datasets: Any) -> None:
    with pytest.raises(InputError, match="no such folder or zip, and no id that ir_datasets knows"):
        find_collections(["beir/scifact/nope"])[0].open()


def test_a_download_that_fails_is_one_sentence(registered: Callable[..., str], tmp_path: Path) -> None:
    id = registered()
    (tmp_path / "source" / "queries.jsonl").unlink()
    with pytest.raises(InputError, match=f"^{id}: ir_datasets cannot load it \\(FileNotFoundError: [^\\n]*\\)$"):
        IrDatasetsCollection(id)


def test_without_ir_datasets_the_hint_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_datasets", None)
    with pytest.raises(InputError, match=r"install ir_datasets .*: pip install 'splade_lucene\[ir_datasets\]'"):
        find_collections(["scifact"])[0].open()
