"""All indexes of a server by name, and the watch over their folders."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from splade_lucene.errors import IndexMismatchError, SpladeLuceneError
from splade_lucene.serving.encoders import Encoders
from splade_lucene.serving.problems import not_found
from splade_lucene.serving.served_index import ServedIndex, check_kinds
from splade_lucene.serving.settings import IndexSource, QueryEncodingSettings

if TYPE_CHECKING:
    from splade_lucene.serving.encoders import ServedEncoder

_log = logging.getLogger("splade_lucene.serving")


class Catalog:
    """The served indexes.

    Args:
        sources: their names and folders.
        settings: how queries are encoded.

    Raises:
        SpladeLuceneError: one of them cannot be opened, or ``settings`` say how queries are encoded and no index has an encoder.
    """

    def __init__(self, sources: Iterable[IndexSource], settings: QueryEncodingSettings) -> None:
        self.encoders = Encoders(settings)
        self._indexes: dict[str, ServedIndex] = {}
        self._failed: dict[str, str] = {}
        self._reloading = threading.Lock()
        try:
            for source in sources:
                self._indexes[source.name] = ServedIndex(source, self.encoders)
            check_kinds(self._indexes)
            if settings.reweights and all(index.current.encoder is None for index in self):
                raise IndexMismatchError(
                    "only BM25 indexes are served, which encode no queries; leave --query-max-length, --query-top-k and --query-idf out"
                )
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[ServedIndex]:
        """The indexes in the order in which they were given."""
        return iter(self._indexes.values())

    def __getitem__(self, name: str) -> ServedIndex:
        """The index of a name.

        Raises:
            RequestError: there is none.
        """
        found = self._indexes.get(name)
        if found is None:
            raise not_found(f"no index {name!r} here; there is {', '.join(self._indexes)}")
        return found

    def encoder(self) -> ServedEncoder:
        """The encoder of the first impact index.

        Raises:
            RequestError: there is none.
        """
        for index in self:
            if index.current.encoder is not None:
                return index.current.encoder
        raise not_found("no impact index is served here, so there is no encoder; start the server with one")

    def reload_changed(self) -> list[str]:
        """Opens again what was replaced on disk; what cannot be opened is logged once and tried again the next time.

        Returns:
            The names of the indexes that are new.
        """
        done = []
        with self._reloading:
            for index in self:
                if not index.changed():
                    continue
                try:
                    index.reload()
                except (SpladeLuceneError, OSError) as error:
                    if self._failed.get(index.name) != str(error):
                        self._failed[index.name] = str(error)
                        _log.warning("index not reloaded", extra={"fields": {"index": index.name, "problem": str(error)}})
                else:
                    self._failed.pop(index.name, None)
                    done.append(index.name)
        return done

    def close(self) -> None:
        """Closes all indexes."""
        self.encoders.thread.shutdown(cancel_futures=True)
        for index in self:
            index.close()
