"""Encode passages with a SPLADE model into JSONL impact vectors. Run the same command again to resume after an interruption."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial

from splade_lucene.cli.argument_types import bits, folder, part, place, positive, weight
from splade_lucene.cli.encoding_options import (
    add_length,
    add_query_length,
    add_scale,
    add_shares,
    add_split_words,
    check_split_words,
    encoding_settings,
)
from splade_lucene.cli.model_options import add_device, add_model, model_spec
from splade_lucene.cli.options import CORPUS_HELP, add_fields, add_overwrite, add_ray, add_skip_bad, fields
from splade_lucene.cli.settings_file import add_settings
from splade_lucene.records import SHARD_SIZE

HELP = "encode passages into impact vectors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_settings(parser)
    parser.add_argument("corpus", type=place, help=CORPUS_HELP)
    parser.add_argument("vectors", type=folder, help="folder to write: vectors/*.jsonl and manifest.json")
    add_fields(parser)
    add_model(parser)
    add_length(parser, "the model's, else 256")
    add_query_length(parser, "the model's, else 64")
    add_scale(parser)
    parser.add_argument("--top-k", type=positive, metavar="K", help="keep only the K largest weights per passage (default: all)")
    parser.add_argument("--min-weight", type=weight, metavar="X", help="keep only weights of at least X (default: all)")
    add_shares(parser)
    parser.add_argument(
        "--bits", type=bits, metavar="N", help="cap impacts at 2^N - 1, for tools that hold them in N bits (default: no cap)"
    )
    add_split_words(
        parser,
        "cut each document into passages of N words, with the docids document#0, document#1 …; `search --max-passage` finds documents",
    )
    parser.add_argument("--store-contents", action="store_true", help="write each passage's text and other JSON fields beside its vector")
    parser.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help="number of encoding processes, one per GPU or a share of the cores; any number gives the same result (default: 1; with --ray "
        "one per GPU or node)",
    )
    add_ray(parser, "encode", gpus=True)
    parser.add_argument(
        "--part",
        type=part,
        metavar="I/N",
        help="encode the I-th of N parts (I from 1): N machines, each with its I, write into one shared folder, then `merge` or `index` it",
    )
    parser.add_argument("--shard", dest="part", type=part, help=argparse.SUPPRESS)  # what --part was called; until 0.2
    parser.add_argument(
        "--shard-size",
        type=positive,
        default=SHARD_SIZE,
        metavar="N",
        help="number of passages per file of vectors, the most that an interruption loses (default: %(default)s)",
    )
    add_device(parser)
    add_skip_bad(parser)
    add_overwrite(parser)


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    check_split_words(args)
    from splade_lucene.cli.summaries import print_vectors
    from splade_lucene.collections.passages import estimate_passages, read_passages
    from splade_lucene.core.rejects import RejectPolicy
    from splade_lucene.distributed.cluster import Cluster
    from splade_lucene.distributed.encode import encode_on_ray
    from splade_lucene.pipeline.encode import encode_collection
    from splade_lucene.pipeline.progress import progress
    from splade_lucene.vectors.manifest import Manifest

    if args.ray is None and (args.gpus_per_worker or args.cpus_per_worker):
        args.usage_error("--gpus-per-worker and --cpus-per-worker need --ray")
    if args.ray is not None and args.part:
        args.usage_error("--ray distributes the shards itself; leave --part out")
    encode_here: Callable[..., Manifest]
    if args.ray is None:
        encode_here = partial(encode_collection, workers=args.workers or 1, part=args.part)
    else:
        cluster = Cluster(args.ray, args.workers, args.gpus_per_worker or 0.0, args.cpus_per_worker)
        encode_here = partial(encode_on_ray, cluster=cluster)
    bad = RejectPolicy(args.skip_bad)
    total = estimate_passages(args.corpus) // (args.part.of if args.part else 1)
    with progress("encoding", "passages", total) as advance:
        manifest = encode_here(
            read_passages(args.corpus, bad, fields(args), keep_fields=args.store_contents),
            args.vectors,
            model_spec(args),
            settings=encoding_settings(args),
            overwrite=args.overwrite,
            bad=bad,
            advance=advance,
            skip=advance.skip,
        )
    print_vectors(args.vectors, manifest)
    if args.part:
        merge = f"splade-lucene merge {args.vectors}"
        print(f"this was part {args.part}; `{merge}` joins the parts once all are finished", file=sys.stderr)
