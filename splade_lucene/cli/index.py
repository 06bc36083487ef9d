"""Build a Lucene impact index from encoded passages, add documents to one, or delete some."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from splade_lucene.cli.argument_types import folder, positive
from splade_lucene.cli.options import add_java_heap, add_overwrite, add_ray
from splade_lucene.cli.settings_file import add_settings
from splade_lucene.lucene.filters import parse_filter_fields

HELP = "build an impact index from encoded passages, add to one, or delete from it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_settings(parser)
    parser.add_argument("vectors", nargs="?", type=folder, help="folder that `encode` wrote; leave it out to --delete only")
    parser.add_argument("index", type=folder, help="index folder to make or change")
    parser.add_argument(
        "--engine",
        choices=["lucene", "anserini"],
        default="lucene",
        help="lucene sets impacts directly; anserini runs IndexCollection, far slower, to the same postings (default: %(default)s)",
    )
    parser.add_argument("--append", action="store_true", help="add the passages to an existing index; their ids must be new")
    parser.add_argument("--delete", metavar="IDS", type=Path, help="file of docids to delete first, one per line; - is stdin")
    parser.add_argument(
        "--optimize",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="merge the index into one segment, the fastest to search; --no-optimize makes small additions to a large index fast",
    )
    parser.add_argument(
        "--parts",
        type=positive,
        metavar="N",
        help="build N indexes, several at the same time, in the folder INDEX; `search INDEX` searches them as one, with the same hits",
    )
    parser.add_argument(
        "--store-contents",
        action="store_true",
        help="store the passages' text, which `encode` must have kept; --append follows the index",
    )
    parser.add_argument(
        "--filter-field",
        action="append",
        default=[],
        metavar="NAME[:int|:float]",
        help="field of the passages that searches can be filtered by, which `encode --store-contents` must have kept; repeat for "
        "several; a field in an object as object.name",
    )
    parser.add_argument(
        "--threads",
        type=positive,
        help="number of indexing threads (default: one per core; the lucene engine takes one where that is faster)",
    )
    add_ray(parser, "with --parts: build the parts")
    add_java_heap(parser)
    add_overwrite(parser)


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    change = args.append or args.delete is not None
    try:
        parse_filter_fields(args.filter_field)
    except ValueError as error:
        args.usage_error(f"--filter-field: {error}")
    _check_usage(args, change)
    from splade_lucene.cli.summaries import print_index
    from splade_lucene.distributed.cluster import Cluster
    from splade_lucene.distributed.index import build_on_ray
    from splade_lucene.lucene import jvm
    from splade_lucene.lucene.build_parts import build_impact_parts
    from splade_lucene.lucene.card import IndexCard
    from splade_lucene.lucene.indexing import build_impact_index
    from splade_lucene.lucene.updating import update_impact_index
    from splade_lucene.pipeline.progress import progress
    from splade_lucene.vectors.check import find_manifest

    manifest = find_manifest(args.vectors) if args.vectors else None
    build: Callable[..., IndexCard]
    if args.parts:
        cluster = None if args.ray is None else Cluster(args.ray, cpus_per_worker=args.cpus_per_worker)
        parts = None if cluster is None else build_on_ray(cluster, heap=args.java_heap)
        build = partial(build_impact_parts, parts=args.parts, build=parts)
    else:
        build = partial(build_impact_index, engine=args.engine)
    jvm.start(heap=args.java_heap)
    with progress("indexing", "documents", manifest.passages if manifest else None) as advance:
        if change:
            card = update_impact_index(
                args.index, add=args.vectors, delete=args.delete, threads=args.threads, optimize=args.optimize, advance=advance
            )
        else:
            card = build(
                args.vectors,
                args.index,
                threads=args.threads,
                store_contents=args.store_contents,
                filter_fields=args.filter_field,
                optimize=args.optimize,
                overwrite=args.overwrite,
                advance=advance,
            )
    print_index(args.index, card)


def _check_usage(args: argparse.Namespace, change: bool) -> None:
    if args.vectors is None and args.threads:
        args.usage_error("--threads is for passages to index; to delete only, leave it out")
    if args.vectors is None and (args.append or not change):
        args.usage_error("the folder that `encode` wrote is missing: splade-lucene index VECTORS INDEX")
    if args.vectors is not None and args.delete is not None and not args.append:
        args.usage_error("to delete some documents and add others, say --append; to delete only, leave VECTORS out")
    if args.ray is not None and not args.parts:
        args.usage_error("--ray builds an index in parts; add --parts N")
    if args.ray is None and args.cpus_per_worker:
        args.usage_error("--cpus-per-worker needs --ray")
    if args.ray is not None and args.threads:
        args.usage_error("with --ray, give --cpus-per-worker in place of --threads")
    if args.parts and (change or args.engine != "lucene"):
        args.usage_error("--parts is for a new index of the lucene engine; leave --append, --delete and --engine out")
    if change and (args.overwrite or args.store_contents or args.filter_field or args.engine != "lucene"):
        args.usage_error(
            "--append and --delete change an index as it was built; leave --overwrite, --store-contents, --filter-field and --engine out"
        )
