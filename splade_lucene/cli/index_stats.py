"""Show what an index holds and where its bytes go."""

from __future__ import annotations

import argparse

from splade_lucene.cli.argument_types import folder

HELP = "show counts and sizes of an index"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("index", type=folder, help="index folder of either kind")
    parser.add_argument(
        "--check", action="store_true", help="also read every byte and compare the checksums; exit status 1 if one is wrong"
    )


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    from splade_lucene.evaluation.table import markdown_table
    from splade_lucene.lucene.opening import check_integrity
    from splade_lucene.lucene.statistics import index_statistics

    if args.check:
        check_integrity(args.index)
    found = index_statistics(args.index)
    rows = {
        "documents": f"{found.documents:,}",
        "terms": f"{found.terms:,}",
        "postings": f"{found.postings:,}",
        "terms a document": f"{found.length:.1f}",
        "bits a posting": f"{found.bits_per_posting:.2f}",
        **{f"bytes of {part}": f"{size:,}" for part, size in found.bytes.items()},
        "bytes": f"{sum(found.bytes.values()):,}",
        **({} if found.memory is None else {"bytes in memory, if searched there": f"{found.memory:,}"}),
        **({"checksums": "all right"} if args.check else {}),
    }
    print(markdown_table([{"of": name, str(args.index): value} for name, value in rows.items()]))
