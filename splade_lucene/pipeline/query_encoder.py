"""Loads the encoder of queries that a folder of vectors or an index names, and compares it with the record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol, TypedDict

from splade_lucene.encoding.quantization import Quantization
from splade_lucene.errors import IndexMismatchError
from splade_lucene.pipeline.query_idf import QueryIdf
from splade_lucene.records import EncoderRecord, EncoderSide

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel
    from splade_lucene.encoding.numpy_bert import NumpyModel
    from splade_lucene.encoding.static import StaticQueryEncoder

# Where Linux shows that there may be a GPU: of NVIDIA, of AMD, and in WSL.
_GPUS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
# What must be as it was; names and revisions may change as long as the files are the same.
_IDENTITY = ("weights_sha256", "tokenizer_sha256", "kind", "pooling", "activation", "prompt", "max_active_dims")


class _Encoder(Protocol):
    @property
    def vocabulary(self) -> Sequence[str]: ...

    def encode_queries(self, texts: Iterable[str], *, max_length: int | None, scale: float, top_k: int | None) -> list[dict[str, int]]: ...

    def query_weights(self, texts: Iterable[str], *, max_length: int | None) -> list[dict[str, float]]: ...


class _Settings(TypedDict):
    max_length: int
    top_k: int | None
    idf: QueryIdf | None


class BoundEncoder:
    """An encoder of queries with the length and the scale of an index.

    Args:
        encoder: the model, or the table.
        max_length: tokens a query is cut at.
        scale: impacts are ``round(weight × scale)``.
        top_k: keep the K tokens of a query with the largest weights; all if None.
        computes: whether it computes with torch.
        idf: multiplies the weights; they stay as the model gives them if None.

    Attributes:
        computes: likewise.
    """

    def __init__(
        self,
        encoder: _Encoder,
        *,
        max_length: int,
        scale: float,
        top_k: int | None = None,
        computes: bool = True,
        idf: QueryIdf | None = None,
    ) -> None:
        self._encoder, self._max_length, self._scale, self._top_k = encoder, max_length, scale, top_k
        self.computes, self._idf = computes, idf

    @property
    def vocabulary(self) -> Sequence[str]:
        """The tokens of the model in the order of its output layer."""
        return self._encoder.vocabulary

    def encode_queries(self, texts: Sequence[str]) -> list[dict[str, int]]:
        """Encodes queries: for each token → impact; none for an empty text, of which a model sees its special tokens alone."""
        given = [text for text in texts if text.strip()]
        encoded = iter(self._encode(given))
        return [next(encoded) if text.strip() else {} for text in texts]

    def detach(self) -> None:
        """Looks up what it needs of the index, which may then be closed."""
        if self._idf is not None:
            self._idf = self._idf.detached(self.vocabulary)

    def _encode(self, texts: Sequence[str]) -> list[dict[str, int]]:
        if self._idf is None:
            return self._encoder.encode_queries(texts, max_length=self._max_length, scale=self._scale, top_k=self._top_k)
        quantization = Quantization(self._scale, self._top_k)
        quantization.check()
        return [self._idf.impacts(weights, quantization) for weights in self._encoder.query_weights(texts, max_length=self._max_length)]

    def cores_among(self, threads: int) -> AbstractContextManager[object]:
        """In a block, each of several threads has its share of the cores; nothing to share where a table is looked up."""
        if not self.computes:
            return nullcontext()
        from splade_lucene.encoding.devices import cores_among

        return cores_among(threads)


def bind_encoder(
    record: EncoderRecord,
    source: Path | str,
    *,
    model: SpladeModel | None = None,
    table: Mapping[str, int] | None = None,
    device: str = "auto",
    precision: str = "auto",
    few: bool = False,
    idf: QueryIdf | None = None,
) -> BoundEncoder:
    """Makes the query encoder of vectors or of an index.

    Args:
        record: the encoder's record, from the manifest of the vectors or the card of the index, with the settings of queries.
        source: where the record is from, for messages.
        model: the encoder, if it is loaded already; otherwise what the record names as the encoder of queries is loaded.
        table: of the query model ``idf``: token → impact.
        device: for a model loaded here, as in :meth:`SpladeModel.load`.
        precision: likewise.
        few: for a handful of queries, which are encoded before torch would be imported, if the model allows it.
        idf: multiplies the weights, where the record says so.

    Raises:
        ModelError: the model that the record names cannot be loaded, or cannot read queries of that length.
        IndexMismatchError: its files are not those that the record speaks of.
    """
    if record.query.kind == "idf":
        idf = None  # the table has it already
    elif record.query_idf is not None and idf is None:
        raise IndexMismatchError(
            f"{source} does not tell in how many documents a token is, which query weights times idf need; search the index"
        )
    settings: _Settings = {"max_length": record.query_max_length, "top_k": record.query_top_k, "idf": idf}
    if record.query.kind in ("idf", "static"):
        if model is not None:
            _check(record.document, model.side(), source)
        encoder = _table_encoder(record, source, table)
        encoder.check_length(record.query_max_length)
        scale = 1 if record.query.kind == "idf" else record.scale
        return BoundEncoder(encoder, scale=scale, computes=False, **settings)
    if model is None and few and precision in ("auto", "fp32") and (device == "cpu" or (device == "auto" and not _may_have_gpu())):
        light = _light_encoder(record.query)
        if light is not None:
            _check(record.query, light.files.record(), source)
            light.check_length(record.query_max_length)
            return BoundEncoder(light, scale=record.scale, computes=False, **settings)
    if model is None:
        from splade_lucene.encoding.model import SpladeModel

        model = SpladeModel.load_queries(record, device=device, precision=precision)
    else:
        _check(record.document, model.side(), source)
    _check(record.query, model.record().query, source)
    model.check_query_length(record.query_max_length)
    return BoundEncoder(model, scale=record.scale, **settings)


def _light_encoder(side: EncoderSide) -> NumpyModel | None:
    from splade_lucene.encoding.loading import find_query_model
    from splade_lucene.encoding.numpy_bert import read_numpy_model

    return read_numpy_model(find_query_model(side.model, revision=side.revision, subfolder=side.subfolder))


def _may_have_gpu() -> bool:
    """Whether torch is to be asked for a GPU."""
    return any(Path(device).exists() for device in _GPUS)


def _table_encoder(record: EncoderRecord, source: Path | str, table: Mapping[str, int] | None) -> StaticQueryEncoder:
    """Encodes with a table; neither torch nor transformers is imported."""
    from splade_lucene.encoding.loading import find_query_model, find_tokenizer
    from splade_lucene.encoding.static import StaticQueryEncoder

    if record.query.kind == "static":
        side = record.query
        files = find_query_model(side.model, revision=side.revision, subfolder=side.subfolder)
        _check(side, files.record(), source)
        return StaticQueryEncoder(files)
    if table is None:
        raise IndexMismatchError(f"{source} has no table of token weights for the query model idf; build the index again")
    side = record.document
    files = find_tokenizer(side.model, revision=side.revision, subfolder=side.subfolder)
    if files.tokenizer_sha256 != record.query.tokenizer_sha256:
        _refuse(replace(side, tokenizer_sha256=record.query.tokenizer_sha256), files.record(), "tokenizer_sha256", source)
    return StaticQueryEncoder(files._replace(prompt=""), table)


def _check(expected: EncoderSide, found: EncoderSide, source: Path | str) -> None:
    for key in _IDENTITY:
        if getattr(expected, key) != getattr(found, key):
            _refuse(expected, found, key, source)


def _refuse(expected: EncoderSide, found: EncoderSide, key: str, source: Path | str) -> NoReturn:
    values = (getattr(expected, key), getattr(found, key))
    shown = [f"{value[:12]}…" if key.endswith("sha256") else repr(value) for value in values]
    raise IndexMismatchError(
        f"{source} was made with the model {expected.model} ({key} {shown[0]}), not with {found.model} ({shown[1]}); use that model, or "
        "encode and index again"
    )
