"""A server on this machine that gives files away over HTTP and as an S3-compatible store, from memory, and fails as it is told to."""

from __future__ import annotations

import email.utils
import hashlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_RANGE = re.compile(r"bytes=(\d+)-(\d*)|bytes=-(\d+)")
_SUBRESOURCES = {"uploads", "location", "acl", "versioning"}


class ObjectStore(ThreadingHTTPServer):
    """The server.

    Attributes:
        files: path → content; for S3 the first part of a path is the bucket.
        ranges: whether parts of files are given away.
        lengths: whether it says how long a file is.
        status: the answer to every request for a file, if not 200.
        cut_after: bytes of files in all after which connections are cut, once and for all.
        sent: bytes of files so far.
        held: files that nobody gets while they are here, but for the number of times beside them.
        requests: what was asked for.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.ranges = self.lengths = True
        self.status: int | None = None
        self.cut_after: int | None = None
        self.sent = 0
        self.held: dict[str, int] = {}
        self.requests: list[str] = []
        self.lock = threading.Lock()
        self.host = f"127.0.0.1:{self.server_port}"
        self.http = f"http://{self.host}"

    def s3(self, path: str) -> str:
        """The URL of a bucket's file or folder for pyarrow."""
        return f"s3://key:secret@{path}?endpoint_override={self.host}&scheme=http&region=us-east-1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that break are part of the game."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ObjectStore

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        store, url = self.server, urlsplit(self.path)
        with store.lock:
            store.requests.append(f"{self.command} {self.path}")
        query = parse_qs(url.query, keep_blank_values=True)
        name = unquote(url.path).strip("/")
        if "list-type" in query:
            self._send(
                200, _listing(store.files, name, query.get("prefix", [""])[0], query.get("delimiter", [""])[0]), "application/xml", body
            )
        elif store.status is not None:
            self._send(store.status, b"", "text/plain", body)
        elif "Authorization" in self.headers and any(file.startswith(f"{name}/") for file in store.files) and "/" not in name:
            self._send(200, b"", "application/xml", body)  # a bucket
        elif url.path.endswith("/") and any(file.startswith(f"{name}/") for file in store.files) and not query:
            links = sorted({file[len(name) + 1 :].split("/")[0] for file in store.files if file.startswith(f"{name}/")})
            self._send(200, "".join(f'<a href="{link}">{link}</a>' for link in links).encode(), "text/html", body)
        elif name in store.files and not _SUBRESOURCES & query.keys():
            while body and store.held.get(name, 1) < 1:
                time.sleep(0.01)
            if name in store.held:
                store.held[name] -= body
            self._file(store.files[name], body)
        else:
            self._send(404, b"", "text/plain", body)

    def _file(self, content: bytes, body: bool) -> None:
        found = _RANGE.fullmatch(self.headers.get("Range", "")) if self.server.ranges else None
        if found is None:
            self._send(200, content, "application/octet-stream", body, content)
            return
        start = int(found[1]) if found[1] else max(0, len(content) - int(found[3]))
        end = min(int(found[2]) + 1 if found[2] else len(content), len(content))
        if start >= len(content):
            self._send(416, b"", "text/plain", body)
        else:
            self._send(206, content[start:end], "application/octet-stream", body, content, part=f"bytes {start}-{end - 1}/{len(content)}")

    def _send(self, status: int, data: bytes, kind: str, body: bool, whole: bytes | None = None, *, part: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if self.server.lengths or whole is None:
            self.send_header("Content-Length", str(len(data)))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        if part:
            self.send_header("Content-Range", part)
        if whole is not None:
            self.send_header("ETag", f'"{hashlib.md5(whole, usedforsecurity=False).hexdigest()}"')
            self.send_header("Last-Modified", email.utils.formatdate(1_700_000_000, usegmt=True))
        self.end_headers()
        if not body:
            return
        left = None if self.server.cut_after is None or whole is None else max(0, self.server.cut_after - self.server.sent)
        with self.server.lock:
            self.server.sent += len(data) if whole is not None else 0
        self.wfile.write(data[:left])
        if left is not None and left < len(data):
            self.wfile.flush()
            self.close_connection = True


def _listing(files: dict[str, bytes], bucket: str, prefix: str, delimiter: str) -> bytes:
    """S3's ListObjectsV2, of one page."""
    keys = sorted(file.removeprefix(f"{bucket}/") for file in files if file.startswith(f"{bucket}/{prefix}"))
    own = [key for key in keys if not delimiter or delimiter not in key[len(prefix) :]]
    folders = sorted({prefix + key[len(prefix) :].split(delimiter)[0] + delimiter for key in set(keys).difference(own)})
    contents = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        f"<Size>{len(files[f'{bucket}/{key}'])}</Size></Contents>"
        for key in own
    )
    common = "".join(f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in folders)
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(own) + len(folders)}</KeyCount><MaxKeys>1000</MaxKeys>"
        f"<IsTruncated>false</IsTruncated>{contents}{common}</ListBucketResult>"
    ).encode()


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """Serves while the block runs."""
    with ObjectStore() as store:
        thread = threading.Thread(target=store.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield store
        finally:
            store.shutdown()
            thread.join()
