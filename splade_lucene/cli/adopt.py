"""Take vectors or an impact index that were made elsewhere: checked against the model, recorded, and from then on like our own."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from splade_lucene.cli.argument_types import folder, positive
from splade_lucene.cli.encoding_options import add_query_length, add_scale
from splade_lucene.cli.model_options import add_device, add_model, model_spec
from splade_lucene.cli.options import add_java_heap, add_overwrite

HELP = "take vectors or an index of Anserini, Pyserini or others"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("source", type=Path, metavar="VECTORS|INDEX", help="folder of JSONL vectors, or Anserini's impact index")
    parser.add_argument("--output", type=folder, metavar="FOLDER", help="for vectors: folder to write, as `encode` does")
    add_model(parser)
    add_scale(parser, "; floats are quantized with it")
    parser.add_argument("--max-length", type=positive, help="maximum length of a passage in tokens, if it is known")
    add_query_length(parser, "the model's, else 64")
    add_device(parser)
    add_java_heap(parser)
    add_overwrite(parser)


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    from splade_lucene.cli.summaries import print_index, print_vectors
    from splade_lucene.pipeline.adopt import adopt_index, adopt_vectors
    from splade_lucene.pipeline.progress import progress

    lengths = {"max_length": args.max_length, "query_max_length": args.query_max_length}
    if any(args.source.glob("segments_*")):
        if args.output or args.overwrite:
            args.usage_error("--output and --overwrite are for vectors; an index stays where it is and gets a card")
        from splade_lucene.lucene import jvm

        jvm.start(heap=args.java_heap)
        card, unknown = adopt_index(args.source, model_spec(args), scale=args.scale, **lengths)
        print_index(args.source, card)
    else:
        if args.output is None:
            args.usage_error("for vectors give --output FOLDER to write")
        with progress("adopting", "vectors") as advance:
            found = adopt_vectors(
                args.source, args.output, model_spec(args), scale=args.scale, overwrite=args.overwrite, advance=advance, **lengths
            )
        unknown = found.unknown
        print_vectors(args.output, found.manifest)
        if found.quantized:
            print(f"{found.quantized:,} weights were floats and became impacts with the scale {args.scale}", file=sys.stderr)
    if unknown:
        print(f"{unknown:,} tokens are not the model's; no query can have them", file=sys.stderr)
