"""Elasticsearch: ``sparse_vector`` fields as bulk requests.

Formats: https://www.elastic.co/docs/reference/elasticsearch/mapping-reference/sparse-vector (mapping, 9 significant bits, pruning),
https://www.elastic.co/docs/reference/query-languages/query-dsl/query-dsl-sparse-vector-query (query),
https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk (bulk).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from splade_lucene.integrations.export.engine import FIELD
from splade_lucene.integrations.export.features import MOST_HITS, FeatureExporter

_NOTES = """# Elasticsearch

Needs 8.15 or later. Make the index and load the bulk requests:

    curl -X PUT localhost:9200/{name} -H 'Content-Type: application/json' --data-binary @index.json
    for bulk in bulk/*.ndjson; do
      curl -X POST localhost:9200/{name}/_bulk -H 'Content-Type: application/x-ndjson' --data-binary @$bulk \\
        | grep -q '"errors":false' || echo "$bulk failed"
    done

A bulk request answers 200 even where documents failed: look at `errors`. Each line of `queries.jsonl` holds in `body` the request for
`POST /{name}/_search`.

- **Pruning.** From 8.19 and 9.1 on Elasticsearch drops query tokens that are frequent and light, by default. It is switched off here in
  the mapping (`index_options`; take it out before 8.19 and 9.1, which do not know it) and in every query (`prune`). With it on, scores
  and rankings differ.
- **Precision.** The field keeps 9 significant bits: impacts up to 512 are exact, larger ones lose up to 0.4 %. Impacts here reach
  {largest}; {rounded} of them are rounded.
- **Scale.** Documents hold impacts, queries weights (impact / {scale}): scores are those of the Lucene index divided by {scale}.
- **Dots.** Versions before 9 refuse dots in the names of tokens, so `.` is written `%2E` and `%` is written `%25`, in documents and
  queries.
- `size` is at most 10,000 (`index.max_result_window`). Ties come in the order of the shards' documents.
"""


class ElasticsearchExporter(FeatureExporter):
    """Documents in a ``sparse_vector`` field; pruning off."""

    notes = _NOTES
    engine = "Elasticsearch"

    def mapping(self, largest: int) -> Mapping[str, Any]:
        """As in the base class."""
        return {"type": "sparse_vector", "index_options": {"prune": False}}

    def query(self, impacts: Mapping[str, int]) -> Mapping[str, Any]:
        """The body of a search request."""
        vector = {"field": FIELD, "query_vector": self.weights(impacts), "prune": False}
        return {"query": {"sparse_vector": vector}, "size": min(self.job.hits, MOST_HITS), "_source": False}
