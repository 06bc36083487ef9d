"""The service on a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from splade_lucene.serving.http.access import access_for, check_exposure
from splade_lucene.serving.http.application import make_application
from splade_lucene.serving.http.run import address_of, listen, run
from splade_lucene.serving.logs import log_event, log_to_stderr

if TYPE_CHECKING:
    from splade_lucene.serving.service import SearchService
    from splade_lucene.serving.starting import ServerSettings


def serve_over_http(service: SearchService, server: ServerSettings) -> None:
    """Answers requests until SIGTERM or SIGINT; prints the address on stdout when it does.

    Raises:
        SpladeLuceneError: the address is taken, or the server would be open to the network without a key.
    """
    check_exposure(server.host, server.api_key, without_key=server.without_key)
    place = listen(server.host, server.port)
    log_to_stderr()
    app, state = make_application(service, access_for(server.host, server.api_key, server.allowed_hosts), prefix=server.prefix)
    url = f"{address_of(place)}{server.prefix}/"

    def started() -> None:
        print(url, flush=True)
        log_event("started", url=url, indexes=[index.name for index in service.catalog])

    def stopping() -> None:
        state.stopping = True
        log_event("stopping", in_progress=service.admission.current)

    run(app, place, grace=service.limits.timeout, on_start=started, on_stop=stopping)
    log_event("stopped")
