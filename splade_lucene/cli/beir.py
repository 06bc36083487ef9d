"""Evaluate zero-shot: both BM25s, SPLADE and their fusion on any number of data sets, quality and cost and significance side by side.

Run the same command again to resume after an interruption. The exit status is 1 if a data set was skipped or a figure is not as expected.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from splade_lucene.cli.argument_types import folder, output_file, positive
from splade_lucene.cli.datasets import add_files, from_files
from splade_lucene.cli.encoding_options import add_length, add_query_idf, add_query_length, add_scale, add_split_words, check_split_words
from splade_lucene.cli.model_options import add_device, add_models, add_query_model, model_spec
from splade_lucene.cli.options import add_hits, add_java_heap, add_threads
from splade_lucene.core.streams import as_file
from splade_lucene.encoding.defaults import DEFAULT_MODEL

if TYPE_CHECKING:
    from splade_lucene.collections.judged import FilesCollection
    from splade_lucene.encoding.model import SpladeModel
    from splade_lucene.evaluation.expectations import Expectations

HELP = "evaluate zero-shot on BEIR: BM25, SPLADE and fusion, with cost and significance"
_MEASURES = "nDCG@10 R@100 R@1000 RR@10"
# MS MARCO's own, and those of TREC DL, whose grade 1 is not relevant for recall, AP and RR (trec_eval -l 2).
_MSMARCO = ("msmarco", "dl19", "dl20")
_MSMARCO_MEASURES, _GRADED_MEASURES = "RR@10 R@1000 nDCG@10", "nDCG@10 R(rel=2)@1000 AP(rel=2) RR(rel=2)@10"
_SYSTEMS = ("bm25-flat", "bm25-multifield", "splade", "fusion")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument(
        "datasets",
        metavar="DATASET",
        nargs="*",
        help="BEIR folder or zip, name of a BEIR collection, ir_datasets id, or beir for the 13 public ones",
    )
    parser.add_argument("--all", action="store_true", help="all 18 of BEIR, cqadupstack as the mean of its 12")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="folder where BEIR folders and zips are searched by name, before ir_datasets"
    )
    parser.add_argument(
        "--max-unpacked", type=positive, metavar="GB", default=8, help="a zip that would unpack to more is refused (default: %(default)s)"
    )
    parser.add_argument("--split", help="of the judgments in folders and zips (default: test)")
    add_files(
        parser,
        "DATASET is then its name: msmarco, dl19 and dl20 are shown beside published figures. Passages with the query's id are kept.",
    )
    add_models(parser, "for several models")
    parser.add_argument("--revision", help="branch, tag or commit on the hub, of a single --model")
    add_query_model(parser)
    parser.add_argument("--systems", nargs="+", choices=_SYSTEMS, default=list(_SYSTEMS), help="default: all")
    parser.add_argument(
        "--fusion-weight",
        choices=["tuned"],
        help="add a fusion whose weight is learned on the data set's own training queries (split dev, else train), never on those that are "
        "evaluated (default: only the untuned half)",
    )
    parser.add_argument("--output", type=folder, default=Path("runs/beir"), help="folder to write (default: %(default)s)")
    parser.add_argument("--measures", help=f"names of ir_measures or trec_eval (default: {_MEASURES!r}; msmarco: {_MSMARCO_MEASURES!r})")
    parser.add_argument(
        "--baseline", metavar="SYSTEM", help="the system that the others are compared with (default: bm25-flat, or the first of --systems)"
    )
    add_length(parser, "each model's, else 256")
    add_query_length(parser, "each model's, else 64")
    add_query_idf(parser)
    add_scale(parser)
    add_split_words(
        parser, "SPLADE encodes passages of N words and finds documents by the best of them (default: documents whole, cut at --max-length)"
    )
    add_hits(parser)
    parser.add_argument(
        "--keep-same-id",
        action="store_true",
        help="keep a passage with the query's id, which BEIR leaves out; for folders where passages and queries share ids by chance",
    )
    parser.add_argument("--expect", type=Path, metavar="FILE", help="YAML of expected scores; exit status 1 with the rows that differ")
    parser.add_argument("--write-expect", type=output_file, metavar="FILE", help="write the scores to such a file")
    parser.add_argument(
        "--index-threads", type=positive, default=1, help="more make the size of an index vary by some bytes (default: %(default)s)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace vectors of other passages or settings")
    add_threads(parser)
    add_device(parser)
    add_java_heap(parser)


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    models = args.model or [DEFAULT_MODEL]
    if not args.datasets and not args.all:
        args.usage_error("name a DATASET, or --all")
    if args.revision and len(models) > 1:
        args.usage_error("--revision is for a single --model")
    if args.query_revision and not args.query_model:
        args.usage_error("--query-revision needs --query-model")
    check_split_words(args)
    from splade_lucene.collections.beir_names import ALL
    from splade_lucene.collections.catalogue import RequestedCollection, find_collections
    from splade_lucene.errors import SpladeLuceneError
    from splade_lucene.evaluation.expectations import find_unexpected, write_expectations
    from splade_lucene.evaluation.measures import parse_measures
    from splade_lucene.evaluation.report.page import write_report
    from splade_lucene.evaluation.result_tables import markdown, markdown_table, write_tables
    from splade_lucene.evaluation.tables import unexpected_scores
    from splade_lucene.experiment.run import evaluate
    from splade_lucene.experiment.steps import EvaluationSettings
    from splade_lucene.experiment.systems import SpladeSettings, plan_systems
    from splade_lucene.lucene import jvm

    expectations = _expectations(args.expect) if args.expect else None
    own = from_files(args)
    measures = [str(measure) for measure in parse_measures(args.measures or _default_measures(own))]
    specs = [*args.datasets, *(ALL if args.all else ())]
    if own:
        candidates = [RequestedCollection(own.name, lambda: own)]
    else:
        candidates = find_collections(specs, split=args.split or "test", data=args.data, max_unpacked=args.max_unpacked * 10**9)
    jvm.start(heap=args.java_heap)
    systems = plan_systems(
        args.systems,
        _load(args, models) if {"splade", "fusion"} & set(args.systems) else [],
        SpladeSettings(args.max_length, args.query_max_length, args.scale, args.split_words, args.overlap, args.query_idf),
        tuned=args.fusion_weight == "tuned",
    )
    settings = EvaluationSettings(
        hits=args.hits,
        remove_query=not args.keep_same_id,
        threads=args.threads,
        index_threads=args.index_threads,
        overwrite=args.overwrite,
    )
    results = evaluate(candidates, args.output, systems, measures=measures, baseline=args.baseline or systems.baseline, settings=settings)
    write_tables(args.output, results)
    page = write_report(args.output)
    print(markdown(results))
    print(f"{args.output}: results.json, table.md, table.csv, table.tex, {page.name}", file=sys.stderr)
    if args.write_expect:
        write_expectations(args.write_expect, results)
    unexpected = find_unexpected(expectations, results) if expectations else []
    if unexpected:
        print(f"Not as {args.expect} expects:\n\n{markdown_table(unexpected_scores(unexpected))}\n")
    problems = [f"{len(results.skipped)} data sets were skipped"] if results.skipped else []
    problems += [f"{len(unexpected)} scores are not as expected"] if unexpected else []
    if problems:
        raise SpladeLuceneError(f"{' and '.join(problems)}; everything else is in {args.output}")


def _load(args: argparse.Namespace, names: Sequence[str]) -> list[SpladeModel]:
    from splade_lucene.encoding.model import SpladeModel  # torch: not for BM25 alone

    return [SpladeModel.load(**model_spec(args, name)._asdict()) for name in names]


def _expectations(path: Path) -> Expectations:
    from splade_lucene.evaluation.expectations import read_expectations

    with as_file(path) as file:
        return read_expectations(file)


def _default_measures(collection: FilesCollection | None) -> str:
    if collection is None or collection.name not in _MSMARCO:
        return _MEASURES
    return _GRADED_MEASURES if max(qrel.relevance for qrel in collection.qrels()) > 1 else _MSMARCO_MEASURES
