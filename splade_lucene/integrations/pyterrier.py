"""PyTerrier: transformers that encode, index and retrieve, and compose with ``>>`` and in ``pt.Experiment``.

Columns are PyTerrier's: ``toks`` for an encoded passage, ``query_toks`` for an encoded query (token → impact), so that they also work
with the sparse indexes of other PyTerrier packages. https://pyterrier.readthedocs.io/en/latest/datamodel.html

Terrier itself is not needed and not started: the JVM that a retriever starts has Anserini's jar alone. Where Terrier is used too, in
the same process, let PyTerrier start Java first (``pt.java.init()``, or any of its own retrievers): ``pyterrier_java.py`` sees to it
that it has both jars.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyterrier as pt

from splade_lucene.core.ir_adapters import as_id
from splade_lucene.core.unique_ids import UniqueIds
from splade_lucene.encoding.defaults import DEFAULT_MODEL, DEFAULT_SCALE
from splade_lucene.errors import InputError
from splade_lucene.lucene.indexing import build_impact_index
from splade_lucene.pipeline.search import ImpactSearcher
from splade_lucene.records import SHARD_SIZE, Hit, ImpactVector, Passage, VectorSettings
from splade_lucene.vectors.writer import VectorWriter

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel


class DocumentEncoder(pt.Transformer):
    """Encodes passages: adds ``toks`` to rows with ``docno`` and text.

    Args:
        model: a loaded model, or what :meth:`SpladeModel.load` takes.
        max_length: tokens a passage is cut at; the model's default if None.
        query_max_length: tokens queries will be cut at, recorded in the index; the model's default if None.
        scale: impacts are ``round(weight × scale)``.
        top_k: keep only the K largest weights per passage.
        fields: the columns with the text, joined by a space.

    Raises:
        ModelError: the model cannot be loaded, or cannot read texts of that length.
    """

    def __init__(
        self,
        model: SpladeModel | str = DEFAULT_MODEL,
        *,
        max_length: int | None = None,
        query_max_length: int | None = None,
        scale: float = DEFAULT_SCALE,
        top_k: int | None = None,
        fields: Sequence[str] = ("text",),
    ) -> None:
        self.model = _loaded(model)
        self.max_length = self.model.lengths.documents if max_length is None else max_length
        self.record = self.model.record(query_max_length=query_max_length, scale=scale)
        self.top_k, self.fields = top_k, tuple(fields)
        self.model.check_length(self.max_length)
        self.model.check_query_length(self.record.query_max_length)

    def transform(self, inp: pd.DataFrame) -> pd.DataFrame:
        """Rows with the column ``toks``: token → impact, integers from 1."""
        pt.validate.columns(inp, includes=list(self.fields), context=self)
        columns = [_texts(inp, field, "docno").fillna("") for field in self.fields]
        texts = [" ".join(filter(None, row)) for row in zip(*columns, strict=True)]
        toks = self.model.encode_documents(texts, max_length=self.max_length, scale=self.record.scale, top_k=self.top_k)
        return inp.assign(toks=pd.Series(toks, index=inp.index, dtype=object))


class QueryEncoder(pt.Transformer):
    """Encodes queries: adds ``query_toks`` to rows with ``query``.

    :class:`ImpactRetriever` encodes queries itself, with the model, length and scale of its index; this is for other retrievers, other
    lengths, and for what comes between encoding and retrieving.

    Args:
        model: a loaded model, or what :meth:`SpladeModel.load` takes.
        max_length: tokens a query is cut at; the model's default if None.
        scale: impacts are ``round(weight × scale)``; that of the index if its scores are to be compared.

    Raises:
        ModelError: the model cannot be loaded, or cannot read texts of that length.
    """

    def __init__(self, model: SpladeModel | str = DEFAULT_MODEL, *, max_length: int | None = None, scale: float = DEFAULT_SCALE) -> None:
        self.model = _loaded(model)
        self.max_length = self.model.lengths.queries if max_length is None else max_length
        self.scale = scale
        self.model.check_query_length(self.max_length)

    def transform(self, inp: pd.DataFrame) -> pd.DataFrame:
        """Rows with the column ``query_toks``: token → impact, integers from 1."""
        pt.validate.query_frame(inp, ["query"], context=self)
        toks = self.model.encode_queries(_queries(inp), max_length=self.max_length, scale=self.scale)
        return inp.assign(query_toks=pd.Series(toks, index=inp.index, dtype=object))


class ImpactIndexer(pt.Indexer):
    """Builds an impact index of encoded passages: ``(encoder >> ImpactIndexer("index", encoder)).index(passages)``.

    Args:
        index: the folder to make.
        encoder: what encodes the passages; the index records its model and lengths, and retrieval uses them.
        overwrite: replace an existing index.
    """

    def __init__(self, index: Path | str, encoder: DocumentEncoder, *, overwrite: bool = False) -> None:
        self.path, self.encoder, self.overwrite = Path(index), encoder, overwrite

    def index_inputs(self) -> list[list[str]]:
        """The columns that it needs."""
        return [["docno", "toks"]]

    def index(self, iter: Iterable[Mapping[str, Any]], **kwargs: Any) -> Path:
        """Indexes passages.

        Args:
            iter: rows with ``docno`` and ``toks``.
            kwargs: refused; PyTerrier's pipelines have none for indexers.

        Returns:
            The folder, for :class:`ImpactRetriever`.

        Raises:
            InputError: the folder exists, there are no passages, a row lacks a column, or an id or impact is not one that Lucene can hold.
        """
        if kwargs:
            raise TypeError(f"unknown options: {', '.join(kwargs)}")
        if self.path.exists() and not self.overwrite:  # before a whole collection is encoded
            raise InputError(self.path, "exists already; give another name or overwrite=True")
        encoder = self.encoder
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.path.parent, prefix=f".{self.path.name}.vectors.") as vectors:
            settings = VectorSettings(encoder.max_length, encoder.top_k)
            writer = VectorWriter(Path(vectors), encoder=encoder.record, settings=settings)
            seen = UniqueIds()
            rows = (self._vector(row, seen) for row in iter)
            while shard := list(islice(rows, SHARD_SIZE)):
                writer.write_shard([Passage(vector.doc_id, "") for vector in shard], shard)
            if not writer.finish().passages:
                raise InputError(self.path, "there are no passages to index")
            build_impact_index(Path(vectors), self.path, overwrite=self.overwrite)
        return self.path

    def _vector(self, row: Mapping[str, Any], seen: UniqueIds) -> ImpactVector:
        for column in ("docno", "toks"):
            if column not in row:
                raise InputError(self.path, f"a row has no {column!r}; put a DocumentEncoder before the indexer")
        try:
            doc_id = as_id(row["docno"])
        except TypeError:
            raise InputError(self.path, f"a row has the docno {row['docno']!r}, which is no text; give each passage a docno") from None
        if not seen.add(doc_id):
            raise InputError(self.path, f"duplicate docno {doc_id!r}; docnos must be unique, so rename or remove one")
        if not isinstance(row["toks"], Mapping):
            raise InputError(self.path, f"the passage {doc_id!r} has {row['toks']!r:.80} as toks; put a DocumentEncoder before the indexer")
        return ImpactVector(doc_id, row["toks"])


class ImpactRetriever(pt.Transformer):
    """Retrieves from an impact index: rows with ``query_toks``, else with ``query``, which the model that the index names encodes.

    The index is opened, and Java started, when first needed.

    Args:
        index: the folder.
        num_results: hits of each query.
        model: the encoder, if it is loaded already.
        query_max_length: tokens a query is cut at; what the index says if None.
        query_idf: multiply query weights by idf to this power, with the index's own document frequencies; not those of ``query_toks``,
            which are searched for as they are.
        max_passage: ``docno`` is of documents, by the best of their passages, as ``encode --split-words`` cuts them.
    """

    def __init__(
        self,
        index: Path | str,
        *,
        num_results: int = 1000,
        model: SpladeModel | None = None,
        query_max_length: int | None = None,
        query_idf: float | None = None,
        max_passage: bool = False,
    ) -> None:
        self.index, self.num_results, self.model, self.query_max_length = Path(index), num_results, model, query_max_length
        self.query_idf, self.max_passage = query_idf, max_passage
        self._searcher: ImpactSearcher | None = None

    def searcher(self) -> ImpactSearcher:
        """The searcher, opened now if it was not.

        Raises:
            IndexMismatchError: the folder is no impact index, or was made with another model than ``model``.
        """
        if self._searcher is None:
            self._searcher = ImpactSearcher(self.index, model=self.model, query_max_length=self.query_max_length, query_idf=self.query_idf)
        return self._searcher

    def transform(self, inp: pd.DataFrame) -> pd.DataFrame:
        """Each query's row once a hit, with ``docno``, ``score`` (an exact integer) and ``rank`` from 0."""
        with pt.validate.any(inp, context=self) as columns:
            columns.query_frame(["query_toks"], mode="encoded")
            columns.query_frame(["query"], mode="text")
        if not len(inp):
            queries: Sequence[Mapping[str, int]] = []
        elif columns.mode == "encoded":
            queries = inp["query_toks"].tolist()
        else:
            queries = self.searcher().query_encoder().encode_queries(_queries(inp))
        numbered = {str(number): query for number, query in enumerate(queries)}
        found = self.searcher().search_impacts_batch(numbered, self.num_results, max_passage=self.max_passage) if numbered else {}
        return _result_frame(inp, list(found.values()))

    def __getstate__(self) -> dict[str, Any]:
        """Without what lives in Java: a copy in another process opens the index itself."""
        return {**self.__dict__, "_searcher": None, "model": None}


def _loaded(model: SpladeModel | str) -> SpladeModel:
    if not isinstance(model, str):
        return model
    from splade_lucene.encoding.model import SpladeModel

    return SpladeModel.load(model)


def _texts(frame: pd.DataFrame, column: str, key: str) -> pd.Series:
    """A column of texts, in which values may be missing.

    Raises:
        InputError: something in it is neither.
    """
    for place, value in enumerate(frame[column]):
        if not isinstance(value, str) and not (value is None or (pd.api.types.is_scalar(value) and pd.isna(value))):
            name = frame[key].iloc[place] if key in frame.columns else place
            raise InputError(f"the column {column!r}", f"row {name!r} holds {value!r:.80}, which is no text; convert it with astype(str)")
    return frame[column]


def _queries(frame: pd.DataFrame) -> list[str]:
    """The texts of queries.

    Raises:
        InputError: one is missing.
    """
    texts = _texts(frame, "query", "qid")
    if texts.isna().any():
        place = int(texts.isna().to_numpy().argmax())
        name = frame["qid"].iloc[place] if "qid" in frame.columns else place
        raise InputError("the column 'query'", f"query {name!r} has no text; give it one, or remove the row")
    return list(texts)


def _result_frame(inp: pd.DataFrame, hits: Sequence[Sequence[Hit]]) -> pd.DataFrame:
    rows = [number for number, found in enumerate(hits) for _ in found]
    frame = inp.iloc[rows].drop(columns=["docno", "score", "rank"], errors="ignore").reset_index(drop=True)
    frame["docno"] = pd.Series([hit.doc_id for found in hits for hit in found], dtype=object)
    frame["score"] = pd.Series([hit.score for found in hits for hit in found], dtype=float)
    frame["rank"] = pd.Series([pt.model.FIRST_RANK + rank for found in hits for rank in range(len(found))], dtype=int)
    return frame
