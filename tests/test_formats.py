"""Files in the shapes in which people have them: MS MARCO v2, TREC topics, CSV, arrays, Parquet, Hugging Face datasets."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from splade_lucene.cli.main import main
from splade_lucene.collections.fields import Fields
from splade_lucene.collections.passages import estimate_passages, passage_files, passages_of, read_passages
from splade_lucene.collections.queries import QueryFields, read_queries
from splade_lucene.core.rejects import RejectPolicy
from splade_lucene.errors import InputError
from splade_lucene.evaluation.runs import read_run
from splade_lucene.records import Passage, Query
from splade_lucene.vectors.reader import read_vectors

pa: Any = pytest.importorskip("pyarrow")
datasets: Any = pytest.importorskip("datasets")

GLASS = [Passage("d1", "Thermal stress breaks a pane.", "Glass"), Passage("d2", "An inverted index.")]
RECORDS = [{"_id": each.doc_id, "title": each.title, "text": each.text} for each in GLASS]


def put(file: Path, text: str | bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode() if isinstance(text, str) else text
    file.write_bytes(gzip.compress(data) if file.suffix == ".gz" else data)
    return file


def line(**fields: Any) -> str:
    return json.dumps(fields) + "\n"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            {"pid": "msmarco_passage_00_0", "passage": "One.", "spans": "(0,4)", "docid": "msmarco_doc_00_0"},
            Passage("msmarco_passage_00_0", "One."),
        ),
        (
            {"docid": "msmarco_v2.1_doc_00_0#0_0", "url": "u", "title": "T", "headings": "H1\nH2", "segment": "One.", "start_char": 0},
            Passage("msmarco_v2.1_doc_00_0#0_0", "H1\nH2 One.", "T"),
        ),
        ({"docid": "msmarco_doc_00_0", "url": "u", "title": "", "headings": "", "body": "One."}, Passage("msmarco_doc_00_0", "One.")),
        ({"id": 7, "title": None, "contents": "One."}, Passage("7", "One.")),
        ({"docno": "FBIS-1", "text": "One."}, Passage("FBIS-1", "One.")),
        ({"_id": "d", "id": "d", "text": "One."}, Passage("d", "One.")),
        ({"_id": "", "id": "d", "text": "One."}, Passage("d", "One.")),
        ({"id": "1", "text": "", "contents": "the cat sat on the mat"}, Passage("1", "the cat sat on the mat")),
        ({"id": "1", "text": None, "contents": "the cat"}, Passage("1", "the cat")),
        ({"id": "1", "text": "the  cat", "contents": "the cat\n"}, Passage("1", "the  cat")),
        ({"id": "1", "title": "A", "text": "cat", "contents": "A\ncat"}, Passage("1", "cat", "A")),
        ({"id": "1", "text": "", "contents": ""}, Passage("1", "")),
    ],
)
def test_the_fields_that_people_have_are_known(tmp_path: Path, record: dict[str, Any], expected: Passage) -> None:
    assert list(read_passages(put(tmp_path / "a.jsonl", line(**record)))) == [expected]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (Fields("key", ("words",)), Passage("k", "w")),
        (Fields("key", ("words", "more")), Passage("k", "w m")),
        (Fields("key", ("title", "words")), Passage("k", "w", "T")),
        (Fields("key", ("title",)), Passage("k", "T")),
        (Fields("key", ("url", "title", "words")), Passage("k", "u T w")),
        (Fields(None, ("words",)), Passage("i", "w")),
    ],
)
def test_fields_that_are_named_are_read_and_no_others(tmp_path: Path, fields: Fields, expected: Passage) -> None:
    record = {"key": "k", "id": "i", "url": "u", "title": "T", "words": "w", "more": "m", "text": "t"}
    assert list(read_passages(put(tmp_path / "a.jsonl", line(**record)), fields=fields)) == [expected]
    with pytest.raises(InputError, match="line 1: the field 'nope' that --text-field names is missing; the fields are 'key', 'id', "):
        list(read_passages(tmp_path / "a.jsonl", fields=Fields("key", ("nope",))))
    with pytest.raises(InputError, match="line 1: the field 'nope' is missing; add it, name another with --id-field"):
        list(read_passages(tmp_path / "a.jsonl", fields=Fields("nope")))


def test_ms_marco_v2_in_many_files(tmp_path: Path) -> None:
    """Passages are named .gz alone, segments .json.gz."""
    for number in (1, 0):
        put(tmp_path / "passages" / f"msmarco_passage_0{number}.gz", line(pid=f"p{number}", passage="One.", docid="D"))
        put(tmp_path / "segments" / f"msmarco_v2.1_doc_segmented_0{number}.json.gz", line(docid=f"p{number}", segment="One."))
    put(tmp_path / "passages" / "README.txt.gz", "no passages")
    for folder in ("passages", "segments"):
        assert [passage.doc_id for passage in read_passages(tmp_path / folder)] == ["p0", "p1"]
        assert estimate_passages(tmp_path / folder) == 2


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("name", ["a.json", "a.json.gz", "a.jsonl"])
def test_one_array(tmp_path: Path, name: str, indent: int | None) -> None:
    file = put(tmp_path / name, "\ufeff \n" + json.dumps(RECORDS, indent=indent) + "\n")
    assert list(read_passages(file)) == GLASS
    with pytest.raises(InputError, match=r"b\.json: holds no passages"):
        list(read_passages(put(tmp_path / "b.json", " [ ]\n")))


def test_objects_over_several_lines(tmp_path: Path) -> None:
    """As `jq .` prints them, and as Anserini has one a file."""
    file = put(tmp_path / "a.json", "\n".join(json.dumps(record, indent=2) for record in RECORDS))
    assert list(read_passages(file)) == GLASS
    put(file, json.dumps(RECORDS[0], indent=2) + "\n7 {\n")
    with pytest.raises(InputError, match=r"a\.json, line 6: an item is not a JSON object"):
        list(read_passages(file))


def test_an_array_is_read_as_a_stream_with_the_lines_of_its_items(tmp_path: Path) -> None:
    """Larger than what is read at a time, so that items are cut; bad ones are left out with their line."""
    records = [{"_id": str(number), "text": "é" * (number * 997 % 5000)} for number in range(200)]
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    lines[150] = "7"
    file = put(tmp_path / "a.json", "[\n" + ",\n".join(lines) + "\n]")
    bad = RejectPolicy(1)
    assert [passage.doc_id for passage in read_passages(file, bad)] == [str(number) for number in range(200) if number != 150]
    assert [(each.line, each.reason) for each in bad.rejected] == [(152, "an item is not a JSON object; correct or remove it")]
    lines[180] = '{"_id": "x" "text": ""}'
    put(file, "[\n" + ",\n".join(lines) + "\n]")
    with pytest.raises(InputError, match=r"a\.json, line 182: not JSON objects \(.*\); correct it, or write one object per line"):
        list(read_passages(file, RejectPolicy(None)))
    put(file, "[\n" + lines[0] + "\n] []")
    with pytest.raises(InputError, match=r"line 3: not JSON objects \(text after the end"):
        list(read_passages(file))


@pytest.mark.parametrize(
    ("name", "text", "columns"),
    [
        ("a.tsv", "id\ttext\nd1\tone\ttab\n", "id, text"),
        ("b.tsv", "\ndocno\tcontents\nd1\tone\ttab\n", "docno, contents"),
        ("c.tsv", "PID\tTitle\tPassage\nd1\t\tone\ttab\n", "pid, title, passage"),
        ("d.csv", 'docid,url,text\nd1,"http://a,b","one\ttab"\n', "docid, url, text"),
    ],
)
def test_header_lines_are_recognized_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, columns: str
) -> None:
    file = put(tmp_path / name, text)
    assert list(read_passages(file)) == [Passage("d1", "one\ttab")]
    assert capsys.readouterr().err == f"{file}: its first line is a header ({columns}), not a record\n"


@pytest.mark.parametrize("text", ["id\tone word\n", "id\tword\n", "docid\ttwo words\n", "text\tid\n", "one\ttext\n"])
def test_a_first_record_is_no_header(tmp_path: Path, text: str) -> None:
    name, _, rest = text.strip().partition("\t")
    assert list(read_passages(put(tmp_path / "a.tsv", text))) == [Passage(name, rest)]


def test_a_header_whose_text_has_another_name(tmp_path: Path) -> None:
    file = put(tmp_path / "a.tsv", "docid\tabstract\nd1\tone\n")
    with pytest.raises(InputError, match=r"line 2: the field 'text', .* is missing; add it, name another with --text-field"):
        list(read_passages(file))
    assert list(read_passages(file, fields=Fields(None, ("abstract",)))) == [Passage("d1", "one")]


def test_csv_as_spreadsheets_write_it(tmp_path: Path) -> None:
    file = put(tmp_path / "a.csv", '\ufeffq1,"one, two"\r\nq2,"a ""word"""\r\n\r\nq3,"two\nlines"\r\nq4,' + "x" * 200_000 + "\r\n")
    found = [Query("q1", "one, two"), Query("q2", 'a "word"'), Query("q3", "two\nlines"), Query("q4", "x" * 200_000)]
    assert read_queries(file) == found
    assert [(each.doc_id, each.text) for each in read_passages(file)] == found


QUERIES = [Query("q1", "why does glass break"), Query("2", "what is a + b")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("q.json", '[{"qid": "q1", "query": "why does glass break"},\n {"qid": 2, "query": "what is a + b"}]'),
        ("q.jsonl", line(_id="q1", text="why does glass break") + line(id="2", question="what is a + b")),
        ("q.jsonl", line(query_id="q1", query="why does glass break", text="") + line(number=2, title="what is a + b")),
        ("q.txt", "q1\twhy does glass break\n2\twhat is a + b\n"),
        ("q.tsv", "qid\tquery\nq1\twhy does glass break\n2\twhat is a + b\n"),
        ("q.csv", "q1,why does glass break\n2,what is a + b\n"),
        ("topics", '{"id": "q1", "contents": "why does glass break"}\n{"id": "2", "contents": "what is a + b"}\n'),
    ],
)
def test_queries_as_people_write_them(tmp_path: Path, name: str, text: str) -> None:
    assert read_queries(put(tmp_path / name, text)) == QUERIES


def test_plain_text_is_one_query_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = put(tmp_path / "q.txt", "why does glass break\n\n  what is a + b \r\n")
    assert read_queries(file) == [Query("1", "why does glass break"), Query("3", "what is a + b")]
    assert capsys.readouterr().err == f"{file}: plain text, one query per line; their ids are the numbers of the lines\n"
    with pytest.raises(InputError, match=r"q\.txt: unknown kind of file; passages come as \.jsonl, \.json, "):
        list(read_passages(file))


ROBUST = """
<top>

<num> Number: 301
<title> International Organized Crime

<desc> Description:
Identify organizations that participate in
international criminal activity.

<narr> Narrative:
A relevant document must name the "organization" &amp; its activity; x < y is text.

</top>
<top>
<num> Number: 302
<title> Topic: Poliomyelitis and Post-Polio
<desc> Description:
Is the disease under control?
</top>
"""
COVID = """<?xml version="1.0" encoding="UTF-8"?>
<topics task="COVIDSearch" batch="1">
  <topic number="301">
    <query>International Organized Crime</query>
    <question>Identify organizations that participate in
    international criminal activity.</question>
    <narrative>A relevant document must name the "organization" &amp; its activity; x &lt; y is text.</narrative>
  </topic>
  <topic number="302"><query>Poliomyelitis and Post-Polio</query><question>Is the disease under control?</question></topic>
</topics>
"""
CLOSED = "".join(
    f"<top><num>{number}</num><title>{title}</title>\n<desc>{desc}</desc><narr>{narr}</narr></top>\n"
    for number, title, desc, narr in (
        (
            301,
            "International Organized Crime",
            "Identify organizations that participate in international criminal activity.",
            'A relevant document must name the "organization" &amp; its activity; x < y is text.',
        ),
        (302, "Poliomyelitis and Post-Polio", "Is the disease under control?", ""),
    )
)
TITLES = ["International Organized Crime", "Poliomyelitis and Post-Polio"]
DESCRIPTIONS = ["Identify organizations that participate in international criminal activity.", "Is the disease under control?"]
NARRATIVE = 'A relevant document must name the "organization" & its activity; x < y is text.'


@pytest.mark.parametrize("text", [ROBUST, COVID, CLOSED, ROBUST.replace("\n", "\r\n")], ids=["old", "XML", "closed", "CRLF"])
@pytest.mark.parametrize("name", ["topics.txt", "topics.xml", "topics.301-450.gz"])
def test_trec_topics(tmp_path: Path, name: str, text: str) -> None:
    file = put(tmp_path / name, text)
    assert read_queries(file) == [Query("301", TITLES[0]), Query("302", TITLES[1])]
    assert [query.text for query in read_queries(file, fields=QueryFields(topic=("description",)))] == DESCRIPTIONS
    both = [f"{title} {description}" for title, description in zip(TITLES, DESCRIPTIONS, strict=True)]
    assert [query.text for query in read_queries(file, fields=QueryFields(topic=("title", "description")))] == both
    if text is CLOSED:
        assert [query.text for query in read_queries(file, fields=QueryFields(topic=("narrative",)))] == [NARRATIVE, ""]
    else:
        with pytest.raises(InputError, match="the field 'narrative' that --topic-field names is missing; the fields are '"):
            read_queries(file, fields=QueryFields(topic=("narrative",)))
        put(file, text.replace("302", "301"))
        with pytest.raises(InputError, match="duplicate id '301'"):
            read_queries(file)


def test_topics_of_other_tracks(tmp_path: Path) -> None:
    """Clinical trials have the text in the topic itself, decision support no title, CLEF the number in an element."""
    trials = put(tmp_path / "ct.xml", '<topics task="CT">\n<topic number="1">\nA 45-year-old\nman\n</topic></topics>')
    assert read_queries(trials) == [Query("1", "A 45-year-old man")]
    cds = put(tmp_path / "cds.xml", '<topics><topic number="1" type="test"><summary>chest pain</summary></topic></topics>')
    with pytest.raises(InputError, match=r"the field 'title' .* is missing; the fields are 'number', 'type', 'summary'"):
        read_queries(cds)
    assert read_queries(cds, fields=QueryFields(topic=("summary",))) == [Query("1", "chest pain")]
    clef = put(tmp_path / "clef.xml", "<topics><topic><identifier>10.2452/451-AH</identifier><title>war</title></topic></topics>")
    assert read_queries(clef) == [Query("10.2452/451-AH", "war")]
    with pytest.raises(InputError, match=r"q\.jsonl: is JSON, which has no topic fields; leave --topic-field out"):
        read_queries(put(tmp_path / "q.jsonl", line(id="1", text="a")), fields=QueryFields(topic=("description",)))


def test_queries_with_two_texts_are_refused_and_the_field_can_be_named(tmp_path: Path) -> None:
    file = put(tmp_path / "q.jsonl", line(id="1", text="a", query="b"))
    with pytest.raises(
        InputError, match="line 1: the fields 'text' and 'query' hold different texts; name the one to read with --text-field"
    ):
        read_queries(file)
    assert read_queries(file, fields=QueryFields(Fields(None, ("query",)))) == [Query("1", "b")]


def test_a_beir_folder_without_judgments_has_all_its_queries(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "queries.jsonl", line(_id="q1", text="why does glass break") + line(_id="2", text="what is a + b"))
    assert read_queries(tmp_path) == QUERIES
    assert capsys.readouterr().err == f"{tmp_path}: has no folder qrels, so all its queries are taken\n"
    with pytest.raises(InputError, match=r"qrels/test\.tsv: no such split; there is none"):
        read_queries(tmp_path, split="test")


def test_parquet_files_and_folders(tmp_path: Path) -> None:
    import pyarrow.parquet

    many: list[dict[str, Any]] = [
        {"_id": f"d{number}", "title": None if number % 2 else "T", "text": f"é {number}", "n": [number]} for number in range(3000)
    ]
    for part in range(2):
        table = pa.Table.from_pylist(many[part::2])
        pyarrow.parquet.write_table(table, put(tmp_path / "corpus" / f"corpus-0000{part}-of-00002.parquet", ""), row_group_size=700)
    expected = [Passage(each["_id"], each["text"], each["title"] or "") for each in (*many[::2], *many[1::2])]
    for path in (tmp_path, tmp_path / "corpus"):
        assert list(read_passages(path)) == expected
        assert estimate_passages(path) == 3000
    first = passage_files(tmp_path)[0]
    assert list(read_passages(first, fields=Fields("_id", ("title", "text")))) == expected[:1500]
    pyarrow.parquet.write_table(pa.table({"qid": [1, 2], "query": ["a", "b"]}), tmp_path / "queries.parquet")
    assert read_queries(tmp_path) == [Query("1", "a"), Query("2", "b")]
    with pytest.raises(InputError, match="the field 'x' that --text-field names is missing; the fields are '_id', 'title', 'text', 'n'"):
        list(read_passages(first, fields=Fields("_id", ("x",))))
    bad = RejectPolicy(None)
    pyarrow.parquet.write_table(pa.table({"id": ["a", None, "a"], "text": ["x", "y", "z"]}), tmp_path / "bad.parquet")
    assert list(read_passages(tmp_path / "bad.parquet", bad)) == [Passage("a", "x")]
    assert [each.line for each in bad.rejected] == [2, 3]


@pytest.mark.parametrize("shards", [1, 3])
def test_datasets_saved_on_disk(tmp_path: Path, shards: int) -> None:
    many = [{"id": number, "text": f"é {number}", "title": None if number % 2 else "T"} for number in range(2500)]
    dataset = datasets.Dataset.from_list(many)
    dataset.select(range(2400)).save_to_disk(tmp_path / "one", num_shards=shards)
    expected = [Passage(str(each["id"]), str(each["text"]), str(each["title"] or "")) for each in many[:2400]]
    assert list(read_passages(tmp_path / "one")) == expected
    assert len(passage_files(tmp_path / "one")) == shards
    assert estimate_passages(tmp_path / "one") == 2400
    assert list(passages_of(dataset))[:2400] == expected
    with pytest.raises(InputError, match="the records, line 2: duplicate id '0'"):
        list(passages_of(dataset.select([0, 0])))
    datasets.DatasetDict({"train": dataset}).save_to_disk(tmp_path / "dict")
    assert sum(1 for _ in read_passages(tmp_path / "dict")) == 2500
    datasets.DatasetDict({"train": dataset, "test": dataset}).save_to_disk(tmp_path / "both")
    with pytest.raises(InputError, match=r"both: has 2 splits; name the folder of one of them: .*both/train, .*both/test"):
        list(read_passages(tmp_path / "both"))
    assert sum(1 for _ in read_passages(tmp_path / "both" / "test")) == 2500
    (tmp_path / "one" / passage_files(tmp_path / "one")[0].name).write_bytes(b"cut")
    with pytest.raises(InputError, match=r"one/data-.*\.arrow: cannot be read .*; write or fetch the file again"):
        list(read_passages(tmp_path / "one"))


def test_commands_take_the_names_of_fields(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From Parquet with fields of its own to a run for the descriptions of TREC topics."""
    import pyarrow.parquet

    pyarrow.parquet.write_table(
        pa.table({"key": ["a", "b"], "words": ["glass breaks", "insects"], "text": ["x", "y"]}), tmp_path / "c.parquet"
    )
    fields = ["--id-field", "key", "--text-field", "words"]
    for command in (["bm25"], ["encode", "--model", "tiny"]):
        made = tmp_path / command[0]
        assert main([command[0], str(tmp_path / "c.parquet"), str(made), *command[1:], *fields]) == 0
    assert list(read_vectors(tmp_path / "encode"))[1].doc_id == "b"
    topics = put(tmp_path / "topics.txt", "<top>\n<num> Number: 7\n<title> glass\n<desc> Description:\ninsects\n</top>\n")
    for option, found in (([], {"a"}), (["--topic-field", "description"], {"b"}), (["--topic-field", "title+description"], {"a", "b"})):
        assert main(["search", str(tmp_path / "bm25"), str(topics), str(tmp_path / "run"), *option]) == 0
        assert {hit.doc_id for hit in read_run(tmp_path / "run")["7"]} == found
    queries = put(tmp_path / "q.jsonl", line(key="7", words="insects", text="glass"))
    assert main(["search", str(tmp_path / "bm25"), str(queries), str(tmp_path / "run"), *fields]) == 0
    assert (tmp_path / "run").read_text().split()[2] == "b"
    assert main(["bm25", str(tmp_path / "c.parquet"), str(tmp_path / "x"), "--text-field", "nope"]) == 1
    assert "c.parquet, line 1: the field '_id', 'id', " in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["search", "i", "q", "r", "--topic-field", "title+"])
