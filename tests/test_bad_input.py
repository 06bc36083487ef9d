"""Whatever users hand in: what cannot be used ends with one sentence that names file, line and remedy, and leaves nothing behind."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from splade_lucene.cli.main import main
from splade_lucene.core.files import MAX_LINE, Lines, file_sha256
from splade_lucene.core.rejects import RejectPolicy
from splade_lucene.encoding.model import SpladeModel
from tests.unprivileged import CANNOT, run_as_ordinary_user

GOOD = b'{"_id": "d1", "title": "Glass", "text": "A pane of glass cracks under stress."}\n'
GOOD_VECTOR = b'{"id":"d1","vector":{"glass":12}}\n'


class Case(NamedTuple):
    """Files with their contents, and what the sentence about them must say: where, and a pattern of problem and remedy."""

    files: Mapping[str, bytes]
    place: str
    sentence: str


def second(line: str | bytes, sentence: str) -> Case:
    """A corpus whose first line is good and whose second is this one."""
    return Case({"corpus.jsonl": GOOD + (line if isinstance(line, bytes) else line.encode()) + b"\n"}, "corpus.jsonl, line 2", sentence)


def cut_off_gzip() -> bytes:
    whole = gzip.compress(b"".join(b'{"_id": "d%d", "text": "%d"}\n' % (number, number**9) for number in range(5000)))
    return whole[: len(whole) // 2]


ID_RULE = "cannot be used; ids have 1 to .* characters, none of them white space or a control character"
PASSAGES = {
    "broken JSON": second('{"_id": "d2", "text": ', r"not a JSON object \(.* at column \d+\); correct or remove the line"),
    "broken JSON in gzip": Case(
        {"corpus.jsonl.gz": gzip.compress(GOOD + b"{\n")}, "corpus.jsonl.gz, line 2", "not a JSON object .*; correct or remove"
    ),
    "truncated gzip": Case({"corpus.jsonl.gz": cut_off_gzip()}, "corpus.jsonl.gz, line", "damaged gzip data .*; fetch the file again"),
    "plain text named gz": Case({"corpus.jsonl.gz": GOOD}, "corpus.jsonl.gz", "damaged gzip data .*; fetch the file again"),
    "Latin-1": second('{"_id": "d2", "text": "é"}'.encode("latin-1"), r"not UTF-8 \(.*\); convert the file to UTF-8"),
    "UTF-16": Case({"corpus.jsonl": GOOD.decode().encode("utf-16")}, "corpus.jsonl, line 1", "not UTF-8 .*; convert the file"),
    "a line of 50 MB": second(b'{"_id": "d2", "text": "' + b"a" * 50_000_000 + b'"}', "longer than 32 MiB.*; write one passage per line"),
    "an array": second('[{"_id": "d2", "text": "two"}]', "not a JSON object"),
    "no id": second('{"text": "two"}', "is missing; add it, name another with --id-field, or remove the line"),
    "an id that is a number": second('{"_id": 2.5, "text": "two"}', "the field '_id' is a number; make it a string"),
    "an id that is null": second('{"id": null, "contents": "two"}', "the field 'id' is null; make it a string"),
    "an empty id": second('{"_id": "", "text": "two"}', ID_RULE),
    "an id with a space": second('{"_id": "d 2", "text": "two"}', ID_RULE),
    "an id with a tab": second(r'{"_id": "d\t2", "text": "two"}', ID_RULE),
    "an id with NUL": second(r'{"_id": "d\u00002", "text": "two"}', ID_RULE),
    "an id with half a surrogate pair": second(r'{"_id": "d\ud800", "text": "two"}', "half a surrogate pair.*; write the whole character"),
    "an id that is too long": second(json.dumps({"_id": "d" * 40_000, "text": "two"}), ID_RULE),
    "an id twice in a file": second(GOOD.strip(), "duplicate id 'd1'; ids must be unique, so rename or remove one"),
    "an id twice in two files": Case({"a.jsonl": GOOD, "b.jsonl": b"\n" + GOOD}, "b.jsonl, line 2", "duplicate id 'd1'"),
    "an id with a space in TSV": Case({"a.tsv": b"d1\tone\nd 2\ttwo\n"}, "a.tsv, line 2", ID_RULE),
    "TSV without a tab": Case({"a.tsv": b"d1\tone\nd2 two\n"}, "a.tsv, line 2", "no tab; a TSV line is id, tab, text"),
    "no text": second('{"_id": "d2"}', "is missing; add it, name another with --text-field, or remove the line"),
    "a text that is null": second('{"_id": "d2", "text": null}', "the field 'text' is null; make it a string"),
    "a nested text": second('{"_id": "d2", "text": {"en": "two"}}', "the field 'text' is an object; make it a string"),
    "a text in pieces": second('{"_id": "d2", "text": ["two"]}', "the field 'text' is an array; make it a string"),
    "a title in pieces": second('{"_id": "d2", "title": ["t"], "text": "two"}', "the field 'title' is an array; make it a string"),
    "two texts": second(
        '{"_id": "d2", "text": "two", "contents": "three"}',
        "the fields 'text' and 'contents' hold different texts; name the one to read with --text-field",
    ),
    "two ids": second('{"id": "d2", "docid": "D2", "text": "two"}', "the fields 'id' and 'docid' hold different ids; name"),
    "a bad item of an array": Case(
        {"a.json": b'[{"_id": "d1", "text": "one"},\n "d2"]'}, "a.json, line 2", "an item is not a JSON object"
    ),
    "an array that ends early": Case(
        {"a.json": b'[{"_id": "d1", "text": "one"},\n{"_id": "d2",'}, "a.json, line 2", "not JSON objects .*; correct it"
    ),
    "CSV with open quotes": Case({"a.csv": b'd0,none\nd1,"one\n'}, "a.csv, line", "not CSV .*; correct the quotes"),
    "CSV with a comma too many": Case({"a.csv": b"d0,none\nd1,one, two\n"}, "a.csv, line 2", "3 columns instead of 2 .*; quote a text"),
    "a Parquet file cut short": Case({"a.parquet": b"PAR1"}, "a.parquet", "cannot be read .*; write or fetch the file again"),
    "half a surrogate pair": second(r'{"_id": "d2", "text": "\ud83d"}', "half a surrogate pair.*; write the whole character"),
    "deep nesting": second('{"_id": "d2", "text": ' + "[" * 100_000, "not a JSON object"),
    "a huge number": second('{"_id": "d2", "text": ' + "1" * 5_000 + "}", "not a JSON object"),
    "an empty file among full ones": Case(
        {"a.jsonl": GOOD, "b.jsonl": b""}, "b.jsonl", "holds no passages; fetch it again or remove it"
    ),
    "an empty gzip file among full ones": Case({"a.jsonl": GOOD, "b.jsonl.gz": b""}, "b.jsonl.gz", "holds no passages; fetch it again"),
    "a folder without any passages": Case({"README": b"text"}, "", "holds no corpus.jsonl and no .jsonl, .json, .ndjson, .tsv, .csv, .par"),
}  # fmt: skip

VECTORS = {
    "a float": ('{"id":"d2","vector":{"a":0.9}}', "the impact 0.9 for 'a'; impacts are integers from 1 to"),
    "a negative": ('{"id":"d2","vector":{"a":-1}}', "the impact -1 for 'a'; impacts are integers"),
    "a zero": ('{"id":"d2","vector":{"a":0}}', "the impact 0 for 'a'; impacts are integers"),
    "a huge weight": ('{"id":"d2","vector":{"a":16777216}}', "the impact 16777216 for 'a'; impacts are integers from 1 to 2.24 - 1"),
    "weights with a huge sum": (
        json.dumps({"id": "d2", "vector": {f"t{number}": (1 << 24) - 1 for number in range(129)}}),
        "add up to more than 2.31 - 1.*; scale them down",
    ),
    "a string": ('{"id":"d2","vector":{"a":"1"}}', "the impact '1' for 'a'; impacts are integers"),
    "a token with a space": ('{"id":"d2","vector":{"a b":1}}', "the token 'a b', which Lucene would split; leave it out or rename it"),
    "a token of 256 characters": (json.dumps({"id": "d2", "vector": {"a" * 256: 1}}), "which Lucene would split; leave it out"),
    "an empty token": ('{"id":"d2","vector":{"":1}}', "the token '', which Lucene would split; leave it out"),
    "a token with half a surrogate pair": ('{"id":"d2","vector":{"\\ud800":1}}', "which Lucene would split; leave it out"),
    "no vector": ('{"id":"d2","contents":"two"}', "no object 'vector' of tokens with their impacts; add it or remove the line"),
    "contents that are no text": ('{"id":"d2","vector":{},"contents":["two"]}', "the 'contents' of document 'd2' are not text; make them"),
    "contents with half a surrogate pair": ('{"id":"d2","vector":{},"contents":"\\ud800"}', "are not text; make them a string"),
    "a list": ('{"id":"d2","vector":[1,2]}', "no object 'vector' of tokens with their impacts"),
    "an id with a space": ('{"id":"d 2","vector":{"a":1}}', ID_RULE),
    "an id that is a number": ('{"id":2,"vector":{"a":1}}', ID_RULE),
    "an id twice": ('{"id":"d1","vector":{"a":1}}', "duplicate id 'd1'; ids must be unique, so rename or remove one"),
    "broken JSON": ('{"id":"d2","vector":{"a":1}', "not a JSON object .*; correct or remove the line"),
}  # fmt: skip

TOPICS = {
    "a TREC topic without a title": ("q.trec", b"<top>\n<num> 1\n</top>\n", "q.trec, line 3", "the field 'title' that --topic-field names"),
    "a TREC topic without a number": ("q.trec", b"<top>\n<title> one\n</top>\n", "q.trec, line 3", "has no <num>; add its number"),
    "XML that ends early": ("q.xml", b"<topics>\n<topic number='1'>", "q.xml, line 2", "not well-formed XML .*; correct it"),
    "TSV without a tab": ("q.tsv", b"q1\tone\nq2 two\n", "q.tsv, line 2", "no tab; a TSV line is id, tab, text"),
    "an id with a space": ("q.tsv", b"q 1\tone\n", "q.tsv, line 1", ID_RULE),
    "an id twice": ("q.tsv", b"q1\tone\nq1\ttwo\n", "q.tsv, line 2", "duplicate id 'q1'; ids must be unique"),
    "a number for an id": ("q.jsonl", b'{"_id": 1.5, "text": "one"}\n', "q.jsonl, line 1", "'_id' is a number; make it a string"),
    "no queries": ("q.tsv", b"\n", "q.tsv", "holds no queries"),
    "Latin-1": ("q.tsv", "q1\té\n".encode("latin-1"), "q.tsv, line 1", "not UTF-8 .*; convert the file to UTF-8"),
}  # fmt: skip

QRELS = {
    "two columns": (b"q1 d1\n", "qrels, line 1", r"2 columns; qrels have 3 \(BEIR\) or 4 \(TREC\)"),
    "a float": (b"q1 0 d1 1\nq1 0 d2 0.5\n", "qrels, line 2", "the relevance '0.5' is not an integer; write it as one"),
    "a corpus": (GOOD, "qrels, line 1", "columns; qrels have"),
    "an id with NUL": (b"q1 0 d\x00 1\n", "qrels, line 1", ID_RULE),
    "a header only": (b"query-id\tcorpus-id\tscore\n", "qrels", "holds no judgments"),
    "a pair judged twice": (b"q1 0 d1 1\nq1 0 d1 0\n", "qrels, line 2", "were judged differently before; remove one"),
    "Latin-1": ("q1 0 é 1\n".encode("latin-1"), "qrels, line 1", "not UTF-8 .*; convert the file to UTF-8"),
}  # fmt: skip


def put(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def everything(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must fail with one sentence, and gives it."""

    def run(*arguments: str | Path) -> str:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert (status, out) == (1, ""), err
        lines = [line for line in err.splitlines() if not re.match(r"(encoding|indexing): [\d,]+ ", line)]  # progress
        assert len(lines) == 1, err
        assert lines[0].startswith(f"splade-lucene {arguments[0]}: ")
        assert not re.search(r"Traceback|\[Errno|[.!?]\s+[A-Z]\w+ \w+", lines[0]), f"not one sentence: {err}"
        return lines[0]

    return run


@pytest.fixture(scope="module")
def good(tiny: SpladeModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection with its vectors and both kinds of index. Not to be changed."""
    folder = put(tmp_path_factory.mktemp("good"), {"corpus.jsonl": GOOD + b'{"_id": "d2", "text": "Heat flows."}\n'})
    assert main(["encode", str(folder / "corpus.jsonl"), str(folder / "out"), "--model", "tiny", "--max-length", "16"]) == 0
    assert main(["index", str(folder / "out"), str(folder / "impact")]) == 0
    assert main(["bm25", str(folder / "corpus.jsonl"), str(folder / "bm25")]) == 0
    return folder


@pytest.mark.parametrize("command", ["encode", "bm25"])
@pytest.mark.parametrize("name", PASSAGES)
@pytest.mark.usefixtures("tiny")
def test_passages(name: str, command: str, tmp_path: Path, refused: Callable[..., str]) -> None:
    corpus = put(tmp_path / "in", PASSAGES[name].files)
    message = refused(command, corpus, tmp_path / "made", *(["--model", "tiny"] if command == "encode" else []))
    assert re.search(f"{re.escape(str(corpus / PASSAGES[name].place))}.*: .*{PASSAGES[name].sentence}", message), message
    assert len(message) < 500
    if command == "bm25":
        assert [file.name for file in tmp_path.iterdir()] == ["in"]
    elif (tmp_path / "made").exists():
        assert "run the same encode command again" in refused("index", tmp_path / "made", tmp_path / "index")


@pytest.mark.parametrize("command", ["encode", "bm25"])
@pytest.mark.usefixtures("tiny")
def test_a_file_that_cannot_be_read(command: str, tmp_path: Path, refused: Callable[..., str]) -> None:
    """Reading this process's memory at address 0 fails for root too, whom no permissions stop."""
    if not Path("/proc/self/mem").exists():
        pytest.skip("no /proc/self/mem on this system")
    (tmp_path / "a.jsonl").symlink_to("/proc/self/mem")
    message = refused(command, tmp_path / "a.jsonl", tmp_path / "made", *(["--model", "tiny"] if command == "encode" else []))
    assert f"{tmp_path / 'a.jsonl'}: cannot be read (Input/output error); check its name and permissions" in message
    assert [file.name for file in tmp_path.iterdir()] == ["a.jsonl"]


@pytest.mark.parametrize(
    ("locked", "sentence"),
    [("a.jsonl", "cannot be read (Permission denied); check its name and permissions"), (".", "Permission denied; change its permissions")],
    ids=["file", "folder"],
)
def test_a_file_without_permission(tmp_path: Path, locked: str, sentence: str) -> None:
    put(tmp_path, {"in/a.jsonl": GOOD})
    (tmp_path / "in" / locked).chmod(0)
    child = run_as_ordinary_user("-m", "splade_lucene.cli.main", "bm25", str(tmp_path / "in" / "a.jsonl"), str(tmp_path / "made"))
    (tmp_path / "in" / locked).chmod(0o700)
    if child.returncode == CANNOT:
        pytest.skip("root cannot give up its privileges here")
    assert child.returncode == 1
    assert child.stderr.count("\n") == 1
    assert child.stderr.startswith(f"splade-lucene bm25: {tmp_path / 'in' / 'a.jsonl'}: {sentence}")
    assert everything(tmp_path) == {"in/a.jsonl": GOOD}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("corpus.jsonl", b"\xef\xbb\xbf" + GOOD),
        ("corpus.jsonl", GOOD.replace(b"\n", b"\r\n")),
        ("corpus.jsonl.gz", gzip.compress(b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n\r\n"))),
    ],
    ids=["byte order mark", "CRLF", "both, packed"],
)
@pytest.mark.usefixtures("tiny")
def test_a_byte_order_mark_and_crlf_change_nothing(tmp_path: Path, name: str, data: bytes) -> None:
    for folder, files in (("plain", {"corpus.jsonl": GOOD}), ("other", {name: data})):
        assert main(["encode", str(put(tmp_path / folder, files)), str(tmp_path / f"{folder}-out"), "--model", "tiny"]) == 0
    assert everything(tmp_path / "plain-out") == everything(tmp_path / "other-out")


@pytest.mark.usefixtures("tiny")
def test_texts_that_are_empty_or_hold_nul_are_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (*GOOD.splitlines(), rb'{"_id": "nul", "text": "glass\u0000pane"}', b'{"_id": "empty", "title": "", "text": ""}')
    corpus = put(tmp_path, {"corpus.jsonl": b"\n".join(lines), "q.tsv": b"q1\tglass\x00pane \xf0\x9f\x98\x80\nq2\t \n"})
    assert main(["encode", str(corpus), str(tmp_path / "out"), "--model", "tiny", "--store-contents"]) == 0
    assert main(["index", str(tmp_path / "out"), str(tmp_path / "impact"), "--store-contents"]) == 0
    assert "2 documents" not in capsys.readouterr().out  # an empty text still has what the model says of nothing
    assert main(["bm25", str(corpus), str(tmp_path / "bm25")]) == 0
    out, err = capsys.readouterr()
    assert "2 documents" in out and "1 passages without terms are not in the index" in err
    for kind in ("impact", "bm25"):
        assert main(["search", str(tmp_path / kind), str(tmp_path / "q.tsv"), str(tmp_path / "run")]) == 0
        assert {"d1", "nul"} <= {line.split()[2] for line in (tmp_path / "run").read_text().splitlines()}


@pytest.mark.parametrize("engine", ["lucene", "anserini"])
@pytest.mark.parametrize("name", VECTORS)
def test_vectors(name: str, engine: str, good: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    line, sentence = VECTORS[name]
    shutil.copytree(good / "out", tmp_path / "out")
    shard = put(tmp_path / "out", {"vectors/part-00000.jsonl": GOOD_VECTOR + line.encode() + b"\n"}) / "vectors" / "part-00000.jsonl"
    command = ("index", tmp_path / "out", tmp_path / "index", "--engine", engine)
    assert "was changed after encoding; encode again with --overwrite" in refused(*command)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    manifest["shards"][0]["sha256"] = file_sha256(shard)  # as if `encode` had written it
    (tmp_path / "out" / "manifest.json").write_text(json.dumps(manifest))
    message = refused(*command)
    assert re.search(f"{re.escape(str(shard))}, line 2: .*{sentence}", message), message
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("kind", ["impact", "bm25"])
@pytest.mark.parametrize("name", TOPICS)
def test_topics(name: str, kind: str, good: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    file, data, place, sentence = TOPICS[name]
    put(tmp_path, {file: data})
    message = refused("search", good / kind, tmp_path / file, tmp_path / "run")
    assert re.search(f"{re.escape(str(tmp_path / place))}: .*{sentence}", message), message
    assert [each.name for each in tmp_path.iterdir()] == [file]


@pytest.mark.parametrize("name", QRELS)
def test_judgments(name: str, tmp_path: Path, refused: Callable[..., str]) -> None:
    data, place, sentence = QRELS[name]
    put(tmp_path, {"qrels": data, "run": b"q1 Q0 d1 1 2.5 tag\n"})
    message = refused("evaluate", tmp_path / "qrels", tmp_path / "run")
    assert re.search(f"{re.escape(str(tmp_path / place))}: .*{sentence}", message), message


def test_queries_that_encode_to_nothing_are_counted(good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, {"q.tsv": b"q1\tglass\nq2\t?!\nq3\t\n"})
    assert main(["search", str(good / "bm25"), str(tmp_path / "q.tsv"), str(tmp_path / "run")]) == 0
    assert "2 queries have no terms and so no hits" in capsys.readouterr().err
    assert {line.split()[0] for line in (tmp_path / "run").read_text().splitlines()} == {"q1"}


def test_a_tag_with_a_space_would_break_the_run(good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["search", str(good / "bm25"), str(tmp_path / "q.tsv"), str(tmp_path / "run"), "--tag", "my run"])
    assert caught.value.code == 2
    assert "--tag: 'my run' would be more than one column of the run" in capsys.readouterr().err


def only_a_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def no_head(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(folder / "model.safetensors")
    save_file({name: tensor for name, tensor in weights.items() if not name.startswith("cls.")}, folder / "model.safetensors")


def custom_code(folder: Path) -> None:
    (folder / "custom.py").write_text(f"from pathlib import Path\nPath({str(folder / 'executed')!r}).touch()\n")
    config = json.loads((folder / "config.json").read_text())
    changes = {"model_type": "custom", "auto_map": {"AutoConfig": "custom.Custom", "AutoModelForMaskedLM": "custom.Custom"}}
    (folder / "config.json").write_text(json.dumps(config | changes))


def another_vocabulary(folder: Path) -> None:
    """The network gets room for many more tokens than its tokenizer has."""
    from transformers import AutoModelForMaskedLM

    network: Any = AutoModelForMaskedLM.from_pretrained(folder)
    network.resize_token_embeddings(4096)
    network.save_pretrained(folder)


MODELS: dict[str, tuple[Callable[[Path], None], str]] = {
    "without an MLM head": (no_head, "lacks weights of a masked language model .*; SPLADE needs the MLM head"),
    "with a pickle": (only_a_pickle, "a pickle, which is never loaded.*; save it once with save_pretrained"),
    "with custom code": (custom_code, "cannot be loaded as a masked language model"),
    "with the tokenizer of another vocabulary": (another_vocabulary, "tokenizer of .* has 400 tokens, its output layer 4096; they do not"),
}


@pytest.mark.parametrize("name", MODELS)
def test_model_folders(name: str, random_model: Callable[[str], Path], good: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    folder = Path(shutil.copytree(random_model("bert"), tmp_path / "model"))
    damage, sentence = MODELS[name]
    damage(folder)
    assert re.search(sentence, refused("encode", good / "corpus.jsonl", tmp_path / "out", "--model", folder))
    assert [file.name for file in tmp_path.iterdir()] == ["model"]
    assert not (folder / "executed").exists()


def written_by(folder: Path, *, version: int | None = None, writer: int | None = None) -> None:
    """Makes the list of segments say that another Lucene wrote it, with a checksum that fits.

    Args:
        folder: the index.
        version: of the list's format.
        writer: major version of the Lucene that made the index and wrote the list.
    """
    file = next(folder.glob("segments_*"))
    data = bytearray(file.read_bytes())
    # Magic, the codec's name behind its length, the format's version; an id of 16 bytes, a suffix behind its length, then the version of
    # the Lucene that wrote the list and the major version of the one that made the index.
    at = 4 + 1 + data[4]
    if version is not None:
        struct.pack_into(">i", data, at, version)
    if writer is not None:
        behind_id = at + 4 + 16
        lucene = behind_id + 1 + data[behind_id]
        data[lucene] = data[lucene + 3] = writer
    struct.pack_into(">q", data, len(data) - 8, zlib.crc32(data[:-8]))
    file.write_bytes(data)


def cut(pattern: str, size: int) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        file = next(folder.glob(pattern))
        file.write_bytes(file.read_bytes()[:size])

    return damage


def without(pattern: str) -> Callable[[Path], None]:
    return lambda folder: next(folder.glob(pattern)).unlink()


REBUILD = "build the index again"
INDEXES: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut off postings": (cut("*.doc", 40), f"cannot be opened by Lucene .*; {REBUILD}"),
    "cut off terms": (cut("*.tim", 30), f"cannot be opened by Lucene .*; {REBUILD}"),
    "cut off list of segments": (cut("segments_*", 20), f"cannot be opened by Lucene .*; {REBUILD}"),
    "empty list of segments": (cut("segments_*", 0), f"cannot be opened by Lucene .*; {REBUILD}"),
    "no list of segments": (without("segments_*"), f"cannot be opened by Lucene .*; {REBUILD}"),
    "no postings": (without("*.doc"), f"cannot be opened by Lucene .*; {REBUILD}"),
    "cut off doc values": (cut("*.dvd", 30), f"cannot be opened by Lucene .*; {REBUILD}"),
    "no doc values": (without("*.dvd"), f"cannot be opened by Lucene .*; {REBUILD}"),
    "cut off card": (cut("splade_lucene.json", 30), f"splade_lucene.json is damaged .*; {REBUILD}"),
    "a later Lucene": (lambda folder: written_by(folder, version=1000), f"cannot be opened by Lucene .*TooNew.*; {REBUILD}"),
    "the next Lucene": (lambda folder: written_by(folder, writer=99), f"cannot be opened by Lucene .*in the future: 99.*; {REBUILD}"),
    "a Lucene of long ago": (lambda folder: written_by(folder, version=1), f"cannot be opened by Lucene .*TooOld.*; {REBUILD}"),
    "not finished": (without("splade_lucene.json"), "so it is no index that `splade-lucene index` or `bm25` finished"),
}


@pytest.mark.parametrize("kind", ["impact", "bm25"])
@pytest.mark.parametrize("name", INDEXES)
def test_indexes(name: str, kind: str, good: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    damage, sentence = INDEXES[name]
    index = Path(shutil.copytree(good / kind, tmp_path / "index"))
    damage(index)
    put(tmp_path, {"q.tsv": b"q1\tglass\n"})
    message = refused("search", index, tmp_path / "q.tsv", tmp_path / "run")
    assert re.search(sentence, message), message
    assert str(index) in message
    assert not (tmp_path / "run").exists()


def test_an_index_of_the_next_lucene_is_not_adopted(good: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    index = Path(shutil.copytree(good / "impact", tmp_path / "index"))
    without("splade_lucene.json")(index)
    written_by(index, writer=99)
    sentence = r"is no index that Lucene .* can open \(.*in the future: 99\); give the folder with .* this Lucene or an earlier one wrote"
    assert re.search(sentence, refused("adopt", index, "--model", "tiny"))
    assert not (index / "splade_lucene.json").exists()


@pytest.mark.parametrize("kind", ["impact", "bm25"])
def test_a_changed_byte_in_an_index_is_found_on_request(kind: str, good: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    index = Path(shutil.copytree(good / kind, tmp_path / "index"))
    assert main(["index-stats", str(index), "--check"]) == 0
    file = next(index.glob("*.fdt"))
    data = bytearray(file.read_bytes())
    data[-17] ^= 1  # before the footer
    file.write_bytes(data)
    assert main(["index-stats", str(index)]) == 0
    assert re.search(
        r"is damaged \(CorruptIndexException: checksum failed .*; build the index again", refused("index-stats", index, "--check")
    )
    cut("*.doc", 40)(index)
    assert re.search(f"cannot be opened by Lucene .*; {REBUILD}", refused("index-stats", index))


def test_the_limit_of_a_line_is_exact(tmp_path: Path) -> None:
    (tmp_path / "fits").write_bytes(b"a" * (MAX_LINE - 1) + b"\nb")
    assert [len(line) for line in Lines(tmp_path / "fits")] == [MAX_LINE - 1, 1]
    (tmp_path / "long").write_bytes(b"a" * MAX_LINE + b"\nb")
    bad = RejectPolicy(1)
    assert list(Lines(tmp_path / "long", bad)) == ["b"]
    assert [each.line for each in bad.rejected] == [1]
