"""The application: routes, errors, and the watch over the index folders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from splade_lucene._version import __version__
from splade_lucene.errors import SpladeLuceneError
from splade_lucene.serving.http import anserini, embedding, operations, pages, searching
from splade_lucene.serving.http.access import Access
from splade_lucene.serving.http.answers import failure
from splade_lucene.serving.http.guard import Guard
from splade_lucene.serving.http.metrics import Metrics
from splade_lucene.serving.problems import RequestError
from splade_lucene.serving.service import SearchService
from splade_lucene.serving.watching import watched


class State:
    """What the routes share.

    Attributes:
        service: answers requests.
        stopping: the server is about to stop.
    """

    def __init__(self, service: SearchService) -> None:
        self.service, self.stopping = service, False


def make_application(service: SearchService, access: Access, *, prefix: str = "") -> tuple[ASGIApp, State]:
    """Puts the application together.

    Args:
        service: answers requests.
        access: who may ask.
        prefix: the path under which a proxy shows the server.

    Returns:
        The application, and what tells it to stop.
    """
    metrics, state = Metrics(service), State(service)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with watched(service.catalog, metrics.reloaded):
            yield

    app = FastAPI(
        title="splade_lucene",
        version=__version__,
        description="Search with SPLADE and BM25 on Lucene.",
        docs_url=None,  # FastAPI's page takes its scripts from elsewhere
        redoc_url=None,
        servers=[{"url": prefix or "/"}],
        lifespan=lifespan,
        redirect_slashes=False,
    )
    for router in (
        operations.routes(state, metrics),
        pages.routes(),
        searching.routes(service),
        embedding.routes(service),
        anserini.routes(service),
    ):
        app.include_router(router)
    _answer_errors(app)
    return Guard(app, limits=service.limits, access=access, metrics=metrics, prefix=prefix), state


def _answer_errors(app: FastAPI) -> None:
    @app.exception_handler(RequestError)
    async def request_error(_: Request, error: RequestError) -> Response:
        return failure(error.status, str(error), error.retry_after)

    @app.exception_handler(SpladeLuceneError)
    async def expected(request: Request, error: SpladeLuceneError) -> Response:
        request.scope["log"]["problem"] = str(error)
        return failure(500, str(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return failure(400, "; ".join(_sentence(each) for each in error.errors()[:3]))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        problem = str(error.detail)
        if error.status_code == 404:  # noqa: PLR2004
            problem = f"nothing is at {request.scope['path']}; see docs for what is"
        answer = failure(error.status_code, problem)
        answer.headers.update(error.headers or {})
        return answer


def _sentence(error: dict[str, object]) -> str:
    """What pydantic says of a field, without the input, which may be large."""
    place = error.get("loc")
    names = [str(part) for part in (place if isinstance(place, tuple) else ()) if part != "body"]
    message = str(error.get("msg")).removeprefix("Value error, ")
    if error.get("type") == "json_invalid":
        return "the body is not JSON"
    return f"{'.'.join(names)}: {message}" if names else message
