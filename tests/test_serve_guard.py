"""What stands before every request: time-outs, clients that go away, faults of ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from splade_lucene.serving.http.access import Access
from splade_lucene.serving.http.guard import Guard
from splade_lucene.serving.http.metrics import Metrics
from splade_lucene.serving.settings import Limits

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class _Nothing:
    """A service without indexes, of which the metrics ask nothing here."""

    catalog: tuple[()] = ()


def ask(app: App, *messages: Message, limits: Limits | None = None, headers: list[tuple[bytes, bytes]] | None = None) -> list[Message]:
    """What a client gets that sends some messages and then keeps silent."""
    service: Any = _Nothing()
    guard = Guard(app, limits=limits or Limits(timeout=0.2), access=Access(None, None), metrics=Metrics(service))
    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": headers or [],
        "client": ("127.0.0.1", 1),
    }
    waiting, sent = list(messages), []

    async def receive() -> Message:
        if waiting:
            return waiting.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(guard(scope, receive, send))
    return sent


def request(body: bytes = b"", *, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


def error(sent: list[Message]) -> tuple[int, str]:
    return sent[0]["status"], json.loads(sent[1]["body"])["error"]


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    body = (await receive())["body"]
    await PlainTextResponse(body)(scope, receive, send)


async def dawdle(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(30)


def test_a_body_in_parts_arrives_whole() -> None:
    sent = ask(echo, request(b"one ", more=True), request(b"two"))
    assert (sent[0]["status"], sent[1]["body"]) == (200, b"one two")
    assert dict(sent[0]["headers"])[b"x-content-type-options"] == b"nosniff"


def test_what_takes_too_long_is_given_up() -> None:
    assert error(ask(dawdle, request())) == (504, "the request took more than 0.2 seconds")


def test_a_body_that_does_not_arrive_is_not_waited_for() -> None:
    sent = ask(echo, request(b"half", more=True))
    assert error(sent) == (408, "the request did not arrive in time")
    assert dict(sent[0]["headers"])[b"connection"] == b"close"


def test_a_body_that_is_too_large_is_not_read() -> None:
    limits = Limits(body_bytes=10, timeout=5)
    assert error(ask(echo, request(b"12345678901"), limits=limits)) == (413, "the body has more than 10 bytes")
    assert error(ask(echo, headers=[(b"content-length", b"11")], limits=limits))[0] == 413
    assert ask(echo, request(b"1234567890"), limits=limits)[0]["status"] == 200


def test_work_for_a_client_that_has_gone_is_stopped() -> None:
    stopped = []

    async def work(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.sleep(30)
        finally:
            stopped.append(True)

    assert ask(work, request(), {"type": "http.disconnect"}, limits=Limits(timeout=10)) == []
    assert stopped == [True]


def test_a_fault_of_ours_is_told_without_what_it_was() -> None:
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("/secret/path")

    status, sentence = error(ask(fail, request(), headers=[(b"x-request-id", b"abc")]))
    assert (status, sentence) == (500, "an error of the server; its log has more under the request id abc")
