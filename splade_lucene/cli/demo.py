"""The whole way, offline: BM25, SPLADE and their fusion on the docstrings of Python's standard library."""

from __future__ import annotations

import argparse
from pathlib import Path

from splade_lucene.cli.options import add_threads, folder
from splade_lucene.encoding.defaults import TINY

HELP = "the whole way on built-in data, offline"

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
    add_threads(parser)


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    from splade_lucene.evaluation.table import markdown_table
    from splade_lucene.experiment.demo import HITS, run_demo

    report = run_demo(args.output, model=args.model, threads=args.threads)
    print(f"\n{report.queries} questions; SPLADE: {report.encoder}\n")
    rows = [
        {
            "system": system.name,
            **{measure: f"{value:.4f}" for measure, value in system.scores.items()},
            "documents": f"{system.documents:,}",
            "index MB": f"{system.index_bytes / 1e6:.2f}",
            "query ms": f"{system.latency_ms:.1f}",
            "FLOPS": f"{system.flops:.2f}",
        }
        for system in report.systems
    ]
    print(markdown_table(rows))
    print(
        f"\nquery ms: mean of single queries in one thread, {HITS:,} hits each, encoding included, after a warm-up round."
        "\nFLOPS: mean multiplications to score one query against one document (arXiv 2107.05720). fusion: min-max-normalised scores,"
        "\nhalf and half, not tuned; its cost is that of both."
    )
    for query in report.examples:
        print(f"\n“{query.text}”  (2: answers the question, 1: helps)")
        for system in report.systems[:2]:
            for rank, hit in enumerate(system.run[query.query_id][:3], start=1):
                grade = report.relevant[query.query_id].get(hit.doc_id, 0)
                print(f"  {system.name if rank == 1 else '':7} {rank}. {hit.doc_id}{f'  [{grade}]' if grade else ''}")
    print(_NEXT, end="")
