#!/usr/bin/env python
"""Compares the top 1,000 of every query (documents, integer scores, order) with a brute-force dot product over the stored vectors.

    .venv/bin/python scripts/check_exact.py ENCODED INDEX QUERIES [--split test] [--hits 1000]

In memory and from disk; exit status 1 if any query differs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from search_peers import Exhaustive

from splade_lucene.collections.queries import read_queries
from splade_lucene.pipeline.search import ImpactSearcher


def main() -> int:
    """Compares and prints one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoded", type=Path)
    parser.add_argument("index", type=Path)
    parser.add_argument("queries", type=Path)
    parser.add_argument("--split")
    parser.add_argument("--hits", type=int, default=1000)
    args = parser.parse_args()
    queries = read_queries(args.queries, split=args.split)
    exhaustive = Exhaustive(args.encoded)
    differing: list[str] = []
    impacts: list[dict[str, int]] = []
    for in_memory in (True, False):
        with ImpactSearcher(args.index, in_memory=in_memory) as searcher:
            impacts = impacts or searcher.query_encoder().encode_queries([query.text for query in queries])
            differing += [
                query.query_id
                for query, each in zip(queries, impacts, strict=True)
                if searcher.search_impacts(each, args.hits) != exhaustive.search(each, args.hits) and query.query_id not in differing
            ]
    same = len(queries) - len(differing)
    print(f"{args.index}: {same} of {len(queries)} queries equal brute force at {args.hits} hits; differing: {differing[:10]}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
