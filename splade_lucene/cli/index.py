"""Build a Lucene impact index from encoded passages, with Anserini."""

from __future__ import annotations

import argparse
from pathlib import Path

from splade_lucene.cli.options import add_java_heap, add_overwrite, add_threads

HELP = "build an impact index from encoded passages"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("out", type=Path, help="folder that `encode` wrote")
    parser.add_argument("index", type=Path, help="index folder to make")
    add_threads(parser)
    add_java_heap(parser)
    add_overwrite(parser)


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    from splade_lucene.cli.report import print_index
    from splade_lucene.lucene import jvm
    from splade_lucene.lucene.indexing import build_impact_index
    from splade_lucene.pipeline.progress import progress
    from splade_lucene.vectors.manifest import check_vectors

    manifest = check_vectors(args.out)
    jvm.start(heap=args.java_heap)
    with progress("indexing", "documents", manifest.passages) as advance:
        card = build_impact_index(args.out, args.index, threads=args.threads, overwrite=args.overwrite, advance=advance)
    print_index(args.index, card)
