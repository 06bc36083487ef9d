#!/usr/bin/env python
"""How an index and its latency grow: parts of a collection, all of it, and all of it over and over up to a million documents.

    .venv/bin/python scripts/bench_growth.py ENCODED QUERIES [--documents 1000000] [--count 100] [--plot docs/growth.svg]

ENCODED is what `splade-lucene encode` wrote. The copies have ids of their own, so every score comes as often as there are copies; the
order of such ties is exact like any other, and the longest part of the work. Each size is indexed with one thread, then with one a core;
searches run in one thread, encoding excluded, after a round to warm up.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from splade_lucene.collections.queries import read_queries
from splade_lucene.evaluation.cost import latency
from splade_lucene.evaluation.table import markdown_table
from splade_lucene.lucene.card import folder_bytes
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.pipeline.search import ImpactSearcher
from splade_lucene.records import ImpactVector, Passage
from splade_lucene.vectors.check import check_vectors
from splade_lucene.vectors.manifest import SHARD_SIZE, Manifest
from splade_lucene.vectors.reader import read_vectors
from splade_lucene.vectors.writer import VectorWriter


def copies(encoded: Path) -> Iterator[ImpactVector]:
    """The vectors of a folder over and over, with new ids each time."""
    for number in itertools.count():
        for vector in read_vectors(encoded):
            yield vector._replace(doc_id=f"{vector.doc_id}~{number}" if number else vector.doc_id)


def write(out: Path, manifest: Manifest, vectors: Iterator[ImpactVector]) -> None:
    """Writes a folder of vectors as if they had been encoded."""
    writer = VectorWriter(out, encoder=manifest.encoder, settings=manifest.settings)
    while shard := list(itertools.islice(vectors, SHARD_SIZE)):
        writer.write_shard([Passage(vector.doc_id, "") for vector in shard], shard)
    writer.finish()


def main() -> None:
    """Measures, prints the table and draws the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoded", type=Path)
    parser.add_argument("queries", type=Path)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--plot", type=Path)
    args = parser.parse_args()
    manifest = check_vectors(args.encoded)
    sizes = [manifest.passages // 10, manifest.passages * 3 // 10, manifest.passages, args.documents]
    texts = [query.text for query in read_queries(args.queries)[: args.count]]
    rows: list[dict[str, float]] = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            out, index = Path(folder) / "out", Path(folder) / "index"
            write(out, manifest, itertools.islice(copies(args.encoded), size))
            speeds = {}
            for threads in (1, os.cpu_count() or 1):
                start = time.perf_counter()
                build_impact_index(out, index, threads=threads, overwrite=True)
                speeds[f"documents/s, threads={threads}"] = size / (time.perf_counter() - start)
            start = time.perf_counter()
            searcher = ImpactSearcher(index)
            opened = time.perf_counter() - start
            impacts = searcher.query_encoder().encode_queries(texts)
            row = {"documents": size, "index MB": folder_bytes(index) / 1e6, **speeds, "open ms": opened * 1e3}
            for k in (10, 1000):
                seconds = []
                for query in impacts * 2:
                    start = time.perf_counter()
                    searcher.search_impacts(query, k)
                    seconds.append(time.perf_counter() - start)
                row |= {f"mean ms, k={k}": latency(seconds[len(impacts) :]).mean, f"p99, k={k}": latency(seconds[len(impacts) :]).p99}
            rows.append(row)
            searcher.close()
    print(
        markdown_table([{name: f"{value:,.0f}" if name == "documents" else f"{value:,.1f}" for name, value in row.items()} for row in rows])
    )
    if args.plot:
        draw(rows, args.plot)


def draw(rows: list[dict[str, float]], file: Path) -> None:
    """Latency and bytes over documents, both axes logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    documents = [row["documents"] for row in rows]
    for k in (10, 1000):
        left.plot(documents, [row[f"mean ms, k={k}"] for row in rows], "o-", label=f"k={k}, mean")
        left.plot(documents, [row[f"p99, k={k}"] for row in rows], "o:", label=f"k={k}, p99")
    left.set(xlabel="documents", ylabel="ms a query", xscale="log", yscale="log")
    left.legend()
    right.plot(documents, [row["index MB"] for row in rows], "o-")
    right.set(xlabel="documents", ylabel="index MB", xscale="log", yscale="log")
    figure.savefig(file)


if __name__ == "__main__":
    main()
