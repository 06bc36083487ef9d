"""How requests fail: an HTTP status and one sentence."""

from __future__ import annotations

from splade_lucene.errors import SpladeLuceneError


class RequestError(SpladeLuceneError):
    """A request that is not answered with what it asks for.

    Args:
        status: of HTTP.
        message: one sentence: what is wrong and what to do.
        retry_after: seconds after which the same request may succeed; None if it never will.
    """

    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        self.status, self.retry_after = status, retry_after
        super().__init__(message)


def bad_request(message: str) -> RequestError:
    """The request cannot be understood, or asks for more than the limits allow."""
    return RequestError(400, message)


def not_found(message: str) -> RequestError:
    """There is no such index or document."""
    return RequestError(404, message)


def overloaded(message: str) -> RequestError:
    """The server is busy; the client may come back in a second."""
    return RequestError(503, message, retry_after=1)
