"""Build a Lucene impact index from encoded passages."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from splade_lucene.cli.options import add_java_heap, add_overwrite, positive

HELP = "build an impact index from encoded passages"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("out", type=Path, help="folder that `encode` wrote")
    parser.add_argument("index", type=Path, help="index folder to make")
    parser.add_argument(
        "--engine",
        choices=["lucene", "anserini"],
        default="lucene",
        help="lucene sets impacts directly; anserini runs IndexCollection, far slower, to the same postings (default: %(default)s)",
    )
    parser.add_argument("--store-contents", action="store_true", help="store the passages' text, which `encode` must have kept")
    parser.add_argument("--threads", type=positive, help="of the anserini engine, one a shard (default: one a core)")
    add_java_heap(parser)
    add_overwrite(parser)


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    if args.threads and args.engine == "lucene":
        args.usage_error("--threads is for --engine anserini; the lucene engine reads in one process and writes in another")
    from splade_lucene.cli.report import print_index
    from splade_lucene.lucene import jvm
    from splade_lucene.lucene.indexing import build_impact_index
    from splade_lucene.pipeline.progress import progress
    from splade_lucene.vectors.check import check_vectors

    manifest = check_vectors(args.out)
    jvm.start(heap=args.java_heap)
    with progress("indexing", "documents", manifest.passages) as advance:
        card = build_impact_index(
            args.out,
            args.index,
            engine=args.engine,
            threads=args.threads or os.cpu_count() or 1,
            store_contents=args.store_contents,
            overwrite=args.overwrite,
            advance=advance,
        )
    print_index(args.index, card)
