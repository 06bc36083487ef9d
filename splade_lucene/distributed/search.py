"""Searching an impact index in parts on Ray: an actor holds each part, and the hits of all are merged by Lucene's rule."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

from splade_lucene.distributed.cluster import Cluster, Failure, answer, connected, wait
from splade_lucene.errors import IndexMismatchError, SpladeLuceneError
from splade_lucene.lucene import jvm
from splade_lucene.lucene.card import IndexCard
from splade_lucene.lucene.filters import DocumentFilter
from splade_lucene.lucene.parts import combine_cards, find_parts
from splade_lucene.pipeline.search import ImpactSearcher, QueryOptions
from splade_lucene.records import Hit

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel
    from splade_lucene.lucene.impact_searcher import ImpactIndexSearcher

# HOST:/folder, a part on a node's own disk.
_ON_NODE = re.compile(r"([^/:]+):(/.+)")


class _Opened(NamedTuple):
    card: IndexCard
    size: int
    postings: float


class PartServer:
    """An actor with one part."""

    def __init__(self, part: str, heap: str | None) -> None:
        self._part, self._heap = part, heap
        self._searcher: ImpactIndexSearcher | None = None

    def open(self) -> _Opened | Failure:
        """Opens the part, if it is not open."""
        try:
            searcher = self._opened()
        except (SpladeLuceneError, OSError) as error:
            return Failure(str(error))
        return _Opened(searcher.card, searcher.size(), searcher.mean_length() * searcher.card.documents)

    def search(self, queries: Sequence[Mapping[str, int]], k: int) -> list[tuple[list[Hit], float]] | Failure:
        """The hits of each query in this part, and the seconds that they took."""
        try:
            searcher, found = self._opened(), []
            for impacts in queries:
                start = time.perf_counter()
                hits = searcher.search_impacts(impacts, k)
                found.append((hits, time.perf_counter() - start))
        except (SpladeLuceneError, OSError) as error:
            return Failure(str(error))
        return found

    def document_frequencies(self, terms: Sequence[str]) -> dict[str, int] | Failure:
        """In how many documents of this part each term occurs."""
        try:
            return self._opened().document_frequencies(terms)
        except (SpladeLuceneError, OSError) as error:
            return Failure(str(error))

    def _opened(self) -> ImpactIndexSearcher:
        if self._searcher is None:
            from splade_lucene.lucene.impact_searcher import ImpactIndexSearcher

            jvm.start(heap=self._heap or jvm.DEFAULT_HEAP)
            self._searcher = ImpactIndexSearcher(self._part)
        return self._searcher


class RayImpactSearcher(ImpactSearcher):
    """Searches the parts of an impact index on the nodes of a Ray cluster; hits, scores and order are those of one index.

    An impact score needs nothing but the document and the query, so the best k of all are among the best k of each part. BM25 scores
    also need counts over all parts, so BM25 indexes are not searched in this way. Queries are encoded in this process.

    Args:
        index: parts, or a folder of parts, that all nodes see under the same names; or ``HOST:/folder`` for a part on the disk of the
            node with this address.
        cluster: where the parts are searched, one actor each with ``cpus_per_worker`` cores, 1 if None.
        model: as for :class:`~splade_lucene.pipeline.search.ImpactSearcher`.
        heap: of each part's JVM; the default of :func:`splade_lucene.lucene.jvm.start` if None.
        options: those of :class:`~splade_lucene.pipeline.search.ImpactSearcher` that say how queries are encoded, under their names; for
            ``query_idf`` the nodes count the documents of a token in their parts.

    Raises:
        IndexMismatchError: a part is no impact index, or they were not built in the same way.
        SpladeLuceneError: Ray is not there.
    """

    def __init__(
        self,
        index: Path | str | Sequence[Path | str],
        cluster: Cluster,
        *,
        model: SpladeModel | None = None,
        heap: str | None = None,
        **options: Unpack[QueryOptions],
    ) -> None:
        given = [index] if isinstance(index, str | Path) else list(index)
        places = [place for each in given for place in _places(str(each))]
        self._stack = ExitStack()
        try:
            self._ray = self._stack.enter_context(connected(cluster))
            self._servers = [_start(self._ray, place, cluster.cpus_per_worker or 1, heap) for place in places]
            opened = self._all("open")
        except BaseException:  # Ctrl-C too closes what was opened
            self._stack.close()
            raise
        self.name, self.parts = ", ".join(map(str, given)), tuple(map(Path, places))
        self.card = combine_cards(dict(zip(places, (each.card for each in opened), strict=True)))
        self._size: int = sum(each.size for each in opened)
        self._postings: float = sum(each.postings for each in opened)
        self._everything = DocumentFilter(self.card.documents, None)
        self.bind(model, **options)

    def size(self) -> int:
        """The bytes of all parts on disk."""
        return self._size

    def mean_length(self) -> float:
        """The mean number of distinct terms of a document."""
        return self._postings / max(1, self.card.documents)

    def document_frequencies(self, terms: Iterable[str]) -> dict[str, int]:
        """In how many documents each term occurs, parts added up."""
        wanted = list(terms)
        found = self._all("document_frequencies", wanted)
        return {term: sum(part[term] for part in found) for term in wanted}

    def close(self) -> None:
        """Ends the actors, and Ray where it was started for this searcher."""
        for server in self._servers:
            self._ray.kill(server)
        self._servers = []
        self._stack.close()

    def filter(self, docids: Iterable[str] | None = None, *, where: str | None = None, max_passage: bool = False) -> DocumentFilter:
        """Not on Ray.

        Raises:
            SpladeLuceneError: always.
        """
        raise SpladeLuceneError("searching on Ray takes no filter; search the parts in one process")

    @property
    def memory(self) -> None:
        """What the parts take up in the memory of their nodes is not known here."""
        return None

    def _many(
        self, prepared: Sequence[Mapping[str, int]], k: int, threads: int, within: DocumentFilter, max_passage: bool
    ) -> list[tuple[list[Hit], float]]:
        if k < 1:
            raise ValueError(f"k is the number of hits and must be at least 1, not {k}")
        if max_passage:
            raise SpladeLuceneError("searching on Ray does not find documents by their passages; search the parts in one process")
        merged = []
        for of_parts in zip(*self._all("search", list(prepared), k), strict=True):
            # Docids compare as their UTF-8 bytes do, which is Lucene's order.
            hits = sorted((hit for hits, _ in of_parts for hit in hits), key=lambda hit: (-hit.score, hit.doc_id))[:k]
            self._check_once(hits)
            merged.append(([Hit(*hit) for hit in hits], max(seconds for _, seconds in of_parts)))
        return merged

    def _all(self, method: str, *arguments: Any) -> list[Any]:
        """What the actors of all parts answer; Ray asks those that died again."""
        references = [getattr(server, method).remote(*arguments) for server in self._servers]
        missing = list(references)
        while missing:
            for done in wait(self._ray, missing):
                missing.remove(done)
        return [answer(self._ray, reference) for reference in references]


def _places(index: str) -> list[str]:
    return [index] if _ON_NODE.fullmatch(index) else [str(part.absolute()) for part in find_parts(index)]


def _start(ray: Any, place: str, cpus: int, heap: str | None) -> Any:
    options: dict[str, Any] = {"num_cpus": cpus, "max_restarts": -1, "max_task_retries": -1}
    on_node = _ON_NODE.fullmatch(place)
    if on_node is None:
        return ray.remote(PartServer).options(**options, scheduling_strategy="SPREAD").remote(place, heap)
    host, folder = on_node.groups()
    if not any(f"node:{host}" in node["Resources"] for node in ray.nodes() if node["Alive"]):
        raise IndexMismatchError(f"{place}: no node of the Ray cluster has the address {host}; `ray status` lists them")
    return ray.remote(PartServer).options(**options, resources={f"node:{host}": 0.001}).remote(folder, heap)
