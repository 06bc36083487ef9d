"""What a server says of its indexes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from splade_lucene.serving.responses import Encoder, IndexAnswer, StatsAnswer
from splade_lucene.serving.suggesting import suggest_query

if TYPE_CHECKING:
    from splade_lucene.serving.served_index import ServedIndex
    from splade_lucene.serving.service import SearchService


def describe(served: ServedIndex) -> IndexAnswer:
    """An index in the list of all."""
    card, served_encoder = served.current.card, served.current.encoder
    encoder = None
    if served_encoder is not None:
        record = served_encoder.record
        encoder = Encoder(
            model=record.model,
            revision=record.document.revision,
            query_max_length=record.query_max_length,
            scale=record.scale,
            query_top_k=record.query_top_k,
            query_idf=record.query_idf,
        )
    return IndexAnswer(name=served.name, kind=card.kind, documents=card.documents, baseline=served.source.baseline, encoder=encoder)


async def describe_in_full(service: SearchService, name: str) -> StatsAnswer:
    """Everything that is known of an index.

    Raises:
        RequestError: there is none of that name.
    """
    served = service.catalog[name]

    def look() -> StatsAnswer:
        with served.lease() as index:
            counted, card = index.statistics, index.card
            example = index.example(lambda: suggest_query(service.catalog, served, index))
        return StatsAnswer(
            **describe(served).model_dump(),
            empty=card.empty,
            lucene=card.lucene,
            settings=card.settings.to_json(),
            terms=counted.terms,
            postings=counted.postings,
            terms_per_document=counted.length,
            bits_per_posting=counted.bits_per_posting,
            bytes=dict(counted.bytes),
            example=example,
        )

    with service.admission.admit():
        return await asyncio.get_running_loop().run_in_executor(service.threads, look)
