"""Pinecone: sparse values as upsert requests.

Formats and limits: https://docs.pinecone.io/guides/index-data/create-an-index (sparse index),
https://docs.pinecone.io/guides/index-data/upsert-data#upsert-limits (2,048 non-zero values a vector, 2 MB or 1,000 records a request,
512 ASCII characters an id), https://docs.pinecone.io/guides/search/lexical-search (query).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from splade_lucene.integrations.export.engine import Exporter, check_id, compact, sparse, write_batches, write_json
from splade_lucene.records import ImpactVector

_MOST_VALUES = 2048
_MOST_RECORDS, _MOST_BYTES = 1000, 2_000_000
_MOST_ID, _MOST_HITS = 512, 10_000

_NOTES = """# Pinecone

Make the index `{name}` (edit cloud and region in `index.json` first), ask for its host, and load the batches:

    curl https://api.pinecone.io/indexes -H "Api-Key: $PINECONE_API_KEY" -H 'Content-Type: application/json' \\
      -H 'X-Pinecone-Api-Version: 2025-10' --data-binary @index.json
    for batch in vectors/*.json; do
      curl "https://$INDEX_HOST/vectors/upsert" -H "Api-Key: $PINECONE_API_KEY" -H 'Content-Type: application/json' \\
        -H 'X-Pinecone-Api-Version: 2025-10' --data-binary @$batch
    done

Each line of `queries.jsonl` holds in `body` the request for `POST https://$INDEX_HOST/query`.

- A sparse vector has at most 2,048 non-zero values (1,000 in older indexes): of longer ones the largest were kept; `export.json` says of
  how many. It has at least one: passages without a token are left out.
- `indices` are the numbers of tokens in the output layer of {model}: `vocabulary.json` says which. Queries must use the same numbers.
- Values are impacts, integers held as float32; scores equal those of the Lucene index as long as they are below 2^24.
- Metadata is limited to 40 KB a record, so texts are not exported: keep them elsewhere under the docid.
- Upserts become visible after a while; an index of sparse vectors takes 10 upsert requests a second. For very large collections Pinecone
  imports Parquet from object storage instead.
- `topK` is at most 10,000, and a result at most 4 MB.
"""


class PineconeExporter(Exporter):
    """Writes ``index.json``, ``vectors/*.json`` and ``vocabulary.json``."""

    notes = _NOTES

    def write_documents(self, folder: Path, vectors: Iterator[ImpactVector]) -> Mapping[str, Any]:
        """As in the base class: one request body per file."""
        vocabulary = self.job.vocabulary()
        serverless = {"serverless": {"cloud": "aws", "region": "us-east-1"}}
        write_json(folder / "index.json", {"name": self.job.name, "vector_type": "sparse", "metric": "dotproduct", "spec": serverless})
        write_json(folder / "vocabulary.json", vocabulary)
        trimmed = 0

        def records() -> Iterator[str]:
            nonlocal trimmed
            for vector in vectors:
                check_id(vector.doc_id, _MOST_ID, "Pinecone", self.job.source, ascii_only=True)
                impacts = _largest(vector.vector)
                trimmed += len(impacts) < len(vector.vector)
                yield compact({"id": vector.doc_id, "sparseValues": sparse(impacts, vocabulary)})

        files = write_batches(
            folder / "vectors",
            "{}.json",
            records(),
            most_records=_MOST_RECORDS,
            most_bytes=_MOST_BYTES,
            frame=('{"vectors":[\n', ",\n", "\n]}\n"),
        )
        if trimmed:
            self.remarks.append(f"{trimmed:,} vectors had more than {_MOST_VALUES:,} values and kept the largest")
        return {"files": files, "trimmed": trimmed}

    def query(self, impacts: Mapping[str, int]) -> Mapping[str, Any]:
        """The body of a ``query`` request."""
        return {"sparseVector": sparse(_largest(impacts), self.job.vocabulary()), "topK": min(self.job.hits, _MOST_HITS)}


def _largest(impacts: Mapping[str, int]) -> Mapping[str, int]:
    if len(impacts) <= _MOST_VALUES:
        return impacts
    return dict(sorted(impacts.items(), key=lambda item: (-item[1], item[0]))[:_MOST_VALUES])
