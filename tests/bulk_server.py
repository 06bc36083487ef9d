"""A server on this machine that speaks the part of OpenSearch's and Elasticsearch's REST protocol that loading and searching need.

It is strict: what the documentation does not allow is refused as they refuse it. Vectors are kept as Lucene's ``FeatureField`` keeps them
(9 significant bits) and searched exactly. It can be told to fail in all the ways that servers fail.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from splade_lucene.integrations.export.features import kept_impact

Fault = Callable[["Handler"], bool]
"""Told of a bulk request; what it returns is whether it has dealt with the request itself."""


class BulkServer(ThreadingHTTPServer):
    """The server; ``faults`` are used up one by one, each by a bulk request."""

    daemon_threads = True

    def __init__(self, vendor: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.vendor = vendor
        self.indexes: dict[str, dict[str, Any]] = {}
        self.documents: dict[str, dict[str, dict[str, Any]]] = {}
        self.faults: list[Fault] = []
        self.busy: list[int] = []  # statuses for the next documents of bulk requests
        self.lock = threading.Lock()
        self.bulks = 0
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that break are part of the game."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: BulkServer

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        self._respond("GET")

    def do_PUT(self) -> None:
        self._respond("PUT")

    def do_POST(self) -> None:
        self._respond("POST")

    def do_DELETE(self) -> None:
        self._respond("DELETE")

    def _respond(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        name, _, action = self.path.partition("?")[0].strip("/").partition("/")
        if action == "_bulk":
            with self.server.lock:
                self.server.bulks += 1
                fault = self.server.faults.pop(0) if self.server.faults else None
            if fault is not None and fault(self):
                return
        with self.server.lock:
            status, answer = self._answer(method, name, action, body)
        if action == "_bulk" and fault is lost_answer:
            reset(self)
            return
        self.send(status, answer)

    def send(self, status: int, answer: Any) -> None:
        """An answer in JSON."""
        content = json.dumps(answer).encode()
        kind = "application/json"
        if self.server.vendor == "elasticsearch":
            kind = "application/vnd.elasticsearch+json;compatible-with=9"
        self.send_response(status)
        self.send_header("X-elastic-product" if self.server.vendor == "elasticsearch" else "X-Other", "Elasticsearch")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _answer(self, method: str, name: str, action: str, body: bytes) -> tuple[int, Any]:
        indexes = self.server.indexes
        if method == "PUT" and not action:
            if name in indexes:
                return 400, error("resource_already_exists_exception", f"index [{name}] already exists", 400)
            indexes[name], self.server.documents[name] = json.loads(body), {}
            return 200, {"acknowledged": True, "shards_acknowledged": True, "index": name}
        if name not in indexes:
            return 404, error("index_not_found_exception", f"no such index [{name}]", 404)
        shards = {"total": 1, "successful": 1, "failed": 0}
        answers: dict[tuple[str, str], Callable[[], tuple[int, Any]]] = {
            ("DELETE", ""): lambda: self._delete(name),
            ("GET", "_mapping"): lambda: (200, {name: {"mappings": indexes[name]["mappings"]}}),
            ("POST", "_refresh"): lambda: self._refresh(name, shards),
            ("POST", "_count"): lambda: (200, {"count": indexes[name].get("visible", 0), "_shards": shards}),
            ("POST", "_search"): lambda: self._search(name, json.loads(body), shards),
            ("POST", "_bulk"): lambda: self._bulk(name, body),
        }
        answers["PUT", "_bulk"], answers["GET", "_count"] = answers["POST", "_bulk"], answers["POST", "_count"]
        if (method, action) not in answers:
            return 405, error("illegal_argument_exception", f"{method} {self.path} is not allowed", 405)
        return answers[method, action]()

    def _delete(self, name: str) -> tuple[int, Any]:
        del self.server.indexes[name], self.server.documents[name]
        return 200, {"acknowledged": True}

    def _refresh(self, name: str, shards: dict[str, int]) -> tuple[int, Any]:
        self.server.indexes[name]["visible"] = len(self.server.documents[name])
        return 200, {"_shards": shards}

    def _bulk(self, name: str, body: bytes) -> tuple[int, Any]:
        kind = self.headers.get("Content-Type", "")
        if "x-ndjson" not in kind and kind not in {"application/json", "application/vnd.elasticsearch+x-ndjson; compatible-with=9"}:
            return 406, error("media_type_header_exception", f"Content-Type header [{kind}] is not supported", 406)
        if not body.endswith(b"\n"):
            return 400, error("illegal_argument_exception", "The bulk request must be terminated by a newline [\\n]", 400)
        lines = body.decode("utf-8").split("\n")[:-1]
        items: list[Any] = []
        for action_line, document_line in zip(lines[::2], lines[1::2], strict=True):
            action = json.loads(action_line)
            if list(action) != ["index"] or list(action["index"]) != ["_id"]:
                return 400, error("illegal_argument_exception", f"Malformed action/metadata line: {action_line}", 400)
            doc_id, document = action["index"]["_id"], json.loads(document_line)
            status = self.server.busy.pop(0) if self.server.busy else 0
            problem = self._refusal(name, doc_id, document)
            if status:
                items.append({"index": {"_id": doc_id, "status": status, "error": {"type": "rejected", "reason": "queue is full"}}})
            elif problem:
                items.append({"index": {"_id": doc_id, "status": 400, "error": {"type": "document_parsing_exception", "reason": problem}}})
            else:
                there = doc_id in self.server.documents[name]
                self.server.documents[name][doc_id] = document
                items.append({"index": {"_id": doc_id, "status": 200 if there else 201, "result": "updated" if there else "created"}})
        return 200, {"took": 1, "errors": any("error" in item["index"] for item in items), "items": items}

    def _refusal(self, name: str, doc_id: str, document: dict[str, Any]) -> str | None:
        fields = self.server.indexes[name]["mappings"]["properties"]
        if not 0 < len(doc_id.encode()) <= 512:
            return "id is too long, must be no longer than 512 bytes"
        if unknown := document.keys() - fields.keys():
            return f"unknown fields {unknown}"
        bag = document["splade"]
        if not bag or any("." in token for token in bag) or not all(isinstance(w, int | float) and w > 0 for w in bag.values()):
            return "[splade] must have positive weights, and no dots in names"
        return None

    def _search(self, name: str, body: dict[str, Any], shards: dict[str, int]) -> tuple[int, Any]:
        if body["size"] > 10_000:
            return 400, error("illegal_argument_exception", "Result window is too large", 400)
        if self.server.vendor == "opensearch":
            (field,) = body["query"]["neural_sparse"]
            weights = body["query"]["neural_sparse"][field]["query_tokens"]
        else:
            query = body["query"]["sparse_vector"]
            field, weights = query["field"], query["query_vector"]
        found = []
        for doc_id, document in self.server.documents[name].items():
            bag = document[field]
            if score := sum(weight * kept_impact(bag[token]) for token, weight in weights.items() if token in bag):
                found.append({"_index": name, "_id": doc_id, "_score": score})
        found.sort(key=lambda hit: -hit["_score"])
        return 200, {"took": 1, "timed_out": False, "_shards": shards, "hits": {"hits": found[: body["size"]]}}


def error(kind: str, reason: str, status: int) -> dict[str, Any]:
    """The body of an error, as both engines write it."""
    cause = {"type": kind, "reason": reason}
    return {"error": {"root_cause": [cause], **cause}, "status": status}


def status(code: int) -> Fault:
    """The whole request is refused with a status."""

    def fail(handler: Handler) -> bool:
        handler.send(code, error("circuit_breaking_exception", "too busy", code))
        return True

    return fail


def reset(handler: Handler) -> bool:
    """The connection is reset before anything is taken."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
    handler.rfile.close()
    handler.wfile.close()
    handler.connection.close()
    return True


def late(handler: Handler) -> bool:
    """Nothing is answered in time."""
    time.sleep(1.5)
    return reset(handler)


def lost_answer(handler: Handler) -> bool:
    """The request is carried out, but the connection breaks before the answer."""
    return False


@contextmanager
def bulk_server(vendor: str) -> Iterator[BulkServer]:
    """A server for a block."""
    server = BulkServer(vendor)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
