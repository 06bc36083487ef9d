"""Write encoded passages, and queries, in the bulk format of another engine, with notes on how to load them and its traps."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from splade_lucene.cli.argument_types import bits, folder, place, positive
from splade_lucene.cli.encoding_options import add_query_length
from splade_lucene.cli.model_options import add_device
from splade_lucene.cli.options import QUERIES_HELP, add_overwrite, add_query_fields, add_split, query_fields
from splade_lucene.integrations.export.registry import ENGINES, LOADABLE

HELP = "write encoded passages in the bulk format of another engine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("vectors", type=folder, help="folder that `encode` wrote")
    parser.add_argument("--to", required=True, choices=list(ENGINES), help="the engine")
    parser.add_argument("--output", type=folder, required=True, metavar="FOLDER", help="folder to make; NOTES.md in it says how to load it")
    parser.add_argument("--queries", type=place, help=f"to write as search requests: {QUERIES_HELP}")
    add_split(parser)
    add_query_length(parser, "that of the vectors")
    parser.add_argument("--hits", type=positive, default=1000, help="hits that each request asks for (default: %(default)s)")
    parser.add_argument("--name", default="splade", help="collection or index to be made in the engine (default: %(default)s)")
    parser.add_argument("--bits", type=bits, help="ciff: cap impacts at 2^BITS - 1; 8 for tools that hold them in a byte (default: no cap)")
    parser.add_argument("--shards", type=positive, help="ciff: files to split the documents into (default: 1)")
    parser.add_argument(
        "--load",
        metavar="URL",
        help="also load the server there, with its vendor's client; for qdrant a folder and for milvus a "
        "file loads the client's local mode. Run again to resume a load of opensearch, elasticsearch or milvus",
    )
    parser.add_argument("--connections", type=positive, help="with --load: number of concurrent batches (default: 4)")
    add_query_fields(parser)
    add_device(parser)
    add_overwrite(parser)


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    if args.load is not None and args.to not in LOADABLE:
        args.usage_error(f"--load is for --to {', '.join(LOADABLE)}")
    if args.connections and (args.load is None or args.to == "qdrant"):
        args.usage_error("--connections is for --load into opensearch, elasticsearch or milvus")
    for option in ("bits", "shards"):
        if getattr(args, option) is not None and args.to != "ciff":
            args.usage_error(f"--{option} is for --to ciff")
    if args.queries is None and (args.split or args.query_max_length):
        args.usage_error("--split and --query-max-length need --queries")
    from splade_lucene.collections.queries import read_queries
    from splade_lucene.integrations.export.exporting import export_vectors
    from splade_lucene.pipeline.progress import progress

    queries = None if args.queries is None else read_queries(args.queries, split=args.split, fields=query_fields(args))
    options = {"bits": args.bits, "shards": args.shards or 1} if args.to == "ciff" else {}
    with progress("exporting", "passages") as advance:
        record = export_vectors(
            args.vectors,
            args.output,
            args.to,
            name=args.name,
            queries=queries,
            query_max_length=args.query_max_length,
            hits=args.hits,
            device=args.device,
            precision=args.precision,
            overwrite=args.overwrite,
            reuse=args.load is not None and args.to != "qdrant",
            advance=advance,
            **options,
        )
    written = "" if record.queries is None else f", {record.queries:,} queries"
    print(f"{args.output}: {record.documents:,} documents{written} for {args.to}; {args.output / 'NOTES.md'} says how to load them")
    for remark in record.remarks:
        print(remark, file=sys.stderr)
    if record.empty:
        print(f"{record.empty:,} passages without a token were left out and cannot be found", file=sys.stderr)
    if args.load is not None:
        with progress("loading", "documents", record.documents) as advance:
            held = _load(args, record.engine, advance)
        print(f"{args.load}: {held:,} documents in {args.name}")


def _load(args: argparse.Namespace, engine: str, advance: Callable[[int], None]) -> int:
    if engine == "qdrant":
        from splade_lucene.integrations.export.qdrant import load_qdrant

        return load_qdrant(args.output, args.load, collection=args.name, overwrite=args.overwrite, advance=advance)
    from splade_lucene.integrations.engines.opening import load_engine

    connections = {} if args.connections is None else {"connections": args.connections}
    return load_engine(args.output, args.load, overwrite=args.overwrite, advance=advance, **connections)
