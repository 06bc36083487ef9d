"""Our own routes: search with everything that explains it, and what is known of the indexes."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from splade_lucene.serving.describing import describe, describe_in_full
from splade_lucene.serving.http.anserini import IndexName
from splade_lucene.serving.http.answers import ERRORS, answer
from splade_lucene.serving.requests import ExplainBody, SearchBody
from splade_lucene.serving.responses import ExplainAnswer, FullSearchAnswer, IndexAnswer, StatsAnswer
from splade_lucene.serving.service import SearchService


def routes(service: SearchService) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["search"], responses=ERRORS)

    @router.get("/v1/indexes", response_model=list[IndexAnswer], summary="All indexes")
    async def indexes() -> Response:
        return answer([describe(each) for each in service.catalog])

    @router.post("/v1/{index}/search", response_model=FullSearchAnswer, response_model_exclude_none=True, summary="Search, fuse, explain")
    async def search(request: Request, index: IndexName, body: SearchBody) -> Response:
        found = await service.search(index, body)
        request.scope["log"] |= {"hits": len(found.candidates), "encode_ms": round(found.timing.encode_ms, 2)}
        return answer(found)

    @router.post("/v1/{index}/explain", response_model=ExplainAnswer, summary="Why a document has its score, or is above another")
    async def explain(index: IndexName, body: ExplainBody) -> Response:
        return answer(await service.explain(index, body))

    @router.get("/v1/{index}/stats", response_model=StatsAnswer, summary="What an index holds")
    async def stats(index: IndexName) -> Response:
        return answer(await describe_in_full(service, index))

    return router
