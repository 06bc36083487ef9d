"""The encoder that a folder of vectors or an index names, loaded and held against the record of what it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from splade_lucene.errors import IndexMismatchError

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel


class BoundEncoder:
    """A model with the query length and the scale of an index.

    Args:
        model: the model.
        max_length: tokens a query is cut at.
        scale: impacts are ``round(weight × scale)``.
        top_k: keep so many tokens of a query, those of the largest weights; all if None.
    """

    def __init__(self, model: SpladeModel, *, max_length: int, scale: int, top_k: int | None = None) -> None:
        self._model, self._max_length, self._scale, self._top_k = model, max_length, scale, top_k

    @property
    def vocabulary(self) -> Sequence[str]:
        """The tokens of the model in the order of its output layer."""
        return self._model.vocabulary

    def encode_queries(self, texts: Sequence[str]) -> list[dict[str, int]]:
        """Encodes queries: for each token → impact; none for an empty text, of which a model sees its special tokens alone."""
        given = [text for text in texts if text.strip()]
        encoded = iter(self._model.encode_queries(given, max_length=self._max_length, scale=self._scale, top_k=self._top_k))
        return [next(encoded) if text.strip() else {} for text in texts]


def bind_encoder(
    record: Mapping[str, Any],
    source: Path | str,
    *,
    model: SpladeModel | None = None,
    query_max_length: int | None = None,
    query_top_k: int | None = None,
    device: str = "auto",
    precision: str = "auto",
) -> BoundEncoder:
    """Makes the query encoder of vectors or of an index.

    Args:
        record: the encoder's record, from the manifest of the vectors or the card of the index.
        source: where the record is from, for messages.
        model: the encoder, if it is loaded already; otherwise the one that the record names is loaded.
        query_max_length: tokens a query is cut at; what the record says if None.
        query_top_k: keep so many tokens of a query, those of the largest weights; all if None.
        device: for a model loaded here, as in :meth:`SpladeModel.load`.
        precision: likewise.

    Raises:
        ModelError: the model that the record names cannot be had, or cannot read so many tokens.
        IndexMismatchError: its files are not those that the record speaks of.
    """
    if model is None:
        from splade_lucene.encoding.model import SpladeModel

        model = SpladeModel.load(record["model"], revision=record["revision"], device=device, precision=precision)
    found = model.record()._asdict()
    for key in ("weights_sha256", "tokenizer_sha256"):
        if record[key] != found[key]:
            raise IndexMismatchError(
                f"{source} was made with the model {record['model']} ({key} {record[key][:12]}…), not with {model.name} "
                f"({found[key][:12]}…); use that model, or encode and index again"
            )
    max_length = record["query_max_length"] if query_max_length is None else query_max_length
    model.check_length(max_length)
    return BoundEncoder(model, max_length=max_length, scale=record["scale"], top_k=query_top_k)
