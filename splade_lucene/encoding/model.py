"""The SPLADE encoder: texts to bags of tokens with weights or quantized impacts."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from splade_lucene.encoding.bags import BagEncoder
from splade_lucene.encoding.batches import Network
from splade_lucene.encoding.defaults import CARD_LENGTHS, DEFAULT_SCALE, IDF, Lengths, default_lengths
from splade_lucene.encoding.kernels import bf16_gain
from splade_lucene.encoding.loading import ModelFiles, find_model, find_query_model
from splade_lucene.encoding.network import MlmNetwork
from splade_lucene.encoding.networks import Arithmetic, load_network, resolve
from splade_lucene.encoding.pairs import IdfQueries, check_pair
from splade_lucene.encoding.quantization import Quantization
from splade_lucene.encoding.static import StaticQueryEncoder
from splade_lucene.encoding.texts import checked_texts, whole_number
from splade_lucene.encoding.words import Reading, Word
from splade_lucene.errors import ModelError
from splade_lucene.records import EncoderRecord, EncoderSide

# The two special tokens and one of the text.
_MIN_LENGTH = 3


QuerySide: TypeAlias = "SpladeModel | StaticQueryEncoder | IdfQueries"


class SpladeModel:
    """A sparse encoder: texts to token weights, with the encoder of queries that belongs to it.

    Most models encode queries as they encode passages. Some have another network for queries, or only a table of token weights
    (:class:`~splade_lucene.encoding.static.StaticQueryEncoder`); which it is, pooling, prompts and lengths are read from the model's
    own configuration. Make one with :meth:`load`. Objects are safe to use from several threads.

    Example:
        >>> model = SpladeModel.load("tiny")
        >>> model.encode_queries(["glass stress"], max_length=16)[0]["glass"]
        243
    """

    def __init__(self, files: ModelFiles, network: Network, arithmetic: Arithmetic, queries: QuerySide | None = None) -> None:
        """Use :meth:`load`."""
        self._files, self._network, self._arithmetic = files, network, arithmetic._replace(kernels=network.kernels)
        self._queries = queries
        self._bags = BagEncoder(files, network)

    @classmethod
    def load(
        cls,
        name: str | Path,
        *,
        query_model: str | Path | None = None,
        revision: str | None = None,
        query_revision: str | None = None,
        subfolder: str = "",
        device: str = "auto",
        precision: str = "auto",
        kernels: str = "auto",
        token: str | None = None,
    ) -> SpladeModel:
        """Loads a model.

        Args:
            name: ``tiny`` (4.4 M parameters, works offline), a folder as ``save_pretrained`` or sentence-transformers writes it, or a
                hub id.
            query_model: another model for queries: one of the same vocabulary, a table of token weights, or ``idf`` for the indexed
                collection's own statistics; by default what ``name`` says.
            revision: branch, tag or commit on the hub.
            query_revision: the same of ``query_model``.
            subfolder: of the folder or repository that holds the model.
            device: ``auto`` (a GPU if there is one), or what torch calls it: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
            precision: ``auto`` (fp32 on a CPU, fp16 on a GPU), ``fp32``, ``bf16`` or ``fp16``.
            kernels: of matrix products: ``auto`` (which of the others is faster here), ``torch``, on a CPU ``onednn``, on a GPU ``triton``.
            token: for private and gated repositories; by default what ``hf auth login`` or ``HF_TOKEN`` says.

        Returns:
            The model, ready to encode.

        Raises:
            ModelError: the model cannot be loaded, is no sparse encoder, its configuration declares what is not computed here, or the
                device or precision is unknown.
        """
        arithmetic = resolve(device, precision, kernels)
        if query_revision is not None and query_model in (None, IDF):
            raise ModelError("a revision of the query model needs a query model from the hub; leave --query-revision out")
        files = find_model(name, revision=revision, subfolder=subfolder, token=token)
        model = cls(files._replace(query=None), load_network(files, arithmetic), arithmetic)
        if query_model is not None:
            model._queries = (
                IdfQueries(files._replace(max_length=(files.query or files).max_length))
                if str(query_model) == IDF
                else _query_side(find_query_model(query_model, revision=query_revision, token=token), model)
            )
        elif files.query is not None:
            model._queries = _query_side(files.query, model)
        if model._queries is not None and not isinstance(model._queries, IdfQueries):
            check_pair(model.name, model.vocabulary, model._queries.name, model._queries.vocabulary)
        model._warn_of_short_lengths()
        return model

    @classmethod
    def load_queries(cls, record: EncoderRecord, *, device: str = "auto", precision: str = "auto", token: str | None = None) -> SpladeModel:
        """Loads the network that a record names as its encoder of queries, and nothing else.

        Raises:
            ModelError: as from :meth:`load`.
        """
        side = record.query
        files = find_query_model(side.model, revision=side.revision, subfolder=side.subfolder, token=token)._replace(query=None)
        return _load(files, resolve(device, precision))

    def with_kernels(self, kernels: str) -> SpladeModel:
        """This model, or where its matrix products are computed otherwise the same one loaded again, for vectors that were begun with it.

        Args:
            kernels: ``torch``, ``onednn`` or ``triton``.

        Raises:
            ModelError: they do not work on this processor, or this GPU.
        """
        if kernels == self._arithmetic.kernels or self._files.kind != "mlm":
            return self
        return _load(self._files, self._arithmetic._replace(kernels=kernels), self._queries)

    def bf16_gain(self) -> float:
        """How many times as fast this processor multiplies matrices in bf16 as in fp32; 1 for a model that is not in fp32 on a CPU."""
        network = self._network
        on_cpu = isinstance(network, MlmNetwork) and network.device_type == "cpu" and self._arithmetic.precision == "fp32"
        return bf16_gain(network.hidden_size) if isinstance(network, MlmNetwork) and on_cpu else 1.0

    @property
    def name(self) -> str:
        """``tiny``, the hub id, or the absolute folder."""
        return self._files.name

    @property
    def vocabulary(self) -> Sequence[str]:
        """The tokens in the order of the output layer."""
        return self._network.tokens

    @property
    def lengths(self) -> Lengths:
        """Tokens that passages and queries are cut at by default: what the model says, else ours, and no more than it reads."""
        ours, most = default_lengths(self.name), self._network.max_positions
        declared = None if ours == CARD_LENGTHS else self._files.max_length
        queries = min(declared or ours.queries, most)
        if self._queries is not None:
            queries = self._queries.lengths.queries
        return Lengths(min(declared or ours.documents, most), queries)

    def read_words(self, text: str, *, max_length: int | None = None) -> Reading:
        """The words of a text and the tokens that they are cut into.

        Args:
            text: the text.
            max_length: as in :meth:`encode_documents`.

        Raises:
            ModelError: the tokenizer cannot tell, or ``max_length`` is more than the model can read.
        """
        length = self._document_length(max_length)
        before = len(self._files.prompt)
        reading = self._network.tokenizer.read_words(self._files.prompt + text, length)
        if not before:
            return reading
        words = [Word(max(0, word.start - before), word.end - before, word.tokens) for word in reading.words if word.end > before]
        return Reading(words, reading.cut)

    def check_length(self, max_length: int) -> None:
        """Makes sure that passages can be cut at a length.

        Raises:
            ModelError: the model cannot read texts of that length, or nothing would be left of a text.
        """
        most = self._network.max_positions
        if not _MIN_LENGTH <= whole_number("max_length", max_length) <= most:
            raise ModelError(f"the maximum length {max_length} is not between {_MIN_LENGTH} and the {most} tokens that {self.name} reads")

    @property
    def device_type(self) -> str:
        """Where the model computes: ``cpu``, ``cuda`` or what else torch calls it."""
        return self._network.device_type

    def check_query_length(self, max_length: int) -> None:
        """Makes sure that queries can be cut at a length.

        Raises:
            ModelError: as from :meth:`check_length`.
        """
        (self if self._queries is None else self._queries).check_length(max_length)

    def record(self, *, query_max_length: int | None = None, scale: float = DEFAULT_SCALE) -> EncoderRecord:
        """What identifies this encoder together with the settings that queries must share with documents."""
        return EncoderRecord(
            document=self.side(),
            query=(self if self._queries is None else self._queries).side(),
            query_max_length=self.lengths.queries if query_max_length is None else query_max_length,
            scale=scale,
            precision=self._arithmetic.precision,
            kernels=self._arithmetic.kernels,
        )

    def side(self) -> EncoderSide:
        """What identifies the encoder of passages alone."""
        return self._files.record()

    def encode_documents(
        self,
        texts: Iterable[str],
        *,
        max_length: int | None = None,
        scale: float = DEFAULT_SCALE,
        top_k: int | None = None,
        min_weight: float | None = None,
        bits: int | None = None,
        max_ratio: float | None = None,
        alpha_mass: float | None = None,
    ) -> list[dict[str, int]]:
        """Encodes passages.

        Args:
            texts: the passages, title and text joined with a space.
            max_length: tokens a passage is cut at, special tokens included; the default is in :attr:`lengths`.
            scale: impacts are ``round(weight × scale)``; what rounds to 0 is left out.
            top_k: keep only the K largest weights of each passage; all by default.
            min_weight: keep only weights of at least this; all by default.
            bits: cap impacts at ``2^bits - 1``; no cap by default.
            max_ratio: keep only weights of at least this share of the passage's largest; all by default.
            alpha_mass: keep only the largest weights that have this share of the sum of the passage's weights; all by default.

        Returns:
            For each text token → impact (integers from 1), in the order of the vocabulary.

        Raises:
            ModelError: ``max_length`` is more than the model can read, or an impact more than Lucene can hold.
            TypeError: ``texts`` is a single string, or an item is no string.
        """
        quantization = Quantization(scale, top_k, min_weight, bits, max_ratio, alpha_mass)
        return self._bags.impacts(checked_texts(texts, "encode_documents"), self._document_length(max_length), quantization)

    def document_weights(
        self,
        texts: Iterable[str],
        *,
        max_length: int | None = None,
        top_k: int | None = None,
        min_weight: float | None = None,
        max_ratio: float | None = None,
        alpha_mass: float | None = None,
    ) -> list[dict[str, float]]:
        """Encodes passages to weights as floats: token → weight, pruned as by :meth:`encode_documents` but not quantized."""
        quantization = Quantization(top_k=top_k, min_weight=min_weight, max_ratio=max_ratio, alpha_mass=alpha_mass)
        return self._bags.weights(checked_texts(texts, "document_weights"), self._document_length(max_length), quantization)

    def encode_queries(
        self, texts: Iterable[str], *, max_length: int | None = None, scale: float = DEFAULT_SCALE, top_k: int | None = None
    ) -> list[dict[str, int]]:
        """Encodes queries, with the model's own encoder of queries where it has one: as :meth:`encode_documents`."""
        if self._queries is not None:
            return self._queries.encode_queries(texts, max_length=max_length, scale=scale, top_k=top_k)
        return self._bags.impacts(checked_texts(texts, "encode_queries"), self._query_length(max_length), Quantization(scale, top_k))

    def query_weights(self, texts: Iterable[str], *, max_length: int | None = None, top_k: int | None = None) -> list[dict[str, float]]:
        """Encodes queries to weights as floats: token → weight."""
        if self._queries is not None:
            return self._queries.query_weights(texts, max_length=max_length, top_k=top_k)
        return self._bags.weights(checked_texts(texts, "query_weights"), self._query_length(max_length), Quantization(top_k=top_k))

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy in another process loads the model there."""
        return _load, (self._files, self._arithmetic, self._queries)

    def __deepcopy__(self, memo: dict[int, Any]) -> SpladeModel:
        """Nothing of a model changes, so it is its own copy."""
        return self

    def encode_windows(
        self, windows: Iterable[Sequence[str]], *, max_length: int, quantization: Quantization
    ) -> Iterator[list[dict[str, int]]]:
        """Encodes passages of a stream, window by window; the next window is read and tokenized while one is being encoded.

        Args:
            windows: passages; those of a window are sorted by length together, so another window changes the last bits of their weights.
            max_length: tokens a passage is cut at.
            quantization: of the weights.

        Yields:
            For each window what :meth:`encode_documents` gives, whatever the number of threads.

        Raises:
            ModelError: ``max_length`` is more than the model can read.
        """
        self.check_length(max_length)
        yield from self._bags.impacts_of_windows(windows, max_length, quantization)

    def weigh_windows(self, windows: Iterable[Sequence[str]], *, max_length: int) -> Iterator[list[dict[str, float]]]:
        """As :meth:`encode_windows`, the weights as floats, all of them: ``Quantization.bag`` of each gives what that gives.

        Args:
            windows: passages, as there.
            max_length: tokens a passage is cut at.

        Yields:
            For each window what :meth:`document_weights` gives.

        Raises:
            ModelError: ``max_length`` is more than the model can read.
        """
        self.check_length(max_length)
        yield from self._bags.weights_of_windows(windows, max_length)

    def _document_length(self, max_length: int | None) -> int:
        length = self.lengths.documents if max_length is None else max_length
        self.check_length(length)
        return length

    def _query_length(self, max_length: int | None) -> int:
        return self._document_length(self.lengths.queries if max_length is None else max_length)

    def _warn_of_short_lengths(self) -> None:
        most, ours = self._network.max_positions, default_lengths(self.name)
        if self._files.max_length is None and most < ours.documents:
            warnings.warn(
                f"{self.name} reads at most {most} tokens, so by default passages are cut at {self.lengths.documents} and queries at "
                f"{self.lengths.queries} tokens",
                RuntimeWarning,
                stacklevel=3,
            )


def _query_side(files: ModelFiles, model: SpladeModel) -> QuerySide:
    """The encoder of queries; with the network of the passages' where only the prompt differs."""
    files = files._replace(query=None)
    if files.kind == "static":
        return StaticQueryEncoder(files)
    same = files._replace(prompt=model._files.prompt, max_length=model._files.max_length) == model._files
    network = model._network if same else load_network(files, model._arithmetic)
    return SpladeModel(files, network, model._arithmetic)


def _load(files: ModelFiles, arithmetic: Arithmetic, queries: QuerySide | None = None) -> SpladeModel:
    return SpladeModel(files, load_network(files, arithmetic), arithmetic, queries)
