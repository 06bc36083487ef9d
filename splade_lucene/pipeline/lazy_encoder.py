"""The encoder of queries that an index names, loaded when the first query needs it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from splade_lucene.encoding.defaults import FEW_QUERIES
from splade_lucene.pipeline.query_encoder import BoundEncoder, bind_encoder
from splade_lucene.pipeline.query_idf import QueryIdf
from splade_lucene.records import EncoderRecord

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel


class LazyEncoder:
    """An encoder of queries that is loaded when first used. Objects are safe to use from several threads.

    Args:
        record: the encoder's record, with the settings of queries.
        source: where the record is from, for messages.
        model: the encoder, if it is loaded already.
        table: as for :func:`bind_encoder`, and so ``idf``.
        idf: see there.
        device: for a model loaded here, as in :meth:`SpladeModel.load`.
        precision: likewise.

    Attributes:
        record: likewise.

    Raises:
        IndexMismatchError: ``model`` is not what the record speaks of.
        ModelError: it cannot read queries of that length.
    """

    def __init__(
        self,
        record: EncoderRecord,
        source: Path | str,
        *,
        model: SpladeModel | None = None,
        table: Mapping[str, int] | None = None,
        idf: QueryIdf | None = None,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        self.record, self.device, self.precision = record, device, precision
        self._source, self._table, self._idf = source, table, idf
        self._loading = threading.Lock()
        self._few: BoundEncoder | None = None
        self._loaded = None if model is None else self._bind(model)

    def loaded(self) -> BoundEncoder:
        """The encoder, loaded if it is not yet.

        Raises:
            ModelError: the model that the record names cannot be loaded.
            IndexMismatchError: its files are no longer those that the record speaks of.
        """
        if self._few is not None:
            return self._few
        with self._loading:
            if self._loaded is None:
                self._loaded = self._bind(None)
            return self._loaded

    @contextmanager
    def ready_for(self, queries: int) -> Iterator[None]:
        """Has an encoder ready in a block that encodes that many queries: for a handful of them one that does not need torch.

        Raises:
            ModelError: as from :meth:`loaded`; likewise ``IndexMismatchError``.
        """
        if queries > FEW_QUERIES or self._loaded is not None:
            self.loaded()
            yield
            return
        bound = self._bind(None, few=True)
        if bound.computes or self.record.query.kind != "mlm":  # it serves for many queries as well
            self._loaded = bound
            yield
            return
        self._few = bound
        try:
            yield
        finally:
            self._few = None

    def cores_among(self, threads: int) -> AbstractContextManager[object]:
        """In a block, each of ``threads`` threads has its share of the cores to encode with."""
        return self.loaded().cores_among(threads)

    def _bind(self, model: SpladeModel | None, *, few: bool = False) -> BoundEncoder:
        return bind_encoder(
            self.record,
            self._source,
            model=model,
            table=self._table,
            device=self.device,
            precision=self.precision,
            few=few,
            idf=self._idf,
        )
