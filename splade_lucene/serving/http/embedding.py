"""``/embed_sparse`` as text-embeddings-inference has it, so that clients of vector databases can use the encoder of an index."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from splade_lucene.serving.embedding import Embedder
from splade_lucene.serving.http.anserini import IndexName
from splade_lucene.serving.http.answers import ERRORS, answer
from splade_lucene.serving.requests import EmbedBody
from splade_lucene.serving.responses import SparseValue
from splade_lucene.serving.service import SearchService


def routes(service: SearchService) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["as text-embeddings-inference"], responses=ERRORS)
    embedder = Embedder(service)

    @router.post("/embed_sparse", response_model=list[list[SparseValue]], summary="Encode texts with the first impact index's encoder")
    async def embed_sparse(body: EmbedBody) -> Response:
        return answer(await embedder.embed(None, body))

    @router.post("/v1/{index}/embed_sparse", response_model=list[list[SparseValue]], summary="Encode texts with an index's encoder")
    async def embed_sparse_of(index: IndexName, body: EmbedBody) -> Response:
        return answer(await embedder.embed(index, body))

    return router
