"""Join the parts that several machines encoded into one folder with `encode --part`; a part that is missing is named."""

from __future__ import annotations

import argparse

from splade_lucene.cli.argument_types import folder

HELP = "join parts that several machines encoded"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("vectors", type=folder, help="the folder that all `encode --part` wrote to")


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    from splade_lucene.cli.summaries import print_vectors
    from splade_lucene.vectors.check import merge_parts

    print_vectors(args.vectors, merge_parts(args.vectors))
