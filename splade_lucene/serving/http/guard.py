"""What stands before every request: its id, its limits, the key, the time-out, the log line."""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from splade_lucene.serving.http.access import Access
from splade_lucene.serving.http.answers import failure
from splade_lucene.serving.http.metrics import Metrics
from splade_lucene.serving.logs import log_event
from splade_lucene.serving.settings import Limits

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_HEADERS = (
    (b"content-security-policy", b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
     b"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)  # fmt: skip
# Clients that went away before their answer, as nginx writes it.
_GONE = 499


class Guard:
    """Lets a request through to the application, or answers it.

    Args:
        app: the application.
        limits: of requests.
        access: who may ask.
        metrics: told of every request.
        prefix: the path under which a proxy shows the server, without a slash at its end; it may leave it on requests or strip it.
    """

    def __init__(self, app: ASGIApp, *, limits: Limits, access: Access, metrics: Metrics, prefix: str = "") -> None:
        self._app, self._limits, self._access, self._metrics, self._prefix = app, limits, access, metrics, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        headers = dict(scope["headers"])
        sent_id = headers.get(b"x-request-id", b"")
        request_id = sent_id if _REQUEST_ID.fullmatch(sent_id) else uuid.uuid4().hex.encode()
        scope["log"] = {}
        answer = _Answer(send, request_id)
        try:
            await self._answer(scope, headers, receive, answer)
        except Exception:  # a fault of ours: the client is told so, the log has the rest
            log_event("failed", level=40, exc_info=True, request=request_id.decode())
            if not answer.started:
                await failure(500, f"an error of the server; its log has more under the request id {request_id.decode()}")(
                    scope, receive, answer
                )
        seconds = time.perf_counter() - start
        route = getattr(scope.get("route"), "path", "other")
        self._metrics.request(route, scope["method"] if route != "other" else "other", answer.status, seconds)
        log_event(
            "request",
            request=request_id.decode(),
            client=(scope.get("client") or [None])[0],
            method=scope["method"],
            path=scope["path"],
            status=answer.status,
            ms=round(seconds * 1e3, 2),
            bytes=answer.bytes,
            **scope["log"],
        )

    async def _answer(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: _Answer) -> None:
        path: str = scope["path"]
        if self._prefix and (path == self._prefix or path.startswith(f"{self._prefix}/")):
            path = scope["path"] = path[len(self._prefix) :]
            scope.pop("raw_path", None)
            if not path:
                await _redirect(f"{self._prefix}/", scope, receive, send)
                return
        if not self._access.knows_host(headers):
            await failure(421, "this server does not answer to that name; start it with --allow-host NAME")(scope, receive, send)
            return
        if not self._access.has_key(path, headers):
            refusal = failure(401, "the API key is missing or wrong; send it as X-API-Key or Authorization: Bearer")
            refusal.headers["www-authenticate"] = "Bearer"
            await refusal(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._limits.timeout):
                body = await _read(headers, receive, self._limits.body_bytes)
        except TimeoutError:
            await _close(failure(408, "the request did not arrive in time"), scope, receive, send)
            return
        if body is None:
            await _close(failure(413, f"the body has more than {self._limits.body_bytes:,} bytes"), scope, receive, send)
            return
        await self._run(scope, body, receive, send)

    async def _run(self, scope: Scope, body: bytes, receive: Receive, send: _Answer) -> None:
        """Runs the application until it is done, its time is up, or the client has gone."""
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        never = asyncio.Event()

        async def replay() -> Message:
            if messages:
                return messages.pop()
            await never.wait()
            return {"type": "http.disconnect"}

        work = asyncio.ensure_future(self._app(scope, replay, send))
        gone = asyncio.ensure_future(receive())
        try:
            done, _ = await asyncio.wait({work, gone}, timeout=self._limits.timeout, return_when=asyncio.FIRST_COMPLETED)
            if work not in done:
                work.cancel()
                if gone in done:
                    send.status = _GONE
                elif not send.started:
                    await failure(504, f"the request took more than {self._limits.timeout:g} seconds")(scope, receive, send)
            else:
                work.result()
        finally:
            gone.cancel()
            work.cancel()


class _Answer:
    """Sends an answer with our headers, and notes what it was."""

    def __init__(self, send: Send, request_id: bytes) -> None:
        self._send, self._request_id = send, request_id
        self.started, self.status, self.bytes = False, 0, 0

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.started, self.status = True, message["status"]
            message["headers"] = [*message.get("headers", []), (b"x-request-id", self._request_id), *_HEADERS]
        elif message["type"] == "http.response.body":
            self.bytes += len(message.get("body", b""))
        await self._send(message)


async def _read(headers: dict[bytes, bytes], receive: Receive, most: int) -> bytes | None:
    """The body of a request; None if it is too large."""
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length) > most:
        return None
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > most:
            return None
        if not message.get("more_body", False):
            return bytes(body)


async def _close(response: Any, scope: Scope, receive: Receive, send: Send) -> None:
    """Answers and ends the connection: what the client is still sending is not read."""
    response.headers["connection"] = "close"
    await response(scope, receive, send)


async def _redirect(place: str, scope: Scope, receive: Receive, send: Send) -> None:
    from starlette.responses import RedirectResponse

    query = scope["query_string"].decode("latin-1")
    await RedirectResponse(f"{place}?{query}" if query else place, 308)(scope, receive, send)
