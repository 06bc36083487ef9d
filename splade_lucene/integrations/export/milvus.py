"""Milvus: sparse vectors as the rows of insert requests, which its bulk import reads too.

Formats: https://milvus.io/docs/sparse_vector.md (field, index, search), https://milvus.io/api-reference/restful/v2.6.x/v2/Vector%20(v2)/Insert.md,
https://milvus.io/docs/prepare-source-data.md (rows), https://milvus.io/docs/limitations.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from splade_lucene.integrations.export.engine import FIELD, Exporter, check_id, compact, write_batches, write_json
from splade_lucene.records import ImpactVector

DOC_ID, CONTENTS = "docid", "contents"
# Bytes of a string, and hits of a search.
MOST_ID, MOST_CONTENTS, MOST_HITS = 512, 65_535, 16_384
# Milvus takes requests of up to 64 MB.
_MOST_RECORDS, _MOST_BYTES = 1000, 8_000_000

_NOTES = """# Milvus

Load the rows with Milvus's own client, into a cluster or into a file of Milvus Lite:

    splade-lucene export … --to milvus --name {name} --load http://localhost:19530     # or --load my.db

or make the collection as `collection.json` says and post each file of `rows/` to `/v2/vectordb/entities/insert` with the field
`collectionName` added, or give them to Milvus's bulk import. Each line of `queries.jsonl` holds in `body` the request for
`/v2/vectordb/entities/search`, but for `collectionName`.

- Dimensions are the numbers of tokens in the output layer of {model}: `vocabulary.json` says which. Queries must use the same numbers.
- Values are impacts, integers in single precision: every inner product below 2^24 is exact and equals the score of the Lucene index, as
  long as `drop_ratio_search` and `drop_ratio_build` are 0, which is the default.
- A search returns at most 16,384 hits. Ties come in no particular order.
- A string holds 65,535 bytes: longer texts are cut. {cut} are.
"""


class MilvusExporter(Exporter):
    """Writes ``collection.json``, ``rows/*.json`` and ``vocabulary.json``."""

    notes = _NOTES
    batches = "rows/*.json"

    def write_documents(self, folder: Path, vectors: Iterator[ImpactVector]) -> Mapping[str, Any]:
        """As in the base class: the rows of one request per file."""
        vocabulary = self.job.vocabulary()
        cut = 0

        def rows() -> Iterator[str]:
            nonlocal cut
            for vector in vectors:
                check_id(vector.doc_id, MOST_ID, "Milvus", self.job.source)
                row: dict[str, Any] = {DOC_ID: vector.doc_id, FIELD: _dimensions(vector.vector, vocabulary), CONTENTS: vector.contents}
                if vector.contents is not None and len(encoded := vector.contents.encode()) > MOST_CONTENTS:
                    row[CONTENTS] = encoded[:MOST_CONTENTS].decode(errors="ignore")
                    cut += 1
                yield compact(row)

        write_json(folder / "collection.json", _collection(collection_name(self.job.name)))
        write_json(folder / "vocabulary.json", vocabulary)
        frame = ('{"rows":[\n', ",\n", "\n]}\n")
        files = write_batches(folder / "rows", "{}.json", rows(), most_records=_MOST_RECORDS, most_bytes=_MOST_BYTES, frame=frame)
        if cut:
            self.remarks.append(f"{cut:,} texts were cut after {MOST_CONTENTS:,} bytes, the longest string that Milvus holds")
        return {"files": files, "cut": cut}

    def query(self, impacts: Mapping[str, int]) -> Mapping[str, Any]:
        """The body of a search request, but for the collection."""
        search = {"metricType": "IP", "params": {"drop_ratio_search": 0}}
        limit = min(self.job.hits, MOST_HITS)
        vector = _dimensions(impacts, self.job.vocabulary())
        return {"data": [vector], "annsField": FIELD, "limit": limit, "outputFields": [DOC_ID], "searchParams": search}


def collection_name(name: str) -> str:
    """A name as Milvus allows it: no hyphens."""
    return name.replace("-", "_")


def _dimensions(impacts: Mapping[str, int], vocabulary: Mapping[str, int]) -> dict[str, int]:
    pairs = sorted((vocabulary[token], impact) for token, impact in impacts.items())
    return {str(number): impact for number, impact in pairs}


def _collection(name: str) -> Mapping[str, Any]:
    fields = [
        {"fieldName": DOC_ID, "dataType": "VarChar", "isPrimary": True, "elementTypeParams": {"max_length": MOST_ID}},
        {"fieldName": FIELD, "dataType": "SparseFloatVector"},
        {"fieldName": CONTENTS, "dataType": "VarChar", "nullable": True, "elementTypeParams": {"max_length": MOST_CONTENTS}},
    ]
    index = {"fieldName": FIELD, "indexName": FIELD, "metricType": "IP", "params": {"index_type": "SPARSE_INVERTED_INDEX"}}
    return {"collectionName": name, "schema": {"autoId": False, "fields": fields}, "indexParams": [index]}
