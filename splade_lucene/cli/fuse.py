"""Fuse TREC runs, any number of them and made anywhere, into one."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path

from splade_lucene.cli.argument_types import from_0, output_file, positive, run_tag
from splade_lucene.cli.options import RUN_HELP, add_hits

HELP = "fuse TREC runs into one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+", help=RUN_HELP)
    parser.add_argument(
        "--output",
        metavar="RUN",
        type=output_file,
        required=True,
        help="run to write, - is stdout; RUN.json beside it says how it was made",
    )
    parser.add_argument(
        "--method",
        choices=["rrf", "sum", "max"],
        default="rrf",
        help="reciprocal rank fusion, or the sum or maximum of min-max-normalized scores (default: %(default)s)",
    )
    parser.add_argument("--weights", metavar="W", type=from_0, nargs="+", help="one per run, in their order (default: all the same)")
    parser.add_argument("--rank-constant", type=positive, metavar="K", help="of rrf: a hit at rank r adds 1 / (K + r) (default: 60)")
    add_hits(parser)
    parser.add_argument("--tag", type=run_tag, help="the run's name, its sixth column (default: the method)")


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    if len(args.runs) == 1:
        args.usage_error("give at least two runs")
    if args.weights and len(args.weights) != len(args.runs):
        args.usage_error(f"{len(args.weights)} weights for {len(args.runs)} runs; give one per run")
    if args.weights and not any(args.weights):
        args.usage_error("all weights are 0")
    if args.rank_constant and args.method != "rrf":
        args.usage_error("--rank-constant is for --method rrf")
    from splade_lucene.cli.summaries import print_run
    from splade_lucene.core.streams import as_file
    from splade_lucene.evaluation.fused_files import fuse_files
    from splade_lucene.evaluation.fusion import RANK_CONSTANT
    from splade_lucene.evaluation.runs import write_run

    constant = args.rank_constant or RANK_CONSTANT
    with ExitStack() as stack:
        runs = [stack.enter_context(as_file(path)) for path in args.runs]
        fused, info = fuse_files(runs, method=args.method, weights=args.weights, k=args.hits, rank_constant=constant)
    write_run(args.output, fused, tag=args.tag or args.method, notes=info.notes())
    print_run(args.output, fused, info.notes())
