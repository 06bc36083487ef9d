"""The routes of Anserini's and Pyserini's REST API, with their shapes and their errors."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from splade_lucene.serving.http.answers import ERRORS, answer
from splade_lucene.serving.problems import bad_request
from splade_lucene.serving.requests import SearchBody
from splade_lucene.serving.responses import Candidate, DocumentAnswer, QueryText, SearchAnswer
from splade_lucene.serving.service import SearchService

_HITS = 10

IndexName = Annotated[str, Path(description="the name of an index")]
Parse = Annotated[str | None, Query(description="`true` for the text, `false` for the JSON as Anserini stores it (default: true)")]


def routes(service: SearchService) -> APIRouter:
    """The routes."""
    router = APIRouter(tags=["as Anserini and Pyserini"], responses=ERRORS)

    @router.get("/v1/{index}/search", response_model=SearchAnswer, summary="Search an index")
    async def search(
        request: Request,
        index: IndexName,
        query: Annotated[str | None, Query(description="the query")] = None,
        hits: Annotated[str | None, Query(description=f"the number of hits (default: {_HITS})")] = None,
        parse: Parse = None,
    ) -> Response:
        if query is None or not query.strip():
            raise bad_request("Parameter 'query' is required")
        parsed = _boolean("parse", parse)
        found = await service.search(index, SearchBody(text=query, k=_positive("hits", hits, _HITS)))
        request.scope["log"] |= {"hits": len(found.candidates), "encode_ms": round(found.timing.encode_ms, 2)}
        candidates = [
            Candidate(docid=each.docid, score=each.score, rank=each.rank, doc=_shown(each.docid, each.doc, parsed))
            for each in found.candidates
        ]
        return answer(SearchAnswer(index=index, query=QueryText(text=query), candidates=candidates))

    @router.get("/v1/{index}/doc/{docid:path}", response_model=DocumentAnswer, summary="Fetch a document")
    async def document(index: IndexName, docid: str, parse: Parse = None) -> Response:
        parsed = _boolean("parse", parse)
        found = await service.document(index, docid)
        return answer(DocumentAnswer(index=index, docid=docid, doc=_shown(docid, found.doc, parsed)))

    return router


def _shown(doc_id: str, text: str | None, parsed: bool) -> str | None:
    """A text as Anserini shows a document of which only the text is stored: the text, or the JSON that its index holds."""
    return text if parsed or text is None else json.dumps({"id": doc_id, "contents": text}, ensure_ascii=False)


def _positive(name: str, text: str | None, default: int) -> int:
    if text is None or not text.strip():
        return default
    try:
        value = int(text)
    except ValueError:
        raise bad_request(f"Parameter '{name}' must be an integer") from None
    if value < 1:
        raise bad_request(f"Parameter '{name}' must be positive")
    return value


def _boolean(name: str, text: str | None) -> bool:
    value = {None: True, "true": True, "false": False}.get(None if text is None else text.strip().lower())
    if value is None:
        raise bad_request(f"Parameter '{name}' must be 'true' or 'false'")
    return value
