"""Encode passages with a SPLADE model into JSONL impact vectors. Run the same command again to resume after an interruption."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial

from splade_lucene.cli.options import (
    CORPUS_HELP,
    add_device,
    add_fields,
    add_model,
    add_overwrite,
    add_ray,
    add_shares,
    add_skip_bad,
    bits,
    fields,
    folder,
    model_spec,
    part,
    place,
    positive,
    scale,
    weight,
)
from splade_lucene.cli.settings_file import add_settings
from splade_lucene.encoding.defaults import DEFAULT_SCALE
from splade_lucene.vectors.manifest import SHARD_SIZE

HELP = "encode passages into impact vectors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_settings(parser)
    parser.add_argument("corpus", type=place, help=CORPUS_HELP)
    parser.add_argument("vectors", type=folder, help="folder to write: vectors/*.jsonl and manifest.json")
    add_fields(parser)
    add_model(parser)
    parser.add_argument("--max-length", type=positive, help="maximum length of a passage in tokens (default: the model's, else 256)")
    parser.add_argument("--query-max-length", type=positive, help="maximum length of a query in tokens (default: the model's, else 64)")
    parser.add_argument("--scale", type=scale, default=DEFAULT_SCALE, help="impacts are round(weight × scale) (default: %(default)s)")
    parser.add_argument("--top-k", type=positive, metavar="K", help="keep only the K largest weights per passage (default: all)")
    parser.add_argument("--min-weight", type=weight, metavar="X", help="keep only weights of at least X (default: all)")
    add_shares(parser)
    parser.add_argument(
        "--bits", type=bits, metavar="N", help="cap impacts at 2^N - 1, for tools that hold them in N bits (default: no cap)"
    )
    parser.add_argument(
        "--split-words",
        type=positive,
        metavar="N",
        help="cut each document into passages of N words, with the docids document#0, document#1 …; `search --max-passage` finds documents",
    )
    parser.add_argument("--overlap", type=int, default=0, metavar="M", help="words that two passages of a document share (default: none)")
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
    if not 0 <= args.overlap < (args.split_words or 1):
        args.usage_error("--overlap must be at least 0 and less than --split-words")
    from splade_lucene.cli.summaries import print_vectors
    from splade_lucene.collections.passages import estimate_passages, read_passages
    from splade_lucene.core.rejects import RejectPolicy
    from splade_lucene.distributed.cluster import Cluster
    from splade_lucene.distributed.encode import encode_on_ray
    from splade_lucene.pipeline.encode import EncodingSettings, encode_collection
    from splade_lucene.pipeline.progress import progress
    from splade_lucene.vectors.manifest import Manifest
    from splade_lucene.vectors.parts import Part

    if args.ray is None and (args.gpus_per_worker or args.cpus_per_worker):
        args.usage_error("--gpus-per-worker and --cpus-per-worker need --ray")
    if args.ray is not None and args.part:
        args.usage_error("--ray distributes the shards itself; leave --part out")
    encode_here: Callable[..., Manifest]
    if args.ray is None:
        encode_here = partial(encode_collection, workers=args.workers or 1, part=Part(*args.part) if args.part else None)
    else:
        cluster = Cluster(args.ray, args.workers, args.gpus_per_worker or 0.0, args.cpus_per_worker)
        encode_here = partial(encode_on_ray, cluster=cluster)
    bad = RejectPolicy(args.skip_bad)
    total = estimate_passages(args.corpus) // (args.part[1] if args.part else 1)
    with progress("encoding", "passages", total) as advance:
        manifest = encode_here(
            read_passages(args.corpus, bad, fields(args), keep_fields=args.store_contents),
            args.vectors,
            model_spec(args),
            settings=EncodingSettings(
                max_length=args.max_length,
                query_max_length=args.query_max_length,
                scale=args.scale,
                top_k=args.top_k,
                min_weight=args.min_weight,
                bits=args.bits,
                store_contents=args.store_contents,
                shard_size=args.shard_size,
                split_words=args.split_words,
                overlap=args.overlap,
                max_ratio=args.max_ratio,
                alpha_mass=args.alpha_mass,
            ),
            overwrite=args.overwrite,
            bad=bad,
            advance=advance,
            skip=advance.skip,
        )
    print_vectors(args.vectors, manifest)
    if args.part:
        merge = f"splade-lucene merge {args.vectors}"
        print(f"this was part {Part(*args.part)}; `{merge}` joins the parts once all are finished", file=sys.stderr)
