"""Milvus, a cluster or the file of Milvus Lite: a collection that is loaded, and one that is searched."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from splade_lucene.errors import EngineError, IndexMismatchError
from splade_lucene.integrations.engines.address import EngineAddress
from splade_lucene.integrations.engines.engine import META, SearchEngine, ordered, read_record, record_for
from splade_lucene.integrations.export.engine import FIELD
from splade_lucene.integrations.export.loading import BusyError, export_record, patiently
from splade_lucene.integrations.export.milvus import CONTENTS, DOC_ID, MOST_CONTENTS, MOST_HITS, MOST_ID
from splade_lucene.records import Hit

# How messages of gRPC and of Milvus name a server that is away, late, starting or limiting its rate.
_BUSY_WORDS = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "rate limit", "not ready", "Fail connecting")
_TIMEOUT = 60.0


class MilvusClient:
    """The vendor's client and one collection.

    Args:
        url: of a server, or the file of Milvus Lite; a token is taken from ``MILVUS_TOKEN``.
        collection: its name.

    Raises:
        EngineError: the client is not installed, or the server cannot be reached.
    """

    def __init__(self, url: str, collection: str) -> None:
        try:
            import pymilvus
        except ImportError:
            raise EngineError("this needs the client of milvus; run: pip install 'splade_lucene[milvus]'") from None
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # it prints stack traces of what it also raises
        self._module, self.collection = pymilvus, collection
        file = "://" not in url
        if file:
            Path(url).absolute().parent.mkdir(parents=True, exist_ok=True)
        # One writer at a time in a file.
        self._alone: AbstractContextManager[Any] = threading.Lock() if file else nullcontext()
        connect = lambda: pymilvus.MilvusClient(url, token=os.environ.get("MILVUS_TOKEN", ""), timeout=_TIMEOUT)  # noqa: E731
        self._client: Any = patiently(lambda: self.call(connect), f"milvus at {url}", tries=3)

    def call(self, request: Callable[[], Any]) -> Any:
        """What a request answers.

        Raises:
            BusyError: the server is busy or away.
            EngineError: the server refuses.
        """
        try:
            with self._alone:
                return request()
        except self._module.MilvusException as error:
            reason = " ".join(str(error.message or error).split())[:300]
            if any(word in reason for word in _BUSY_WORDS):
                raise BusyError(reason) from None
            raise EngineError(f"Milvus refuses ({reason})") from None

    def exists(self) -> bool:
        """Whether the collection is there."""
        return bool(self.call(lambda: self._client.has_collection(self.collection)))

    def meta(self) -> object:
        """What the loader wrote into the collection, None if nothing."""
        described = self.call(lambda: self._client.describe_collection(self.collection))
        written = described.get("properties", {}).get(META)
        return None if written is None else json.loads(written)

    def create(self, meta: Mapping[str, Any]) -> None:
        """Makes the collection with its index, ready to search."""
        kinds = self._module.DataType
        schema = self._module.MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field(DOC_ID, kinds.VARCHAR, is_primary=True, max_length=MOST_ID)
        schema.add_field(FIELD, kinds.SPARSE_FLOAT_VECTOR)
        schema.add_field(CONTENTS, kinds.VARCHAR, max_length=MOST_CONTENTS, nullable=True)
        index = self._client.prepare_index_params()
        index.add_index(FIELD, index_name=FIELD, index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
        options = {"consistency_level": "Strong", "properties": {META: json.dumps(meta)}}
        self.call(lambda: self._client.create_collection(self.collection, schema=schema, index_params=index, **options))

    def drop(self) -> None:
        """Deletes the collection."""
        self.call(lambda: self._client.drop_collection(self.collection))

    def upsert(self, rows: list[dict[str, Any]]) -> int:
        """Adds rows or replaces those of the same id; returns how many."""
        return int(self.call(lambda: self._client.upsert(self.collection, rows))["upsert_count"])

    def load(self) -> None:
        """Has the server load the collection, as queries need; after a restart, Milvus Lite's at least, it is not loaded."""
        self.call(lambda: self._client.load_collection(self.collection))

    def count(self) -> int:
        """The number of rows."""
        self.load()
        found = self.call(lambda: self._client.query(self.collection, filter="", output_fields=["count(*)"]))
        return int(found[0]["count(*)"])

    def search(self, vector: Mapping[int, float], limit: int) -> list[tuple[str, float]]:
        """Ids and inner products of the hits."""
        options = {"anns_field": FIELD, "search_params": {"metric_type": "IP", "params": {"drop_ratio_search": 0.0}}}
        (hits,) = self.call(lambda: self._client.search(self.collection, data=[vector], limit=limit, **options))
        return [(hit[DOC_ID], hit["distance"]) for hit in hits]

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()


class MilvusServer:
    """A Milvus that an export is loaded into.

    Args:
        client: of the collection to make.
        folder: the export.
        url: of the server, or the file, for messages.

    Attributes:
        name: the collection, for messages.
    """

    def __init__(self, client: MilvusClient, folder: Path, url: str) -> None:
        self.name = str(EngineAddress("milvus", url, client.collection))
        self._client, self._folder = client, folder

    def mark(self) -> str | None:
        """As :class:`~splade_lucene.integrations.export.loading.Server` says, and so all others."""
        if not self._client.exists():
            return None
        meta = self._client.meta()
        return str(meta.get("mark", "")) if isinstance(meta, dict) else ""

    def create(self, mark: str) -> None:
        """Makes the collection; its properties say what queries need."""
        export = export_record(self._folder)
        assert export is not None
        self._client.create(record_for(export, mark).to_json())

    def delete(self) -> None:
        """Deletes the collection."""
        self._client.drop()

    def send(self, batch: Path) -> int:
        """Sends rows."""
        rows = json.loads(batch.read_text(encoding="utf-8"))["rows"]
        for row in rows:
            row[FIELD] = {int(number): float(impact) for number, impact in row[FIELD].items()}
        taken = self._client.upsert(rows)
        if taken != len(rows):
            raise BusyError(f"{len(rows) - taken} rows were not taken")
        return taken

    def count(self) -> int:
        """The number of rows."""
        return self._client.count()

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()


class MilvusEngine(SearchEngine):
    """A collection of Milvus that is searched."""

    most_hits = MOST_HITS

    def __init__(self, address: EngineAddress, *, connections: int = 1) -> None:
        if "://" not in address.url and not Path(address.url).exists():
            raise EngineError(f"{address} does not exist; check its name, or load it with `splade-lucene export --load`")
        self._client = MilvusClient(address.url, address.name)
        if not patiently(self._client.exists, str(address)):
            raise IndexMismatchError(f"{address} does not exist; check its name, or load it with `splade-lucene export --load`")
        super().__init__(address, read_record(patiently(self._client.meta, str(address)), address))
        patiently(self._client.load, str(address))

    def search(self, request: Mapping[str, Any]) -> list[Hit]:
        """As in the base class."""
        (vector,) = request["data"]
        if not vector:
            return []
        sparse = {int(number): float(impact) for number, impact in vector.items()}
        hits: list[tuple[str, float]] = patiently(lambda: self._client.search(sparse, request["limit"]), str(self.address))
        return ordered(hits)

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()
