"""The service over HTTP: its answers are those of the searchers, in the shapes that clients of Anserini and TEI know."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from splade_lucene.cli.main import build_parser, main
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.evaluation.fusion import fuse
from splade_lucene.lucene import jvm
from splade_lucene.lucene.bm25_searcher import Bm25Searcher
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.lucene.java import lucene_version
from splade_lucene.pipeline.search import ImpactSearcher
from splade_lucene.serving.catalog import Catalog
from splade_lucene.serving.settings import IndexSource, QueryEncodingSettings, parse_sources
from splade_lucene.serving.suggesting import suggest_query
from tests.served import PLANTED_ID, QUERY, ROOT, Indexes, Server, client, serving


@pytest.fixture(scope="module")
def http(server: Server) -> Iterator[httpx.Client]:
    with client(server) as found:
        yield found


@pytest.fixture(scope="module")
def splade(indexes: Indexes, tiny: SpladeModel) -> Iterator[ImpactSearcher]:
    with ImpactSearcher(indexes.impact, model=tiny) as searcher:
        yield searcher


@pytest.fixture(scope="module")
def bm25(indexes: Indexes) -> Iterator[Bm25Searcher]:
    with Bm25Searcher(indexes.bm25) as searcher:
        yield searcher


def pairs(candidates: list[dict[str, Any]]) -> list[tuple[str, float]]:
    assert [each["rank"] for each in candidates] == list(range(1, len(candidates) + 1))
    return [(each["docid"], each["score"]) for each in candidates]


def test_a_search_as_anserini_has_it(http: httpx.Client, splade: ImpactSearcher, bm25: Bm25Searcher, indexes: Indexes) -> None:
    texts = {passage.doc_id: passage.contents for passage in indexes.passages}
    for name, searcher in (("python", splade), ("words", bm25)):
        answer = http.get(f"v1/{name}/search", params={"query": QUERY, "hits": 7}).json()
        assert answer.keys() == {"api", "index", "query", "candidates"}
        assert (answer["api"], answer["index"], answer["query"]) == ("v1", name, {"text": QUERY})
        assert pairs(answer["candidates"]) == searcher.search(QUERY, 7)
        assert [each["doc"] for each in answer["candidates"]] == [texts[each["docid"]] for each in answer["candidates"]]
    assert len(http.get("v1/python/search", params={"query": QUERY}).json()["candidates"]) == 10


def test_a_document_by_its_id_whatever_is_in_it(http: httpx.Client, indexes: Indexes) -> None:
    for passage in (indexes.passages[3], next(each for each in indexes.passages if each.doc_id == PLANTED_ID)):
        path = f"v1/python/doc/{httpx.URL('', path=passage.doc_id).path if '/' not in passage.doc_id else _quoted(passage.doc_id)}"
        answer = http.get(path).json()
        assert answer == {"api": "v1", "index": "python", "docid": passage.doc_id, "doc": passage.contents}
        assert json.loads(http.get(path, params={"parse": "false"}).json()["doc"]) == {"id": passage.doc_id, "contents": passage.contents}


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("v1/python/search", 400, "Parameter 'query' is required"),
        ("v1/python/search?query=%20", 400, "Parameter 'query' is required"),
        ("v1/python/search?query=a&hits=x", 400, "Parameter 'hits' must be an integer"),
        ("v1/python/search?query=a&hits=0", 400, "Parameter 'hits' must be positive"),
        ("v1/python/search?query=a&hits=1001", 400, "1,001 hits are not between 1 and 1,000, the most here"),
        ("v1/python/search?query=a&parse=maybe", 400, "Parameter 'parse' must be 'true' or 'false'"),
        ("v1/python/search?query=a%00b", 400, "the query holds a NUL"),
        ("v1/nothing/search?query=a", 404, "no index 'nothing' here; there is python, words"),
        ("v1/python/doc/nothing", 404, "python has no document 'nothing'"),
        ("nothing", 404, "nothing is at /nothing"),
    ],
)
def test_a_request_that_cannot_be_answered_gets_one_sentence(http: httpx.Client, path: str, status: int, message: str) -> None:
    answer = http.get(path)
    assert answer.status_code == status
    assert answer.json().keys() == {"error"}
    assert message in answer.json()["error"]


def post(http: httpx.Client, path: str, **body: Any) -> Any:
    answer = http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_search_for_an_encoded_query(http: httpx.Client, splade: ImpactSearcher, tiny: SpladeModel) -> None:
    impacts = splade.query_encoder().encode_queries([QUERY])[0]
    weights = tiny.query_weights([QUERY])[0]
    expected = splade.search(QUERY, 5)
    assert pairs(post(http, "v1/python/search", impacts=impacts, k=5)["candidates"]) == expected
    assert pairs(post(http, "v1/python/search", weights=weights, k=5)["candidates"]) == expected
    assert post(http, "v1/python/search", impacts={"nonsuchtoken": 3}, documents=False)["candidates"] == []


def test_fusion_is_that_of_the_library(http: httpx.Client, splade: ImpactSearcher, bm25: Bm25Searcher) -> None:
    runs = [{"": searcher.search(QUERY, 1000)} for searcher in (splade, bm25)]
    found = post(http, "v1/python/search", text=QUERY, k=6, fusion=True)
    assert pairs(found["candidates"]) == fuse(*runs, k=6)[""]
    ranks = [{hit.doc_id: (rank, hit.score) for rank, hit in enumerate(run[""], start=1)} for run in runs]
    for each in found["candidates"]:
        assert [(part["index"], part["rank"], part["score"]) for part in each["parts"]] == [
            (name, *places.get(each["docid"], (None, None))) for name, places in zip(("python", "words"), ranks, strict=True)
        ]
    mostly = post(http, "v1/python/search", text=QUERY, k=6, fusion={"with": "words", "weight": 0.9})
    assert pairs(mostly["candidates"]) == fuse(*runs, weight=0.9, k=6)[""]
    answer = http.post("v1/words/search", json={"text": QUERY, "fusion": True})
    assert answer.status_code == 400 and "name the other index" in answer.json()["error"]


def test_only_some_documents_are_searched_for(http: httpx.Client, splade: ImpactSearcher, bm25: Bm25Searcher) -> None:
    some = [hit.doc_id for hit in splade.search(QUERY, 20)][5::3]
    for name, searcher in (("python", splade), ("words", bm25)):
        found = post(http, f"v1/{name}/search", text=QUERY, within=[*some, "nothing"])
        assert pairs(found["candidates"]) == searcher.search(QUERY, 10, within=some)
    fused = post(http, "v1/python/search", text=QUERY, within=some, fusion=True)
    assert {docid for docid, _ in pairs(fused["candidates"])} <= set(some)
    answer = http.post("v1/python/search", json={"text": QUERY, "where": "lang=de"})
    assert answer.status_code == 400 and "lang" in answer.json()["error"]


def test_what_explains_a_search_adds_up(http: httpx.Client, splade: ImpactSearcher, indexes: Indexes) -> None:
    texts = {passage.doc_id: passage.contents for passage in indexes.passages}
    for name in ("python", "words"):
        found = post(http, f"v1/{name}/search", text=QUERY, k=5, explain=True)
        own = {term["term"] for term in found["query"]["terms"] if term["in_query"]}
        assert {"file", "read", "line"} & own
        for each in found["candidates"]:
            assert sum(match["product"] for match in each["matches"]) == pytest.approx(each["score"], abs=2e-3)
            marked = [texts[each["docid"]][mark["start"] : mark["end"]] for mark in each["highlights"]]
            assert all(re.fullmatch(r"[^\W_]+(?:['’.][^\W_]+)*", word) or name == "python" for word in marked)
            in_text = {term for mark in each["highlights"] for term in mark["terms"]}
            assert in_text == {match["term"] for match in each["matches"] if match["in_document"]}
    terms = {term["term"]: term["weight"] for term in post(http, "v1/python/search", text=QUERY, explain=True)["query"]["terms"]}
    assert terms == splade.query_encoder().encode_queries([QUERY])[0]


def test_why_a_document_is_above_another(http: httpx.Client, splade: ImpactSearcher) -> None:
    first, second = splade.search(QUERY, 2)
    found = post(http, "v1/python/explain", text=QUERY, docids=[first.doc_id, second.doc_id])
    assert [(each["docid"], each["score"], each["rank"]) for each in found["documents"]] == [(*first, 1), (*second, 2)]
    assert sum(each["first"] - each["second"] for each in found["differences"]) == first.score - second.score
    expected = splade.explain(QUERY, first.doc_id)
    assert {each["term"]: each["product"] for each in found["documents"][0]["matches"]} == {
        match.token: match.product for match in expected.matches
    }
    assert post(http, "v1/words/explain", text=QUERY, docids=[first.doc_id])["differences"] is None
    assert http.post("v1/python/explain", json={"text": QUERY, "docids": ["nothing"]}).status_code == 404


def test_what_is_known_of_the_indexes(http: httpx.Client, indexes: Indexes) -> None:
    count = len(indexes.passages)
    assert [(each["name"], each["kind"], each["documents"], each["baseline"]) for each in http.get("v1/indexes").json()] == [
        ("python", "impact", count, "words"),
        ("words", "bm25", count, None),
    ]
    stats = http.get("v1/python/stats").json()
    assert stats["encoder"]["model"] == "tiny" and stats["settings"]["max_length"] == 64
    assert sum(stats["bytes"].values()) == sum(file.stat().st_size for file in indexes.impact.iterdir())
    assert any(passage.contents.startswith(stats["example"].split(".")[0]) for passage in indexes.passages)
    assert post(http, "v1/python/search", text=stats["example"])["candidates"]


def test_an_index_without_texts_suggests_a_word_that_it_has(indexes: Indexes, tmp_path: Path) -> None:
    build_impact_index(indexes.impact.parent / "vectors", tmp_path / "bare")
    catalog = Catalog([IndexSource("bare", tmp_path / "bare")], QueryEncodingSettings())
    with catalog["bare"].lease() as index:
        word = suggest_query(catalog, catalog["bare"], index)
        assert word is not None and word.isalpha()
        assert 0 < index.searcher.document_frequencies([word])[word] <= max(1, 0.05 * index.card.documents)
    catalog.close()


def test_texts_are_embedded_as_text_embeddings_inference_does(http: httpx.Client, tiny: SpladeModel) -> None:
    entries = {token: entry for entry, token in enumerate(tiny.vocabulary)}
    texts = ["Glass cracks under stress.", QUERY]
    for prompt, expected in (
        (None, tiny.document_weights(texts, max_length=64)),
        ("query", tiny.query_weights(texts, max_length=64)),
    ):
        found = http.post("embed_sparse", json={"inputs": texts, "prompt_name": prompt}).json()
        for vector, weights in zip(found, expected, strict=True):
            assert [each["index"] for each in vector] == sorted(each["index"] for each in vector)
            assert {each["index"]: each["value"] for each in vector} == pytest.approx(
                {entries[token]: value for token, value in weights.items()}
            )
    assert len(post(http, "v1/python/embed_sparse", inputs="one")) == 1
    too_long = "word " * 100
    refused = http.post("embed_sparse", json={"inputs": too_long})
    assert refused.status_code == 413 and "more than 64 tokens" in refused.json()["error"]
    assert http.post("embed_sparse", json={"inputs": too_long, "truncate": True}).status_code == 200
    for body, message in (
        ({"inputs": "a", "truncation_direction": "Left"}, "cut at their end"),
        ({"inputs": "a", "prompt_name": "web"}, "there is query and document"),
        ({"inputs": ""}, "empty"),
        ({"inputs": ["a"] * 33}, "the most in one request"),
        ({"inputs": "a", "normalize": True}, "normalize"),
    ):
        answer = http.post("embed_sparse", json=body)
        assert answer.status_code in {400, 413} and message in answer.json()["error"]


def test_health_readiness_metrics_and_the_description(http: httpx.Client, server: Server) -> None:
    assert http.get("health").json()["status"] == "ok"
    assert http.get("ready").json() == {"status": "ready", "indexes": ["python", "words"]}
    http.get("v1/python/search", params={"query": QUERY})
    metrics = http.get("metrics").text
    assert re.search(r'splade_lucene_requests_total\{method="GET",route="/v1/\{index\}/search",status="200"\} \d', metrics)
    assert 'splade_lucene_index_documents{index="python",kind="impact"}' in metrics
    description = http.get("openapi.json").json()
    assert {"/v1/{index}/search", "/embed_sparse", "/v1/{index}/doc/{docid}"} <= description["paths"].keys()
    assert description["servers"] == [{"url": "/search"}]


def test_each_request_has_an_id_and_a_line_in_the_log(http: httpx.Client, server: Server) -> None:
    ours = http.get("v1/python/search", params={"query": "secret words"}, headers={"X-Request-ID": "mine-1"})
    assert ours.headers["x-request-id"] == "mine-1"
    assert re.fullmatch(r"[0-9a-f]{32}", http.get("health", headers={"X-Request-ID": "a b\tc"}).headers["x-request-id"])
    time.sleep(0.1)
    (line,) = [each for each in server.lines() if each.get("request") == "mine-1"]
    assert (line["method"], line["path"], line["status"], line["hits"]) == ("GET", "/v1/python/search", 200, 10)
    assert line["ms"] > 0 and line["client"] == "127.0.0.1"
    assert "secret" not in server.log.read_text(encoding="utf-8")


def test_a_path_prefix_works_whether_the_proxy_strips_it_or_not(server: Server) -> None:
    bare = server.url.removesuffix("/search")
    for base in (bare, server.url):
        assert httpx.get(f"{base}/ready", trust_env=False).status_code == 200
        assert "static/page.js" in httpx.get(f"{base}/", trust_env=False).text
    moved = httpx.get(f"{bare}/search?q=a", trust_env=False)
    assert (moved.status_code, moved.headers["location"]) == (308, "/search/?q=a")


def test_on_loopback_a_server_answers_to_its_own_names_alone(http: httpx.Client) -> None:
    assert http.get("v1/indexes", headers={"Host": "rebound.example"}).status_code == 421
    assert http.get("v1/indexes", headers={"Host": "localhost:1"}).status_code == 200


def test_concurrent_requests_get_the_answers_of_their_queries(server: Server, splade: ImpactSearcher, indexes: Indexes) -> None:
    queries = [" ".join(passage.contents.split()[:6]) for passage in indexes.passages] * 3
    expected = {query: splade.search(query, 5) for query in set(queries)}

    async def ask() -> list[tuple[str, httpx.Response]]:
        limits = httpx.Limits(max_connections=16)
        async with httpx.AsyncClient(base_url=f"{server.url}/", timeout=60, limits=limits, trust_env=False) as found:

            async def one(query: str) -> tuple[str, httpx.Response]:
                return query, await found.get("v1/python/search", params={"query": query, "hits": 5})

            return await asyncio.gather(*map(one, queries))

    answers = asyncio.run(ask())
    assert {response.status_code for _, response in answers} == {200}
    different = [query for query, response in answers if pairs(response.json()["candidates"]) != expected[query]]
    assert different == []


def test_the_answers_are_those_of_anserinis_own_server(http: httpx.Client, indexes: Indexes, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    java = [str(jvm.java_home() / "bin" / "java"), "-Xmx256m", "-cp", str(jvm.anserini_jar()), "io.anserini.api.RestServer"]
    names: list[str] = []
    if not lucene_version().startswith("9."):
        # Anserini 2 looks for a name that is not in this file among its indexes to download, whose list it fetches from GitHub.
        (tmp_path / "indexes.yaml").write_text(json.dumps({"indexes": {"impact": str(indexes.impact), "bm25": str(indexes.bm25)}}))
        names = ["--index-config", str(tmp_path / "indexes.yaml")]
    process = subprocess.Popen(
        # Anserini 1 takes the path of an index for its name.
        [*java, "--host", "127.0.0.1", "--port", str(port), *names],
        cwd=indexes.bm25.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        while b"listening" not in (line := process.stdout.readline()):
            assert line, "Anserini's server did not start"
        doc_id = indexes.passages[3].doc_id
        query = {"query": QUERY, "hits": "5"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/", timeout=30, trust_env=False) as anserini:
            for path in (f"doc/{doc_id}", f"doc/{doc_id}?parse=false", "doc/nothing", "search?query=a&hits=0", "search"):
                theirs, ours = anserini.get(f"v1/impact/{path}"), http.get(f"v1/python/{path}")
                assert ours.status_code == theirs.status_code, theirs.text
                assert {**ours.json(), "index": "", "error": ""} == {**theirs.json(), "index": "", "error": ""}
            theirs, ours = anserini.get("v1/bm25/search", params=query).json(), http.get("v1/words/search", params=query).json()
            assert {**ours, "index": "bm25", "candidates": None} == {**theirs, "candidates": None}
            for mine, other in zip(ours["candidates"], theirs["candidates"], strict=True):
                assert mine.keys() == other.keys()
                assert (mine["docid"], mine["rank"]) == (other["docid"], other["rank"])
                assert mine["score"] == pytest.approx(other["score"], abs=1e-4)
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()


def test_beyond_loopback_a_key_is_asked_for(indexes: Indexes, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPLADE_LUCENE_API_KEY", raising=False)
    assert main(["serve", str(indexes.bm25), "--host", "0.0.0.0", "--port", "0"]) == 1
    assert "--host 0.0.0.0 is reached from other machines; give an API key with --api-key" in capsys.readouterr().err


def test_with_a_key_only_those_who_have_it_search(indexes: Indexes) -> None:
    environment = {"SPLADE_LUCENE_API_KEY": "s3cret"}
    with serving([str(indexes.bm25), "--host", "127.0.0.1"], environment=environment) as server, client(server) as http:
        search = "v1/bm25/search?query=file"
        assert {http.get(path).status_code for path in ("", "docs", "static/page.js", "health", "ready", "openapi.json")} == {200}
        refused = http.get(search)
        assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"
        for wrong in ({"X-API-Key": "other"}, {"Authorization": "Bearer other"}, {"Authorization": "Basic s3cret"}, {"X-API-Key": ""}):
            assert http.get(search, headers=wrong).status_code == 401
        assert http.get("metrics").status_code == 401
        for right in ({"X-API-Key": "s3cret"}, {"Authorization": "Bearer s3cret"}):
            assert http.get(search, headers=right).status_code == 200
        assert http.get("ready", headers={"Host": "any.example"}).status_code == 200
        # A BM25 index alone has no encoder, and no stored text.
        found = http.post("embed_sparse", json={"inputs": "a"}, headers={"X-API-Key": "s3cret"})
        assert found.status_code == 404 and "no impact index" in found.json()["error"]
        assert http.get(search, headers={"X-API-Key": "s3cret"}).json()["candidates"][0]["doc"] is None


@pytest.mark.parametrize(
    ("indexes_given", "bm25", "message"),
    [
        (["a/x", "b/x"], [], "two indexes are called 'x'"),
        (["a", "b", "c"], ["d", "e"], "2 BM25 indexes for 3 others"),
        (["a b=folder"], [], "cannot be a name in a URL"),
        (["/"], [], "cannot be a name in a URL"),
    ],
)
def test_names_that_cannot_be_used_are_refused(
    indexes_given: list[str], bm25: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [word for each in bm25 for word in ("--bm25", each)]
    assert main(["serve", *indexes_given, *options]) == 1
    assert message in capsys.readouterr().err


def test_a_bm25_index_goes_with_all_or_with_one_each() -> None:
    assert [(each.name, each.baseline) for each in parse_sources(["a", "n=b"], ["w"])] == [("a", "w"), ("n", "w"), ("w", None)]
    assert [(each.name, each.baseline) for each in parse_sources(["a", "b"], ["v", "w"])][:2] == [("a", "v"), ("b", "w")]


def test_an_impact_index_is_no_baseline(indexes: Indexes, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", f"a={indexes.bm25}", "--bm25", f"b={indexes.impact}", "--port", "0"]) == 1
    assert "is an impact index; give it without --bm25" in capsys.readouterr().err


def test_a_port_that_is_taken_is_said(indexes: Indexes, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", str(indexes.bm25), "--port", str(server.port)]) == 1
    assert f"cannot listen at 127.0.0.1 port {server.port} (Address already in use)" in capsys.readouterr().err


def test_the_container_file_starts_a_command_that_is_there() -> None:
    lines = (ROOT / "Containerfile").read_text(encoding="utf-8").splitlines()
    (entry,) = [json.loads(line.removeprefix("ENTRYPOINT ")) for line in lines if line.startswith("ENTRYPOINT ")]
    (command,) = [json.loads(line.removeprefix("CMD ")) for line in lines if line.startswith("CMD ")]
    assert entry == ["splade-lucene"]
    args = build_parser().parse_args(command)
    assert (args.command, args.host, args.port, args.index) == ("serve", "0.0.0.0", 8080, ["/indexes/splade"])
    extras = {extra for line in lines for found in re.findall(r"\[([\w,]+)\]\"", line) for extra in found.split(",")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert extras and extras <= project["optional-dependencies"].keys()
