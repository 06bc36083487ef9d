from __future__ import annotations

import gzip
import re
import shutil
from pathlib import Path

import pytest

from splade_lucene.collections import pydocs
from splade_lucene.collections.passages import read_passages
from splade_lucene.collections.queries import read_qrels, read_queries, split_qrels
from splade_lucene.errors import InputError
from splade_lucene.records import Passage, Qrel, Query

SHARED = Path(__file__).parents[1] / ".." / "shared" / "collections"
BEIR = '{"_id": "d1", "title": "Title", "text": "one"}\n{"_id": "d2", "text": "two", "metadata": {}}\n'
BEIR_PASSAGES = [Passage("d1", "one", "Title"), Passage("d2", "two")]
TOPICS = '{"_id": "q1", "text": "one"}\n{"_id": "q2", "text": "two"}\n{"_id": "q3", "text": "three"}\n'


def put(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())
    return file


def at(file: Path, line: int, reason: str) -> str:
    return f"^{re.escape(str(file))}, line {line}: .*{reason}"


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    put(tmp_path / "corpus.jsonl", BEIR)
    put(tmp_path / "queries.jsonl", TOPICS)
    put(tmp_path / "qrels" / "test.tsv", "query-id\tcorpus-id\tscore\nq3\td1\t1\nq1\td2\t2\nq1\td1\t0\n")
    put(tmp_path / "qrels" / "dev.tsv", "query-id\tcorpus-id\tscore\nq2\td1\t1\n")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.jsonl", BEIR, BEIR_PASSAGES),
        ("a.jsonl", '{"id": "d1", "contents": "one"}\n\n{"id": "d2", "contents": ""}', [Passage("d1", "one"), Passage("d2", "")]),
        ("a.json", '\ufeff{"id": "d1", "title": "T", "contents": "one"}\r\n', [Passage("d1", "one", "T")]),
        ("a.tsv", "d1\tone\ttab\r\nd2\t\n", [Passage("d1", "one\ttab"), Passage("d2", "")]),
    ],
)
@pytest.mark.parametrize("packed", ["", ".gz"])
def test_every_kind_of_file_is_read(tmp_path: Path, name: str, text: str, expected: list[Passage], packed: str) -> None:
    assert list(read_passages(put(tmp_path / (name + packed), text))) == expected


def test_of_a_beir_folder_only_the_corpus_is_read(beir: Path) -> None:
    put(beir / "a.tsv", "other\ttext\n")
    assert list(read_passages(str(beir))) == BEIR_PASSAGES
    (beir / "corpus.jsonl").rename(beir / "plain")
    put(beir / "corpus.jsonl.gz", BEIR)
    assert list(read_passages(beir)) == BEIR_PASSAGES


def test_a_folder_of_mixed_files_is_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    put(tmp_path / "d.jsonl", '{"_id": "4", "text": "four"}')
    put(tmp_path / "b.jsonl.gz", '{"id": "2", "contents": "two"}')
    put(tmp_path / "a.tsv", "1\tone")
    put(tmp_path / "c.json", '{"id": "3", "contents": "three"}')
    put(tmp_path / "e.tsv.gz", "5\tfive")
    put(tmp_path / "README.md", "no passages")
    put(tmp_path / "notes.txt.gz", "no passages")
    put(tmp_path / "deep.jsonl" / "f.jsonl", '{"_id": "6", "text": "six"}')
    assert [passage.text for passage in read_passages(tmp_path)] == ["one", "two", "three", "four", "five"]


def test_passages_are_streamed(tmp_path: Path) -> None:
    assert next(read_passages(put(tmp_path / "a.tsv", "d1\tone\nbroken\n"))) == Passage("d1", "one")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": "two"}', "the field '_id', 'id', .* is missing; add it, name another with --id-field"),
        ('{"_id": 2.0, "text": "two"}', "'_id' is a number; make it a string"),
        ('{"_id": true, "text": "two"}', "'_id' is true or false; make it a string"),
        ('{"_id": "", "text": "two"}', "the id '' cannot be used; ids have 1 to"),
        ('{"_id": "d 2", "text": "two"}', "the id 'd 2' .* white space"),
        ('{"_id": "d\\u00a02", "text": "two"}', "white space"),
        ('{"_id": "d1", "text": "two"}', "duplicate id 'd1'"),
        ('{"_id": "d2"}', "the field 'text', 'contents', .* is missing; add it, name another with --text-field"),
        ('{"_id": "d2", "text": null}', "'text' is null; make it a string"),
        ('{"_id": "d2", "title": 2, "text": "two"}', "'title' is a number; make it a string"),
        ('{"_id": "d2", "text": "\\ud800"}', "'text' holds half a surrogate pair"),
        ('{"_id": "d2", "text": "two"', "not a JSON object"),
        ('["d2", "two"]', "not a JSON object"),
        ("d1\ttwo", "duplicate id 'd1'"),
        ("d2 two", "no tab"),
        ("\ttwo", "the id '' cannot be used; ids have 1 to"),
    ],
)
def test_a_line_that_is_no_passage_is_refused_with_its_place(tmp_path: Path, line: str, reason: str) -> None:
    json = line[0] in "{["
    file = put(tmp_path / ("a.jsonl" if json else "a.tsv.gz"), ('{"_id": "d1", "text": "one"}' if json else "d1\tone") + f"\n\n{line}\n")
    with pytest.raises(InputError, match=at(file, 3, reason)):
        list(read_passages(file))


def test_an_id_of_an_earlier_file_is_refused_with_its_place(tmp_path: Path) -> None:
    put(tmp_path / "a.tsv", "d1\tone\n")
    file = put(tmp_path / "b.jsonl", '{"_id": "d2", "text": "two"}\n{"_id": "d1", "text": "one"}\n')
    with pytest.raises(InputError, match=at(file, 2, "duplicate id 'd1'")):
        list(read_passages(tmp_path))


@pytest.mark.parametrize(
    ("files", "path", "named", "reason"),
    [
        ([], "absent", "absent", "no such file or folder"),
        ([], ".", ".", "holds no corpus.jsonl"),
        (["a.txt"], "a.txt", "a.txt", "unknown kind of file"),
        (["a.jsonl", "b.tsv.gz"], ".", "a.jsonl", "holds no passages"),
        (["corpus.jsonl"], ".", "corpus.jsonl", "holds no passages"),
    ],
)
def test_what_holds_no_passages_is_refused(tmp_path: Path, files: list[str], path: str, named: str, reason: str) -> None:
    for name in files:
        put(tmp_path / name, "\n")
    with pytest.raises(InputError, match=f"^{re.escape(str(tmp_path / named))}: {reason}"):
        list(read_passages(tmp_path / path))


@pytest.mark.parametrize("name", ["q.jsonl", "queries.jsonl.gz", "q.tsv", "q.tsv.gz", "q.tsv.jsonl"])
def test_every_kind_of_queries_is_read_whole(tmp_path: Path, name: str) -> None:
    file = put(tmp_path / name, TOPICS if ".jsonl" in name else "q1\tone\nq2\ttwo\nq3\tthree\n")
    assert read_queries(file) == [Query("q1", "one"), Query("q2", "two"), Query("q3", "three")]


def test_a_split_selects_the_judged_queries_in_file_order(beir: Path) -> None:
    assert [query.query_id for query in read_queries(beir)] == ["q1", "q3"]  # test
    assert [qrel.query_id for qrel in read_qrels(beir)] == ["q3", "q1", "q1"]
    assert [query.query_id for query in read_queries(beir, split="dev")] == ["q2"]
    assert [query.query_id for query in read_queries(str(beir / "queries.jsonl"), split="test")] == ["q1", "q3"]
    (beir / "queries.jsonl").unlink()
    put(beir / "queries.jsonl.gz", TOPICS)
    assert [query.query_id for query in read_queries(beir)] == ["q1", "q3"]


def test_a_split_that_is_not_there_is_refused_with_those_that_are(beir: Path) -> None:
    with pytest.raises(InputError, match=r"train\.tsv: no such split; there is dev, test$"):
        read_queries(beir, split="train")
    shutil.rmtree(beir / "qrels")
    with pytest.raises(InputError, match=r"test\.tsv: no such split; there is none$"):
        split_qrels(beir, "test")


@pytest.mark.parametrize(
    ("name", "text", "place", "reason"),
    [
        ("q.jsonl", '{"_id": "q1", "text": "a"}\n{"_id": "q1", "text": "b"}', ", line 2", "duplicate id 'q1'"),
        ("q.tsv", "q1\ta\nq1\tb", ", line 2", "duplicate id 'q1'"),
        ("q.jsonl", '{"_id": "q1"}', ", line 1", "the field 'text', 'query', .* is missing"),
        ("q.jsonl", "\n", "", "holds no queries"),
    ],
)
def test_broken_queries_are_refused_with_their_place(tmp_path: Path, name: str, text: str, place: str, reason: str) -> None:
    file = put(tmp_path / name, text)
    with pytest.raises(InputError, match=f"^{re.escape(str(file) + place)}: .*{reason}"):
        read_queries(file)


def test_queries_and_judgments_that_are_not_there_are_refused(beir: Path) -> None:
    with pytest.raises(InputError, match="absent: cannot be read"):
        read_queries(beir / "absent")
    with pytest.raises(InputError, match=r"qrels: holds no queries\.jsonl"):
        read_queries(beir / "qrels")
    with pytest.raises(InputError, match="absent: cannot be read"):
        read_qrels(beir / "absent")
    with pytest.raises(InputError, match="header: holds no judgments"):
        read_qrels(put(beir / "header", "query-id\tcorpus-id\tscore\n"))
    put(beir / "qrels" / "other.tsv", "q9\td1\t1\n")
    with pytest.raises(InputError, match="holds no queries of the split 'other'"):
        read_queries(beir, split="other")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq2\td1\t-1\n"),
        ("plain.tsv", "q1\td1\t2\r\n\r\nq1\td2\t0\r\nq2\td1\t-1\r\n"),
        ("trec.txt", "q1 0 d1 2\nq1\t0\td2\t0\nq2  Q0  d1  -1"),
        ("trec.gz", "q1 0 d1 2\nq1 0 d2 0\nq2 0 d1 -1\nq1 0 d1 2\n"),
    ],
)
def test_beir_and_trec_judgments_are_read_in_file_order(tmp_path: Path, name: str, text: str) -> None:
    assert read_qrels(put(tmp_path / name, text)) == [Qrel("q1", "d1", 2), Qrel("q1", "d2", 0), Qrel("q2", "d1", -1)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("q1\td1\t0", "query 'q1' and document 'd1' were judged differently before"),
        ("q2\td1", "2 columns"),
        ("q2 Q0 d1 1 0.5 tag", "6 columns"),
        ("q2\td1\t0.5", "the relevance '0.5' is not an integer"),
        ("query-id\tcorpus-id\tscore", "'score' is not an integer"),
    ],
)
def test_broken_judgments_are_refused_with_their_place(tmp_path: Path, line: str, reason: str) -> None:
    file = put(tmp_path / "test.tsv", f"query-id\tcorpus-id\tscore\nq1\td1\t1\n{line}\n")
    with pytest.raises(InputError, match=at(file, 3, reason)):
        read_qrels(file)


@pytest.mark.parametrize(("name", "counts"), [("scifact", (5183, 300, 339)), ("nfcorpus", (3633, 323, 12334))])
def test_real_collections_are_read_whole(name: str, counts: tuple[int, int, int]) -> None:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"the collection {name} is not at {folder}")
    assert (sum(1 for _ in read_passages(folder)), len(read_queries(folder)), len(read_qrels(folder))) == counts


@pytest.fixture(scope="module")
def collection() -> list[Passage]:
    return pydocs.passages()


def test_the_built_in_collection_is_whole(collection: list[Passage]) -> None:
    assert len(collection) > 3000
    assert len({passage.doc_id for passage in collection}) == len({passage.text for passage in collection}) == len(collection)
    assert all(passage.title.strip() and passage.text.strip() and passage.doc_id.split() == [passage.doc_id] for passage in collection)


def test_a_built_in_passage_is_a_docstring_under_its_qualified_name(collection: list[Passage]) -> None:
    passage = next(each for each in collection if each.doc_id == "bisect.bisect_left")
    assert passage.title == "bisect bisect left"
    assert passage.text.startswith("Return the index where to insert item x in list a")


def test_the_built_in_questions_are_answered_by_the_collection(collection: list[Passage]) -> None:
    doc_ids = {passage.doc_id for passage in collection}
    queries, qrels = pydocs.questions(doc_ids)
    assert len(queries) >= 60
    assert {qrel.relevance for qrel in qrels} == {1, 2}
    assert {qrel.query_id for qrel in qrels} == {query.query_id for query in queries}
    assert all(qrel.doc_id in doc_ids for qrel in qrels)


def test_judgments_of_absent_passages_and_their_questions_are_dropped() -> None:
    queries, qrels = pydocs.questions({"bisect.bisect_left", "no.such.passage"})
    assert ([query.query_id for query in queries], qrels) == (["q01"], [Qrel("q01", "bisect.bisect_left", 2)])
    assert pydocs.questions(set()) == ([], [])
