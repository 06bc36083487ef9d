"""Routes for those who run the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from starlette.responses import JSONResponse, Response

from splade_lucene._version import __version__
from splade_lucene.serving.http.answers import failure
from splade_lucene.serving.http.metrics import Metrics

if TYPE_CHECKING:
    from splade_lucene.serving.http.application import State


def routes(state: State, metrics: Metrics) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["operations"])

    @router.get("/health", summary="The process answers")
    async def health() -> Response:
        return JSONResponse({"status": "ok", "version": __version__})

    @router.get("/ready", summary="Requests are welcome", responses={503: {"description": "The server is busy or about to stop."}})
    async def ready() -> Response:
        if state.stopping:
            return failure(503, "the server is about to stop", retry_after=1)
        admission = state.service.admission
        if admission.current >= admission.most:
            return failure(503, "the server is busy", retry_after=1)
        return JSONResponse({"status": "ready", "indexes": [index.name for index in state.service.catalog]})

    @router.get("/metrics", summary="For Prometheus", response_class=Response)
    async def metrics_text() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    return router
