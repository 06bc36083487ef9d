#!/usr/bin/env python
"""Exports vectors and queries to Qdrant's own client in its local mode and compares its hits with those of the Lucene index.

    .venv/bin/pip install -c scripts/constraints.txt -e '.[qdrant]'
    .venv/bin/python scripts/check_qdrant.py ENCODED INDEX QUERIES [--hits 100]

Scores must be equal, and documents too where no tie at the last place leaves a choice. Exit status 1 if any query differs. The local
mode is written in Python and takes about a second a query for 5,000 passages.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from qdrant_client import QdrantClient, models

from splade_lucene.collections.queries import read_queries
from splade_lucene.integrations.export.exporting import export_vectors
from splade_lucene.integrations.export.qdrant import load_qdrant
from splade_lucene.pipeline.search import ImpactSearcher
from splade_lucene.records import Hit


def same(ours: list[Hit], theirs: list[tuple[str, float]]) -> bool:
    """Whether two lists have the same scores and, ties at the end aside, the same documents."""
    last = ours[-1].score if ours else 0.0
    return [hit.score for hit in ours] == [score for _, score in theirs] and (
        {hit.doc_id for hit in ours if hit.score > last} == {doc_id for doc_id, score in theirs if score > last}
    )


def main() -> int:
    """Compares and prints one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoded", type=Path)
    parser.add_argument("index", type=Path)
    parser.add_argument("queries", type=Path)
    parser.add_argument("--hits", type=int, default=100)
    args = parser.parse_args()
    differing, count = [], 0
    with tempfile.TemporaryDirectory(prefix="check-qdrant-") as place, ImpactSearcher(args.index) as searcher:
        export, local = Path(place) / "export", Path(place) / "local"
        export_vectors(args.encoded, export, "qdrant", queries=read_queries(args.queries), hits=args.hits)
        load_qdrant(export, str(local), collection="check")
        tokens = list(json.loads((export / "vocabulary.json").read_text(encoding="utf-8")))
        client = QdrantClient(path=str(local))
        for line in (export / "queries.jsonl").read_text(encoding="utf-8").splitlines():
            request = json.loads(line)
            body = models.QueryRequest(**request["body"])
            found = client.query_points("check", query=body.query, using=body.using, limit=body.limit, with_payload=True).points
            vector = request["body"]["query"]
            impacts = {tokens[number]: int(value) for number, value in zip(vector["indices"], vector["values"], strict=True)}
            theirs = [((point.payload or {})["docid"], point.score) for point in found]
            count += 1
            if not same(searcher.search_impacts(impacts, args.hits), theirs):
                differing.append(request["id"])
        client.close()
    print(f"{args.index}: {count - len(differing)} of {count} queries equal Qdrant's at {args.hits} hits; differing: {differing[:10]}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
