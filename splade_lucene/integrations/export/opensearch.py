"""OpenSearch: ``rank_features`` fields (exact) or ``sparse_vector`` fields (approximate) as bulk requests.

Formats: https://docs.opensearch.org/latest/vector-search/ai-search/neural-sparse-with-raw-vectors/ (mapping, documents, query),
https://docs.opensearch.org/latest/mappings/supported-field-types/sparse-vector/ and
https://docs.opensearch.org/latest/vector-search/ai-search/neural-sparse-ann/ (the approximate field),
https://docs.opensearch.org/latest/api-reference/document-apis/bulk/ (bulk).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from splade_lucene.integrations.export.engine import FIELD, write_json
from splade_lucene.integrations.export.features import MOST_HITS, FeatureExporter
from splade_lucene.records import ImpactVector

_LOADING = """# OpenSearch

Needs the neural-search plugin, which the standard distribution has, {version}. Make the index and load the bulk requests:

    curl -X PUT localhost:9200/{{name}} -H 'Content-Type: application/json' --data-binary @index.json
    for bulk in bulk/*.ndjson; do
      curl -X POST localhost:9200/{{name}}/_bulk -H 'Content-Type: application/x-ndjson' --data-binary @$bulk \\
        | grep -q '"errors":false' || echo "$bulk failed"
    done

A bulk request answers 200 even where documents failed: look at `errors`. Each line of `queries.jsonl` holds in `body` the request for
`POST /{{name}}/_search`.
"""

_NOTES = (
    _LOADING.format(version="2.17 or later")
    + """
- **Precision.** `rank_features` keeps 9 significant bits: impacts up to 512 are exact, larger ones lose up to 0.4 %. Impacts here reach
  {largest}; {rounded} of them are rounded.
- **Scale.** Documents hold impacts, queries weights (impact / {scale}), since no query weight may be above 64: scores are those of the
  Lucene index divided by {scale}.
- **Dots.** Some versions and forks refuse dots in the names of features, so `.` is written `%2E` and `%` is written `%25`, in documents and
  queries. A model deployed inside OpenSearch writes them plain: then these two tokens do not match.
- `size` is at most 10,000 (`index.max_result_window`). Ties come in the order of the shards' documents.
"""
)

_ANN_NOTES = (
    _LOADING.format(version="3.3 or later")
    + """
- **Approximate.** Segments of at least `approximate_threshold` documents (here 1,000,000, the default) are searched by Seismic, which keeps
  only the largest postings of each token and looks only at the `top_n` heaviest tokens of a query; smaller segments are searched exactly.
- **Precision.** Weights are held in one byte, as fractions of `quantization_ceiling_ingest`: it is set to the largest weight here,
  {ceiling}.
  Both documents and queries hold weights (impact / {scale}); scores do not equal those of the Lucene index.
- **Tokens are numbers,** those of the output layer of {model}, as strings: `vocabulary.json` says which.
- `k` bounds the hits; `size` is at most 10,000 (`index.max_result_window`).
"""
)

# Of the query; the documentation's recommendation, and its default.
_TOP_N, _HEAP_FACTOR = 10, 1.0


class OpenSearchExporter(FeatureExporter):
    """Documents in a ``rank_features`` field: searched exactly."""

    notes = _NOTES
    engine = "OpenSearch"

    def mapping(self, largest: int) -> Mapping[str, Any]:
        """As in the base class."""
        return {"type": "rank_features"}

    def query(self, impacts: Mapping[str, int]) -> Mapping[str, Any]:
        """The body of a search request."""
        query = {"neural_sparse": {FIELD: {"query_tokens": self.weights(impacts)}}}
        return {"query": query, "size": min(self.job.hits, MOST_HITS), "_source": False}


class OpenSearchAnnExporter(FeatureExporter):
    """Documents in a ``sparse_vector`` field: searched approximately, by Seismic."""

    notes = _ANN_NOTES
    engine = "OpenSearch"

    def write_documents(self, folder: Path, vectors: Iterator[ImpactVector]) -> Mapping[str, Any]:
        """As in the base class, and ``vocabulary.json``."""
        write_json(folder / "vocabulary.json", self.job.vocabulary())
        return super().write_documents(folder, vectors)

    def features(self, impacts: Mapping[str, int]) -> Mapping[str, float]:
        """As in the base class: numbers of tokens, and weights."""
        return self.weights(impacts)

    def weights(self, impacts: Mapping[str, int]) -> dict[str, float]:
        """As in the base class, tokens as the numbers that the field demands."""
        vocabulary = self.job.vocabulary()
        return {str(vocabulary[token]): impact / self.job.scale for token, impact in impacts.items()}

    def index(self, largest: int) -> Mapping[str, Any]:
        """As in the base class, with the setting that such fields need."""
        return {"settings": {"index": {"sparse": True}}, **super().index(largest)}

    def mapping(self, largest: int) -> Mapping[str, Any]:
        """As in the base class, with the parameters of the method."""
        parameters = {"approximate_threshold": 1_000_000, "quantization_ceiling_ingest": largest / self.job.scale}
        return {"type": "sparse_vector", "method": {"name": "seismic", "parameters": parameters}}

    def facts(self, rounded: int, largest: int) -> Mapping[str, Any]:
        """As in the base class."""
        self.remarks.append("the sparse_vector field holds weights in one byte and is searched approximately")
        return {"ceiling": largest / self.job.scale}

    def query(self, impacts: Mapping[str, int]) -> Mapping[str, Any]:
        """The body of a search request."""
        hits = min(self.job.hits, MOST_HITS)
        method = {"k": hits, "top_n": _TOP_N, "heap_factor": _HEAP_FACTOR}
        tokens = {"query_tokens": self.weights(impacts), "method_parameters": method}
        return {"query": {"neural_sparse": {FIELD: tokens}}, "size": hits, "_source": False}
