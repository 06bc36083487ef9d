"""Runs the application: a socket, time-outs for connections, and an end that finishes what has begun."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from splade_lucene.errors import SpladeLuceneError

# Seconds that a connection may stay silent between two requests.
_KEEP_ALIVE = 65
# Bytes of the head of a request, its address included; uvicorn would take in any number.
_HEAD_BYTES = 1 << 16


class _Protocol(HttpToolsProtocol):
    """uvicorn's, which waits for the head of a request for ever, however long it is."""

    head_seconds = 10.0
    _timer: asyncio.TimerHandle | None = None
    _received = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        if self._timer is None and (self.cycle is None or self.cycle.response_complete):
            self._expect_head()
        self._received += len(data)
        super().data_received(data)
        if self._timer is not None and self._received > _HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LONG)
            self.transport.close()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._received = 0
        self._timer = asyncio.get_running_loop().call_later(self.head_seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


_TOO_LONG_BODY = b'{"error":"the address or the headers of the request are too long"}'
_TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(_TOO_LONG_BODY), _TOO_LONG_BODY)
)


class _Server(uvicorn.Server):
    """uvicorn's, which ends with status 0 after SIGTERM, and says when it begins to end."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], None], on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop, self._on_start = on_stop, on_start

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals():
            try:
                yield
            finally:
                self._captured_signals.clear()  # else uvicorn raises them again

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_stop()
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one.

    Raises:
        SpladeLuceneError: the address is taken, or is none of this machine's.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
    except OSError as error:
        raise SpladeLuceneError(f"cannot listen at {host} port {port} ({error.strerror or error}); give another --host or --port") from None
    found.set_inheritable(True)
    return found


def address_of(place: socket.socket) -> str:
    """The address of a socket as the beginning of a URL."""
    host, port = place.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def run(app: ASGIApp, place: socket.socket, *, grace: float, on_start: Callable[[], None], on_stop: Callable[[], None]) -> None:
    """Serves until SIGTERM or SIGINT, then finishes what has begun.

    Args:
        app: the application.
        place: where it listens.
        grace: seconds that requests have to arrive, and to finish in the end.
        on_start: called when requests are answered.
        on_stop: called when no more are taken on.
    """
    options: dict[str, Any] = {
        "http": type("_PatientProtocol", (_Protocol,), {"head_seconds": min(_Protocol.head_seconds, grace)}),
        "ws": "none",
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "timeout_keep_alive": _KEEP_ALIVE,
        "timeout_graceful_shutdown": max(1, round(grace)),
        "proxy_headers": True,
        "forwarded_allow_ips": "127.0.0.1,::1",
        "backlog": 1024,
    }
    server = _Server(uvicorn.Config(app, **options), on_stop, on_start)
    server.run(sockets=[place])
