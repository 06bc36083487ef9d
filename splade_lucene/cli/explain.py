"""Show what a model makes of a text, or why a document got its score: with --index, --query and --doc."""

from __future__ import annotations

import argparse
import sys
from contextlib import redirect_stdout

from splade_lucene.cli.argument_types import folder, output_file, positive
from splade_lucene.cli.encoding_options import add_query_options
from splade_lucene.cli.model_options import add_device, add_model, model_spec
from splade_lucene.cli.options import add_java_heap
from splade_lucene.core.streams import is_standard
from splade_lucene.encoding.defaults import DEFAULT_MODEL

# One to explain, or two to compare.
_MOST_DOCUMENTS = 2
HELP = "show a text as a bag of words, or why a document got its score"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    parser.add_argument("text", nargs="?", help="the text")
    add_model(parser)
    parser.add_argument("--max-length", type=positive, help="maximum length of the text in tokens (default: as for passages)")
    parser.add_argument("--card", action="store_true", help="print exactly what the model card's snippet prints")
    parser.add_argument("--html", type=output_file, metavar="FILE", help="draw the text and its expansion as an HTML page; - is stdout")
    hits = parser.add_argument_group("why a document got its score")
    hits.add_argument("--index", type=folder, help="impact index; it names the model")
    hits.add_argument("--bm25", type=folder, metavar="INDEX", help="BM25 index, explained beside it or alone")
    hits.add_argument("--query", help="the text of the query")
    hits.add_argument("--doc", action="append", metavar="ID", help="docid; give two to compare them")
    hits.add_argument("--top", type=positive, help="number of terms to show, those that contribute most (default: all)")
    add_query_options(parser.add_argument_group("with --index, as `search` was given them"))
    add_device(parser)
    add_java_heap(parser)


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    of_queries = any(each is not None for each in (args.query_max_length, args.query_top_k, args.query_idf))
    of_documents = any(each is not None for each in (args.index, args.bm25, args.query, args.doc, args.top))
    if of_queries and args.index is None:
        args.usage_error("--query-max-length, --query-top-k and --query-idf say how an impact index was searched; give it with --index")
    if not of_documents:
        if args.text is None:
            args.usage_error("give a text, or --index, --bm25 or both with --query and --doc")
        _explain_text(args)
        return
    of_texts = (args.text, args.max_length, args.html, args.revision, args.query_model, args.query_revision, args.token)
    if any(each is not None for each in of_texts) or args.subfolder or args.card or args.model != DEFAULT_MODEL:
        args.usage_error("--index and --bm25 explain documents; leave out the text and its options")
    if (args.index is None and args.bm25 is None) or args.query is None or not 1 <= len(args.doc or ()) <= _MOST_DOCUMENTS:
        args.usage_error("to explain documents give --index, --bm25 or both, --query, and --doc once or twice")
    _explain_documents(args)


def _explain_text(args: argparse.Namespace) -> None:
    from splade_lucene.cli.explanation_tables import print_text
    from splade_lucene.core.files import atomic_file
    from splade_lucene.encoding.model import SpladeModel
    from splade_lucene.pipeline.explain import explain_text
    from splade_lucene.pipeline.explanation_page import explanation_page

    model = SpladeModel.load(**model_spec(args)._asdict())
    found = explain_text(model, args.text, max_length=args.max_length)
    if args.html is not None:
        with atomic_file(args.html) as stream:
            stream.write(explanation_page(found, f"model {model.name}"))
    page_is_printed = args.html is not None and is_standard(args.html)
    with redirect_stdout(sys.stderr if page_is_printed else sys.stdout):
        print(f"number of actual dimensions:  {len(found.weights)}")
        if args.card:
            print("SPLADE BOW rep:\n", [(token, round(weight, 2)) for token, weight in found.weights.items()])
        else:
            print_text(found)


def _explain_documents(args: argparse.Namespace) -> None:
    from splade_lucene.cli.explanation_tables import ExplainedSystem, print_documents
    from splade_lucene.lucene import jvm
    from splade_lucene.lucene.bm25_searcher import Bm25Searcher
    from splade_lucene.pipeline.explain import explain_documents
    from splade_lucene.pipeline.search import ImpactSearcher

    jvm.start(heap=args.java_heap)
    systems = []
    if args.index is not None:
        with ImpactSearcher(
            args.index,
            query_max_length=args.query_max_length,
            query_top_k=args.query_top_k,
            query_idf=args.query_idf,
            device=args.device,
            precision=args.precision,
        ) as searcher:
            systems.append(ExplainedSystem("SPLADE", str(args.index), explain_documents(searcher, args.query, args.doc)))
    if args.bm25 is not None:
        with Bm25Searcher(args.bm25) as baseline:
            systems.append(ExplainedSystem("BM25", str(args.bm25), explain_documents(baseline, args.query, args.doc)))
    print_documents(systems, args.top)
