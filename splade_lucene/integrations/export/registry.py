"""The engines that vectors can be exported to, by name; light, for the command line."""

from __future__ import annotations

import importlib

_PACKAGE = "splade_lucene.integrations.export"
ENGINES = {
    "milvus": (f"{_PACKAGE}.milvus", "MilvusExporter"),
    "qdrant": (f"{_PACKAGE}.qdrant", "QdrantExporter"),
    "pinecone": (f"{_PACKAGE}.pinecone", "PineconeExporter"),
    "opensearch": (f"{_PACKAGE}.opensearch", "OpenSearchExporter"),
    "opensearch-ann": (f"{_PACKAGE}.opensearch", "OpenSearchAnnExporter"),
    "elasticsearch": (f"{_PACKAGE}.elasticsearch", "ElasticsearchExporter"),
    "ciff": (f"{_PACKAGE}.ciff", "CiffExporter"),
    "parquet": (f"{_PACKAGE}.parquet", "ParquetExporter"),
}

LOADABLE = ("qdrant", "milvus", "opensearch", "opensearch-ann", "elasticsearch")
"""The engines that an export can be loaded into from here."""


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
