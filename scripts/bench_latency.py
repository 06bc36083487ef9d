#!/usr/bin/env python
"""The time of a query with its encoding, from one thread and from several at once, and how many are answered a second.

    .venv/bin/python scripts/bench_latency.py INDEX QUERIES [--hits 10] [--threads 1 2] [--query-max-length 24]

A query is encoded and searched for when the one before it, of the same thread, has its hits; after a round to warm up.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from splade_lucene.collections.queries import read_queries
from splade_lucene.evaluation.table import markdown_table
from splade_lucene.pipeline.search import ImpactSearcher
from splade_lucene.pipeline.timing import query_load


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path)
    parser.add_argument("queries", type=Path)
    parser.add_argument("--hits", nargs="+", type=int, default=[10, 1000])
    parser.add_argument("--threads", nargs="+", type=int, default=[1, os.cpu_count() or 1])
    parser.add_argument("--query-max-length", type=int)
    parser.add_argument("--count", type=int, default=500, help="of queries, at most (default: %(default)s)")
    args = parser.parse_args()
    queries = read_queries(args.queries)[: args.count]
    rows = []
    for in_memory in (True, False):
        with ImpactSearcher(args.index, query_max_length=args.query_max_length, in_memory=in_memory) as searcher:
            for hits in args.hits:
                for threads in args.threads:
                    found = query_load(searcher, queries, k=hits, threads=threads)
                    rows.append(
                        {
                            "searched": "in memory" if in_memory else "from disk",
                            "hits": str(hits),
                            "threads": str(threads),
                            "mean ms": f"{found.latency.mean:.2f}",
                            "p50": f"{found.latency.p50:.2f}",
                            "p99": f"{found.latency.p99:.2f}",
                            "queries/s": f"{found.per_second:.0f}",
                        }
                    )
            lengths = f"passages cut at {searcher.card.vectors.max_length} tokens, queries at {searcher.query_max_length}"
    print(f"{args.index}: {len(queries)} queries, model {searcher.encoder_record.document.model}, {lengths}\n")
    print(markdown_table(rows))


if __name__ == "__main__":
    main()
