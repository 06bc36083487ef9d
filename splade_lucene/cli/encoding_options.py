"""Options that say how passages and queries become impacts."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from splade_lucene.cli.argument_types import positive, scale, share, weight
from splade_lucene.cli.options import named
from splade_lucene.encoding.defaults import DEFAULT_SCALE

if TYPE_CHECKING:
    from splade_lucene.pipeline.encode import EncodingSettings


def add_length(parser: argparse.ArgumentParser, default: str) -> None:
    """``--max-length``; ``default`` says what it is without."""
    parser.add_argument("--max-length", type=positive, help=f"maximum length of a passage in tokens (default: {default})")


def add_query_options(parser: argparse._ActionsContainer) -> None:
    """``--query-max-length``, ``--query-top-k`` and ``--query-idf``, of what searches an index."""
    add_query_length(parser, "that of the index")
    parser.add_argument(
        "--query-top-k",
        type=positive,
        metavar="K",
        help="search for only the K query tokens with the largest weights: faster, no longer exact",
    )
    add_query_idf(parser)


def add_query_length(parser: argparse._ActionsContainer, default: str) -> None:
    """``--query-max-length``; ``default`` says what it is without."""
    parser.add_argument("--query-max-length", type=positive, help=f"maximum length of a query in tokens (default: {default})")


def add_scale(parser: argparse.ArgumentParser, more: str = "") -> None:
    """``--scale``; ``more`` says more of it."""
    parser.add_argument(
        "--scale", type=scale, default=DEFAULT_SCALE, help=f"impacts are round(weight × scale){more} (default: %(default)s)"
    )


def add_shares(parser: argparse.ArgumentParser) -> None:
    """``--max-ratio`` and ``--alpha-mass``."""
    parser.add_argument(
        "--max-ratio", type=share, metavar="X", help="keep only weights of at least X times the passage's largest (default: all)"
    )
    parser.add_argument(
        "--alpha-mass",
        type=share,
        metavar="X",
        help="keep only the largest weights, as few as have the share X of the sum of the passage's weights (default: all)",
    )


def add_query_idf(parser: argparse._ActionsContainer) -> None:
    """``--query-idf``."""
    parser.add_argument(
        "--query-idf",
        type=weight,
        metavar="X",
        help="multiply the weights of a query by idf to the power X, before they are quantized: .25 costs nothing and often helps models "
        "that are not trained for the collection (default: leave them as they are)",
    )


def add_split_words(parser: argparse.ArgumentParser, what: str) -> None:
    """``--split-words`` and ``--overlap``; ``what`` says what becomes of a document."""
    parser.add_argument("--split-words", type=positive, metavar="N", help=what)
    parser.add_argument("--overlap", type=int, default=0, metavar="M", help="words that two passages of a document share (default: none)")


def check_split_words(args: argparse.Namespace) -> None:
    """Refuses an overlap that is not less than the passages that :func:`add_split_words` declared."""
    if not 0 <= args.overlap < (args.split_words or 1):
        args.usage_error("--overlap must be at least 0 and less than --split-words")


def encoding_settings(args: argparse.Namespace) -> EncodingSettings:
    """What the options say that are named like its fields."""
    from splade_lucene.pipeline.encode import EncodingSettings

    return EncodingSettings(**named(args, EncodingSettings._fields))
