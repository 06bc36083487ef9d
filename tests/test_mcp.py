"""The tools of the Model Context Protocol, called by the protocol's own client over stdio and over HTTP."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
from fastmcp.exceptions import ToolError

from splade_lucene.encoding.model import SpladeModel
from splade_lucene.lucene.bm25_searcher import Bm25Searcher
from splade_lucene.pipeline.search import ImpactSearcher
from tests.served import QUERY, ROOT, Indexes, serving

TOOLS = {"search", "get_document", "list_indexes", "get_index", "explain_score"}


def talk(transport: Any, conversation: Callable[[Client[Any]], Awaitable[None]]) -> None:
    async def connected() -> None:
        async with Client(transport) as client:
            assert {tool.name for tool in await client.list_tools()} == TOOLS
            await conversation(client)

    asyncio.run(connected())


async def call(client: Client[Any], tool: str, **arguments: Any) -> Any:
    answer = (await client.call_tool(tool, arguments)).structured_content
    assert answer is not None
    return answer.get("result", answer)


def test_over_stdio_the_tools_answer_as_the_searchers_do(indexes: Indexes, tiny: SpladeModel) -> None:
    texts = {passage.doc_id: passage.contents for passage in indexes.passages}
    with ImpactSearcher(indexes.impact, model=tiny) as splade, Bm25Searcher(indexes.bm25) as bm25:
        first, words = splade.search(QUERY, 3), bm25.search(QUERY, 3)

    async def conversation(client: Client[Any]) -> None:
        found = await call(client, "search", query=QUERY, hits=3)
        assert [(each["docid"], each["score"]) for each in found] == first
        assert [each["doc"] for each in found] == [texts[each["docid"]] for each in found]
        found = await call(client, "search", query=QUERY, hits=3, index="words")
        assert [(each["docid"], each["score"]) for each in found] == words
        assert len(await call(client, "search", query=QUERY, fusion=True)) == 10
        assert await call(client, "get_document", docid=first[0].doc_id) == {"docid": first[0].doc_id, "doc": texts[first[0].doc_id]}
        assert [each["name"] for each in await call(client, "list_indexes")] == ["python", "words"]
        assert [each["name"] for each in await call(client, "list_indexes", index_type="bm25")] == ["words"]
        assert (await call(client, "get_index"))["documents"] == len(indexes.passages)
        explained = await call(client, "explain_score", query=QUERY, docids=[first[0].doc_id, first[1].doc_id])
        assert [each["score"] for each in explained["documents"]] == [first[0].score, first[1].score]
        for tool, arguments, message in (
            ("search", {"query": QUERY, "index": "nothing"}, "no index 'nothing' here"),
            ("search", {"query": QUERY, "hits": 2000}, "2,000 hits are not between"),
            ("get_document", {"docid": "nothing"}, "python has no document 'nothing'"),
        ):
            with pytest.raises(ToolError, match=message):
                await call(client, tool, **arguments)

    command = ["-m", "splade_lucene.cli.main", "mcp", f"python={indexes.impact}", "--bm25", f"words={indexes.bm25}"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    talk(StdioTransport(sys.executable, command, env=environment, cwd=str(ROOT)), conversation)


def test_over_http_a_key_is_needed_where_there_is_one(indexes: Indexes) -> None:
    arguments = [f"words={indexes.bm25}", "--transport", "http", "--api-key", "s3cret"]
    with serving(arguments, command="mcp") as server:
        assert httpx.post(server.url, json={}, trust_env=False).status_code == 401

        async def conversation(client: Client[Any]) -> None:
            assert len(await call(client, "search", query=QUERY, hits=4)) == 4

        talk(StreamableHttpTransport(server.url, headers={"Authorization": "Bearer s3cret"}), conversation)
