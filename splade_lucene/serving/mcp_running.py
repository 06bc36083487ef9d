"""Runs the tools of the Model Context Protocol: over stdin and stdout, or over HTTP with the same guard as the service."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fastmcp import FastMCP

from splade_lucene.serving.http.access import access_for, check_exposure
from splade_lucene.serving.http.guard import Guard
from splade_lucene.serving.http.metrics import Metrics
from splade_lucene.serving.http.run import address_of, listen, run
from splade_lucene.serving.logs import log_event, log_to_stderr

if TYPE_CHECKING:
    from splade_lucene.serving.service import SearchService
    from splade_lucene.serving.starting import ServerSettings

PATH = "/mcp"


def run_over_stdio(tools: FastMCP) -> None:
    """Serves the process that started this one, until it closes stdin."""
    log_to_stderr()
    asyncio.run(tools.run_stdio_async(show_banner=False, log_level="WARNING"))


def run_over_http(tools: FastMCP, service: SearchService, server: ServerSettings) -> None:
    """Serves until SIGTERM or SIGINT; each call is a request of its own, answered as JSON.

    Raises:
        SpladeLuceneError: the address is taken, or the server would be open to the network without a key.
    """
    check_exposure(server.host, server.api_key, without_key=server.without_key)
    place = listen(server.host, server.port)
    log_to_stderr()
    # The guard looks after hosts itself.
    app = tools.http_app(path=PATH, stateless_http=True, json_response=True, host_origin_protection=False)
    access = access_for(server.host, server.api_key, server.allowed_hosts)
    guarded = Guard(app, limits=service.limits, access=access, metrics=Metrics(service), prefix=server.prefix)
    url = f"{address_of(place)}{server.prefix}{PATH}"

    def started() -> None:
        print(url, flush=True)
        log_event("started", url=url)

    run(guarded, place, grace=service.limits.timeout, on_start=started, on_stop=lambda: log_event("stopping"))
    log_event("stopped")
