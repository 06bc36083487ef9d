"""Score TREC runs with ir_measures; runs that `search` wrote show their cost beside."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from splade_lucene.evaluation.measures import DEFAULT_MEASURES

HELP = "score TREC runs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("qrels", type=Path, help="BEIR TSV or TREC qrels, or a BEIR folder for its test split")
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+", help="TREC run")
    parser.add_argument("--measures", default=DEFAULT_MEASURES, help="ir_measures' names (default: %(default)r)")


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    from splade_lucene.collections.queries import read_qrels
    from splade_lucene.evaluation.measures import parse_measures, score_run
    from splade_lucene.evaluation.runs import read_notes, read_run
    from splade_lucene.evaluation.table import cost_columns, markdown_table

    parse_measures(args.measures)
    qrels = read_qrels(args.qrels)
    judged = {qrel.query_id for qrel in qrels}
    rows = []
    for path in args.runs:
        found = read_run(path)
        missing, unjudged = len(judged - found.keys()), len(found.keys() - judged)
        if missing or unjudged:
            print(f"{path}: {missing:,} judged queries have no hits and count 0, {unjudged:,} are not judged and left out", file=sys.stderr)
        means = score_run(found, qrels, args.measures).mean
        rows.append({"run": str(path), **{name: f"{value:.4f}" for name, value in means.items()}, **cost_columns(read_notes(path))})
    print(markdown_table(rows))
