"""An index that is served, and that is replaced without a request being lost."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from splade_lucene.errors import IndexMismatchError, InputError
from splade_lucene.lucene.bm25_searcher import Bm25Searcher
from splade_lucene.lucene.card import FILE, IndexCard, read_card
from splade_lucene.lucene.impact_searcher import ImpactIndexSearcher
from splade_lucene.lucene.statistics import IndexStatistics, index_statistics
from splade_lucene.serving.encoders import Encoders, ServedEncoder
from splade_lucene.serving.settings import IndexSource

Searcher = ImpactIndexSearcher | Bm25Searcher

# Texts that an opened index keeps at hand: reading one through pyjnius takes longer than a search for ten hits.
_TEXTS = 4096


class Stamp(NamedTuple):
    """What changes when an index folder is replaced: another folder takes its name."""

    device: int
    folder: int
    card: int
    written: int

    @classmethod
    def of(cls, folder: Path) -> Stamp:
        """The stamp of a folder as it is now.

        Raises:
            OSError: there is no such folder, or no card in it.
        """
        place, card = folder.stat(), (folder / FILE).stat()
        return cls(place.st_dev, place.st_ino, card.st_ino, card.st_mtime_ns)


class IndexSnapshot:
    """An index as it was when it was opened; it stays so for those who use it, whatever takes its place.

    Attributes:
        card: what it says of itself.
        searcher: searches it.
        encoder: encodes its queries; None for BM25.
        stamp: of its folder.
    """

    def __init__(self, source: IndexSource, encoders: Encoders) -> None:
        self.stamp = Stamp.of(source.folder)
        self.card: IndexCard = read_card(source.folder)
        self.encoder: ServedEncoder | None = None
        self.searcher: Searcher
        self.folder = source.folder
        if self.card.encoder is not None:
            self.searcher = searcher = ImpactIndexSearcher(source.folder)
            try:
                self.encoder = encoders.of(self.card, source.folder, searcher.document_frequencies)
            except BaseException:
                searcher.close()
                raise
            searcher.encode_with(self.encoder.queries.encoder)
        else:
            self.searcher = Bm25Searcher(source.folder)
        self.users, self.retired = 0, False
        self._texts: OrderedDict[str, str | None] = OrderedDict()
        self._lock = threading.Lock()
        self._example: str | None = None

    def text(self, doc_id: str) -> str | None:
        """The stored text of a document; None if the index stores none.

        Raises:
            InputError: there is no such document.
        """
        with self._lock:
            if doc_id in self._texts:
                self._texts.move_to_end(doc_id)
                return self._texts[doc_id]
        text = self.searcher.contents(doc_id)
        with self._lock:
            self._texts[doc_id] = text
            while len(self._texts) > _TEXTS:
                self._texts.popitem(last=False)
        return text

    def has(self, doc_id: str) -> bool:
        """Whether the index has a document."""
        try:
            self.text(doc_id)
        except InputError:
            return False
        return True

    def example(self, make: Callable[[], str | None]) -> str | None:
        """A query to begin with, made once."""
        if self._example is None:
            self._example = make() or ""
        return self._example or None

    @cached_property
    def statistics(self) -> IndexStatistics:
        """Counts and bytes, taken once."""
        return index_statistics(self.folder)


class ServedIndex:
    """An index under a name. Safe to use from several threads.

    Args:
        source: its name and folder.
        encoders: where its query encoder comes from.

    Raises:
        SpladeLuceneError: it cannot be opened.
    """

    def __init__(self, source: IndexSource, encoders: Encoders) -> None:
        self.source, self.name = source, source.name
        self._encoders = encoders
        self._lock = threading.Lock()
        self._current = self._open()

    @property
    def current(self) -> IndexSnapshot:
        """The index as it is now, to look at what it says of itself; search in a :meth:`lease`."""
        return self._current

    @contextmanager
    def lease(self) -> Iterator[IndexSnapshot]:
        """The index as it is now, kept open until the end of the block."""
        with self._lock:
            index = self._current
            index.users += 1
        try:
            yield index
        finally:
            with self._lock:
                index.users -= 1
                last = index.retired and not index.users
            if last:
                index.searcher.close()

    def changed(self) -> bool:
        """Whether another index has taken the place of the one that is open; False while there is none at all."""
        try:
            return Stamp.of(self.source.folder) != self._current.stamp
        except OSError:
            return False

    def reload(self) -> None:
        """Opens what is in the folder now. Running searches keep the index that they have, which is closed when the last of them is done.

        Raises:
            SpladeLuceneError: it cannot be opened; the index before stays.
        """
        new = self._open()
        with self._lock:
            old, self._current = self._current, new
            old.retired = True
            unused = not old.users
        if unused:
            old.searcher.close()

    def close(self) -> None:
        """Closes the index."""
        self._current.searcher.close()

    def _open(self) -> IndexSnapshot:
        try:
            index = IndexSnapshot(self.source, self._encoders)
        except OSError:
            read_card(self.source.folder)  # which says what is missing
            raise
        self._warm_up(index)
        return index

    def _warm_up(self, index: IndexSnapshot) -> None:
        # Java loads the classes of a search when it first searches.
        try:
            index.searcher.search("warm up", 1)
        except Exception:
            index.searcher.close()
            raise


def check_kinds(indexes: dict[str, ServedIndex]) -> None:
    """Makes sure that each ``--bm25`` is a BM25 index.

    Raises:
        IndexMismatchError: one is not.
    """
    for index in indexes.values():
        beside = index.source.baseline
        if beside is not None and indexes[beside].current.card.kind != "bm25":
            raise IndexMismatchError(
                f"{indexes[beside].source.folder}, given with --bm25, is an impact index; give it without --bm25, as one of the indexes"
            )
