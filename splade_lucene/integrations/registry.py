"""The engines that vectors can be exported to, by name; light, for the command line."""

from __future__ import annotations

import importlib

_ROOM = "splade_lucene.integrations"
ENGINES = {
    "qdrant": (f"{_ROOM}.qdrant", "QdrantExporter"),
    "pinecone": (f"{_ROOM}.pinecone", "PineconeExporter"),
    "opensearch": (f"{_ROOM}.opensearch", "OpenSearchExporter"),
    "opensearch-ann": (f"{_ROOM}.opensearch", "OpenSearchAnnExporter"),
    "elasticsearch": (f"{_ROOM}.elasticsearch", "ElasticsearchExporter"),
    "ciff": (f"{_ROOM}.ciff", "CiffExporter"),
}


def exporter_class(engine: str) -> type:
    """The exporter of an engine, imported now.

    Raises:
        ValueError: there is no such engine.
    """
    if engine not in ENGINES:
        raise ValueError(f"no engine {engine!r}; there is {', '.join(ENGINES)}")
    module, name = ENGINES[engine]
    found: type = getattr(importlib.import_module(module), name)
    return found
