"""Starts a server of some indexes."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Sequence

from splade_lucene.errors import SpladeLuceneError
from splade_lucene.serving.settings import EncodingSettings, Limits, Source

_MISSING = "the service needs FastAPI, uvicorn and others; run: pip install 'splade_lucene[serve]'"
# Names of a server that is reached from this machine alone.
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


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
        threads: how many search at the same time.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    api_key: str | None = None
    without_key: bool = False
    allowed_hosts: Sequence[str] = ()
    prefix: str = ""
    threads: int = dataclasses.field(default_factory=lambda: os.cpu_count() or 1)


def serve(sources: Sequence[Source], server: ServerSettings, limits: Limits, encoding: EncodingSettings) -> None:
    """Opens the indexes and answers requests until SIGTERM or SIGINT.

    Args:
        sources: the indexes.
        server: where it listens.
        limits: what requests may ask for.
        encoding: how queries are encoded.

    Raises:
        SpladeLuceneError: an index or a model cannot be opened, the address is taken, or the server would be open to the network
            without a key.
    """
    try:
        from splade_lucene.serving.http.access import Access, check_exposure, is_loopback
        from splade_lucene.serving.http.application import make_application
        from splade_lucene.serving.http.logs import log_event, log_to_stderr
        from splade_lucene.serving.http.run import listen, run
    except ModuleNotFoundError as error:
        raise SpladeLuceneError(f"{_MISSING} (there is no {error.name})") from None
    from splade_lucene.serving.catalog import Catalog
    from splade_lucene.serving.service import SearchService

    check_exposure(server.host, server.api_key, without_key=server.without_key)
    place = listen(server.host, server.port)
    hosts = None
    if is_loopback(server.host) and server.api_key is None:
        hosts = [*_LOOPBACK_NAMES, *server.allowed_hosts]
    log_to_stderr()
    catalog = Catalog(sources, encoding)
    try:
        app, state = make_application(SearchService(catalog, limits, server.threads), Access(server.api_key, hosts), prefix=server.prefix)
        host, port = place.getsockname()[:2]
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}{server.prefix}/"

        def started() -> None:
            print(url, flush=True)
            log_event("started", url=url, indexes=[index.name for index in catalog])

        def stopping() -> None:
            state.stopping = True
            log_event("stopping", in_progress=state.service.admission.current)

        run(app, place, grace=limits.timeout, on_start=started, on_stop=stopping)
        log_event("stopped")
    finally:
        catalog.close()
        sys.stdout.flush()
