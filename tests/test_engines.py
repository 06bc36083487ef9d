"""Other engines, loaded and searched through their vendors' clients: Milvus for real, the others against a strict server of our own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import pytest

from splade_lucene.cli.main import main
from splade_lucene.collections.passages import read_passages
from splade_lucene.collections.queries import read_queries
from splade_lucene.errors import EngineError, InputError
from splade_lucene.evaluation.runs import read_notes, read_run
from splade_lucene.integrations.engines import clients
from splade_lucene.integrations.engines.address import parse_address
from splade_lucene.integrations.engines.opening import load_engine
from splade_lucene.integrations.export import features, loading, milvus
from splade_lucene.integrations.export.exporting import export_vectors
from splade_lucene.integrations.export.features import kept_impact
from splade_lucene.lucene.impact_searcher import ImpactIndexSearcher
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.pipeline.encode import encode_collection
from splade_lucene.records import Hit, ImpactVector
from splade_lucene.vectors.reader import read_vectors
from tests import bulk_server as faults
from tests.bulk_server import BulkServer, Handler, bulk_server

DOCUMENTS, K = 90, 50
VENDORS = pytest.mark.parametrize("vendor", ["opensearch", "elasticsearch"])


class Encoded(NamedTuple):
    """Real passages and queries: encoded, indexed and searched by Lucene."""

    out: Path
    topics: Path
    lucene: Path
    impacts: dict[str, dict[str, int]]
    hits: dict[str, list[Hit]]


@pytest.fixture(scope="module")
def encoded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Encoded:
    tiny, collection = request.getfixturevalue("tiny"), request.getfixturevalue("real_collection")("scifact")
    folder = tmp_path_factory.mktemp("engines")
    encode_collection(islice(read_passages(collection), DOCUMENTS), folder / "out", tiny, max_length=48)
    build_impact_index(folder / "out", folder / "index")
    queries = read_queries(collection)[:8]
    (folder / "topics.tsv").write_text("".join(f"{query.query_id}\t{query.text}\n" for query in queries))
    encodings = tiny.encode_queries([query.text for query in queries])
    impacts = {query.query_id: each for query, each in zip(queries, encodings, strict=True)}
    with ImpactIndexSearcher(folder / "index") as searcher:
        hits = {query_id: searcher.search_impacts(each, K) for query_id, each in impacts.items()}
    return Encoded(folder / "out", folder / "topics.tsv", folder / "index", impacts, hits)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(clients, "TIMEOUT", 1.0)
    monkeypatch.setattr(features, "_MOST_RECORDS", 10)
    monkeypatch.setattr(milvus, "_MOST_RECORDS", 10)


@pytest.fixture
def server(vendor: str) -> Iterator[BulkServer]:
    package = {"opensearch": "opensearchpy", "elasticsearch": "elasticsearch"}[vendor]
    pytest.importorskip(package, reason=f"the client of {vendor} is not installed: pip install 'splade_lucene[{vendor}]'")
    with bulk_server(vendor) as started:
        yield started


def load(encoded: Encoded, folder: Path, to: str, url: str, *more: str) -> list[str]:
    return ["export", str(encoded.out), "--to", to, "--output", str(folder), "--name", "my-passages", "--load", url, *more]


def features_of(encoded: Encoded) -> dict[str, dict[str, int]]:
    return {vector.doc_id: {features.feature_name(t): i for t, i in vector.vector.items()} for vector in read_vectors(encoded.out)}


@VENDORS
def test_all_arrives_whatever_fails_and_searches_give_the_scores_of_the_field(
    vendor: str, server: BulkServer, encoded: Encoded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    busy, away, reset = faults.status(429), faults.status(503), faults.reset
    server.faults = [busy, faults.lost_answer, away, reset, faults.late, busy, reset]
    server.busy = [0, 429, 0, 0, 503, 0, 429, 429, 429]
    assert main(load(encoded, tmp_path / "x", vendor, server.url, "--connections", "3")) == 0
    assert f"{server.url}: {DOCUMENTS} documents in my-passages" in capsys.readouterr().out
    assert {doc_id: document["splade"] for doc_id, document in server.documents["my-passages"].items()} == features_of(encoded)
    assert not server.faults
    assert not server.busy
    engine, run = server.url.replace("http", vendor) + "/my-passages", tmp_path / "run"
    assert main(["search", "--engine", engine, str(encoded.topics), str(run), "--hits", str(K), "--threads", "2"]) == 0
    found, scale = read_run(run), 100
    vectors = {vector.doc_id: vector.vector for vector in read_vectors(encoded.out)}
    for query_id, impacts in encoded.impacts.items():
        assert len(found[query_id]) == len(encoded.hits[query_id])
        for hit in found[query_id]:
            bag = vectors[hit.doc_id]
            exact = sum(impact / scale * kept_impact(bag[token]) for token, impact in impacts.items() if token in bag)
            assert hit.score == pytest.approx(exact, rel=1e-9)
        assert [hit.score for hit in found[query_id]] == pytest.approx([hit.score / scale for hit in encoded.hits[query_id]], rel=4e-3)
    notes = read_notes(run)
    assert (notes["kind"], notes["documents"], notes["index"]) == (vendor, DOCUMENTS, engine)


@VENDORS
def test_a_load_that_was_killed_sends_only_what_is_missing(vendor: str, server: BulkServer, encoded: Encoded, tmp_path: Path) -> None:
    def stand_still(handler: Handler) -> bool:
        time.sleep(30)
        return True

    export_vectors(encoded.out, tmp_path / "x", vendor, name="my-passages")
    server.faults = [faults.lost_answer, lambda handler: False, lambda handler: False, stand_still]
    command = load(encoded, tmp_path / "x", vendor, server.url, "--connections", "1")
    process = subprocess.Popen([sys.executable, "-m", "splade_lucene.cli.main", *command])
    deadline = time.monotonic() + 60
    while server.faults:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    noted = json.loads((tmp_path / "x" / "loaded.json").read_text())["batches"]
    assert len(noted) == 2  # the answer to the first try of one was lost
    before = server.bulks
    assert main(command) == 0
    assert server.bulks - before == DOCUMENTS // 10 - 2
    assert {doc_id: document["splade"] for doc_id, document in server.documents["my-passages"].items()} == features_of(encoded)
    assert main(command) == 0  # all is there
    assert server.bulks - before == DOCUMENTS // 10 - 2


@VENDORS
def test_what_a_server_refuses_is_one_sentence(
    vendor: str, server: BulkServer, encoded: Encoded, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(command: list[str], *messages: str) -> None:
        assert main(command) == 1
        sentence = capsys.readouterr().err.splitlines()[-1]
        assert all(message in sentence for message in messages), sentence

    here = server.url.replace("http", vendor)
    server.busy = [0, 0, 400]
    fails(load(encoded, tmp_path / "x", vendor, server.url, "--connections", "1"), "refuses the document", "rejected: queue is full")
    server.faults = [faults.status(413)]
    fails(load(encoded, tmp_path / "x", vendor, server.url), f"{vendor} refuses")
    assert main(load(encoded, tmp_path / "x", vendor, server.url)) == 0
    server.documents["my-passages"].popitem()
    server.indexes["my-passages"]["visible"] = DOCUMENTS - 1
    fails(load(encoded, tmp_path / "x", vendor, server.url), f"holds {DOCUMENTS - 1} documents where {DOCUMENTS} were sent")
    fails(load(encoded, tmp_path / "y", vendor, server.url), "is there already; give another --name or --overwrite")
    assert main(load(encoded, tmp_path / "y", vendor, server.url, "--overwrite")) == 0
    capsys.readouterr()
    search = ["search", "--engine", f"{here}/my-passages", str(encoded.topics), str(tmp_path / "run")]
    fails([*search, "--hits", "10001"], "returns at most 10,000 hits")
    fails(["search", "--engine", f"{here}/other", *search[3:]], f"{here}/other does not exist")
    server.indexes["other"] = {"mappings": {}}
    fails(["search", "--engine", f"{here}/other", *search[3:]], "does not say how it was made")
    fails(["search", "--engine", f"{vendor}://127.0.0.1:9/x", *search[3:]], f"{vendor}://127.0.0.1:9/x cannot be reached")
    fails(load(encoded, tmp_path / "x", vendor, "localhost"), "'localhost' is not an address of a server")
    package = {"opensearch": "opensearchpy", "elasticsearch": "elasticsearch"}[vendor]
    with mock.patch.dict(sys.modules, {package: None}):
        fails(search, f"run: pip install 'splade_lucene[{vendor}]'")


def release(file: str, collection: str) -> None:
    """Leaves a collection as another process finds it."""
    from pymilvus import MilvusClient

    client = MilvusClient(file)
    client.release_collection(collection)
    client.close()


def test_milvus_finds_the_same_documents_with_the_same_scores(
    encoded: Encoded, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pymilvus", reason="pymilvus is not installed: pip install 'splade_lucene[milvus]'")
    from splade_lucene.integrations.engines.milvus import MilvusServer

    command, file = load(encoded, tmp_path / "x", "milvus", str(tmp_path / "milvus.db")), str(tmp_path / "milvus.db")
    sent: list[str] = []
    original = MilvusServer.send

    def send(server: MilvusServer, batch: Path) -> int:
        if batch.name == "00004.json" and not sent.count("stopped"):
            sent.append("stopped")
            raise EngineError("the machine stopped")
        sent.append(batch.name)
        return original(server, batch)

    monkeypatch.setattr(MilvusServer, "send", send)
    assert main([*command, "--connections", "1"]) == 1
    release(file, "my_passages")
    assert main(command) == 0
    assert sorted(sent) == [*(f"{number:05d}.json" for number in range(DOCUMENTS // 10)), "stopped"]
    assert f"{file}: {DOCUMENTS} documents in my-passages" in capsys.readouterr().out
    run = tmp_path / "run"
    release(file, "my_passages")
    assert main(["search", "--engine", f"milvus://{file}/my_passages", str(encoded.topics), str(run), "--hits", str(K)]) == 0
    found = read_run(run)
    for query_id, hits in encoded.hits.items():
        assert {(hit.doc_id, hit.score) for hit in found[query_id]} == set(hits)
    assert main(load(encoded, tmp_path / "y", "milvus", file)) == 1
    assert "is there already; give another --name or --overwrite" in capsys.readouterr().err
    assert main(load(encoded, tmp_path / "y", "milvus", file, "--overwrite")) == 0
    for index, message in ((f"{file}/other", "does not exist"), (f"{tmp_path}/none.db/x", "does not exist")):
        assert main(["search", "--engine", f"milvus://{index}", str(encoded.topics), str(run)]) == 1
        assert message in capsys.readouterr().err
    with mock.patch.dict(sys.modules, {"pymilvus": None}):
        assert main(["search", "--engine", f"milvus://{file}/my_passages", str(encoded.topics), str(run)]) == 1
    assert "run: pip install 'splade_lucene[milvus]'" in capsys.readouterr().err


def test_parquet_holds_every_vector(encoded: Encoded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed: pip install pyarrow")
    from splade_lucene.integrations.export import parquet

    monkeypatch.setattr(parquet, "_FILE", 40)
    monkeypatch.setattr(parquet, "_GROUP", 15)
    record = export_vectors(encoded.out, tmp_path / "x", "parquet")
    tables = [pq.read_table(file) for file in sorted((tmp_path / "x" / "vectors").iterdir())]
    assert [table.num_rows for table in tables] == [40, 40, 10]
    assert record.engine_facts["files"] == 3
    rows: list[dict[str, Any]] = [row for table in tables for row in table.to_pylist()]
    vectors = [ImpactVector(row["docid"], dict(zip(row["tokens"], row["impacts"], strict=True))) for row in rows]
    assert vectors == list(read_vectors(encoded.out))
    assert tables[0].schema.names == ["docid", "tokens", "impacts"]
    with pytest.raises(InputError, match="is no complete export for opensearch, elasticsearch or milvus"):
        load_engine(tmp_path / "x", "http://localhost:9")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("opensearch://host:9200/i", ("opensearch", "http://host:9200", "i", "opensearch://host:9200/i")),
        ("elasticsearch+https://u:p@host/i", ("elasticsearch", "https://u:p@host", "i", "elasticsearch+https://host/i")),
        ("milvus:///a/b.db/c", ("milvus", "/a/b.db", "c", "milvus:///a/b.db/c")),
        ("milvus://host:19530/c", ("milvus", "http://host:19530", "c", "milvus://host:19530/c")),
    ],
)
def test_addresses(text: str, expected: tuple[str, ...]) -> None:
    address = parse_address(text)
    assert (*address, str(address)) == expected


@pytest.mark.parametrize("text", ["opensearch://host", "solr://host/i", "opensearch+ftp://host/i", "index", "milvus:///"])
def test_other_addresses_are_wrong_usage(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["search", "--engine", text, "q", "run"])
    assert stopped.value.code == 2
    assert "is no index of an engine; write opensearch://HOST:9200/INDEX" in capsys.readouterr().err
