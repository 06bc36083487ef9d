"""Score runs with ir_measures; runs that `search` wrote show their cost beside."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from splade_lucene.cli.argument_types import place
from splade_lucene.cli.options import QRELS_HELP, RUN_HELP, add_measures
from splade_lucene.evaluation.measures import DEFAULT_MEASURES

HELP = "score TREC runs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("qrels", type=place, help=QRELS_HELP)
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+", help=RUN_HELP)
    add_measures(parser, DEFAULT_MEASURES)
    parser.add_argument("--per-query", action="store_true", help="print measure, query and value as trec_eval -q does; of a single run")


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    if args.per_query and len(args.runs) > 1:
        args.usage_error("--per-query is for a single run; `compare --output` writes the scores of several, query by query")
    from splade_lucene.collections.queries import read_qrels
    from splade_lucene.evaluation.judging import judge
    from splade_lucene.evaluation.measures import parse_measures
    from splade_lucene.evaluation.runs import read_notes, read_run
    from splade_lucene.evaluation.table import cost_columns, markdown_table, per_query_lines, score_columns

    parse_measures(args.measures)
    qrels = read_qrels(args.qrels)
    rows = []
    for path in args.runs:
        judged = judge(read_run(path), qrels, args.measures)
        if judged.strangers:
            print(f"{path}: {judged.strangers}", file=sys.stderr)
        elif judged.missing or judged.unjudged:
            counts = f"{judged.missing:,} judged queries have no hits and count 0, {judged.unjudged:,} are not judged and left out"
            print(f"{path}: {counts}", file=sys.stderr)
        if args.per_query:
            print("\n".join(per_query_lines(judged.scores, judged.queries)))
        rows.append({"run": str(path), **score_columns(judged.scores), **cost_columns(read_notes(path))})
    if not args.per_query:
        print(markdown_table(rows))
