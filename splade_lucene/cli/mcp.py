"""Offer search to agents: the tools search, get_document, list_indexes, get_index and explain_score of the Model Context Protocol."""

from __future__ import annotations

import argparse

from splade_lucene.cli.serving_options import add_indexes, add_server, add_service, server_settings, service_settings

HELP = "offer search to agents over the Model Context Protocol"
_PORT = 8000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_indexes(parser)
    parser.add_argument(
        "--transport",
        choices=["stdio", "http"],
        default="stdio",
        help="stdio for a client that starts this command, http to listen, at the path /mcp (default: %(default)s)",
    )
    add_server(parser.add_argument_group("with --transport http: where and for whom"), _PORT)
    add_service(parser)


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    from splade_lucene.lucene import jvm
    from splade_lucene.serving.starting import serve_tools

    settings = service_settings(args)
    server = server_settings(args) if args.transport == "http" else None
    jvm.start(heap=args.java_heap)
    serve_tools(settings, server)
