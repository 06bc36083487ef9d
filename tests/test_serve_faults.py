"""Clients that hang, send too much, or go away harm nobody else; an index that changes and a server that stops lose no request."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from splade_lucene.encoding.model import SpladeModel
from splade_lucene.lucene.updating import update_impact_index
from splade_lucene.pipeline.encode import encode_collection
from splade_lucene.pipeline.search import ImpactSearcher
from splade_lucene.records import Hit, Passage
from tests.served import QUERY, Indexes, Server, client, make_indexes, serving

SEARCH = {"query": QUERY, "hits": "3"}


@pytest.fixture(scope="module")
def impatient(indexes: Indexes) -> Iterator[Server]:
    """A server that takes on four requests and waits two seconds."""
    with serving([f"python={indexes.impact}", "--queue", "4", "--timeout", "2", "--batch-wait-ms", "20"]) as server:
        yield server


@pytest.fixture(scope="module")
def expected(indexes: Indexes, tiny: SpladeModel) -> list[Hit]:
    with ImpactSearcher(indexes.impact, model=tiny) as searcher:
        return searcher.search(QUERY, 3)


def answers(server: Server) -> list[tuple[str, float]]:
    with client(server) as http:
        response = http.get("v1/python/search", params=SEARCH)
        assert response.status_code == 200
        return [(each["docid"], each["score"]) for each in response.json()["candidates"]]


def everything(connection: socket.socket) -> bytes:
    """What arrives until the server closes the connection."""
    parts = []
    try:
        while part := connection.recv(1 << 16):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def test_clients_that_hang_harm_nobody_and_are_let_go(impatient: Server, expected: list[Hit]) -> None:
    halves = [
        b"",
        b"GET /v1/python/search?query=a HTTP/1.1\r\nHost: localhost\r\nX-More: ",
        b"POST /v1/python/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n{",
    ]
    hanging = []
    for half in halves * 20:
        connection = impatient.connect()
        connection.sendall(half)
        hanging.append(connection)
    assert answers(impatient) == expected
    ends = [everything(connection) for connection in hanging]
    assert [end.partition(b"\r\n")[0] for end in ends] == [b"", b"", b"HTTP/1.1 408 Request Timeout"] * 20
    for connection in hanging:
        connection.close()
    assert answers(impatient) == expected


def test_fifty_megabytes_are_not_read(server: Server, expected: list[Hit]) -> None:
    before = server.memory()
    head = b"POST /v1/python/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    piece = b"x" * (1 << 16)
    for framing, wrap in (
        (b"Content-Length: 52428800\r\n\r\n", lambda data: data),
        (b"Transfer-Encoding: chunked\r\n\r\n", lambda data: b"%x\r\n%b\r\n" % (len(data), data)),
    ):
        with server.connect() as connection:
            connection.sendall(head + framing)
            sent = 0
            try:
                while sent < 50 << 20:
                    connection.sendall(wrap(piece))
                    sent += len(piece)
            except (ConnectionError, TimeoutError):
                pass
            assert sent < 50 << 20
            answer = everything(connection)
            assert not answer or answer.startswith(b"HTTP/1.1 413")
    with client(server) as http:
        assert http.post("v1/python/search", content=b"x" * (2 << 20), headers={"Content-Type": "application/json"}).status_code == 413
    assert server.memory() - before < 30 << 20
    assert answers(server) == expected


def test_a_head_without_end_is_cut_off(server: Server, expected: list[Hit]) -> None:
    before = server.memory()
    with server.connect() as connection:
        connection.sendall(b"GET /v1/python/search?query=")
        with pytest.raises(ConnectionError):
            for _ in range(800):
                connection.sendall(b"a" * (1 << 16))
    assert server.memory() - before < 30 << 20
    assert answers(server) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"text": "a"', "the body is not JSON"),
        (b"\xff\xfe", "body"),
        (b"[" * 100_000, "body"),
        (b"[]", "valid dictionary"),
        (b'{"text": "a\\u0000b"}', "holds a NUL"),
        (b'{"text": "a\\ud800"}', "surrogate pair"),
        (b'{"text": "   "}', "the query is empty"),
        (b'{"text": "a", "k": 1e9}', "not between 1 and 1,000"),
        (b'{"text": "a", "k": "many"}', "valid integer"),
        (b'{"text": "a", "hits": 3}', "hits: Extra inputs are not permitted"),
        (b'{"text": "a", "impacts": {"a": 1}}', "give one of text, impacts and weights"),
        (b'{"impacts": {"a": 0}}', "greater than or equal to 1"),
        (b'{"weights": {"a": NaN}}', "finite number"),
        (json.dumps({"text": "word " * 10_000}).encode(), "has 49,999 characters, the most here is 8,192; shorten it"),
    ],
)
def test_bodies_that_cannot_be_answered_get_one_sentence(server: Server, content: bytes, message: str) -> None:
    with client(server) as http:
        answer = http.post("v1/python/search", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, answer.text
        assert answer.json().keys() == {"error"} and message in answer.json()["error"]
        assert http.get("ready").status_code == 200


def test_words_that_are_no_words_are_searched_for(server: Server) -> None:
    with client(server) as http:
        for text in ("\x01\x7f", "a\nb\tc", "𝔘𝔫𝔦 👩‍🔬", "\u2028", "'\"<>&;", "+-&&||!(){}[]^~*?:\\/", "a" * 8000):
            for name in ("python", "words"):
                answer = http.post(f"v1/{name}/search", json={"text": text, "explain": True})
                assert answer.status_code == (400 if not text.strip() else 200), answer.text


def test_clients_that_close_early_leave_nothing_behind(impatient: Server, expected: list[Hit]) -> None:
    for number in range(60):
        with impatient.connect() as connection:
            connection.sendall(f"GET /v1/python/search?query=early+{number} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            if number % 2:  # a reset instead of an orderly end
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    deadline = time.monotonic() + 10
    with client(impatient) as http:
        while "splade_lucene_requests_in_progress 0.0" not in http.get("metrics").text:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert answers(impatient) == expected


def test_beyond_the_queue_clients_are_told_when_to_come_back(impatient: Server) -> None:
    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=f"{impatient.url}/", timeout=30, trust_env=False) as http:
            return await asyncio.gather(*(http.get("v1/python/search", params={"query": f"queue {number}"}) for number in range(40)))

    found = asyncio.run(ask())
    assert {each.status_code for each in found} == {200, 503}
    for each in found:
        if each.status_code == 503:
            assert each.headers["retry-after"] == "1"
            assert "the most that this server takes on" in each.json()["error"]


class Load:
    """Clients that search without a pause, each in a thread."""

    def __init__(self, server: Server, clients: int, check: Callable[[Any], bool]) -> None:
        self._server, self._check = server, check
        self._stop = threading.Event()
        self.done, self.wrong = 0, list[str]()
        self._threads = [threading.Thread(target=self._run) for _ in range(clients)]

    def _run(self) -> None:
        with client(self._server) as http:
            while not self._stop.is_set():
                try:
                    answer = http.get("v1/python/search", params=SEARCH)
                    if answer.status_code != 200 or not self._check(answer.json()["candidates"]):
                        self.wrong.append(answer.text)
                except httpx.HTTPError as error:
                    self.wrong.append(repr(error))
                self.done += 1

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_an_index_is_swapped_without_a_lost_request(indexes: Indexes, tiny: SpladeModel, tmp_path: Path) -> None:
    changing = tmp_path / "changing"
    shutil.copytree(indexes.impact, changing)
    fresh = Passage("fresh", "How to read the lines of a file: read each line of the file, file by file, line by line.")
    encode_collection([fresh], tmp_path / "vectors", tiny, store_contents=True, max_length=64)
    before = len(indexes.passages)
    with serving([f"python={changing}"]) as server, client(server) as http:
        seen = set[bool]()

        def check(candidates: list[dict[str, Any]]) -> bool:
            has_new = candidates[0]["docid"] == "fresh"
            seen.add(has_new)
            return len(candidates) == 3 and (not has_new or candidates[0]["doc"] == fresh.text)

        with Load(server, 4, check) as load:
            time.sleep(0.3)
            update_impact_index(changing, add=tmp_path / "vectors")
            deadline = time.monotonic() + 30
            while True not in seen:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert (load.wrong, seen) == ([], {True, False}) and load.done > 20
        assert http.get("v1/indexes").json()[0]["documents"] == before + 1
        assert 'splade_lucene_index_reloads_total{index="python"} 1.0' in http.get("metrics").text
        # What cannot be opened does not take the place of what can.
        (changing / "splade_lucene.json").write_text("{}", encoding="utf-8")
        deadline = time.monotonic() + 10
        while not any(line["event"] == "index not reloaded" for line in server.lines()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert http.get("v1/python/search", params=SEARCH).json()["candidates"][0]["docid"] == "fresh"


def test_sigterm_finishes_what_runs(indexes: Indexes) -> None:
    with serving([f"python={indexes.impact}", "--batch-wait-ms", "400"]) as server:

        async def ask() -> list[Any]:
            async with httpx.AsyncClient(base_url=f"{server.url}/", timeout=30, trust_env=False) as http:
                asked = [asyncio.ensure_future(http.get("v1/python/search", params={"query": f"end {number}"})) for number in range(12)]
                await asyncio.sleep(0.2)
                server.process.send_signal(signal.SIGTERM)
                return await asyncio.gather(*asked, return_exceptions=True)

        found = asyncio.run(ask())
        assert [each if isinstance(each, Exception) else each.status_code for each in found] == [200] * 12
        assert server.process.wait(timeout=30) == 0
        with pytest.raises(ConnectionRefusedError):
            server.connect()
        assert [line["event"] for line in server.lines()][-1] == "stopped"


def test_the_log_of_a_server_is_json_from_the_first_line_to_the_last(impatient: Server) -> None:
    assert {"started", "request"} <= {line["event"] for line in impatient.lines()}
    assert os.getpid() != impatient.process.pid


def test_two_indexes_of_one_model_share_it(indexes: Indexes, tiny: SpladeModel, tmp_path: Path) -> None:
    other = make_indexes(tiny, tmp_path, indexes.passages[:5])
    with serving([f"one={indexes.impact}", f"two={other.impact}", "--bm25", f"b={indexes.bm25}"]) as server, client(server) as http:
        assert len(http.get("v1/two/search", params={"query": QUERY}).json()["candidates"]) <= 5
        assert [each["baseline"] for each in http.get("v1/indexes").json()] == ["b", "b", None]
