"""How a server is set up: which indexes, and the limits that keep one client from harming the others."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import NamedTuple

from splade_lucene.errors import InputError, SpladeLuceneError

# What needs no escaping in the path of a URL.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class IndexSource(NamedTuple):
    """An index to serve.

    Attributes:
        name: how clients call it.
        folder: where it is.
        baseline: the name of the BM25 index of the same passages, if there is one.
    """

    name: str
    folder: Path
    baseline: str | None = None


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a request may ask for, and how much is taken on at once.

    Attributes:
        query_chars: the longest query, in characters.
        hits: the largest k.
        texts: how many texts ``/embed_sparse`` encodes in one request.
        body_bytes: the largest body of a request.
        queue: how many requests that search or encode are waiting or running; beyond it clients are told to come back.
        timeout: seconds after which a request is given up.
    """

    query_chars: int = 8192
    hits: int = 1000
    texts: int = 32
    body_bytes: int = 1 << 20
    queue: int = 128
    timeout: float = 30.0


@dataclasses.dataclass(frozen=True)
class QueryEncodingSettings:
    """How queries are encoded.

    Attributes:
        batch_wait_ms: how long a query waits for others to be encoded with it; none waits while the encoder is busy anyway.
        batch_size: the most queries that are encoded together.
        cache: how many encoded queries are kept.
        device: as in :meth:`SpladeModel.load`.
        precision: likewise.
        max_length: as ``query_max_length`` of :class:`~splade_lucene.pipeline.search.ImpactSearcher`; what each index says if None.
        top_k: as its ``query_top_k``.
        idf: as its ``query_idf``.
    """

    batch_wait_ms: float = 0.0
    batch_size: int = 16
    cache: int = 1024
    device: str = "auto"
    precision: str = "auto"
    max_length: int | None = None
    top_k: int | None = None
    idf: float | None = None

    @property
    def reweights(self) -> bool:
        """Whether queries are not encoded as the indexes say."""
        return (self.max_length, self.top_k, self.idf) != (None, None, None)


def parse_sources(indexes: list[str], baselines: list[str]) -> list[IndexSource]:
    """Reads ``name=folder`` or ``folder``, whose last part is the name then.

    Args:
        indexes: the indexes to serve.
        baselines: BM25 indexes of the same passages: one for all of them, or one for each in the same order.

    Raises:
        SpladeLuceneError: a name cannot stand in a URL or is given twice, or the numbers do not match.
    """
    if len(baselines) > 1 and len(baselines) != len(indexes):
        raise SpladeLuceneError(
            f"{len(baselines)} BM25 indexes for {len(indexes)} others; give --bm25 once for all of them, or once for each in the same order"
        )
    beside = [_source(text) for text in baselines]
    paired = beside * len(indexes) if len(beside) == 1 else beside
    names = [each.name for each in paired] if paired else [None] * len(indexes)
    sources = [_source(text)._replace(baseline=name) for text, name in zip(indexes, names, strict=True)]
    every = [*sources, *beside]
    taken: dict[str, Path] = {}
    for source in every:
        if taken.setdefault(source.name, source.folder) is not source.folder:
            raise SpladeLuceneError(f"two indexes are called {source.name!r}; give one of them another name: NAME={source.folder}")
    return every


def _source(text: str) -> IndexSource:
    name, equals, folder = text.partition("=")
    if not equals or "/" in name:  # a folder whose name has an equals sign
        name, folder = Path(text).resolve().name, text
    if not _NAME.fullmatch(name):
        raise InputError(folder, f"{name!r} cannot be a name in a URL; give one of letters, digits, '.', '_' and '-': NAME={folder}")
    return IndexSource(name, Path(folder).absolute())
