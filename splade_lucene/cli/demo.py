"""Run the full pipeline offline: BM25, SPLADE and their fusion on the docstrings of Python's standard library."""

from __future__ import annotations

import argparse
from pathlib import Path

from splade_lucene.cli.argument_types import folder
from splade_lucene.cli.model_options import add_query_model, model_spec
from splade_lucene.cli.options import add_threads
from splade_lucene.encoding.defaults import TINY

HELP = "run the full pipeline on built-in data, offline"

_NEXT = """
Next, with your own passages (JSONL lines {"id": …, "contents": …}, TSV, or a BEIR folder) and, where a hub is reachable, a full model:
  splade-lucene encode CORPUS encoded --model prithivida/Splade_PP_en_v2
  splade-lucene index  encoded index-splade
  splade-lucene bm25   CORPUS index-bm25
  splade-lucene search index-splade QUERIES splade.trec        (the same for index-bm25)
  splade-lucene evaluate QRELS bm25.trec splade.trec
  splade-lucene explain "how does glass break" --model tiny    what the model makes of a text
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument(
        "--output", type=folder, default=Path("runs/demo"), help="folder for vectors, indexes and runs (default: %(default)s)"
    )
    parser.add_argument("--model", default=TINY, metavar="ID|DIR|tiny", help="the encoder (default: %(default)s)")
    add_query_model(parser)
    add_threads(parser)


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    from splade_lucene.evaluation.figures import DOCUMENTS, FLOPS, INDEX_MB, QUERY_MS
    from splade_lucene.evaluation.report.page import write_report
    from splade_lucene.evaluation.result_tables import write_tables
    from splade_lucene.evaluation.table import columns, markdown_table, score_columns
    from splade_lucene.experiment.demo import run_demo
    from splade_lucene.lucene import jvm

    if args.query_revision and not args.query_model:
        args.usage_error("--query-revision needs --query-model")
    jvm.start()
    report = run_demo(args.output, model=model_spec(args), threads=args.threads)
    write_tables(args.output, report.results)
    page = write_report(args.output)
    splade = report.systems[1].system
    lengths = f"passages cut at {splade.vectors.max_length} tokens, queries at {splade.record.query_max_length}"
    print(f"\n{report.results.datasets[0].queries} questions; SPLADE: {splade.record.model}, {lengths}\n")
    costs = (DOCUMENTS, INDEX_MB, QUERY_MS, FLOPS)
    rows = [{"system": each.name, **score_columns(each.row.scores), **columns(each.row, costs)} for each in report.systems]
    print(markdown_table(rows))
    print(
        f"\nquery ms: median of single queries in one thread, {report.results.settings['hits']:,} hits each, encoding included, after a"
        "\nwarm-up round. FLOPS: mean multiplications to score one query against one document (arXiv 2107.05720). fusion: the sum of"
        "\nmin-max-normalised scores, half and half, not tuned; its cost is that of both."
    )
    for query in report.examples:
        print(f"\n“{query.text}”  (2: answers the question, 1: helps)")
        for each in report.systems[:2]:
            for rank, hit in enumerate(each.run[query.query_id][:3], start=1):
                grade = report.relevant[query.query_id].get(hit.doc_id, 0)
                print(f"  {each.name if rank == 1 else '':7} {rank}. {hit.doc_id}{f'  [{grade}]' if grade else ''}")
    print(f"\nAll figures, query by query: {page}")
    print(_NEXT, end="")
