"""Search an index of either kind for a set of queries and write a run; queries are encoded on the fly."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from splade_lucene.cli.argument_types import engine_address, folder, output_file, place, positive, run_tag
from splade_lucene.cli.encoding_options import add_query_options
from splade_lucene.cli.model_options import add_device
from splade_lucene.cli.options import QUERIES_HELP, add_hits, add_java_heap, add_query_fields, add_ray, add_split, add_threads, query_fields
from splade_lucene.cli.settings_file import add_settings
from splade_lucene.core.streams import is_standard

if TYPE_CHECKING:
    from splade_lucene.pipeline.search import QueryOptions, SearchResult
    from splade_lucene.records import Query

HELP = "search an index of either kind and write a TREC run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_settings(parser)
    parser.add_argument("index", nargs="*", type=folder, help="index folder, which names its encoder; or several, searched as one index")
    parser.add_argument("queries", type=place, help=QUERIES_HELP)
    parser.add_argument(
        "output", metavar="RUN", type=output_file, help="run to write, - is stdout; RUN.json beside it says how it was made"
    )
    parser.add_argument(
        "--format",
        choices=["trec", "msmarco"],
        default="trec",
        help="of the run: TREC's six columns, or MS MARCO's query, document, rank (default: %(default)s)",
    )
    parser.add_argument(
        "--engine",
        type=engine_address,
        metavar="URL",
        help="search there instead of in INDEX: opensearch://HOST:9200/NAME, elasticsearch://… or milvus://… that `export --load` loaded",
    )
    add_hits(parser)
    add_split(parser)
    add_query_options(parser)
    parser.add_argument("--remove-query", action="store_true", help="leave out the document that has the query's id (BEIR's rule)")
    parser.add_argument("--filter", metavar="DOCIDS", type=Path, help="file of docids, one per line: only these documents are found")
    parser.add_argument(
        "--where",
        metavar="CONDITIONS",
        help="find only documents whose fields meet all conditions: 'lang=de,fr year>=2020'; fields as given to `index --filter-field`",
    )
    parser.add_argument(
        "--max-passage",
        action="store_true",
        help="find documents by the best of their passages, as `encode --split-words` cuts them (docids like d1#0, d1#1)",
    )
    parser.add_argument("--show", type=positive, metavar="N", help="print the first N hits of each query with the stored text")
    parser.add_argument("--tag", type=run_tag, help="the run's name, its sixth column (default: the name of the index)")
    parser.add_argument(
        "--in-memory",
        action=argparse.BooleanOptionalAction,
        help="search postings decoded in Java's heap: faster, the same hits (default: where they fit into half of the heap and the queries "
        "are enough to pay for decoding)",
    )
    add_ray(parser, "search the parts of an impact index")
    add_query_fields(parser)
    add_threads(parser)
    add_device(parser)
    add_java_heap(parser)


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    if bool(args.index) == bool(args.engine):
        args.usage_error("give an INDEX, or several, or --engine URL")
    if (args.engine or args.ray) and (args.show or args.filter or args.where or args.max_passage or args.in_memory is not None):
        args.usage_error(
            "--show, --filter, --where, --max-passage and --in-memory are for an INDEX in this process; leave --engine or --ray out"
        )
    if (args.engine and args.ray) or (args.cpus_per_worker and not args.ray):
        args.usage_error("--ray is for an INDEX, and --cpus-per-worker needs --ray")
    if args.engine and args.query_idf:
        args.usage_error("--query-idf needs document frequencies, which --engine does not tell; leave one of the two out")
    if args.show and is_standard(args.output):
        args.usage_error("--show prints to stdout; give the run the name of a file")
    from splade_lucene.collections.queries import read_queries

    queries = read_queries(args.queries, split=args.split, fields=query_fields(args))
    search = _search_engine if args.engine else _search_on_ray if args.ray else _search_index
    result = search(args, queries)
    from splade_lucene.cli.summaries import print_run
    from splade_lucene.evaluation.runs import write_run

    tag = args.tag or (args.engine.name if args.engine else "-".join(args.index[0].resolve().name.split()))
    write_run(args.output, result.run, tag=tag, notes=result.notes, format=args.format)
    print_run(args.output, result.run, result.notes)
    if result.info.queries_without_terms:
        print(f"{result.info.queries_without_terms:,} queries have no terms and so no hits", file=sys.stderr)
    if search is _search_index:
        from splade_lucene.lucene import jvm

        jvm.prepare_next_start()


def _search_index(args: argparse.Namespace, queries: Sequence[Query]) -> SearchResult:
    from splade_lucene.encoding.defaults import FEW_QUERIES
    from splade_lucene.errors import IndexMismatchError
    from splade_lucene.lucene import jvm
    from splade_lucene.lucene.docids import read_docids
    from splade_lucene.lucene.parts import find_index

    docids = None if args.filter is None else read_docids(args.filter)
    index, few = find_index(args.index[0] if len(args.index) == 1 else args.index), len(queries) <= FEW_QUERIES
    jvm.start(heap=args.java_heap, brief=few)
    if few:
        # Read when NumPy is imported. Of several threads each waits for the others at every layer, busily, and a query is too little
        # work for that: beside other processes BERT-base takes ten times as long with two.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from splade_lucene.pipeline.search import open_searcher, search_queries

    with open_searcher(index, in_memory="auto" if args.in_memory is None else args.in_memory, **_query_options(args)) as searcher:
        within = None
        if docids is not None or args.where is not None:
            try:
                within = searcher.filter(docids, where=args.where, max_passage=args.max_passage)
            except ValueError as error:
                raise IndexMismatchError(f"--where: {error}") from None
            kind = "passages" if args.max_passage else "documents"
            given = "" if docids is None else f" of {len(docids):,} docids in {args.filter}"
            print(f"searching {within.documents:,} {kind}{given}", file=sys.stderr)
        result = search_queries(
            searcher,
            queries,
            k=args.hits,
            threads=args.threads,
            remove_query=args.remove_query,
            within=within,
            max_passage=args.max_passage,
        )
        if args.show and not searcher.stores_text:
            kind = searcher.card.kind
            how = "; build it with `encode --store-contents` and `index --store-contents`" if kind == "impact" else ""
            print(f"{searcher.name}: this {kind} index holds no text, so --show prints docids alone{how}", file=sys.stderr)
        if args.show:
            for query in queries:
                print(f"{query.query_id}: {query.text}")
                for rank, hit in enumerate(result.run[query.query_id][: args.show], start=1):
                    print(f"{rank:6}. {hit.score:10.6g}  {hit.doc_id}  {searcher.contents(hit.doc_id) or ''}".rstrip())
        if searcher.memory is not None:
            print(f"searched {searcher.memory}", file=sys.stderr)
    return result


def _query_options(args: argparse.Namespace) -> QueryOptions:
    return {
        "query_max_length": args.query_max_length,
        "query_top_k": args.query_top_k,
        "query_idf": args.query_idf,
        "device": args.device,
        "precision": args.precision,
    }


def _search_on_ray(args: argparse.Namespace, queries: Sequence[Query]) -> SearchResult:
    from splade_lucene.distributed.cluster import Cluster
    from splade_lucene.distributed.search import RayImpactSearcher
    from splade_lucene.pipeline.search import search_queries

    with RayImpactSearcher(
        args.index,
        Cluster(args.ray, cpus_per_worker=args.cpus_per_worker),
        heap=args.java_heap,
        **_query_options(args),
    ) as searcher:
        return search_queries(searcher, queries, k=args.hits, threads=args.threads, remove_query=args.remove_query)


def _search_engine(args: argparse.Namespace, queries: Sequence[Query]) -> SearchResult:
    from splade_lucene.integrations.engines.opening import open_engine
    from splade_lucene.integrations.engines.searching import search_engine

    with closing(open_engine(args.engine, connections=args.threads)) as engine:
        return search_engine(
            engine,
            queries,
            k=args.hits,
            threads=args.threads,
            remove_query=args.remove_query,
            query_max_length=args.query_max_length,
            query_top_k=args.query_top_k,
            device=args.device,
            precision=args.precision,
        )
