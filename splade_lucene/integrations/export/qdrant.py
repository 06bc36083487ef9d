"""Qdrant: sparse vectors as upsert requests, and loading them through its own client.

Formats: https://qdrant.tech/documentation/concepts/vectors/#sparse-vectors (collection and vectors),
https://api.qdrant.tech/api-reference/points/upsert-points (batches), https://api.qdrant.tech/api-reference/search/query-points.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from splade_lucene.errors import EngineError, InputError
from splade_lucene.integrations.export.engine import FIELD, Exporter, compact, sparse, write_batches, write_json
from splade_lucene.records import ImpactVector

# Qdrant refuses requests of over 32 MB; batches of some hundreds of points load fastest.
_MOST_RECORDS, _MOST_BYTES = 500, 8_000_000

_NOTES = """# Qdrant

Make the collection and load the batches (or run `splade-lucene export` with `--load http://localhost:6333`):

    curl -X PUT localhost:6333/collections/{name} -H 'Content-Type: application/json' --data-binary @collection.json
    for batch in points/*.json; do
      curl -X PUT 'localhost:6333/collections/{name}/points?wait=true' -H 'Content-Type: application/json' --data-binary @$batch
    done

Each line of `queries.jsonl` holds in `body` the request for `POST /collections/{name}/points/query`.

- `indices` are the numbers of tokens in the output layer of {model}: `vocabulary.json` says which. Queries must use the same numbers.
- Qdrant's point ids are integers or UUIDs: points are numbered in the order of the collection, the docid is in the payload.
- Values are impacts, integers: every dot product below 2^24 is exact and equals the score of the Lucene index. That holds for the
  default `datatype` float32 of the sparse index; `float16` and `uint8` round.
- Leave `modifier: idf` off: SPLADE weights have learnt what IDF would add.
- Ties come in no particular order.
"""


class QdrantExporter(Exporter):
    """Writes ``collection.json``, ``points/*.json`` and ``vocabulary.json``."""

    notes = _NOTES

    def write_documents(self, folder: Path, vectors: Iterator[ImpactVector]) -> Mapping[str, Any]:
        """As in the base class: one request body per file."""
        vocabulary = self.job.vocabulary()
        write_json(folder / "collection.json", {"sparse_vectors": {FIELD: {}}})
        write_json(folder / "vocabulary.json", vocabulary)
        files = write_batches(
            folder / "points",
            "{}.json",
            (compact(_point(number, vector, vocabulary)) for number, vector in enumerate(vectors)),
            most_records=_MOST_RECORDS,
            most_bytes=_MOST_BYTES,
            frame=('{"points":[\n', ",\n", "\n]}\n"),
        )
        return {"files": files}

    def query(self, impacts: Mapping[str, int]) -> Mapping[str, Any]:
        """The body of a ``points/query`` request."""
        return {"query": sparse(impacts, self.job.vocabulary()), "using": FIELD, "limit": self.job.hits, "with_payload": ["docid"]}


def _point(number: int, vector: ImpactVector, vocabulary: Mapping[str, int]) -> dict[str, Any]:
    payload = {"docid": vector.doc_id} if vector.contents is None else {"docid": vector.doc_id, "contents": vector.contents}
    return {"id": number, "vector": {FIELD: sparse(vector.vector, vocabulary)}, "payload": payload}


def load_qdrant(
    folder: Path | str,
    target: str,
    *,
    collection: str,
    overwrite: bool = False,
    advance: Callable[[int], None] = lambda count: None,
) -> int:
    """Loads an exported folder into Qdrant through its own client.

    Points keep their numbers, so a load that was interrupted is repaired by running it again with ``overwrite``.

    Args:
        folder: what the export wrote.
        target: the URL of a server (its API key is taken from ``QDRANT_API_KEY``), or a folder for the client's local mode.
        collection: the name of the collection to make.
        overwrite: replace a collection of this name.
        advance: told the number of points loaded since the last call.

    Returns:
        The number of points that the collection holds, counted by Qdrant.

    Raises:
        EngineError: ``qdrant-client`` is not installed, the server cannot be reached or refuses, the collection exists, or it holds
            another number of points than were sent.
        InputError: ``folder`` is no export for Qdrant.
    """
    try:
        from qdrant_client import QdrantClient, models
    except ImportError:
        raise EngineError("loading into Qdrant needs its client; run: pip install 'splade_lucene[qdrant]'") from None
    folder = Path(folder)
    batches = sorted((folder / "points").glob("*.json"))
    if not batches:
        raise InputError(folder, "holds no points; give the folder of an export --to qdrant")
    sent = 0
    try:
        where: dict[str, Any] = {"path": target}
        if "://" in target:
            # A server that cannot be reached fails below; the check of its version would only warn.
            where = {"url": target, "api_key": os.environ.get("QDRANT_API_KEY"), "check_compatibility": False}
        client = QdrantClient(**where)
        try:
            if client.collection_exists(collection):
                if not overwrite:
                    raise EngineError(f"{target} has a collection {collection!r} already; give another --name or --overwrite")
                client.delete_collection(collection)
            client.create_collection(collection, vectors_config={}, sparse_vectors_config={FIELD: models.SparseVectorParams()})
            for batch in batches:
                points = [models.PointStruct(**point) for point in json.loads(batch.read_text(encoding="utf-8"))["points"]]
                client.upsert(collection, points, wait=True)
                sent += len(points)
                advance(len(points))
            held = client.count(collection, exact=True).count
        finally:
            client.close()
    except EngineError:
        raise
    except Exception as error:  # the client lets the errors of its HTTP library, of pydantic and of its local mode through
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise EngineError(f"Qdrant at {target} failed after {sent:,} points ({reason}); run again with --overwrite") from None
    if held != sent:
        raise EngineError(
            f"Qdrant at {target} holds {held:,} points in {collection!r} where {sent:,} were sent; run again with --overwrite"
        )
    return held
