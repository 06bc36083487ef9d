#!/usr/bin/env python
"""How an index and its latency grow, by different documents: real vectors first, then ones sampled from them.

    .venv/bin/python scripts/bench_growth.py ENCODED... --queries QUERIES [--sizes 58236 300000 1000000] [--plot docs/growth.svg]

ENCODED are folders that `splade-lucene encode` wrote with one model. A sampled document takes half of the terms of two real ones, so
document frequencies, impacts and what terms come together follow the real collection. Each size is indexed with all cores; searches run
in one thread, encoding excluded, after a round to warm up; every system gets the same queries, one after the other in turns, and its hits
are compared. With --heap 12g and an hour or two, --sizes 10000000 works too. LuceneImpactSearcher is Pyserini's; bmp, impact-index,
Seismic and splade-index take part up to --peers documents where they are installed (pip install bmp impact-index pyseismic-lsr
splade-index numba).

With --keep FOLDER vectors and indexes stay there for the next time; --prepare builds them and measures nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import astuple
from pathlib import Path
from typing import Any, cast

import numpy as np
from growing import growing, write
from growth_times import STOCK, Measured, draw, kept, rows
from search_peers import PEERS, Seismic, built, recall, settle

from splade_lucene.collections.queries import read_queries
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.evaluation.cost import latency
from splade_lucene.evaluation.table import markdown_table
from splade_lucene.lucene import jvm
from splade_lucene.lucene.card import folder_bytes
from splade_lucene.lucene.impact_searcher import ImpactIndexSearcher
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.lucene.memory import InMemory
from splade_lucene.records import Hit
from splade_lucene.vectors.check import check_vectors

Impacts = Mapping[str, int]
Search = Callable[[Impacts, int], list[Hit]]

IN_MEMORY, FROM_DISK, SCORER = "in memory", "from disk", "from disk, Lucene's scorer"


def main() -> None:
    """Measures, prints the tables and draws the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoded", nargs="+", type=Path)
    parser.add_argument("--queries", type=Path, required=True)
    parser.add_argument("--sizes", nargs="+", type=int, default=[58_236, 300_000, 1_000_000])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", type=int, default=300_000, metavar="N", help="other engines up to N documents (default: %(default)s)")
    parser.add_argument("--systems", nargs="+", default=list(PEERS), choices=list(PEERS), help="which of them (default: all)")
    seismic = "tokens of a query that Seismic looks at, and its factor: with more tokens and a smaller one it misses less (default: 10,0.7)"
    parser.add_argument("--seismic", nargs="+", default=["10,0.7"], metavar="CUT,FACTOR", help=seismic)
    parser.add_argument("--heap", default="4g")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--results", type=Path, metavar="FILE", help="keeps latencies; table and plot are of all that it has")
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    if args.prepare and not args.keep:
        parser.error("--prepare needs --keep")
    jvm.start(heap=args.heap)
    manifest = check_vectors(args.encoded[0])
    model = SpladeModel.load(manifest.encoder.document.model)
    texts = [query.text for query in read_queries(args.queries)[: args.count]]
    length, scale = manifest.encoder.query_max_length, manifest.encoder.scale
    queries = model.encode_queries(texts, max_length=length, scale=scale)
    sizes: list[dict[str, str]] = []
    opening: list[dict[str, str]] = []
    times: list[Measured] = []
    for size in args.sizes:
        peers = args.systems if size <= args.peers else []
        with tempfile.TemporaryDirectory() if args.keep is None else nullcontext(args.keep / str(size)) as place:
            folder = Path(place)
            sizes.append(built_index(size, args.encoded, folder))
            peers = [name for name in peers if is_built(name, folder)]
            if args.prepare:
                continue
            systems, opened = open_all(size, folder, peers, [tuple(map(float, each.split(","))) for each in args.seismic])
            opening += opened
            found = measure(size, systems, queries, args.rounds)
            times += found
            print(markdown_table(rows(found)), end="\n\n", flush=True)
            print(markdown_table(in_threads(size, systems, queries)), end="\n\n", flush=True)
    times = kept(args.results, times)
    for table in (sizes, opening, rows(times)):
        if table:
            print(markdown_table(table), end="\n\n")
    if args.plot:
        draw(times, args.plot)


def built_index(size: int, encoded: Sequence[Path], folder: Path) -> dict[str, str]:
    """Builds vectors and an index of a size where they are not there; says what it takes up."""
    out, index = folder / "out", folder / "index"
    if not (out / "manifest.json").exists():
        write(out, check_vectors(encoded[0]), growing(encoded), size)
    start, rate = time.perf_counter(), "-"
    if not index.exists():
        build_impact_index(out, index)
        rate = f"{size / (time.perf_counter() - start):,.0f}"
    return {
        "documents": f"{size:,}",
        "postings": f"{check_vectors(out).postings:,}",
        "index MB": f"{folder_bytes(index) / 1e6:,.0f}",
        "documents/s": rate,
    }


def is_built(name: str, folder: Path) -> bool:
    """Builds the index of another engine where it is not there; False where the engine is not installed."""
    start, there = time.perf_counter(), (folder / name).exists()
    try:
        place = built(name, folder / "out", folder)
    except ImportError as error:
        print(f"without {name}: {error}", file=sys.stderr)
        return False
    if not there:
        seconds = time.perf_counter() - start
        print(
            f"{name}: built in {seconds:.0f} s, {sum(file.stat().st_size for file in place.rglob('*')) / 1e6:,.0f} MB",
            file=sys.stderr,
            flush=True,
        )
    return True


def open_all(
    size: int, folder: Path, peers: Sequence[str], settings: Sequence[tuple[float, ...]]
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Opens all systems, and says how long each took; the first loads Java's classes."""
    index = folder / "index"
    openers: dict[str, Callable[[], Any]] = {
        FROM_DISK: lambda: ImpactIndexSearcher(index, in_memory=False),
        IN_MEMORY: lambda: ImpactIndexSearcher(index, in_memory=True),
        SCORER: lambda: ImpactIndexSearcher(index, in_memory=cast("InMemory", None)),  # as where sums could reach 2^24
        STOCK: lambda: Stock(index),
    }
    for name in peers:
        if name == "Seismic":
            for cut, factor in settings:
                openers[f"Seismic, {cut:.0f}/{factor}"] = lambda cut=cut, factor=factor: Seismic(
                    folder / "Seismic", cut=int(cut), factor=factor
                )
        else:
            openers[name] = lambda kind=PEERS[name], name=name: kind(folder / name)
    systems, opened = {}, []
    for name, opener in openers.items():
        start = time.perf_counter()
        systems[name] = opener()
        if name == IN_MEMORY:
            systems[name].load()
        wall = time.perf_counter() - start
        row = {"documents": f"{size:,}", "system": name, "opened in s": f"{wall:.2f}"}
        postings, memory = "-", "-"
        if name == IN_MEMORY:
            postings = f"{check_vectors(folder / 'out').postings / wall / 1e6:.0f}"
            memory = f"{(systems[name].memory.held or 0) / 1e6:,.0f}"
        opened.append({**row, "million postings/s": postings, "in memory MB": memory})
    return systems, opened


class Stock:
    """Pyserini's searcher of an index."""

    def __init__(self, index: Path) -> None:
        os.environ.setdefault("OPENAI_API_KEY", "pyserini.search wants one to be imported")
        from pyserini.search.lucene import LuceneImpactSearcher

        self._query: Impacts = {}
        self._searcher = LuceneImpactSearcher(str(index), self)

    def encode(self, text: str) -> Impacts:
        """The query, whatever the text."""
        return self._query

    def search(self, query: Impacts, k: int) -> list[Hit]:
        """The hits."""
        self._query = query
        return [Hit(hit.docid, round(hit.score)) for hit in self._searcher.search("", k)]


def search_of(system: Any) -> Search:
    """How a system searches."""
    search: Search = system.search_impacts if isinstance(system, ImpactIndexSearcher) else system.search
    return search


def in_threads(size: int, systems: Mapping[str, Any], queries: Sequence[Impacts]) -> list[dict[str, str]]:
    """Queries per second of our searchers, all queries in one call, with one thread and with two; the best of three rounds."""
    named = {str(number): query for number, query in enumerate(queries)}
    found = []
    for k in (10, 1000):
        for name in (IN_MEMORY, FROM_DISK):
            row = {"documents": f"{size:,}", "k": str(k), "system": name}
            for threads in (1, 2):
                best = 0.0
                for _ in range(3):
                    start = time.perf_counter()
                    systems[name].search_impacts_batch(named, k, threads)
                    best = max(best, len(queries) / (time.perf_counter() - start))
                row[f"queries/s, threads: {threads}"] = f"{best:,.0f}"
            found.append(row)
    return found


def measure(size: int, opened: Mapping[str, Any], queries: Sequence[Impacts], rounds: int) -> list[Measured]:
    """Times all systems on all queries in turns: wall time, and processor time of this thread, which other work disturbs least."""
    systems = {name: search_of(system) for name, system in opened.items()}
    settle()
    found = []
    for k in (10, 1000):
        wall: dict[str, list[float]] = {name: [] for name in systems}
        busy: dict[str, list[float]] = {name: [] for name in systems}
        recalled = dict.fromkeys(systems, 0.0)
        for counts in (False, *[True] * rounds):
            for number, query in enumerate(queries):
                names = list(systems)
                hits = {}
                for place in range(len(names)):
                    name = names[(place + number) % len(names)]
                    start, processor = time.perf_counter(), time.thread_time()
                    hits[name] = systems[name](query, k)
                    if counts:
                        wall[name].append((time.perf_counter() - start) * 1e3)
                        busy[name].append((time.thread_time() - processor) * 1e3)
                if not hits[IN_MEMORY] == hits[FROM_DISK] == hits[SCORER]:
                    raise SystemExit(f"the hits of {query} differ in memory, from disk and with Lucene's scorer")
                for name in names:
                    recalled[name] += recall(hits[name], hits[IN_MEMORY]) / len(queries) / (rounds + 1)
        for name in systems:
            mean, p50, p99 = astuple(latency([each / 1e3 for each in wall[name]]))
            found.append(Measured(size, k, name, mean, p50, p99, float(np.mean(busy[name])), recalled[name]))
    return found


if __name__ == "__main__":
    main()
