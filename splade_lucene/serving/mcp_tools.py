"""The tools of the Model Context Protocol, with the names and arguments of those of Pyserini's server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastmcp import FastMCP
from fastmcp.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from splade_lucene._version import __version__
from splade_lucene.errors import SpladeLuceneError
from splade_lucene.serving.describing import describe, describe_in_full
from splade_lucene.serving.requests import ExplainBody, SearchBody
from splade_lucene.serving.watching import watched

if TYPE_CHECKING:
    from splade_lucene.serving.service import SearchService

Answer = TypeVar("Answer")

_READ = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
_Hits = Annotated[int, Field(ge=1, description="the number of hits")]
_Index = Annotated[str | None, Field(description="the name of an index, as list_indexes gives it; the first one by default")]


def make_tools(service: SearchService) -> FastMCP:
    """A server of the Model Context Protocol over some indexes.

    Args:
        service: answers what the tools ask.
    """
    names = [index.name for index in service.catalog]

    @asynccontextmanager
    async def lifespan(_: FastMCP) -> AsyncIterator[None]:
        async with watched(service.catalog):
            yield

    server: FastMCP = FastMCP(
        "splade_lucene",
        version=__version__,
        instructions=f"Searches passages with SPLADE (learned sparse retrieval) and BM25. Indexes: {', '.join(names)}. "
        "search finds passages, get_document gives one in full, explain_score says which terms made its score.",
        mask_error_details=True,
        lifespan=lifespan,
    )

    @server.tool(annotations=_READ)
    async def search(
        query: Annotated[str, Field(description="the query, words or a question")],
        index: _Index = None,
        hits: _Hits = 10,
        fusion: Annotated[bool, Field(description="fuse the hits with those of the BM25 index of the same passages")] = False,
    ) -> list[dict[str, Any]]:
        """Searches an index; gives the best passages with docid, score, rank and text."""
        found = await _told(service.search(index or names[0], SearchBody(text=query, k=hits, fusion=fusion)))
        return [{"docid": hit.docid, "score": hit.score, "rank": hit.rank, "doc": hit.doc} for hit in found.candidates]

    @server.tool(annotations=_READ)
    async def get_document(docid: Annotated[str, Field(description="as search gives it")], index: _Index = None) -> dict[str, Any]:
        """The stored text of a document."""
        found = await _told(service.document(index or names[0], docid))
        return {"docid": found.docid, "doc": found.doc}

    @server.tool(annotations=_READ)
    async def list_indexes(
        index_type: Annotated[str | None, Field(description="only `impact` (SPLADE) or only `bm25`")] = None,
    ) -> list[dict[str, Any]]:
        """All indexes: name, kind, number of documents, encoder."""
        return [found.model_dump() for each in service.catalog if index_type in (None, (found := describe(each)).kind)]

    @server.tool(annotations=_READ)
    async def get_index(index: _Index = None) -> dict[str, Any]:
        """What an index holds: documents, terms, postings, bytes, how it was made."""
        return (await _told(describe_in_full(service, index or names[0]))).model_dump()

    @server.tool(annotations=_READ)
    async def explain_score(
        query: Annotated[str, Field(description="the query")],
        docids: Annotated[list[str], Field(min_length=1, max_length=2, description="a document, or two to compare")],
        index: _Index = None,
    ) -> dict[str, Any]:
        """Which terms of the query make the score of a document, or set two documents apart."""
        return (await _told(service.explain(index or names[0], ExplainBody(text=query, docids=docids)))).model_dump()

    return server


async def _told(work: Awaitable[Answer]) -> Answer:
    """What a call gives; the client is told the sentence of an expected failure, and nothing else."""
    try:
        return await work
    except SpladeLuceneError as error:
        raise ToolError(str(error)) from None
