"""Compare TREC runs with a baseline: scores, paired significance tests, wins and losses per query."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path

from splade_lucene.cli.argument_types import folder, place
from splade_lucene.cli.options import QRELS_HELP, RUN_HELP, add_measures
from splade_lucene.evaluation.measures import DEFAULT_MEASURES

HELP = "compare TREC runs with a baseline, query by query"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("qrels", type=place, help=QRELS_HELP)
    parser.add_argument("baseline", metavar="BASELINE", type=Path, help=RUN_HELP)
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+", help=RUN_HELP)
    add_measures(parser, DEFAULT_MEASURES)
    parser.add_argument("--output", type=folder, help="folder for results.json, tables, and the scores of each query")


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    from splade_lucene.core.streams import as_file
    from splade_lucene.evaluation.measures import parse_measures
    from splade_lucene.evaluation.report.page import write_report
    from splade_lucene.evaluation.result_files import write_scores
    from splade_lucene.evaluation.result_tables import markdown, write_tables
    from splade_lucene.evaluation.results import write_results
    from splade_lucene.experiment.compare import RunComparison

    measures = [str(measure) for measure in parse_measures(args.measures)]
    with ExitStack() as stack:
        qrels, *runs = (stack.enter_context(as_file(path)) for path in (args.qrels, args.baseline, *args.runs))
        comparison = RunComparison(qrels, runs, measures, args.output or Path())
        results = comparison.results()
    if args.output:
        write_scores(args.output / "scores.csv", {name: judged.queries for name, judged in comparison.judged.items()})
        write_results(args.output, results)
        write_tables(args.output, results)
        write_report(args.output)
    print(markdown(results))
    for warning in comparison.warnings():
        print(warning, file=sys.stderr)
