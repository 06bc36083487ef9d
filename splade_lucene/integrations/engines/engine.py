"""What is asked of an engine that is searched, and what its index says of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from splade_lucene.errors import EngineError, IndexMismatchError
from splade_lucene.integrations.engines.address import EngineAddress
from splade_lucene.integrations.export.engine import Exporter, ExportJob
from splade_lucene.integrations.export.registry import exporter_class
from splade_lucene.records import EncoderRecord, Hit, VectorSettings

# Under this name an index in an engine carries what it was made from.
META = "splade_lucene"


class EngineRecord(NamedTuple):
    """What an index in another engine says of itself; the loader wrote it there.

    Attributes:
        to: the kind of export, as ``--to`` names it.
        documents: how many were loaded.
        encoder: the record of the encoder.
        settings: how passages were encoded.
        mark: of the load.
    """

    to: str
    documents: int
    encoder: EncoderRecord
    settings: VectorSettings
    mark: str

    def to_json(self) -> dict[str, Any]:
        """As the index holds it."""
        return self._asdict() | {"encoder": self.encoder.to_json(), "settings": self.settings.to_json()}


def record_for(export: Mapping[str, Any], mark: str) -> EngineRecord:
    """The record of an export that is loaded.

    Args:
        export: what ``export.json`` says.
        mark: of the load.
    """
    encoder, settings = EncoderRecord.from_json(export["encoder"]), VectorSettings(**export["settings"])
    return EngineRecord(export["engine"], export["documents"], encoder, settings, mark)


def read_record(value: object, where: object) -> EngineRecord:
    """The record in an index.

    Raises:
        IndexMismatchError: there is none.
    """
    try:
        assert isinstance(value, dict)
        encoder, settings = EncoderRecord.from_json(value["encoder"]), VectorSettings(**value["settings"])
        return EngineRecord(**{**value, "encoder": encoder, "settings": settings})
    except (AssertionError, TypeError, KeyError):
        raise IndexMismatchError(f"{where} does not say how it was made; load it with `splade-lucene export --load`") from None


class SearchEngine(ABC):
    """An index in another engine, open for search from several threads.

    Args:
        address: where it is.
        record: what it says of itself.

    Attributes:
        address: where it is.
        record: what it says of itself.
    """

    most_hits: int
    """The largest number of hits that a search may ask for."""

    def __init__(self, address: EngineAddress, record: EngineRecord) -> None:
        self.address, self.record = address, record

    def exporter(self, hits: int, vocabulary: Mapping[str, int]) -> Exporter:
        """What writes search requests for ``hits`` hits.

        Raises:
            EngineError: they are more than the engine returns.
        """
        if hits > self.most_hits:
            raise EngineError(f"{self.address} returns at most {self.most_hits:,} hits; give a smaller --hits")
        encoder = self.record.encoder
        job = ExportJob(
            Path(str(self.address)), self.address.name, self.record.documents, encoder.scale, encoder.model, hits, lambda: vocabulary
        )
        exporter: Exporter = exporter_class(self.record.to)(job)
        return exporter

    @abstractmethod
    def search(self, request: Mapping[str, Any]) -> list[Hit]:
        """Sends a request of :meth:`exporter`; hits best first, equal scores in the order of docids.

        Raises:
            EngineError: the engine refuses, or cannot be reached.
        """

    @abstractmethod
    def close(self) -> None:
        """Closes the connections."""


def ordered(hits: list[tuple[str, float]]) -> list[Hit]:
    """Hits best first, equal scores in the order of docids."""
    return sorted((Hit(doc_id, float(score)) for doc_id, score in hits), key=lambda hit: (-hit.score, hit.doc_id))
