"""Opens an index of another engine, to load it or to search it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from splade_lucene.errors import InputError
from splade_lucene.integrations.engines.address import EngineAddress
from splade_lucene.integrations.export.loading import CONNECTIONS, export_record, load_export

if TYPE_CHECKING:
    from splade_lucene.integrations.engines.engine import SearchEngine


def load_engine(
    folder: Path | str,
    url: str,
    *,
    overwrite: bool = False,
    connections: int = CONNECTIONS,
    advance: Callable[[int], None] = lambda count: None,
) -> int:
    """Loads an export into the engine that it was written for, as :func:`~splade_lucene.integrations.export.loading.load_export` does.

    Args:
        folder: what the export wrote, for ``opensearch``, ``opensearch-ann``, ``elasticsearch`` or ``milvus``.
        url: of the server, or a file for Milvus Lite. Keys are taken from ``OPENSEARCH_API_KEY``, ``ELASTICSEARCH_API_KEY`` and
            ``MILVUS_TOKEN``.
        overwrite: replace an index of this name.
        connections: the number of concurrent batches.
        advance: told the number of documents loaded since the last call.

    Returns:
        The number of documents, counted by the server.

    Raises:
        InputError: ``folder`` is no export for one of these engines.
        EngineError: the client is not installed, or the load fails.
    """
    folder = Path(folder)
    record = export_record(folder)
    engine = "" if record is None else str(record["engine"]).removesuffix("-ann")
    if record is not None and engine == "milvus":
        from splade_lucene.integrations.engines.milvus import MilvusClient, MilvusServer
        from splade_lucene.integrations.export.milvus import collection_name

        milvus = MilvusServer(MilvusClient(url, collection_name(record["name"])), folder, url)
        return load_export(folder, milvus, engine=engine, overwrite=overwrite, connections=connections, advance=advance)
    if record is not None and engine in {"opensearch", "elasticsearch"}:
        from splade_lucene.integrations.engines.clients import RestClient, Vendor
        from splade_lucene.integrations.engines.rest import RestServer

        rest = RestServer(RestClient(cast(Vendor, engine), url, record["name"], connections=connections), folder, url)
        return load_export(folder, rest, engine=engine, overwrite=overwrite, connections=connections, advance=advance)
    raise InputError(folder, "is no complete export for opensearch, elasticsearch or milvus")


def open_engine(address: EngineAddress, *, connections: int = 1) -> SearchEngine:
    """Opens an index of another engine for search.

    Args:
        address: where it is.
        connections: the number of concurrent searches.

    Raises:
        EngineError: the client is not installed, or the server cannot be reached.
        IndexMismatchError: there is no such index, or it was not loaded from here.
    """
    if address.engine == "milvus":
        from splade_lucene.integrations.engines.milvus import MilvusEngine

        return MilvusEngine(address, connections=connections)
    from splade_lucene.integrations.engines.rest import RestEngine

    return RestEngine(address, connections=connections)
