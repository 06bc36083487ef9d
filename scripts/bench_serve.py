"""Load on the service: requests from 16 connections, their latencies, whether every answer is the searcher's, and memory.

    scripts/bench_serve.py INDEX CORPUS [--requests 10000] [--peers] [--batch-wait-ms 0 2 5]

INDEX is an impact index with stored contents; the queries are pieces of eight words of the passages in CORPUS, all different. Each
server is a process of its own on loopback, with one connection after the other kept busy by a client in this process; `wrk` asks too,
where it is installed. `--peers` also starts Pyserini's own server (its search of impact indexes) and Anserini's (BM25 alone) on the same
index, with fewer requests where they are slow.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from tabulate import tabulate

from splade_lucene import ImpactSearcher
from splade_lucene.collections.passages import read_passages
from splade_lucene.encoding.loading import find_model
from splade_lucene.lucene import jvm

CONNECTIONS = 16
WORDS = 8
# Names of prebuilt indexes, which are all that Pyserini's server knows.
PYSERINI_DEFAULT, PYSERINI_IMPACT = "msmarco-v1-passage", "beir-v1.0.0-trec-covid.splade-pp-ed"
OK = 200

# Its encoder of images, which it imports in any case, is a package of its own, which is not needed here; its main function listens
# at all addresses.
_PYSERINI = """
import sys, types
folder = "uniir_for_pyserini.pyserini_integration"
for name in ("uniir_for_pyserini", folder, f"{{folder}}.uniir_corpus_encoder", f"{{folder}}.uniir_query_encoder"):
    module = sys.modules[name] = types.ModuleType(name)
    module.CorpusEncoder = module.QueryEncoder = object
from splade_lucene.lucene import jvm
jvm.start()
from pyserini.index.lucene import LuceneIndexReader
LuceneIndexReader.validate = lambda *arguments, **options: True  # that the index is the one that the name stands for
import uvicorn
from pyserini.server.rest.app import app
uvicorn.run(app, host="127.0.0.1", port={port}, log_level="error")
"""

Request = Callable[[str], bytes]


class Load(NamedTuple):
    """What a load came to."""

    system: str
    requests: int
    errors: int
    seconds: float
    latencies: list[float]
    answers: dict[str, list[tuple[str, float]]]
    memory: list[int]

    def row(self) -> Mapping[str, object]:
        """A row of the table."""
        cuts = statistics.quantiles(self.latencies, n=100)
        return {
            "server": self.system,
            "requests": f"{self.requests:,}",
            "errors": self.errors,
            "requests/s": f"{self.requests / self.seconds:,.0f}",
            "p50 ms": f"{cuts[49] * 1e3:.1f}",
            "p99 ms": f"{cuts[98] * 1e3:.1f}",
            "MB at 0, 1/4, 1/2, 3/4, all": ", ".join(f"{size / 1e6:,.0f}" for size in self.memory),
        }


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--hits", type=int, default=10)
    parser.add_argument("--batch-wait-ms", type=float, nargs="*", default=[0.0])
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--peer-requests", type=int, default=320)
    parser.add_argument("--no-check", action="store_true", help="do not compare the answers with the searcher's")
    args = parser.parse_args()
    queries = pieces(args.corpus, args.requests)
    loads = []
    for wait in args.batch_wait_ms:
        with ours(args.index, wait) as (port, process):
            get = anserini_request(args.index.name, args.hits)
            drive(port, get, queries[:200], process.pid, "warm up")
            loads.append(drive(port, get, queries, process.pid, f"splade-lucene serve, batch wait {wait:g} ms"))
            wrk(port, f"/v1/{args.index.name}/search?hits={args.hits}&query=", queries)
    if args.peers:
        few = queries[: args.peer_requests]
        with pyserini(args.index) as (port, process):
            drive(port, pyserini_request(args.hits), few[:4], process.pid, "warm up")
            loads.append(drive(port, pyserini_request(args.hits), few, process.pid, "Pyserini 1.6, pyserini.server.rest"))
        with anserini(args.index) as (port, process):
            get = anserini_request(args.index.name, args.hits)
            drive(port, get, queries[:200], process.pid, "warm up")
            loads.append(drive(port, get, queries, process.pid, "Anserini 1.7, RestServer (BM25 over impacts: no encoding)"))
    print(tabulate([load.row() for load in loads], headers="keys", tablefmt="github"))
    if not args.no_check:
        with ImpactSearcher(args.index) as searcher:
            for load in loads[: len(args.batch_wait_ms)]:
                check(load, searcher, args.hits)


def check(load: Load, searcher: ImpactSearcher, hits: int) -> None:
    """Says how many answers are the searcher's to the last digit, and how far the others are from it."""
    different = {query: found for query, found in load.answers.items() if searcher.search(query, hits) != found}
    print(f"{load.system}: {len(load.answers) - len(different):,} of {len(load.answers):,} answers equal the searcher's", end="")
    worst = 0.0
    for query, found in different.items():
        scores = dict(searcher.search(query, hits + 10))
        worst = max(worst, *(abs(score - scores[doc_id]) / score for doc_id, score in found if doc_id in scores))
    print(f"; the scores of the others differ by at most {worst:.1e} of them" if different else "")


def pieces(corpus: Path, count: int) -> list[str]:
    """Different pieces of the passages, from their beginnings on."""
    texts = [passage.contents.split() for passage in read_passages(corpus)]
    found: dict[str, None] = {}
    for start in range(0, 80, WORDS):
        for words in texts:
            piece = " ".join(words[start : start + WORDS])
            if len(piece) > WORDS * 3:
                found[piece] = None
            if len(found) == count:
                return list(found)
    raise SystemExit(f"{corpus} has only {len(found):,} pieces; ask for fewer --requests")


def drive(port: int, request: Request, queries: Sequence[str], pid: int, system: str) -> Load:
    """Sends all queries over 16 connections, each waiting for its answer before the next."""
    waiting = iter(queries)
    latencies: list[float] = []
    answers: dict[str, list[tuple[str, float]]] = {}
    errors = 0

    async def connection() -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for query in waiting:
            start = time.perf_counter()
            writer.write(request(query))
            status, body = await answer(reader)
            latencies.append(time.perf_counter() - start)
            if status == OK:
                answers[query] = [(hit["docid"], hit["score"]) for hit in json.loads(body)["candidates"]]
            else:
                errors += 1
            if len(latencies) in quarters:
                sizes.append(memory(pid))
        writer.close()

    async def every() -> None:
        await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))

    quarters = [len(queries) * quarter // 4 for quarter in (1, 2, 3, 4)]
    sizes, start = [memory(pid)], time.perf_counter()
    asyncio.run(every())
    return Load(system, len(queries), errors, time.perf_counter() - start, latencies, answers, sizes)


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body of an answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    fields = dict(line.split(b": ", 1) for line in lines[1:] if line)
    if b"content-length" in fields:
        return int(lines[0].split()[1]), await reader.readexactly(int(fields[b"content-length"]))
    parts = []
    while size := int(await reader.readline(), 16):
        parts.append(await reader.readexactly(size))
        await reader.readline()
    await reader.readline()
    return int(lines[0].split()[1]), b"".join(parts)


def anserini_request(index: str, hits: int) -> Request:
    """As clients of Anserini ask."""
    return lambda query: f"GET /v1/{index}/search?query={quote(query)}&hits={hits} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def pyserini_request(hits: int) -> Request:
    """As clients of Pyserini 1.6 ask."""

    def request(query: str) -> bytes:
        body = json.dumps({"query": query, "hits": hits, "encoder": "splade-tiny"}).encode()
        head = f"POST /v1/indexes/{PYSERINI_IMPACT}/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    return request


def memory(pid: int) -> int:
    """Resident bytes of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def ours(index: Path, wait: float) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """This package's server."""
    command = [
        sys.executable,
        "-m",
        "splade_lucene.cli.main",
        "serve",
        str(index),
        "--port",
        "0",
        "--batch-wait-ms",
        str(wait),
        "--query-cache",
        "1",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    with ending(process):
        assert process.stdout is not None
        yield int(process.stdout.readline().rstrip("/\n").rpartition(":")[2]), process


@contextmanager
def pyserini(index: Path) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Its server knows prebuilt indexes alone, so this one is put into its cache under the names of two of them."""
    jvm.start()
    from pyserini.prebuilt_index_info import IMPACT_INDEX_INFO, TF_INDEX_INFO

    texts = IMPACT_INDEX_INFO[PYSERINI_IMPACT]["texts"]
    port = free_port()
    with tempfile.TemporaryDirectory() as cache:
        (Path(cache) / "indexes").mkdir()
        for info in (TF_INDEX_INFO[PYSERINI_DEFAULT], TF_INDEX_INFO[texts], IMPACT_INDEX_INFO[PYSERINI_IMPACT]):
            (Path(cache) / "indexes" / f"{info['filename'].removesuffix('.tar.gz')}.{info['md5']}").symlink_to(index.resolve())
        (Path(cache) / "splade-tiny").symlink_to(find_model("tiny").folder)
        program = _PYSERINI.format(port=port)
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            env={**os.environ, "PYSERINI_CACHE": cache, "OPENAI_API_KEY": "none", "HF_HUB_OFFLINE": "1"},
            cwd=cache,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        with ending(process):
            wait_for(port, process)
            yield port, process


@contextmanager
def anserini(index: Path) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Its server takes the path of an index for its name."""
    port = free_port()
    java = [str(jvm.java_home() / "bin" / "java"), "-Xmx2g", "-cp", str(jvm.anserini_jar()), "io.anserini.api.RestServer"]
    process = subprocess.Popen(
        [*java, "--host", "127.0.0.1", "--port", str(port)],
        cwd=index.resolve().parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with ending(process):
        wait_for(port, process)
        yield port, process


@contextmanager
def ending(process: subprocess.Popen[str]) -> Iterator[None]:
    """Stops a process in the end."""
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[str]) -> None:
    """Waits until a server listens."""
    for _ in range(1200):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if process.poll() is not None:
                raise SystemExit("the server ended") from None
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the server does not listen")


def wrk(port: int, path: str, queries: Sequence[str]) -> None:
    """What wrk measures in ten seconds, if it is installed: its client costs less than the one here."""
    program = shutil.which("wrk")
    if program is None:
        return
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        listed = ",".join(json.dumps(path + quote(query), ensure_ascii=True) for query in queries)
        script.write(f"local paths = {{{listed}}}\nlocal at = 0\n")
        script.write("request = function() at = at % #paths + 1; return wrk.format('GET', paths[at]) end\n")
        script.flush()
        command = [program, "-t1", f"-c{CONNECTIONS}", "-d10s", "--latency", "-s", script.name, f"http://127.0.0.1:{port}"]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    wanted = ("50%", "99%", "requests in", "Requests/sec", "Non-2xx", "Socket errors")
    print("wrk:", "; ".join(" ".join(line.split()) for line in printed.splitlines() if any(word in line for word in wanted)))


if __name__ == "__main__":
    main()
