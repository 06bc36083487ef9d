"""The page at ``/``, the description of the API at ``/docs``, and their files. Links are relative, so any path prefix will do."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

from splade_lucene.serving.http.answers import failure

_TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def routes() -> APIRouter:
    """The routes; the files are read once."""
    router = APIRouter(include_in_schema=False)
    page = {
        file.name: (file.read_bytes(), _TYPES[suffix])
        for file in files("splade_lucene.serving").joinpath("page").iterdir()
        if (suffix := f".{file.name.rpartition('.')[2]}") in _TYPES
    }

    def send(name: str) -> Response:
        if name not in page:
            return failure(404, f"no file {name!r} here")
        content, kind = page[name]
        # Files change with the version of the package alone, but keep their names: ask again each time.
        return Response(content, media_type=kind, headers={"cache-control": "no-cache"})

    @router.get("/")
    async def index() -> Response:
        return send("index.html")

    @router.get("/docs")
    async def docs() -> Response:
        return send("docs.html")

    @router.get("/favicon.ico")
    async def icon() -> Response:
        return send("icon.svg")

    @router.get("/static/{name}")
    async def static(name: str) -> Response:
        return send(name)

    return router
