"""OpenSearch and Elasticsearch: an index that is loaded, and one that is searched."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from splade_lucene.errors import EngineError, IndexMismatchError
from splade_lucene.integrations.engines.address import EngineAddress
from splade_lucene.integrations.engines.clients import BUSY, RestClient, Vendor
from splade_lucene.integrations.engines.engine import META, SearchEngine, ordered, read_record, record_for
from splade_lucene.integrations.export.features import MOST_HITS
from splade_lucene.integrations.export.loading import BusyError, export_record, patiently
from splade_lucene.records import Hit

_CREATED = (200, 201)


class RestServer:
    """A server of OpenSearch or Elasticsearch that an export is loaded into.

    Args:
        client: of the index to make.
        folder: the export.
        url: of the server, for messages.

    Attributes:
        name: the index, for messages.
    """

    def __init__(self, client: RestClient, folder: Path, url: str) -> None:
        self.name = str(EngineAddress(client.vendor, url, client.index))
        self._client, self._folder = client, folder

    def mark(self) -> str | None:
        """As :class:`~splade_lucene.integrations.export.loading.Server` says, and so all others."""
        mapping = self._client.mapping()
        if mapping is None:
            return None
        return str(mapping.get("_meta", {}).get(META, {}).get("mark", ""))

    def create(self, mark: str) -> None:
        """Makes the index as ``index.json`` says; its ``_meta`` says what queries need."""
        body = json.loads((self._folder / "index.json").read_text(encoding="utf-8"))
        export = export_record(self._folder)
        assert export is not None
        body["mappings"]["_meta"] = {META: record_for(export, mark).to_json()}
        self._client.create(body)

    def delete(self) -> None:
        """Deletes the index."""
        self._client.delete()

    def send(self, batch: Path) -> int:
        """Sends a bulk request; what the server was too busy for is sent again with all of it: documents carry their ids."""
        lines = batch.read_text(encoding="utf-8").splitlines()
        outcomes = self._client.bulk(lines)
        sent = len(lines) // 2
        if len(outcomes) != sent:
            raise EngineError(f"{self.name} answered for {len(outcomes)} of the {sent} documents in {batch.name}")
        busy = 0
        for outcome in outcomes:
            if outcome["status"] in BUSY:
                busy += 1
            elif outcome["status"] not in _CREATED:
                error = outcome.get("error", {})
                reason = f"{error.get('type')}: {error.get('reason')}" if isinstance(error, dict) else str(error)
                raise EngineError(f"{self.name} refuses the document {outcome['_id']!r} of {batch.name} ({reason})")
        if busy:
            raise BusyError(f"{busy} documents were not taken")
        return sent

    def count(self) -> int:
        """The number of documents."""
        return self._client.count()

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()


class RestEngine(SearchEngine):
    """An index of OpenSearch or Elasticsearch that is searched."""

    most_hits = MOST_HITS

    def __init__(self, address: EngineAddress, *, connections: int = 1) -> None:
        self._client = RestClient(cast(Vendor, address.engine), address.url, address.name, connections=connections)
        mapping = patiently(self._client.mapping, str(address), tries=3)
        if mapping is None:
            raise IndexMismatchError(f"{address} does not exist; check its name, or load it with `splade-lucene export --load`")
        super().__init__(address, read_record(mapping.get("_meta", {}).get(META), address))

    def search(self, request: Mapping[str, Any]) -> list[Hit]:
        """As in the base class."""
        hits: list[tuple[str, float]] = patiently(lambda: self._client.search(request), str(self.address))
        return ordered(hits)

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()
