"""Queries encoded together, each to the impacts that it has alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from splade_lucene.lucene.impact_searcher import QueryEncoder
from splade_lucene.pipeline.query_idf import QueryIdf
from splade_lucene.records import EncoderRecord

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel

# By which a weight in fp32 may differ between a batch and a text alone, as matrix products of another height add up in another order. The
# largest seen is 5.2e-6, over 400 queries of SciFact with `tiny` in batches of 2 to 16, and 2.1e-6 with a network of BERT-base's size.
_LARGEST_DIFFERENCE = 1e-5


class ExactBatches:
    """Encodes queries in batches, and once more alone those of which a batch might have tipped the rounding of an impact.

    So the impacts of a query do not depend on which other queries come at the same time. That holds in fp32 on a CPU.

    Args:
        model: the encoder.
        record: what the index says of it.
        alone: encodes queries one at a time.
        idf: multiplies the weights; they stay as the model gives them if None.
    """

    def __init__(self, model: SpladeModel, record: EncoderRecord, alone: QueryEncoder, idf: QueryIdf | None = None) -> None:
        from splade_lucene.encoding.quantization import Quantization

        self._model, self._record, self._alone, self._idf = model, record, alone, idf
        self._quantization = Quantization(record.scale, record.query_top_k)

    def encode_queries(self, texts: Sequence[str]) -> list[dict[str, int]]:
        """Encodes queries: for each token → impact."""
        if len(texts) == 1:
            return self._alone.encode_queries(texts)
        given = [text for text in texts if text.strip()]
        weights = dict(zip(given, self._model.query_weights(given, max_length=self._record.query_max_length), strict=True))
        return [
            self._impacts(weights[text]) if text in weights and not self._may_tip(weights[text]) else self._alone.encode_queries([text])[0]
            for text in texts
        ]

    def _impacts(self, weights: Mapping[str, float]) -> dict[str, int]:
        return self._quantization.bag(weights) if self._idf is None else self._idf.impacts(weights, self._quantization)

    def _may_tip(self, weights: Mapping[str, float]) -> bool:
        factors = np.ones(len(weights)) if self._idf is None else np.array(self._idf.factors(weights), np.float64)
        values = np.fromiter(weights.values(), np.float64, len(weights)) * factors
        impacts = values * self._record.scale
        if (np.abs(impacts - np.floor(impacts) - 0.5) <= _LARGEST_DIFFERENCE * factors * self._record.scale).any():
            return True
        cut = self._record.query.max_active_dims
        if cut is not None and len(values) >= cut:
            return True  # the model left out the next one, which might be as large
        most = self._record.query_top_k
        if most is None or len(values) <= most:
            return False
        least, next_one = -np.partition(-values, [most - 1, most])[[most - 1, most]]
        return bool(least - next_one <= 2 * _LARGEST_DIFFERENCE * factors.max())
