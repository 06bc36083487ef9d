"""A query encoder that remembers what it encoded last."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from splade_lucene.lucene.impact_searcher import QueryEncoder


class CachingEncoder:
    """Encodes queries through another encoder, each only once as long as it is remembered. Safe to use from several threads.

    Search and explanation of one request see the same impacts.

    Args:
        encoder: what encodes.
        size: how many queries are remembered; the least recently used are forgotten first.
    """

    def __init__(self, encoder: QueryEncoder, size: int) -> None:
        self._encoder, self._size = encoder, size
        self._known: OrderedDict[str, dict[str, int]] = OrderedDict()
        self._lock = threading.Lock()

    def known(self, text: str) -> dict[str, int] | None:
        """The impacts of a query if they are remembered."""
        with self._lock:
            found = self._known.get(text)
            if found is not None:
                self._known.move_to_end(text)
            return found

    def encode_queries(self, texts: Sequence[str]) -> list[dict[str, int]]:
        """Encodes queries: for each token → impact."""
        found = {text: self.known(text) for text in texts}
        missing = [text for text, impacts in found.items() if impacts is None]
        if missing:
            new = dict(zip(missing, self._encoder.encode_queries(missing), strict=True))
            found.update(new)
            with self._lock:
                self._known.update(new)
                while len(self._known) > self._size:
                    self._known.popitem(last=False)
        return [found[text] or {} for text in texts]
