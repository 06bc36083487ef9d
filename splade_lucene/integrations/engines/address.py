"""Addresses of indexes in other engines."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from splade_lucene.errors import EngineError

SCHEMES = ("opensearch", "elasticsearch", "milvus")


class EngineAddress(NamedTuple):
    """An index in another engine.

    Attributes:
        engine: one of :data:`SCHEMES`.
        url: of the server, or the file of Milvus Lite.
        name: of the index or collection.
    """

    engine: str
    url: str
    name: str

    def __str__(self) -> str:
        """Without a password."""
        parts = urlsplit(self.url)
        if parts.hostname is None:
            return f"{self.engine}://{self.url}/{self.name}"
        port = "" if parts.port is None else f":{parts.port}"
        return f"{self.engine}{'+https' if parts.scheme == 'https' else ''}://{parts.hostname}{port}/{self.name}"


def parse_address(text: str) -> EngineAddress:
    """The parts of an address.

    Like ``opensearch://host:9200/index``, ``elasticsearch+https://user:password@host/index``, ``milvus://host:19530/collection``, or
    ``milvus:///folder/file.db/collection`` for a file of Milvus Lite.

    Raises:
        EngineError: it is no such address.
    """
    scheme, _, rest = text.partition("://")
    engine, _, transport = scheme.partition("+")
    place, _, index = rest.rpartition("/")
    if engine not in SCHEMES or transport not in {"", "http", "https"} or not place or not index:
        raise EngineError(f"{text!r} is no index of an engine; write opensearch://HOST:9200/INDEX, elasticsearch://… or milvus://…")
    if engine == "milvus" and place.startswith(("/", ".")):
        return EngineAddress(engine, place, index)
    return EngineAddress(engine, f"{transport or 'http'}://{place}", index)
