"""Limits the number of concurrent requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from splade_lucene.serving.problems import overloaded


class Admission:
    """Counts the requests that wait or run, and refuses those beyond a limit. Use it from one thread.

    Args:
        most: how many there may be.
    """

    def __init__(self, most: int) -> None:
        self.most, self.current = most, 0

    @contextmanager
    def admit(self) -> Iterator[None]:
        """A place for one request.

        Raises:
            RequestError: there is none.
        """
        if self.current >= self.most:
            raise overloaded(f"{self.current} requests are waiting, the most that this server takes on; try again in a second")
        self.current += 1
        try:
            yield
        finally:
            self.current -= 1
