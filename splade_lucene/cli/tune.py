"""Sweep what costs on your own collection, and name the settings that are worth their quality.

Points are chosen by one half of the queries and reported on the other. Run the same command again to resume after an interruption.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from splade_lucene.cli.argument_types import folder, from_0, output_file, positive
from splade_lucene.cli.datasets import add_files, from_files
from splade_lucene.cli.encoding_options import add_scale
from splade_lucene.cli.model_options import add_device, add_models
from splade_lucene.cli.options import add_hits, add_java_heap, add_threads
from splade_lucene.cli.settings_file import command_line, write_settings
from splade_lucene.encoding.defaults import DEFAULT_MODEL, DEFAULT_SCALE

if TYPE_CHECKING:
    from splade_lucene.collections.judged import JudgedCollection

HELP = "sweep what costs: quality against latency, index size and FLOPS on your collection"
_MEASURES = "nDCG@10 R@100 RR@10"
_UNITS = {
    "latency": {"": 1.0, "ms": 1.0, "s": 1e3},
    "index": {"": 1.0, "KB": 1e-3, "MB": 1.0, "GB": 1e3, "TB": 1e6},
    "flops": {"": 1.0},
    "documents-per-second": {"": 1.0},
}


def budget(text: str) -> dict[str, float]:
    """``latency=5ms,index=1GB``, for argparse: milliseconds and megabytes."""
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = part.strip().partition("=")
        match = re.fullmatch(r"(\d+\.?\d*|\.\d+) ?([A-Za-z]*)", value)
        if name not in _UNITS or match is None or match[2] not in _UNITS[name]:
            known = ", ".join(f"{key}={'|'.join(f'1{unit}' for unit in units if unit) or 1}" for key, units in _UNITS.items())
            raise argparse.ArgumentTypeError(f"{part!r} is no limit; there is {known}")
        if name in found:
            raise argparse.ArgumentTypeError(f"{name} is limited twice")
        found[name] = float(match[1]) * _UNITS[name][match[2]]
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument(
        "datasets", metavar="DATASET", nargs=1, help="BEIR folder or zip, name of a BEIR collection, or ir_datasets id, with judgments"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder where BEIR folders and zips are searched by name")
    parser.add_argument("--split", help="of the judgments in a folder or zip (default: test)")
    add_files(parser, "DATASET is then its name. Without --qrels the run with all weights is the reference.")
    add_models(parser, "to compare models")
    parser.add_argument("--max-points", type=positive, default=40, metavar="N", help="settings that are measured (default: %(default)s)")
    parser.add_argument(
        "--within",
        type=from_0,
        default=0.005,
        metavar="X",
        help="of the best, for the points that are named (default: %(default)s)",
    )
    parser.add_argument(
        "--budget",
        type=budget,
        default={},
        metavar="latency=5ms,index=1GB",
        help="pick the best within it: latency (median of a query, with encoding), index, flops, documents-per-second",
    )
    parser.add_argument(
        "--write",
        type=output_file,
        metavar="FILE",
        help="write the point within the budget, or else the fastest of those near the best, as settings.yaml, for --settings of `encode`, "
        "`index` and `search`",
    )
    parser.add_argument("--max-length", type=positive, help="of passages at first, then halved (default: each model's, else 256)")
    parser.add_argument("--query-max-length", type=positive, help="of queries, likewise (default: each model's, else 64)")
    add_scale(parser)
    add_hits(parser)
    parser.add_argument("--measures", default=_MEASURES, help="names of ir_measures or trec_eval (default: %(default)r)")
    parser.add_argument("--keep-same-id", action="store_true", help="keep a passage with the query's id, which BEIR leaves out")
    parser.add_argument("--output", type=folder, default=Path("runs/tune"), help="folder to write (default: %(default)s)")
    add_threads(parser)
    add_device(parser, precision=False)
    add_java_heap(parser)


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    from splade_lucene.encoding.model import SpladeModel
    from splade_lucene.evaluation.measures import parse_measures
    from splade_lucene.evaluation.report.page import write_report
    from splade_lucene.evaluation.result_tables import write_tables
    from splade_lucene.evaluation.results import write_results
    from splade_lucene.experiment.steps import EvaluationSettings, Steps
    from splade_lucene.experiment.tuning.outcome import sum_up
    from splade_lucene.experiment.tuning.points import Point, options
    from splade_lucene.experiment.tuning.sweep import Options, Sweep
    from splade_lucene.lucene import jvm

    measures = tuple(str(measure) for measure in parse_measures(args.measures))
    collection = from_files(args, judged=False) or _collection(args)
    jvm.start(heap=args.java_heap)

    def load(name: str, precision: str) -> SpladeModel:
        return SpladeModel.load(name, device=args.device, precision=precision)

    bases = []
    for name in args.model or [DEFAULT_MODEL]:
        lengths = load(name, "auto").lengths
        bases.append(Point(name, args.max_length or lengths.documents, args.query_max_length or lengths.queries))
    steps = Steps(collection, args.output / collection.name, EvaluationSettings(args.hits, not args.keep_same_id, args.threads))
    swept = Options(measures, args.max_points, args.scale, args.hits, args.within)
    outcome = sum_up(Sweep(steps, load, bases, swept).run(), steps, args.output, swept, args.budget)
    write_results(args.output, outcome.results)
    write_tables(args.output, outcome.results)
    page = write_report(args.output)
    print(outcome.table, end="\n\n")
    print("\n".join(f"- {sentence}" for sentence in (*outcome.sentences, *outcome.results.datasets[0].notes)), end="\n\n")
    found = options(outcome.chosen.point, {} if args.scale == DEFAULT_SCALE else {"scale": args.scale})
    for command, arguments in (("encode", "CORPUS VECTORS"), ("index", "VECTORS INDEX"), ("search", "INDEX QUERIES RUN")):
        print(f"splade-lucene {command} {arguments} {command_line(found[command])}".rstrip())
    if args.write:
        write_settings(args.write, found, [f"splade-lucene tune {collection.name}: {outcome.chosen.label}"])
        print(f"{args.write}: {outcome.chosen.label}", file=sys.stderr)
    print(f"{args.output}: results.json, points.csv, table.md, table.csv, table.tex, {page.name}", file=sys.stderr)


def _collection(args: argparse.Namespace) -> JudgedCollection:
    from splade_lucene.collections.catalogue import find_collections
    from splade_lucene.errors import SpladeLuceneError

    candidates = find_collections(args.datasets, split=args.split or "test", data=args.data)
    if len(candidates) > 1:
        names = ", ".join(candidate.name for candidate in candidates)
        raise SpladeLuceneError(f"{args.datasets[0]} is {len(candidates)} data sets ({names}); tune one at a time")
    return candidates[0].open()
