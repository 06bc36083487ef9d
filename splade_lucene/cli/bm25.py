"""Build a BM25 index of passages, as Anserini's BEIR baselines do."""

from __future__ import annotations

import argparse

from splade_lucene.cli.argument_types import folder, fraction, from_0, place
from splade_lucene.cli.options import CORPUS_HELP, add_fields, add_java_heap, add_overwrite, add_skip_bad, add_threads, fields
from splade_lucene.lucene.defaults import DEFAULT_B, DEFAULT_K1, DEFAULT_LANGUAGE, ENGLISH_ANALYZERS, LANGUAGES, WHITESPACE

_LANGUAGES = f"of the text, for stemming and stop words: {', '.join(LANGUAGES)}"
HELP = "build a BM25 index from passages"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("corpus", type=place, help=CORPUS_HELP)
    parser.add_argument("index", type=folder, help="index folder to make")
    parser.add_argument("--multifield", action="store_true", help="index title and text as two fields of equal weight (default: joined)")
    parser.add_argument("--language", choices=LANGUAGES, metavar="CODE", default=DEFAULT_LANGUAGE, help=f"{_LANGUAGES} (default: en)")
    parser.add_argument(
        "--analyzer",
        choices=(*ENGLISH_ANALYZERS, WHITESPACE),
        help="stemmer of English, or whitespace for text that is tokens already (default: that of the language, porter for English)",
    )
    parser.add_argument("--k1", type=from_0, default=DEFAULT_K1, help="saturation of term frequency (default: %(default)s)")
    parser.add_argument("--b", type=fraction, default=DEFAULT_B, help="normalization by length (default: %(default)s)")
    add_fields(parser)
    add_threads(parser)
    add_java_heap(parser)
    add_skip_bad(parser)
    add_overwrite(parser)


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    if args.language != DEFAULT_LANGUAGE and args.analyzer in ENGLISH_ANALYZERS:
        args.usage_error(f"--analyzer {args.analyzer} is for English, not for --language {args.language}")
    from splade_lucene.cli.summaries import print_index, print_rejected
    from splade_lucene.collections.passages import estimate_passages, read_passages
    from splade_lucene.core.rejects import RejectPolicy
    from splade_lucene.lucene import jvm
    from splade_lucene.lucene.bm25_indexing import build_bm25_index
    from splade_lucene.pipeline.progress import progress

    bad = RejectPolicy(args.skip_bad)
    jvm.start(heap=args.java_heap)
    with progress("indexing", "documents", estimate_passages(args.corpus)) as advance:
        card = build_bm25_index(
            read_passages(args.corpus, bad, fields(args)),
            args.index,
            multifield=args.multifield,
            k1=args.k1,
            b=args.b,
            language=args.language,
            analyzer=args.analyzer,
            threads=args.threads,
            overwrite=args.overwrite,
            bad=bad,
            advance=advance,
        )
    print_index(args.index, card)
    print_rejected(args.index, card.rejected)
