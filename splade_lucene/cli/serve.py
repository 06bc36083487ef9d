"""Serve indexes over HTTP: a page to search with at /, Anserini's REST API, /embed_sparse, /metrics; the API is described at /docs."""

from __future__ import annotations

import argparse

from splade_lucene.cli.serving_options import add_indexes, add_server, add_service, server_settings, service_settings

HELP = "serve indexes over HTTP, with a page to search with"
_PORT = 8080


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments."""
    add_indexes(parser)
    add_server(parser.add_argument_group("where and for whom"), _PORT)
    add_service(parser)


def run(args: argparse.Namespace) -> None:
    """Runs the command."""
    from splade_lucene.lucene import jvm
    from splade_lucene.serving.starting import serve

    settings, server = service_settings(args), server_settings(args)
    jvm.start(heap=args.java_heap)
    serve(settings, server)
