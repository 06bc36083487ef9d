"""Exports, each read back by an implementation that is not ours: the vendors' clients, BMP, and Lucene's own feature fields."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock
from urllib.parse import unquote

import numpy as np
import pytest

from splade_lucene.cli.main import main
from splade_lucene.collections.passages import read_passages
from splade_lucene.collections.queries import read_queries
from splade_lucene.errors import InputError
from splade_lucene.integrations.export.ciff_messages import encode_postings, message_class, varint
from splade_lucene.integrations.export.exporting import export_vectors
from splade_lucene.integrations.export.features import feature_name, kept_impact
from splade_lucene.integrations.export.inversion import Inverter
from splade_lucene.integrations.export.qdrant import load_qdrant
from splade_lucene.integrations.export.registry import ENGINES
from splade_lucene.lucene import jvm
from splade_lucene.lucene.impact_searcher import ImpactIndexSearcher
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.pipeline.encode import encode_collection
from splade_lucene.records import Hit, ImpactVector, Passage, Query, VectorSettings
from splade_lucene.vectors.reader import read_vectors
from splade_lucene.vectors.writer import VectorWriter
from tests.oracle import brute_force

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel

K, DOCUMENTS = 100, 150


class Encoded(NamedTuple):
    """Real passages and queries: encoded, indexed and searched by Lucene."""

    out: Path
    vectors: list[ImpactVector]
    queries: list[Query]
    impacts: list[dict[str, int]]
    hits: list[list[Hit]]


@pytest.fixture(scope="module")
def scifact(tiny: SpladeModel, real_collection: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Encoded:
    collection, folder = real_collection("scifact"), tmp_path_factory.mktemp("scifact")
    encode_collection(islice(read_passages(collection), DOCUMENTS), folder / "out", tiny, max_length=64)
    build_impact_index(folder / "out", folder / "index")
    queries = read_queries(collection)[:10]
    impacts = tiny.encode_queries([query.text for query in queries])
    with ImpactIndexSearcher(folder / "index") as searcher:
        hits = [searcher.search_impacts(each, K) for each in impacts]
    return Encoded(folder / "out", list(read_vectors(folder / "out")), queries, impacts, hits)


def write_out(out: Path, tiny: SpladeModel, vectors: Mapping[str, Mapping[str, int]], *, contents: str | None = None) -> Path:
    record = tiny.record()
    writer = VectorWriter(out, encoder=record, settings=VectorSettings(64, contents=contents is not None))
    writer.write_shard(
        [Passage(doc_id, "") for doc_id in vectors], [ImpactVector(doc_id, bag, contents) for doc_id, bag in vectors.items()]
    )
    writer.finish()
    return out


def requests(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "queries.jsonl").read_text().splitlines()]


def assert_same(ours: Sequence[Hit], theirs: Sequence[tuple[str, float]], *, relative: float = 0.0) -> None:
    """The same scores, and the same documents as far as no tie at the end leaves a choice."""
    assert [score for _, score in theirs] == pytest.approx([hit.score for hit in ours], rel=relative, abs=0)
    last = ours[-1].score * (1 + relative)
    assert {doc_id for doc_id, score in theirs if score > last} == {hit.doc_id for hit in ours if hit.score > last}
    assert len({doc_id for doc_id, _ in theirs}) == len(theirs)


def test_qdrant_finds_the_same_documents_with_the_same_scores(scifact: Encoded, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    qdrant = pytest.importorskip("qdrant_client", reason="qdrant-client is not installed: pip install 'splade_lucene[qdrant]'")
    topics = tmp_path / "topics.tsv"
    topics.write_text("".join(f"{query.query_id}\t{query.text}\n" for query in scifact.queries))
    command = ["export", str(scifact.out), "--to", "qdrant", "--output", str(tmp_path / "x"), "--queries", str(topics), "--hits", str(K)]
    assert main([*command, "--name", "scifact", "--load", str(tmp_path / "local")]) == 0
    assert f"{DOCUMENTS} documents in scifact" in capsys.readouterr().out
    client = qdrant.QdrantClient(path=str(tmp_path / "local"))
    try:
        for line, query, hits in zip(requests(tmp_path / "x"), scifact.queries, scifact.hits, strict=True):
            body = qdrant.models.QueryRequest(**{**line["body"], "with_payload": True})
            points = client.query_points("scifact", query=body.query, using=body.using, limit=body.limit, with_payload=True).points
            assert line["id"] == query.query_id
            assert_same(hits, [(point.payload["docid"], point.score) for point in points])
    finally:
        client.close()


def test_qdrant_upserts_are_what_its_client_accepts_and_name_the_model_s_tokens(tiny: SpladeModel, tmp_path: Path) -> None:
    models = pytest.importorskip("qdrant_client.models", reason="qdrant-client is not installed: pip install 'splade_lucene[qdrant]'")
    write_out(tmp_path / "out", tiny, {"a": {"glass": 7, ".": 3}, "b": {}, "ü": {"stress": 300}}, contents="text")
    record = export_vectors(tmp_path / "out", tmp_path / "x", "qdrant")
    (batch,) = (tmp_path / "x" / "points").iterdir()
    points = models.PointsList(**json.loads(batch.read_text())).points
    vocabulary = json.loads((tmp_path / "x" / "vocabulary.json").read_text())
    assert list(vocabulary) == list(tiny.vocabulary)
    tokens = list(vocabulary)
    found = {
        point.payload["docid"]: {tokens[i]: v for i, v in zip(*point.vector["splade"].model_dump().values(), strict=True)}
        for point in points
    }
    assert found == {"a": {"glass": 7, ".": 3}, "ü": {"stress": 300}}
    assert [point.payload["contents"] for point in points] == ["text", "text"]
    assert (record.documents, record.empty, record.queries) == (2, 1, None)
    assert "1 passages without a token were left out" in (tmp_path / "x" / "NOTES.md").read_text()


def test_loading_refuses_a_collection_that_exists_and_replaces_it_when_told(
    tiny: SpladeModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("qdrant_client", reason="qdrant-client is not installed: pip install 'splade_lucene[qdrant]'")
    out = write_out(tmp_path / "out", tiny, {"a": {"glass": 7}, "b": {"glass": 1}})
    export_vectors(out, tmp_path / "x", "qdrant")
    advanced: list[int] = []
    assert load_qdrant(tmp_path / "x", str(tmp_path / "local"), collection="c", advance=advanced.append) == sum(advanced) == 2
    command = ["export", str(out), "--to", "qdrant", "--name", "c", "--load", str(tmp_path / "local")]
    assert main([*command, "--output", str(tmp_path / "y")]) == 1
    assert "has a collection 'c' already; give another --name or --overwrite" in capsys.readouterr().err
    assert main([*command, "--output", str(tmp_path / "y"), "--overwrite"]) == 0
    assert main([*command[:-1], "http://localhost:9", "--output", str(tmp_path / "z")]) == 1
    err = capsys.readouterr().err
    assert "Qdrant at http://localhost:9 failed after 0 points" in err


@pytest.mark.parametrize(("engine", "package"), [("qdrant", "qdrant_client"), ("ciff", "google.protobuf")])
def test_a_missing_package_is_one_sentence(
    engine: str, package: str, tiny: SpladeModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = write_out(tmp_path / "out", tiny, {"a": {"glass": 7}})
    load = ["--load", str(tmp_path / "local")] if engine == "qdrant" else []
    message_class.cache_clear()
    with mock.patch.dict(sys.modules, {package: None}):
        assert main(["export", str(out), "--to", engine, "--output", str(tmp_path / "x"), *load]) == 1
    assert capsys.readouterr().err.endswith(f"run: pip install 'splade_lucene[{engine}]'\n")


@pytest.fixture
def bmp() -> Any:
    return pytest.importorskip("bmp", reason="bmp, which reads CIFF back, is not installed: pip install bmp")


def test_bmp_reads_the_ciff_file_and_finds_the_same(bmp: Any, scifact: Encoded, tmp_path: Path) -> None:
    export_vectors(scifact.out, tmp_path / "x", "ciff", name="scifact", bits=8, queries=scifact.queries)
    bmp.ciff2bmp(str(tmp_path / "x" / "scifact.ciff"), str(tmp_path / "index"), 8, False)  # larger blocks lose hits of so few documents
    searcher = bmp.Searcher(str(tmp_path / "index"))
    capped = [vector._replace(vector={t: min(i, 255) for t, i in vector.vector.items()}) for vector in scifact.vectors]
    assert [line["vector"] for line in requests(tmp_path / "x")] == scifact.impacts
    for impacts in scifact.impacts:
        # BMP scales a query so that its heaviest token weighs 32, and adds up in 16 bits: give it what it keeps as it is.
        heaviest = dict(sorted(impacts.items(), key=lambda item: -item[1])[:8])
        query = {token: max(1, round(impact * 32 / max(heaviest.values()))) for token, impact in heaviest.items()}
        doc_ids, scores = searcher.search(query, k=10, alpha=1.0, beta=1.0)
        assert_same(brute_force(capped, query, 10), list(zip(doc_ids, scores, strict=True)))


def read_ciff(file: Path) -> tuple[Any, dict[str, list[tuple[int, int]]], list[Any]]:
    """By the format's description, with protobuf's own parser."""
    io = pytest.importorskip("google.protobuf.proto", reason="protobuf is not installed: pip install 'splade_lucene[ciff]'")
    with file.open("rb") as stream:
        header = io.parse_length_prefixed(message_class("Header"), stream)
        lists: dict[str, list[tuple[int, int]]] = {}
        for _ in range(header.num_postings_lists):
            message = io.parse_length_prefixed(message_class("PostingsList"), stream)
            doc_ids = np.cumsum([posting.docid for posting in message.postings]).tolist()
            lists[message.term] = [(doc_id, posting.tf) for doc_id, posting in zip(doc_ids, message.postings, strict=True)]
            assert (message.df, message.cf) == (len(doc_ids), sum(posting.tf for posting in message.postings))
        records = [io.parse_length_prefixed(message_class("DocRecord"), stream) for _ in range(header.num_docs)]
        assert stream.read() == b""
    return header, lists, records


@pytest.mark.parametrize("shards", [1, 3])
def test_ciff_holds_every_posting(scifact: Encoded, tmp_path: Path, shards: int) -> None:
    export_vectors(scifact.out, tmp_path / "x", "ciff", shards=shards)
    found: dict[str, dict[str, int]] = {}
    headers = []
    for file in sorted((tmp_path / "x").glob("*.ciff")):
        header, lists, records = read_ciff(file)
        assert list(lists) == sorted(lists, key=str.encode)
        assert [record.docid for record in records] == list(range(len(records)))
        bags: list[dict[str, int]] = [{} for _ in records]
        for term, postings in lists.items():
            for doc_id, impact in postings:
                bags[doc_id][term] = impact
        found |= {record.collection_docid: bag for record, bag in zip(records, bags, strict=True)}
        assert [record.doclength for record in records] == [sum(bag.values()) for bag in bags]
        headers.append(header)
    assert found == {vector.doc_id: vector.vector for vector in scifact.vectors}
    assert list(found) == [vector.doc_id for vector in scifact.vectors]
    assert len(headers) == shards
    length = sum(sum(vector.vector.values()) for vector in scifact.vectors)
    for header in headers:
        assert (header.version, header.total_docs, header.total_terms_in_collection) == (1, DOCUMENTS, length)
        assert header.total_postings_lists == len(set().union(*(vector.vector for vector in scifact.vectors)))
        assert header.average_doclength == pytest.approx(length / DOCUMENTS)
    assert not [file for file in (tmp_path / "x").iterdir() if file.name.startswith(".")]


def test_eight_bits_cap_impacts_and_say_so(tiny: SpladeModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = write_out(tmp_path / "out", tiny, {"a": {"glass": 255, "stress": 256}, "b": {"glass": 1, "heat": 4000}})
    assert main(["export", str(out), "--to", "ciff", "--bits", "8", "--output", str(tmp_path / "x")]) == 0
    assert "2 impacts above 255 were capped" in capsys.readouterr().err
    assert read_ciff(tmp_path / "x" / "splade.ciff")[1] == {"glass": [(0, 255), (1, 1)], "heat": [(1, 255)], "stress": [(0, 255)]}


def test_the_inverter_sorts_through_small_blocks(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    bags = [{f"t{t}": int(random.integers(1, 2**24)) for t in random.permutation(30)[: random.integers(1, 30)]} for _ in range(200)]
    inverter = Inverter(tmp_path / "scratch", block=64)
    for bag in bags:
        inverter.add(bag)
    lists = {each.term: list(zip(each.documents.tolist(), each.impacts.tolist(), strict=True)) for each in inverter.lists()}
    assert lists == {term: [(number, bag[term]) for number, bag in enumerate(bags) if term in bag] for term in sorted(set().union(*bags))}
    assert list(inverter.lengths) == [sum(bag.values()) for bag in bags]


def test_postings_are_encoded_as_protobuf_reads_them() -> None:
    pytest.importorskip("google.protobuf", reason="protobuf is not installed: pip install 'splade_lucene[ciff]'")
    edges = [0, 1, 127, 128, 16383, 16384, 2**21 - 1, 2**21, 2**28 - 1, 2**28, 2**31 - 1]
    gaps = np.array(edges, np.uint32)
    message = message_class("PostingsList").FromString(encode_postings(gaps, gaps[::-1]))
    assert [(posting.docid, posting.tf) for posting in message.postings] == list(zip(edges, edges[::-1], strict=True))
    assert [varint(each) for each in (0, 127, 128, 300)] == [b"\0", b"\x7f", b"\x80\x01", b"\xac\x02"]


@pytest.mark.parametrize("engine", ["elasticsearch", "opensearch"])
def test_lucene_s_feature_fields_score_the_bulk_requests_alike(engine: str, scifact: Encoded, tmp_path: Path) -> None:
    """Elasticsearch's and OpenSearch's fields are Lucene's FeatureField, and their queries its linear query."""
    export_vectors(scifact.out, tmp_path / "x", engine, queries=scifact.queries, hits=K)
    java = jvm.jnius().autoclass
    directory = java("org.apache.lucene.store.ByteBuffersDirectory")()
    writer = java("org.apache.lucene.index.IndexWriter")(directory, java("org.apache.lucene.index.IndexWriterConfig")())
    doc_ids = []
    for doc_id, document in bulk_documents(tmp_path / "x"):
        doc_ids.append(doc_id)
        fields = java("org.apache.lucene.document.Document")()
        for name, value in document["splade"].items():
            field = java("org.apache.lucene.document.FeatureField")("splade", name, float(value))
            fields.add(field)
        writer.addDocument(fields)
    writer.close()
    assert doc_ids == [vector.doc_id for vector in scifact.vectors]
    reader = java("org.apache.lucene.index.DirectoryReader").open(directory)
    searcher = java("org.apache.lucene.search.IndexSearcher")(jvm.jnius().cast("org.apache.lucene.index.IndexReader", reader))
    for line, hits in zip(requests(tmp_path / "x"), scifact.hits, strict=True):
        query = line["body"]["query"]
        tokens = query["sparse_vector"]["query_vector"] if engine == "elasticsearch" else query["neural_sparse"]["splade"]["query_tokens"]
        builder = java("org.apache.lucene.search.BooleanQuery$Builder")()
        for name, weight in tokens.items():
            clause = java("org.apache.lucene.document.FeatureField").newLinearQuery("splade", name, weight)
            builder.add(clause, java("org.apache.lucene.search.BooleanClause$Occur").SHOULD)
        wanted = jvm.jnius().cast("org.apache.lucene.search.Query", builder.build())
        top = searcher.search(wanted, line["body"]["size"])
        found = [(doc_ids[hit.doc], hit.score) for hit in top.scoreDocs]
        assert_same([Hit(hit.doc_id, hit.score / 100) for hit in hits], found, relative=1e-5)
    reader.close()


def bulk_documents(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted((folder / "bulk").glob("*.ndjson")):
        assert file.read_bytes().endswith(b"\n")  # both engines demand it
        lines = file.read_text().splitlines()
        for action, document in zip(lines[::2], lines[1::2], strict=True):
            ((verb, target),) = json.loads(action).items()
            assert verb == "index"
            assert target.keys() == {"_id"}
            yield target["_id"], json.loads(document)


def test_elasticsearch_s_own_classes_take_mapping_and_queries(scifact: Encoded, tmp_path: Path) -> None:
    dsl = pytest.importorskip("elasticsearch.dsl", reason="elasticsearch, whose classes check the export, is not installed")
    export_vectors(scifact.out, tmp_path / "x", "elasticsearch", queries=scifact.queries, hits=20_000)
    index = json.loads((tmp_path / "x" / "index.json").read_text())
    mapping = dsl.Mapping()
    mapping._update_from_dict(index["mappings"])
    assert isinstance(mapping["splade"], dsl.field.SparseVector)
    assert mapping["splade"].to_dict()["index_options"] == {"prune": False}
    assert mapping.to_dict() == index["mappings"]
    for line, impacts in zip(requests(tmp_path / "x"), scifact.impacts, strict=True):
        query = dsl.Q(line["body"]["query"])
        assert isinstance(query, dsl.query.SparseVector)
        assert query.prune is False
        weights = {unquote(name): weight for name, weight in query.query_vector.to_dict().items()}
        assert weights == pytest.approx({token: impact / 100 for token, impact in impacts.items()})
        assert line["body"]["size"] == 10_000


def test_pinecone_s_own_classes_take_upserts_and_queries(scifact: Encoded, tmp_path: Path) -> None:
    msgspec = pytest.importorskip("msgspec", reason="pinecone, whose classes check the export, is not installed")
    vectors = pytest.importorskip("pinecone.models.vectors.vector", reason="pinecone, whose classes check the export, is not installed")
    export_vectors(scifact.out, tmp_path / "x", "pinecone", queries=scifact.queries)
    tokens = list(json.loads((tmp_path / "x" / "vocabulary.json").read_text()))
    found = {}
    for file in sorted((tmp_path / "x" / "vectors").iterdir()):
        assert file.stat().st_size <= 2_000_000
        for vector in json.loads(file.read_text())["vectors"]:
            accepted = msgspec.convert(vector, vectors.Vector)
            sparse = accepted.sparse_values
            found[accepted.id] = {tokens[number]: value for number, value in zip(sparse.indices, sparse.values, strict=True)}
    assert found == {vector.doc_id: vector.vector for vector in scifact.vectors}
    for line, impacts in zip(requests(tmp_path / "x"), scifact.impacts, strict=True):
        sparse = msgspec.convert(line["body"]["sparseVector"], type(sparse))
        assert {tokens[number]: value for number, value in zip(sparse.indices, sparse.values, strict=True)} == impacts


def test_ids_that_pinecone_refuses_are_named(tiny: SpladeModel, tmp_path: Path) -> None:
    encode_collection([Passage("straße", "glass")], tmp_path / "out", tiny, max_length=16)
    with pytest.raises(InputError, match="the id 'straße' is not ASCII, which Pinecone requires of ids; rename it"):
        export_vectors(tmp_path / "out", tmp_path / "x", "pinecone")
    assert not (tmp_path / "x").exists()


def test_pinecone_keeps_the_largest_2048_values(tiny: SpladeModel, tmp_path: Path) -> None:
    tokens = [token for token in tiny.vocabulary if token.isalpha()][:3000]
    out = write_out(tmp_path / "out", tiny, {"a": {token: 1 + number for number, token in enumerate(tokens)}, "b": {"glass": 1}})
    record = export_vectors(out, tmp_path / "x", "pinecone")
    (file,) = (tmp_path / "x" / "vectors").iterdir()
    values = sorted(json.loads(file.read_text())["vectors"][0]["sparseValues"]["values"])
    assert values == list(range(953, 3001))
    assert record.remarks == ("1 vectors had more than 2,048 values and kept the largest",)


def test_opensearch_s_approximate_field_takes_numbers_of_tokens_and_weights(scifact: Encoded, tiny: SpladeModel, tmp_path: Path) -> None:
    export_vectors(scifact.out, tmp_path / "x", "opensearch-ann", queries=scifact.queries)
    index = json.loads((tmp_path / "x" / "index.json").read_text())
    field = index["mappings"]["properties"]["splade"]
    largest = max(max(vector.vector.values()) for vector in scifact.vectors)
    assert index["settings"] == {"index": {"sparse": True}}
    assert (field["type"], field["method"]["name"]) == ("sparse_vector", "seismic")
    assert field["method"]["parameters"]["quantization_ceiling_ingest"] == pytest.approx(largest / 100)
    for (doc_id, document), vector in zip(bulk_documents(tmp_path / "x"), scifact.vectors, strict=True):
        bag = {tiny.vocabulary[int(number)]: round(weight * 100) for number, weight in document["splade"].items()}
        assert (doc_id, bag) == (vector.doc_id, vector.vector)


def test_dots_and_per_cent_signs_in_tokens_are_written_so_that_they_can_be_read_back() -> None:
    tokens = [".", "...", "%", "%2E", "##.5", "glass", "%25"]
    names = [feature_name(token) for token in tokens]
    assert not [name for name in names if "." in name]
    assert [unquote(name) for name in names] == tokens
    assert len(set(names)) == len(tokens)


def test_impacts_that_lose_bits_are_counted(tiny: SpladeModel, tmp_path: Path) -> None:
    assert [kept_impact(each) for each in (1, 511, 512, 513, 514, 1025, 99_999)] == [1, 511, 512, 512, 514, 1024, 99_840]
    out = write_out(tmp_path / "out", tiny, {"a": {"glass": 512, "heat": 514, "stress": 513}, "b": {"glass": 99_999}})
    record = export_vectors(out, tmp_path / "x", "opensearch")
    assert record.engine_facts["rounded"] == 2
    assert record.remarks == ("2 impacts above 512 lose their last bits: the field keeps 9 significant ones",)


@pytest.mark.parametrize("engine", list(ENGINES))
def test_every_export_says_how_to_load_it_and_is_whole_or_not_there(engine: str, tiny: SpladeModel, tmp_path: Path) -> None:
    out = write_out(tmp_path / "out", tiny, {"a": {"glass": 7}, "b": {"glass": 1}})
    export_vectors(out, tmp_path / "x", engine, name="my-index", queries=[Query("1", "glass"), Query("2", "")])
    notes = (tmp_path / "x" / "NOTES.md").read_text()
    assert "my-index" in notes
    assert "model tiny" in notes
    record = json.loads((tmp_path / "x" / "export.json").read_text())
    assert (record["engine"], record["documents"], record["queries"]) == (engine, 2, 2)
    before = {file: file.read_bytes() for file in (tmp_path / "x").rglob("*") if file.is_file()}
    with pytest.raises(InputError, match="--overwrite"):
        export_vectors(out, tmp_path / "x", engine)
    (out / "vectors" / "part-00000.jsonl").write_text('{"id":"a","vector":{"glass":7}}\n')
    with pytest.raises(InputError, match="was changed after encoding"):
        export_vectors(out, tmp_path / "x", engine, overwrite=True)
    assert {file: file.read_bytes() for file in (tmp_path / "x").rglob("*") if file.is_file()} == before
    assert {each.name for each in tmp_path.iterdir()} == {"out", "x"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--name", "My Index"], "lower-case letters, digits and hyphens"),
        (["--shards", "3"], "3 shards are more than there are documents (2)"),
        (["--queries", "{tmp}/nowhere.tsv"], "cannot be read"),
        (["--output", "{tmp}/mine"], "holds something that is no export"),
    ],
)
def test_bad_input_is_one_sentence(
    options: list[str], sentence: str, tiny: SpladeModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = write_out(tmp_path / "out", tiny, {"a": {"glass": 7}, "b": {"glass": 1}})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    command = ["export", str(out), "--to", "ciff", "--output", str(tmp_path / "x")]
    assert main([*command, *(option.format(tmp=tmp_path) for option in options)]) == 1
    err = capsys.readouterr().err
    assert sentence in err
    assert (err.splitlines()[-1].count("\n"), not (tmp_path / "x").exists()) == (0, True)


def test_an_id_that_is_too_long_is_refused(tiny: SpladeModel, tmp_path: Path) -> None:
    out = write_out(tmp_path / "out", tiny, {"a" * 513: {"glass": 7}})
    for engine in ("pinecone", "opensearch", "elasticsearch"):
        with pytest.raises(InputError, match="has more than the 512 bytes"):
            export_vectors(out, tmp_path / "x", engine)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "options", [["--to", "qdrant", "--bits", "8"], ["--to", "ciff", "--load", "x"], ["--to", "ciff", "--split", "test"]]
)
def test_options_of_other_engines_are_wrong_usage(options: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["export", str(tmp_path), "--output", str(tmp_path / "x"), *options])
    assert caught.value.code == 2
