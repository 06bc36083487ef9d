"""The query encoders of the served indexes: each model is loaded once, however many indexes name it."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from splade_lucene.lucene.card import IndexCard
from splade_lucene.pipeline.query_encoder import bind_encoder
from splade_lucene.pipeline.query_idf import Frequencies, QueryIdf
from splade_lucene.records import EncoderRecord, EncoderSide
from splade_lucene.serving.batching import BatchingEncoder
from splade_lucene.serving.exact_batches import ExactBatches
from splade_lucene.serving.query_cache import CachingEncoder
from splade_lucene.serving.settings import QueryEncodingSettings

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel


class ServedEncoder:
    """What encodes the queries of one or more indexes.

    Attributes:
        model: the model itself, for its vocabulary and for passages.
        record: what the index says of it.
        queries: encodes queries in batches.
    """

    def __init__(self, model: SpladeModel, record: EncoderRecord, queries: BatchingEncoder) -> None:
        self.model, self.record, self.queries = model, record, queries


class Encoders:
    """Loads models when an index first needs them, and lets them go when none does any more.

    Args:
        settings: how queries are encoded.
    """

    def __init__(self, settings: QueryEncodingSettings) -> None:
        self._settings = settings
        self._models: WeakValueDictionary[tuple[EncoderSide, EncoderSide], SpladeModel] = WeakValueDictionary()
        self._encoders: WeakValueDictionary[str, ServedEncoder] = WeakValueDictionary()
        self._lock = threading.Lock()
        # One thread for all models: each takes all cores.
        self.thread = ThreadPoolExecutor(1, "encode")

    def of(self, card: IndexCard, folder: Path, frequencies: Frequencies) -> ServedEncoder:
        """The encoder that an index names.

        Args:
            card: of the index.
            folder: the index, for messages.
            frequencies: of tokens in the index, asked before this returns.

        Raises:
            ModelError: the model cannot be loaded, or cannot read queries of that length.
            IndexMismatchError: it is not the one that the index was made with.
        """
        assert card.encoder is not None  # of an impact index
        settings = self._settings
        record = card.encoder.with_queries(max_length=settings.max_length, top_k=settings.top_k, idf=settings.idf)
        table = card.query_table(settings.idf)
        with self._lock:
            if settings.idf is not None and record.query.kind != "idf":  # every index has its own frequencies
                return self._load(record, folder, table, QueryIdf(settings.idf, card.documents, frequencies))
            key = json.dumps([record.to_json(), table], sort_keys=True)
            found = self._encoders.get(key)
            if found is None:
                found = self._encoders[key] = self._load(record, folder, table, None)
            return found

    def _load(self, record: EncoderRecord, folder: Path, table: Mapping[str, int] | None, idf: QueryIdf | None) -> ServedEncoder:
        from splade_lucene.encoding.model import SpladeModel

        settings, document, query = self._settings, record.document, record.query
        name = document, query
        model = self._models.get(name)
        if model is None:
            other = (query.model, query.revision) != (document.model, document.revision)
            model = SpladeModel.load(
                document.model,
                revision=document.revision,
                subfolder=document.subfolder,
                query_model=query.model if other else None,
                query_revision=query.revision if other else None,
                device=settings.device,
                precision=settings.precision,
            )
            self._models[name] = model
        if idf is not None:  # queries may be encoded when the index is closed already
            idf = idf.detached(model.vocabulary)
        bound = bind_encoder(record, folder, model=model, table=table, idf=idf)
        bound.encode_queries(["warm up"])
        in_fp32 = bound.computes and model.device_type == "cpu" and model.record().precision == "fp32"
        encoder = ExactBatches(model, record, bound, idf) if in_fp32 else bound
        queries = BatchingEncoder(
            CachingEncoder(encoder, settings.cache), self.thread, wait=settings.batch_wait_ms / 1e3, size=settings.batch_size
        )
        return ServedEncoder(model, record, queries)
