"""A server of real indexes, in a process of its own, for the tests of the service and of its page."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from splade_lucene.collections import pydocs
from splade_lucene.lucene.bm25_indexing import build_bm25_index
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.pipeline.encode import encode_collection
from splade_lucene.records import Passage

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel

ROOT = Path(__file__).resolve().parents[1]
# Each would set window.planted, or break the page, if it were taken for more than text.
PLANTED = (
    '<script>window.planted=1</script><img src=x onerror=\'window.planted=2\'>"><svg onload="window.planted=3"> '
    "' onmouseover='window.planted=4' </title></style><!--{{ 7 * 7 }}]]>&lt;b&gt; javascript:window.planted=5 \u2028 𝔘nicode 👩‍🔬 planted"
)
PLANTED_ID = "<img/src=x/onerror='window.planted=6'>&amp;"
QUERY = "how do I read the lines of a file"


class Indexes(NamedTuple):
    """Two indexes of the same passages."""

    passages: list[Passage]
    impact: Path
    bm25: Path


class Server(NamedTuple):
    """A running server.

    Attributes:
        url: without a slash at its end.
        process: it.
        log: what it writes to stderr.
    """

    url: str
    process: subprocess.Popen[str]
    log: Path

    @property
    def port(self) -> int:
        port = urlsplit(self.url).port
        assert port is not None
        return port

    def lines(self) -> list[dict[str, Any]]:
        """Its log so far; each line is an object."""
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]

    def connect(self) -> socket.socket:
        """A connection without a client library."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def memory(self) -> int:
        """The process's resident memory in bytes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text(encoding="utf-8").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def make_indexes(model: SpladeModel, folder: Path, passages: Sequence[Passage] = ()) -> Indexes:
    """Encodes and indexes some docstrings, and one passage full of markup."""
    chosen = list(passages) or [*_docstrings(), Passage(PLANTED_ID, f"markup planted in a passage {PLANTED}")]
    encode_collection(chosen, folder / "vectors", model, store_contents=True, max_length=64)
    build_impact_index(folder / "vectors", folder / "impact", store_contents=True)
    build_bm25_index(chosen, folder / "bm25")
    return Indexes(chosen, folder / "impact", folder / "bm25")


def _docstrings() -> list[Passage]:
    return list(pydocs.passages())[::80]


@contextlib.contextmanager
def serving(arguments: Sequence[str], *, command: str = "serve", environment: dict[str, str] | None = None) -> Iterator[Server]:
    """Starts a server at a free port; stops it as a supervisor would, and expects it to end well."""
    handle, name = tempfile.mkstemp(suffix=".log")
    log = Path(name)
    with os.fdopen(handle, "w", encoding="utf-8") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "splade_lucene.cli.main", command, *arguments, "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        )
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip().rstrip("/")
        assert url, f"the server did not start:\n{log.read_text(encoding='utf-8')}"
        yield Server(url, process, log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        finally:
            process.stdout.close()
            log.unlink(missing_ok=True)
    assert status == 0


def client(server: Server, **options: Any) -> httpx.Client:
    """A client of a server."""
    return httpx.Client(base_url=f"{server.url}/", timeout=30, trust_env=False, **options)
