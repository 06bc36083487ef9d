"""Collections at URLs, from a real server on this machine: the same passages as on disk, or one sentence; never half of them."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import textwrap
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest

from splade_lucene.cli.main import main
from splade_lucene.collections.catalogue import find_collections
from splade_lucene.collections.passages import estimate_passages, read_passages
from splade_lucene.collections.queries import read_queries
from splade_lucene.core.remote import RemotePath
from splade_lucene.core.streams import as_file, as_path
from splade_lucene.errors import InputError
from splade_lucene.pipeline.encode import encode_collection
from splade_lucene.records import Passage
from tests.object_store import ObjectStore, object_store

pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install 'splade_lucene[http]'")

LINES = [line.strip() for line in Path(textwrap.__file__).read_text(encoding="utf-8").splitlines() if line.strip()]
PASSAGES = [Passage(f"d{number}", line) for number, line in enumerate(LINES[:40])]
JSONL = "".join(json.dumps({"_id": each.doc_id, "text": each.text}) + "\n" for each in PASSAGES).encode()
ENCODE = ["--model", "tiny", "--max-length", "32", "--shard-size", "8"]
Where = Callable[[str], str]


@pytest.fixture
def store() -> Iterator[ObjectStore]:
    with object_store() as started:
        yield started


@pytest.fixture(params=["http", "s3"])
def where(request: pytest.FixtureRequest, store: ObjectStore) -> Where:
    """The URL of a path."""
    return store.s3 if request.param == "s3" else lambda path: f"{store.http}/{path}"


def parquet() -> bytes:
    import pyarrow
    import pyarrow.parquet

    buffer = io.BytesIO()
    table = pyarrow.Table.from_pylist([{"_id": each.doc_id, "text": each.text} for each in PASSAGES])
    pyarrow.parquet.write_table(table, buffer, row_group_size=7)
    return buffer.getvalue()


def halves() -> tuple[bytes, bytes]:
    """Three whole shards and some passages, and the others."""
    middle = JSONL.index(b'{"_id": "d30"')
    return JSONL[:middle], JSONL[middle:]


def files(out: Path) -> dict[str, bytes]:
    return {str(file.relative_to(out)): file.read_bytes() for file in sorted(out.rglob("*")) if file.is_file()}


def test_passages_of_every_kind_are_those_on_disk(store: ObjectStore, where: Where) -> None:
    half = JSONL.index(b"\n", len(JSONL) // 2) + 1
    store.files = {
        "data/passages.jsonl": JSONL,
        "data/packed/a b.jsonl.gz": gzip.compress(JSONL),
        "data/passages.parquet": parquet(),
        "data/several/1.jsonl": JSONL[:half],
        "data/several/2.json.gz": gzip.compress(JSONL[half:]),
        "data/several/readme.md": b"# No passages",
        "data/beir/corpus.jsonl": JSONL,
        "data/beir/queries.jsonl": b'{"_id": "q1", "text": "why"}\n{"_id": "q2", "text": "unjudged"}\n',
        "data/beir/qrels/test.tsv": b"query-id\tcorpus-id\tscore\nq1\td1\t1\n",
    }
    for path in ("passages.jsonl", "packed/a b.jsonl.gz", "passages.parquet", "several/", "beir/"):
        assert list(read_passages(where(f"data/{path}"))) == PASSAGES
        assert estimate_passages(where(f"data/{path}")) in range(len(PASSAGES) - 1, len(PASSAGES) + 2)
    store.ranges = False
    for path in ("passages.jsonl", "passages.parquet"):
        with mock.patch("splade_lucene.core.remote.BLOCK", 512):
            assert list(read_passages(f"{store.http}/data/{path}")) == PASSAGES
    store.ranges = True
    assert [query.query_id for query in read_queries(where("data/beir/"))] == ["q1"]
    (candidate,) = find_collections([where("data/beir/")])
    beir = candidate.open()
    assert (candidate.name, len(beir.queries()), list(beir.passages())) == ("beir", 1, PASSAGES)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
            archive.writestr(f"toy/{name}", store.files[f"data/beir/{name}"])
    store.files["data/toy.zip"] = packed.getvalue()
    (candidate,) = find_collections([where("data/toy.zip")])
    assert list(candidate.open().passages()) == PASSAGES
    with as_file(RemotePath(where("data/packed/a b.jsonl.gz"))) as copy:
        assert copy.read_bytes() == JSONL


def test_a_url_of_this_machine_and_one_in_memory(tmp_path: Path) -> None:
    import fsspec

    (tmp_path / "a b.jsonl").write_bytes(JSONL)
    assert as_path(f"file://{tmp_path}/a%20b.jsonl") == tmp_path / "a b.jsonl"
    with fsspec.open("memory://kept/passages.jsonl.gz", "wb") as stream:
        stream.write(gzip.compress(JSONL))
    assert list(read_passages("memory://kept/passages.jsonl.gz")) == list(read_passages("memory://kept")) == PASSAGES


def test_an_encoding_of_a_url_that_was_killed_is_resumed(store: ObjectStore, tmp_path: Path) -> None:
    store.files = dict(zip(("data/1.jsonl", "data/2.jsonl"), halves(), strict=True))
    store.held["data/2.jsonl"] = 1  # for the number of passages
    command = ["encode", store.s3("data"), str(tmp_path / "out"), *ENCODE]
    running = subprocess.Popen([sys.executable, "-m", "splade_lucene.cli.main", *command])
    deadline = time.monotonic() + 60
    while not (tmp_path / "out" / "vectors" / "part-00000.jsonl").is_file():
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    running.kill()
    running.wait()
    store.held.clear()
    assert main(command) == 0
    (tmp_path / "corpus.jsonl").write_bytes(JSONL)
    assert main(["encode", str(tmp_path / "corpus.jsonl"), str(tmp_path / "one"), *ENCODE]) == 0
    assert files(tmp_path / "out") == files(tmp_path / "one")


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("name", ["corpus.jsonl", "corpus.jsonl.gz", "corpus.parquet"])
def test_a_connection_that_is_cut_ends_the_work_with_a_sentence(
    name: str, ranges: bool, store: ObjectStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = {"jsonl": JSONL, "gz": gzip.compress(JSONL), "parquet": parquet()}[name.rpartition(".")[2]]
    store.files, store.ranges, store.cut_after = {name: content}, ranges, len(content) // 2
    command = ["bm25", f"{store.http}/{name}", str(tmp_path / "index")]
    assert main(command) == 1
    error = capsys.readouterr().err.strip()
    assert error.startswith(f"splade-lucene bm25: {store.http}/{name}: cannot be read (")
    assert "run the same command again" in error
    assert "\n" not in error
    assert not (tmp_path / "index").exists()
    store.cut_after = None
    assert main(command) == 0
    assert "40 documents" in capsys.readouterr().out


def test_a_cut_between_two_shards_leaves_what_can_be_resumed(
    store: ObjectStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.files = dict(zip(("data/1.jsonl", "data/2.jsonl"), halves(), strict=True))
    # The number of passages, the kind of the first file and all of it, and half of the second.
    store.cut_after = len(JSONL) + 2 * len(store.files["data/1.jsonl"]) + 50
    command, out = ["encode", f"{store.http}/data/", str(tmp_path / "out"), *ENCODE], tmp_path / "out"
    assert main(command) == 1
    assert "/data/2.jsonl: cannot be read (" in capsys.readouterr().err
    assert main(["index", str(out), str(tmp_path / "index")]) == 1
    assert not (tmp_path / "index").exists()
    store.cut_after = None
    assert main(command) == 0
    assert main(["encode", store.s3("data"), str(tmp_path / "one"), *ENCODE]) == 0
    assert files(out) == files(tmp_path / "one")


def test_what_changes_while_it_is_read_is_refused(store: ObjectStore, where: Where) -> None:
    store.files = {"data/passages.jsonl": JSONL}
    passages = read_passages(where("data/passages.jsonl"))
    next(passages)
    store.files = {"data/passages.jsonl": JSONL + b'{"_id": "new", "text": "new"}\n'}
    with pytest.raises(InputError, match="changed while it was read"):
        list(passages)


def test_what_cannot_be_read_is_one_sentence_without_secrets(store: ObjectStore) -> None:
    def fails(url: str, message: str) -> None:
        with pytest.raises(InputError, match=message) as error:
            list(read_passages(url))
        assert "secret" not in str(error.value)
        assert "\n" not in str(error.value)

    at = store.http.replace("//", "//me:secret@")
    store.files = {"data/passages.jsonl": b"", "data/other.bin": b"\x00", "data/a/x": b""}
    fails(f"{at}/data/nothing.jsonl?key=secret", r"//\*\*\*@127.*/data/nothing.jsonl\?\*\*\*: no such file or folder")
    fails(store.s3("data/nothing.jsonl"), r"s3://\*\*\*@data/nothing.jsonl\?\*\*\*: no such file or folder")
    fails(store.s3("data/a"), "holds no corpus.jsonl and no .jsonl")
    fails(f"{at}/data/passages.jsonl", "holds no passages")
    fails(f"{at}/data/other.bin", "unknown kind of file")
    for status, message in ((403, r"access is denied \(HTTP 403\); check the credentials"), (500, r"cannot be read \(HTTP 500\)")):
        store.status = status
        fails(f"{at}/data/passages.jsonl?key=secret", message)
    store.status = 403
    fails(store.s3("data/passages.jsonl"), "access is denied .*ACCESS_DENIED")
    store.status, store.lengths = None, False
    store.files["data/other.jsonl"] = JSONL
    fails(f"{at}/data/other.jsonl", "how long the file is")
    fails("http://127.0.0.1:9/x?secret", r"cannot be read \(Cannot connect to host")
    fails("simplecache::http://127.0.0.1:9/x.jsonl", r"cannot be read \(Cannot connect to host")
    fails("nothing://data/passages.jsonl", "unknown kind of URL 'nothing'; known are s3, gs")
    fails("s3://", "names no file or folder")
    fails("s3://data/x?nothing=1", r"cannot be read \(ArrowInvalid: Unexpected query parameter")
    with mock.patch.dict(sys.modules, {"aiohttp": None}):
        fails("https://127.0.0.1:9/x.jsonl", "not installed; run: pip install 'splade_lucene.http.'")


def test_results_are_not_written_to_urls(tiny: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_bytes(JSONL)
    for command in (
        ["encode", str(corpus), "s3://bucket/out"],
        ["bm25", str(corpus), "s3://bucket/out"],
        ["search", "index", str(corpus), "s3://bucket/run"],
        ["index", "s3://bucket/vectors", str(tmp_path / "index")],
        ["fuse", "a", "b", "--output", "https://me:secret@host/run"],
    ):
        with pytest.raises(SystemExit):
            main(command)
        error = capsys.readouterr().err
        assert "is a URL, where only passages, queries and judgments are read; give a name on this machine" in error
        assert "secret" not in error
    with pytest.raises(InputError, match=r"s3://bucket/out: is a URL, and results are written on this machine"):
        encode_collection(PASSAGES, "s3://bucket/out", "tiny")
