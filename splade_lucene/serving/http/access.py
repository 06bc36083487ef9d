"""Who may ask: the API key, and the names under which a server on loopback answers."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Collection, Mapping

from splade_lucene.errors import SpladeLuceneError

KEY_VARIABLE = "SPLADE_LUCENE_API_KEY"
# The page and its description say nothing of the data; probes of a supervisor have no key.
_OPEN = {"/", "/docs", "/openapi.json", "/health", "/ready", "/favicon.ico"}
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_OPEN_FOLDER = "/static/"


def is_loopback(host: str) -> bool:
    """Whether an address to listen at is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_exposure(host: str, key: str | None, *, without_key: bool) -> None:
    """Makes sure that nobody opens a server to the network by accident.

    Raises:
        SpladeLuceneError: the server would be reached from other machines without an API key.
    """
    if not is_loopback(host) and key is None and not without_key:
        raise SpladeLuceneError(
            f"--host {host} is reached from other machines; give an API key with --api-key or {KEY_VARIABLE}, "
            "or say --no-api-key to let everybody search"
        )


class Access:
    """Decides which requests are let in.

    Args:
        key: what clients have to send; None lets everybody in.
        hosts: the names under which the server answers; None for all. On loopback without a key this keeps web pages that the user
            visits from reaching the server through a name of their own (DNS rebinding).
    """

    def __init__(self, key: str | None, hosts: Collection[str] | None) -> None:
        self._key = None if key is None else _digest(key)
        self._hosts = None if hosts is None else {host.lower() for host in hosts}

    def knows_host(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a request names the server as it may be named."""
        if self._hosts is None:
            return True
        host = headers.get(b"host", b"").decode("latin-1").lower()
        name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
        return name in self._hosts

    def has_key(self, path: str, headers: Mapping[bytes, bytes]) -> bool:
        """Whether a request has the key, or needs none."""
        if self._key is None or path in _OPEN or path.startswith(_OPEN_FOLDER):
            return True
        sent = headers.get(b"x-api-key")
        if sent is None:
            scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
            sent = token.strip() if scheme.lower() == b"bearer" else None
        return sent is not None and hmac.compare_digest(_digest(sent), self._key)


def access_for(host: str, key: str | None, allowed_hosts: Collection[str]) -> Access:
    """The rules for a server at an address: on loopback without a key it answers to the names of loopback and those allowed."""
    closed = is_loopback(host) and key is None
    return Access(key, [*_LOOPBACK_NAMES, *allowed_hosts] if closed else None)


def _digest(key: str | bytes) -> bytes:
    return hashlib.sha256(key.encode() if isinstance(key, str) else key).digest()
