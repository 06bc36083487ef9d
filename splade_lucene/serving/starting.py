"""Starts a server of some indexes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from splade_lucene.core.processors import usable_processors
from splade_lucene.errors import SpladeLuceneError
from splade_lucene.serving.settings import IndexSource, Limits, QueryEncodingSettings

if TYPE_CHECKING:
    from splade_lucene.serving.service import SearchService


@dataclasses.dataclass(frozen=True)
class ServerSettings:
    """Where a server listens and who may ask.

    Attributes:
        host: the address to listen at.
        port: 0 for a free one.
        api_key: what clients have to send; none if None.
        without_key: the user said that everybody may search.
        allowed_hosts: further names under which a server on loopback answers.
        prefix: the path under which a proxy shows it, like ``/search``.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    api_key: str | None = None
    without_key: bool = False
    allowed_hosts: Sequence[str] = ()
    prefix: str = ""


@dataclasses.dataclass(frozen=True)
class ServiceSettings:
    """What is served and how.

    Attributes:
        sources: the indexes.
        limits: what requests may ask for.
        encoding: how queries are encoded.
        threads: the number of search threads.
    """

    sources: Sequence[IndexSource]
    limits: Limits = dataclasses.field(default_factory=Limits)
    encoding: QueryEncodingSettings = dataclasses.field(default_factory=QueryEncodingSettings)
    threads: int = dataclasses.field(default_factory=usable_processors)


def serve(settings: ServiceSettings, server: ServerSettings) -> None:
    """Opens the indexes and answers HTTP requests until SIGTERM or SIGINT.

    Args:
        settings: what is served.
        server: where.

    Raises:
        SpladeLuceneError: an index or a model cannot be opened, the address is taken, or the server would be open to the network
            without a key.
    """
    with _extra():
        from splade_lucene.serving.http.serving import serve_over_http
    with _service(settings) as service:
        serve_over_http(service, server)


def serve_tools(settings: ServiceSettings, server: ServerSettings | None) -> None:
    """Offers the tools of the Model Context Protocol.

    Args:
        settings: what is served.
        server: where to listen for HTTP; stdin and stdout if None.

    Raises:
        SpladeLuceneError: as for :func:`serve`.
    """
    with _extra():
        from splade_lucene.serving.mcp_running import run_over_http, run_over_stdio
        from splade_lucene.serving.mcp_tools import make_tools
    with _service(settings) as service:
        tools = make_tools(service)
        if server is None:
            run_over_stdio(tools)
        else:
            run_over_http(tools, service, server)


@contextmanager
def _extra() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise SpladeLuceneError(f"there is no {error.name}, which the service needs; run: pip install 'splade_lucene[serve]'") from None


@contextmanager
def _service(settings: ServiceSettings) -> Iterator[SearchService]:
    from splade_lucene.serving.catalog import Catalog
    from splade_lucene.serving.service import SearchService

    catalog = Catalog(settings.sources, settings.encoding)
    try:
        yield SearchService(catalog, settings.limits, settings.threads)
    finally:
        catalog.close()
