"""Options that `serve` and `mcp` share."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from splade_lucene.cli.argument_types import positive
from splade_lucene.cli.encoding_options import add_query_options
from splade_lucene.cli.model_options import add_device
from splade_lucene.cli.options import add_java_heap
from splade_lucene.core.processors import usable_processors
from splade_lucene.serving.settings import Limits, QueryEncodingSettings, parse_sources

if TYPE_CHECKING:
    from splade_lucene.serving.starting import ServerSettings, ServiceSettings

_LONGEST_WAIT = 1000
KEY_VARIABLE = "SPLADE_LUCENE_API_KEY"


def _milliseconds(text: str) -> float:
    value = float(text)
    if not 0 <= value <= _LONGEST_WAIT:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to {_LONGEST_WAIT} milliseconds")
    return value


def _prefix(text: str) -> str:
    return "/" + text.strip("/") if text.strip("/") else ""


def add_indexes(parser: argparse.ArgumentParser) -> None:
    """The indexes and how their queries are encoded, which `mcp` has too."""
    parser.add_argument("index", nargs="+", metavar="[NAME=]INDEX", help="index folder of either kind; NAME is the folder's if left out")
    parser.add_argument(
        "--bm25",
        action="append",
        default=[],
        metavar="[NAME=]INDEX",
        help="BM25 index of the same passages, to compare and fuse with: once for all INDEXes, or once for each in the same order",
    )


def add_service(parser: argparse.ArgumentParser) -> None:
    """Load, queries, device and Java."""
    add_limits(parser.add_argument_group("load"))
    add_encoding(parser.add_argument_group("queries"))
    add_device(parser)
    add_java_heap(parser)


def add_encoding(parser: argparse._ArgumentGroup) -> None:
    """How queries are encoded."""
    add_query_options(parser)
    encoding = QueryEncodingSettings()
    parser.add_argument(
        "--batch-wait-ms",
        type=_milliseconds,
        default=encoding.batch_wait_ms,
        metavar="MS",
        help="let a query wait for others to be encoded with it, even if the encoder is idle (default: %(default)g)",
    )
    parser.add_argument(
        "--batch-size", type=positive, default=encoding.batch_size, help="maximum number of queries encoded together (default: %(default)s)"
    )
    parser.add_argument(
        "--query-cache",
        type=positive,
        default=encoding.cache,
        metavar="N",
        help="number of encoded queries that are kept (default: %(default)s)",
    )


def add_limits(parser: argparse._ArgumentGroup) -> None:
    """What requests may ask for."""
    limits = Limits()
    parser.add_argument("--max-hits", type=positive, default=limits.hits, metavar="N", help="maximum k (default: %(default)s)")
    parser.add_argument(
        "--max-query-chars",
        type=positive,
        default=limits.query_chars,
        metavar="N",
        help="maximum length of a query in characters (default: %(default)s)",
    )
    parser.add_argument(
        "--queue",
        type=positive,
        default=limits.queue,
        metavar="N",
        help="requests that wait or run; more are answered with 503 and Retry-After (default: %(default)s)",
    )
    parser.add_argument(
        "--threads", type=positive, default=usable_processors(), help="searches at the same time (default: one per core, %(default)s here)"
    )
    parser.add_argument(
        "--timeout", type=positive, default=round(limits.timeout), metavar="S", help="seconds for a request (default: %(default)s)"
    )


def add_server(parser: argparse._ArgumentGroup, port: int) -> None:
    """Where to listen and for whom."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen at; beyond loopback an API key is needed (default: %(default)s)"
    )
    parser.add_argument("--port", type=int, default=port, help="0 for a free one, which is printed (default: %(default)s)")
    parser.add_argument(
        "--api-key", metavar="KEY", help=f"what clients have to send; the variable {KEY_VARIABLE} keeps it out of the process list"
    )
    parser.add_argument("--no-api-key", action="store_true", help="allow everybody to search, also beyond loopback")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="name under which a proxy on this machine asks a server on loopback",
    )
    parser.add_argument("--path-prefix", type=_prefix, default="", metavar="/PATH", help="path under which a proxy shows the server")


def service_settings(args: argparse.Namespace) -> ServiceSettings:
    """What the options say of the indexes, limits and encoding.

    Raises:
        SpladeLuceneError: the names of the indexes are not usable.
    """
    from splade_lucene.serving.starting import ServiceSettings

    return ServiceSettings(
        parse_sources(args.index, args.bm25),
        Limits(query_chars=args.max_query_chars, hits=args.max_hits, queue=args.queue, timeout=args.timeout),
        QueryEncodingSettings(
            args.batch_wait_ms,
            args.batch_size,
            args.query_cache,
            args.device,
            args.precision,
            args.query_max_length,
            args.query_top_k,
            args.query_idf,
        ),
        args.threads,
    )


def server_settings(args: argparse.Namespace) -> ServerSettings:
    """What the options say of where to listen and for whom."""
    from splade_lucene.serving.starting import ServerSettings

    key = args.api_key or os.environ.get(KEY_VARIABLE) or None
    if args.no_api_key and key is not None:
        args.usage_error(f"--no-api-key contradicts --api-key and {KEY_VARIABLE}")
    return ServerSettings(args.host, args.port, key, args.no_api_key, args.allow_host, args.path_prefix)
