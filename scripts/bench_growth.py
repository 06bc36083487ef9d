#!/usr/bin/env python
"""How an index and its latency grow, by different documents: real vectors first, then ones sampled from them.

    .venv/bin/python scripts/bench_growth.py ENCODED... --queries QUERIES [--sizes 58236 300000 1000000] [--plot docs/growth.svg]

ENCODED are folders that `splade-lucene encode` wrote with one model. A sampled document takes half of the terms of two real ones, so
document frequencies, impacts and what terms come together follow the real collection. Each size is indexed with all cores; searches run
in one thread, encoding excluded, after a round to warm up; every system gets the same queries, one after the other in turns, and its hits
are compared. With --heap 12g and an hour or two, --sizes 10000000 works too. LuceneImpactSearcher is Pyserini's; bmp, impact-index and
Seismic take part up to --peers documents where they are installed (pip install bmp impact-index pyseismic-lsr).
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from growing import growing, write
from search_peers import PEERS, recall, settle

from splade_lucene.collections.queries import read_queries
from splade_lucene.encoding.model import SpladeModel
from splade_lucene.evaluation.table import markdown_table
from splade_lucene.lucene import jvm
from splade_lucene.lucene.card import folder_bytes
from splade_lucene.lucene.impact_searcher import ImpactIndexSearcher
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.records import Hit
from splade_lucene.vectors.check import check_vectors

Impacts = Mapping[str, int]
Search = Callable[[Impacts, int], list[Hit]]


def main() -> None:
    """Measures, prints the tables and draws the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoded", nargs="+", type=Path)
    parser.add_argument("--queries", type=Path, required=True)
    parser.add_argument("--sizes", nargs="+", type=int, default=[58_236, 300_000, 1_000_000])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", type=int, default=300_000, metavar="N", help="other engines up to N documents (default: %(default)s)")
    parser.add_argument("--heap", default="4g")
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    jvm.start(heap=args.heap)
    manifest = check_vectors(args.encoded[0])
    model = SpladeModel.load(manifest.encoder.document.model)
    texts = [query.text for query in read_queries(args.queries)[: args.count]]
    length, scale = manifest.encoder.query_max_length, manifest.encoder.scale
    queries = model.encode_queries(texts, max_length=length, scale=scale)
    sizes: list[dict[str, str]] = []
    times: list[dict[str, Any]] = []
    for size in args.sizes:
        row, found = grown(size, args.encoded, queries, peers=PEERS if size <= args.peers else {}, rounds=args.rounds)
        sizes.append(row)
        times += found
        print(markdown_table(sizes), markdown_table(rows(found)), sep="\n\n", end="\n\n", flush=True)
    print(markdown_table(sizes))
    print()
    print(markdown_table(rows(times)))
    if args.plot:
        draw(times, args.plot)


def grown(
    size: int, encoded: Sequence[Path], queries: Sequence[Impacts], *, peers: Mapping[str, Any], rounds: int
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """Builds an index of a size and measures it and all systems."""
    with tempfile.TemporaryDirectory() as folder:
        out, index = Path(folder) / "out", Path(folder) / "index"
        write(out, check_vectors(encoded[0]), growing(encoded), size)
        start = time.perf_counter()
        build_impact_index(out, index)
        indexed = time.perf_counter() - start
        start, busy = time.perf_counter(), time.thread_time()
        memory, disk = ImpactIndexSearcher(index, in_memory=True), ImpactIndexSearcher(index, in_memory=False)
        memory.load()
        loaded, processor = time.perf_counter() - start, time.thread_time() - busy
        use, postings = memory.memory, check_vectors(out).postings
        assert use is not None
        row = {
            "documents": f"{size:,}",
            "index MB": f"{folder_bytes(index) / 1e6:,.0f}",
            "documents/s": f"{size / indexed:,.0f}",
            "in memory MB": f"{(use.held or 0) / 1e6:,.0f}",
            "decoded in s": f"{loaded:.2f}",
            "million postings/s": f"{postings / processor / 1e6:.0f}",
        }
        systems: dict[str, Search] = {
            "in memory": memory.search_impacts,
            "from disk": disk.search_impacts,
            "LuceneImpactSearcher": stock(index),
        }
        for name, peer in peers.items():
            try:
                systems[name] = peer(out).search
            except ImportError as error:
                print(f"without {name}: {error}", file=sys.stderr)
        found = measure(size, systems, queries, rounds)
        memory.close()
        disk.close()
    return row, found


def stock(index: Path) -> Search:
    """Pyserini's searcher of an index."""
    os.environ.setdefault("OPENAI_API_KEY", "pyserini.search wants one to be imported")
    from pyserini.search.lucene import LuceneImpactSearcher

    class Encoded:
        query: Impacts

        def encode(self, text: str) -> Impacts:
            return self.query

    encoder = Encoded()
    searcher = LuceneImpactSearcher(str(index), encoder)

    def search(query: Impacts, k: int) -> list[Hit]:
        encoder.query = query
        return [Hit(hit.docid, round(hit.score)) for hit in searcher.search("", k)]

    return search


def measure(size: int, systems: Mapping[str, Search], queries: Sequence[Impacts], rounds: int) -> list[dict[str, Any]]:
    """Times all systems on all queries in turns: wall time, and processor time of this thread, which other work disturbs least."""
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
                if hits["in memory"] != hits["from disk"]:
                    raise SystemExit(f"the hits of {query} in memory are not those from disk")
                for name in names:
                    recalled[name] += recall(hits[name], hits["in memory"]) / len(queries) / (rounds + 1)
        found += [
            {"documents": size, "k": k, "system": name, "wall": wall[name], "busy": busy[name], "recall": recalled[name]}
            for name in systems
        ]
    return found


def rows(times: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """The table of latencies."""
    stock_ms = {(row["documents"], row["k"]): np.mean(row["busy"]) for row in times if row["system"] == "LuceneImpactSearcher"}
    return [
        {
            "documents": f"{row['documents']:,}",
            "k": str(row["k"]),
            "system": row["system"],
            "mean ms": f"{np.mean(row['wall']):.2f}",
            "p50": f"{np.median(row['wall']):.2f}",
            "p99": f"{np.percentile(row['wall'], 99):.2f}",
            "processor ms": f"{np.mean(row['busy']):.2f}",
            "times as fast": f"{stock_ms[row['documents'], row['k']] / np.mean(row['busy']):.1f}",
            "recall": f"{row['recall']:.3f}",
        }
        for row in times
    ]


def draw(times: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Processor time over documents, both axes logarithmic, one picture for each k."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    for axes, k in zip(figure.subplots(1, 2, sharey=True), (10, 1000), strict=True):
        for name in dict.fromkeys(row["system"] for row in times):
            points = [(row["documents"], np.mean(row["busy"])) for row in times if (row["system"], row["k"]) == (name, k)]
            axes.plot(*zip(*points, strict=True), "o-", label=name)
        axes.set(xlabel="documents", ylabel="processor ms per query", xscale="log", yscale="log", title=f"k={k}")
    figure.axes[0].legend(fontsize="small")
    figure.savefig(file)


if __name__ == "__main__":
    main()
