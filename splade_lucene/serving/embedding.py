"""Texts as sparse vectors, for clients that search elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from splade_lucene.errors import ModelError
from splade_lucene.serving.problems import RequestError, bad_request
from splade_lucene.serving.requests import EmbedBody
from splade_lucene.serving.responses import SparseValue
from splade_lucene.serving.text_checks import check_text

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel
    from splade_lucene.serving.service import SearchService

# Characters of a text to embed: more than any model reads.
_MOST_CHARS = 100_000
_PROMPTS = {None: False, "document": False, "passage": False, "query": True}


class Embedder:
    """Encodes texts with the encoder of an index, unquantized.

    Args:
        service: whose indexes and limits count.
    """

    def __init__(self, service: SearchService) -> None:
        self._service = service
        self._entries: WeakKeyDictionary[SpladeModel, dict[str, int]] = WeakKeyDictionary()

    async def embed(self, name: str | None, body: EmbedBody) -> list[list[SparseValue]]:
        """Encodes texts.

        Args:
            name: of the index whose encoder is meant; the first impact index if None.
            body: the texts.

        Returns:
            For each text the entries of the vocabulary that are not 0, in rising order, and their weights.

        Raises:
            RequestError: a text is too long or empty, or there are too many of them.
        """
        service = self._service
        encoder = service.catalog.encoder() if name is None else service.catalog[name].current.encoder
        if encoder is None:
            raise bad_request(f"{name} is a BM25 index, which has no encoder")
        if body.truncation_direction.lower() != "right":
            raise bad_request("texts are cut at their end; leave truncation_direction out")
        if body.prompt_name not in _PROMPTS:
            raise bad_request(f"unknown prompt_name {body.prompt_name!r}; there is query and document")
        texts = [body.inputs] if isinstance(body.inputs, str) else body.inputs
        if not 1 <= len(texts) <= service.limits.texts:
            raise RequestError(413, f"{len(texts):,} texts are not between 1 and {service.limits.texts:,}, the most in one request")
        texts = [check_text(text, _MOST_CHARS, "a text of the inputs") for text in texts]
        as_queries = _PROMPTS[body.prompt_name]
        length = encoder.record.query_max_length if as_queries else self._document_length(name)
        with service.admission.admit():
            return await asyncio.get_running_loop().run_in_executor(
                service.catalog.encoders.thread, self._encode, encoder.model, texts, as_queries, length, bool(body.truncate)
            )

    def _document_length(self, name: str | None) -> int | None:
        for index in self._service.catalog:
            if index.name == name or (name is None and index.current.encoder is not None):
                return index.current.card.vectors.max_length
        return None

    def _encode(
        self, model: SpladeModel, texts: Sequence[str], as_queries: bool, length: int | None, truncate: bool
    ) -> list[list[SparseValue]]:
        if not truncate:
            _refuse_long(model, texts, length)
        encode = model.query_weights if as_queries else model.document_weights
        if model not in self._entries:
            self._entries[model] = {token: entry for entry, token in enumerate(model.vocabulary)}
        entries = self._entries[model]
        return [
            [SparseValue(index=entries[token], value=weight) for token, weight in weights.items()]
            for weights in encode(texts, max_length=length)
        ]


def _refuse_long(model: SpladeModel, texts: Sequence[str], length: int | None) -> None:
    for number, text in enumerate(texts):
        try:
            cut = model.read_words(text, max_length=length).cut
        except ModelError as error:
            raise bad_request(f"{error}; or send truncate: true") from None
        if cut:
            raise RequestError(413, f"the text number {number + 1} has more than {length} tokens; shorten it, or send truncate: true")
