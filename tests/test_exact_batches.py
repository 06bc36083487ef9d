"""Queries encoded together have the impacts that each has alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from splade_lucene.encoding.model import SpladeModel
from splade_lucene.encoding.quantization import Quantization
from splade_lucene.pipeline.query_encoder import bind_encoder
from splade_lucene.pipeline.query_idf import QueryIdf
from splade_lucene.serving.exact_batches import ExactBatches

_FIRST = ("heart", "lung", "cell", "gene", "protein", "virus", "bone", "blood")
_SECOND = ("brain", "cancer", "insulin", "diet", "sleep", "vaccine", "smoke", "alcohol")
_QUERIES = [f"{first} {second} {third}" for first in _FIRST for second in _SECOND for third in _FIRST[::3]]


@pytest.mark.parametrize("power", [None, 1.5])
@pytest.mark.parametrize("top_k", [None, 8])
@pytest.mark.parametrize("scale", [100, 300])
def test_a_query_in_a_batch_has_the_impacts_that_it_has_alone(
    tiny: SpladeModel, top_k: int | None, scale: float, power: float | None
) -> None:
    record = replace(tiny.record(query_max_length=24, scale=scale), query_top_k=top_k, query_idf=power)
    idf = None if power is None else QueryIdf(power, 1000, lambda tokens: {token: len(token) ** 2 for token in tokens})
    alone = bind_encoder(record, Path("index"), model=tiny, idf=idf)
    batches = ExactBatches(tiny, record, alone, idf)
    for start in range(0, len(_QUERIES), 16):
        together = [*_QUERIES[start : start + 16], " "]
        assert batches.encode_queries(together) == [alone.encode_queries([text])[0] for text in together]


def test_only_queries_whose_rounding_might_tip_are_encoded_again(tiny: SpladeModel, monkeypatch: pytest.MonkeyPatch) -> None:
    record = tiny.record(query_max_length=24)
    alone = bind_encoder(record, Path("index"), model=tiny)
    queries = _QUERIES[:64]
    weights = tiny.query_weights(queries, max_length=24)
    again: list[str] = []
    encode = alone.encode_queries

    def noted(texts: list[str]) -> list[dict[str, int]]:
        again.extend(texts)
        return encode(texts)

    monkeypatch.setattr(alone, "encode_queries", noted)
    ExactBatches(tiny, record, alone).encode_queries(queries)
    tipping = {text for text, bag in zip(queries, weights, strict=True) if _differs(bag, 1e-5)}
    assert set(again) == tipping
    assert 0 < len(again) < len(queries) / 2


def _differs(weights: dict[str, float], by: float) -> bool:
    """Whether impacts change when all weights are a little larger or smaller."""
    bags = [Quantization(100).bag({token: weight + shift for token, weight in weights.items()}) for shift in (-by, by)]
    return bags[0] != bags[1]


def test_what_a_model_cuts_at_its_number_of_weights_is_encoded_alone(tiny: SpladeModel) -> None:
    record = tiny.record(query_max_length=24)
    record = replace(record, query=replace(record.query, max_active_dims=5))
    again: list[str] = []

    class Alone:
        def encode_queries(self, texts: Sequence[str]) -> list[dict[str, int]]:
            again.extend(texts)
            return [{} for _ in texts]

    ExactBatches(tiny, record, Alone()).encode_queries(_QUERIES[:4])
    assert again == _QUERIES[:4]
