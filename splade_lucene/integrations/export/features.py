"""What Elasticsearch and OpenSearch share: bulk requests, and Lucene's ``FeatureField`` under their fields of tokens with weights."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from splade_lucene.integrations.export.engine import FIELD, Exporter, check_id, compact, write_batches, write_json
from splade_lucene.records import ImpactVector

# Both advise requests of some megabytes and refuse over 100 MB; ids are Lucene terms that they limit to 512 bytes.
_MOST_RECORDS, _MOST_BYTES = 5000, 8_000_000
_MOST_ID = 512
# FeatureField keeps 9 significant bits of a float: integers are exact up to here.
_EXACT = 1 << 9
MOST_HITS = 10_000
"""Both engines' default ``index.max_result_window``."""


class FeatureExporter(Exporter):
    """Writes ``index.json`` (settings and mappings) and ``bulk/*.ndjson``."""

    engine: ClassVar[str]
    batches = "bulk/*.ndjson"

    def write_documents(self, folder: Path, vectors: Iterator[ImpactVector]) -> Mapping[str, Any]:
        """As in the base class: one bulk request per file, two lines per document."""
        rounded = 0
        largest = 0

        def records() -> Iterator[str]:
            nonlocal rounded, largest
            for vector in vectors:
                check_id(vector.doc_id, _MOST_ID, self.engine, self.job.source)
                rounded += sum(impact > _EXACT and kept_impact(impact) != impact for impact in vector.vector.values())
                largest = max(largest, *vector.vector.values())
                document: dict[str, Any] = {FIELD: self.features(vector.vector)}
                if vector.contents is not None:
                    document["contents"] = vector.contents
                yield compact({"index": {"_id": vector.doc_id}}) + "\n" + compact(document)

        files = write_batches(folder / "bulk", "{}.ndjson", records(), most_records=_MOST_RECORDS, most_bytes=_MOST_BYTES)
        write_json(folder / "index.json", self.index(largest))
        return {"files": files, **self.facts(rounded, largest)}

    def features(self, impacts: Mapping[str, int]) -> Mapping[str, float]:
        """A document's vector, as the engine's field takes it."""
        return {feature_name(token): impact for token, impact in impacts.items()}

    def index(self, largest: int) -> Mapping[str, Any]:
        """The body of the request that makes the index; ``largest`` is the largest impact."""
        return {"mappings": {"properties": {FIELD: self.mapping(largest), "contents": {"type": "text"}}}}

    @abstractmethod
    def mapping(self, largest: int) -> Mapping[str, Any]:
        """Of the field; ``largest`` is the largest impact."""

    def facts(self, rounded: int, largest: int) -> Mapping[str, Any]:
        """What the notes and ``export.json`` say; ``rounded`` is how many impacts the field cannot hold exactly."""
        if rounded:
            self.remarks.append(f"{rounded:,} impacts above {_EXACT} lose their last bits: the field keeps 9 significant ones")
        return {"rounded": rounded, "largest": largest}

    def weights(self, impacts: Mapping[str, int]) -> dict[str, float]:
        """A query's vector as weights: impacts over the scale, since Lucene takes no query weight above 64."""
        return {feature_name(token): impact / self.job.scale for token, impact in impacts.items()}


def feature_name(token: str) -> str:
    """A token with its dots percent-encoded, and per cent signs for their sake.

    Elasticsearch refuses dots in the names of features up to 8.x; ``urllib.parse.unquote`` gives the token back.
    """
    return token.replace("%", "%25").replace(".", "%2E")


def kept_impact(impact: int) -> int:
    """What Lucene's ``FeatureField`` keeps of an integer: its 9 most significant bits."""
    lost = max(0, impact.bit_length() - 9)
    return impact >> lost << lost
