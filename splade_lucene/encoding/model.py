"""The SPLADE encoder: texts to bags of tokens with weights or quantized impacts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, overload

import numpy as np
import torch
from numpy.typing import NDArray

from splade_lucene.encoding.batches import BatchEncoder
from splade_lucene.encoding.defaults import DEFAULT_SCALE, default_lengths
from splade_lucene.encoding.loading import ModelFiles, find_model, first_sentence
from splade_lucene.encoding.network import PRECISIONS, MlmNetwork
from splade_lucene.encoding.quantization import Quantization
from splade_lucene.encoding.words import Reading
from splade_lucene.errors import ModelError

# The two special tokens and one of the text.
_MIN_LENGTH = 3


class EncoderRecord(NamedTuple):
    """What identifies an encoder, as manifests and indexes keep it.

    Attributes:
        model: ``tiny``, a hub id, or an absolute folder.
        revision: the hub's commit, None for other sources.
        weights_sha256: of the safetensors files.
        tokenizer_sha256: of the tokenizer's files.
        query_max_length: the number of tokens that queries are cut at by default.
        scale: impacts are ``round(weight × scale)``.
        precision: of the arithmetic of the forward pass.
        kernels: that computed its matrix products, ``torch`` or ``onednn``; they round differently.
    """

    model: str
    revision: str | None
    weights_sha256: str
    tokenizer_sha256: str
    query_max_length: int
    scale: int
    precision: str
    kernels: str


class SpladeModel:
    """A masked language model whose pooled logits are token weights.

    Make one with :meth:`load`. Objects are safe to use from several threads.

    Example:
        >>> model = SpladeModel.load("tiny")
        >>> model.encode_queries(["glass stress"], max_length=16)[0]["glass"]
        243
    """

    def __init__(self, files: ModelFiles, network: MlmNetwork, *, precision: str) -> None:
        """Use :meth:`load`."""
        self._files, self._network, self._precision = files, network, precision
        self._batches = BatchEncoder(network, files.name)

    @classmethod
    def load(
        cls, name: str, *, revision: str | None = None, device: str = "auto", precision: str = "auto", kernels: str = "auto"
    ) -> SpladeModel:
        """Loads a model.

        Args:
            name: ``tiny`` (4.4 M parameters, works offline), a folder as ``save_pretrained`` writes it, or a hub id.
            revision: branch, tag or commit on the hub.
            device: ``auto`` (a GPU if there is one), or what torch calls it: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
            precision: ``auto`` (fp32 on a CPU, fp16 on a GPU), ``fp32``, ``bf16`` or ``fp16``.
            kernels: of matrix products on a CPU: ``auto`` (which of the others is faster here), ``torch`` or ``onednn``.

        Returns:
            The model, ready to encode.

        Raises:
            ModelError: the model cannot be had, is not a masked language model, or the device or precision is unknown.
        """
        if precision != "auto" and precision not in PRECISIONS:
            raise ModelError(f"unknown precision {precision!r}; there is auto, {', '.join(PRECISIONS)}")
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            torch.zeros(1, device=device).cpu()
            kind = torch.device(device).type
        except Exception as error:  # each backend of torch has its own way to say that it is not there
            raise ModelError(f"the device {device!r} cannot be used ({first_sentence(error)}); try --device cpu") from None
        if precision == "auto":
            precision = "fp32" if kind == "cpu" else "fp16"
        files = find_model(name, revision=revision)
        return cls(files, MlmNetwork(files, device=device, precision=precision, kernels=kernels), precision=precision)

    def with_kernels(self, kernels: str) -> SpladeModel:
        """This model, or where its matrix products are computed otherwise the same one loaded again, for vectors that were begun with it.

        Args:
            kernels: ``torch`` or ``onednn``. On a GPU there is no choice.

        Raises:
            ModelError: they do not work on this processor.
        """
        if kernels == self._network.kernels or self._network.device_type != "cpu":
            return self
        network = MlmNetwork(self._files, device="cpu", precision=self._precision, kernels=kernels)
        return SpladeModel(self._files, network, precision=self._precision)

    @property
    def name(self) -> str:
        """``tiny``, the hub id, or the absolute folder."""
        return self._files.name

    @property
    def vocabulary(self) -> Sequence[str]:
        """The tokens in the order of the output layer."""
        return self._network.tokens

    def read_words(self, text: str, *, max_length: int | None = None) -> Reading:
        """The words of a text and the tokens that they are cut into.

        Args:
            text: the text.
            max_length: as in :meth:`encode_documents`.

        Raises:
            ModelError: the tokenizer cannot tell, or ``max_length`` is more than the model can read.
        """
        length = default_lengths(self.name).documents if max_length is None else max_length
        self.check_length(length)
        return self._network.read_words(text, length)

    def check_length(self, max_length: int) -> None:
        """Makes sure that texts can be cut at a length.

        Raises:
            ModelError: the model cannot read so many tokens, or nothing would be left of a text.
        """
        most = self._network.max_positions
        if not _MIN_LENGTH <= max_length <= most:
            raise ModelError(f"the maximum length {max_length} is not between {_MIN_LENGTH} and the {most} tokens that {self.name} reads")

    def record(self, *, query_max_length: int | None = None, scale: int = DEFAULT_SCALE) -> EncoderRecord:
        """What identifies this encoder together with the settings that queries must share with documents."""
        return EncoderRecord(
            model=self._files.name,
            revision=self._files.revision,
            weights_sha256=self._files.weights_sha256,
            tokenizer_sha256=self._files.tokenizer_sha256,
            query_max_length=default_lengths(self.name).queries if query_max_length is None else query_max_length,
            scale=scale,
            precision=self._precision,
            kernels=self._network.kernels,
        )

    @overload
    def encode_documents(
        self,
        texts: Sequence[str],
        *,
        max_length: int | None = ...,
        scale: int = ...,
        top_k: int | None = ...,
        min_weight: float | None = ...,
        bits: int | None = ...,
        weights: Literal[False] = ...,
    ) -> list[dict[str, int]]: ...

    @overload
    def encode_documents(
        self,
        texts: Sequence[str],
        *,
        max_length: int | None = ...,
        scale: int = ...,
        top_k: int | None = ...,
        min_weight: float | None = ...,
        bits: int | None = ...,
        weights: Literal[True],
    ) -> list[dict[str, float]]: ...

    def encode_documents(
        self,
        texts: Sequence[str],
        *,
        max_length: int | None = None,
        scale: int = DEFAULT_SCALE,
        top_k: int | None = None,
        min_weight: float | None = None,
        bits: int | None = None,
        weights: bool = False,
    ) -> list[dict[str, int]] | list[dict[str, float]]:
        """Encodes passages.

        Args:
            texts: the passages, title and text joined with a space.
            max_length: tokens a passage is cut at, special tokens included; default 128 for prithivida's models, else 256.
            scale: impacts are ``round(weight × scale)``; what rounds to 0 is left out.
            top_k: keep only the so many largest weights of each passage; all by default.
            min_weight: keep only weights from here on; all by default.
            bits: cap impacts at ``2^bits - 1``; no cap by default.
            weights: return the weights as floats, pruned but unquantized.

        Returns:
            For each text token → impact (integers from 1), or token → weight, in the order of the vocabulary.

        Raises:
            ModelError: ``max_length`` is more than the model can read.
        """
        length = default_lengths(self.name).documents if max_length is None else max_length
        return self._encode(texts, length, Quantization(scale, top_k, min_weight, bits), weights)

    @overload
    def encode_queries(
        self,
        texts: Sequence[str],
        *,
        max_length: int | None = ...,
        scale: int = ...,
        top_k: int | None = ...,
        weights: Literal[False] = ...,
    ) -> list[dict[str, int]]: ...

    @overload
    def encode_queries(
        self,
        texts: Sequence[str],
        *,
        max_length: int | None = ...,
        scale: int = ...,
        top_k: int | None = ...,
        weights: Literal[True],
    ) -> list[dict[str, float]]: ...

    def encode_queries(
        self,
        texts: Sequence[str],
        *,
        max_length: int | None = None,
        scale: int = DEFAULT_SCALE,
        top_k: int | None = None,
        weights: bool = False,
    ) -> list[dict[str, int]] | list[dict[str, float]]:
        """Encodes queries: as :meth:`encode_documents`, cut at 24 tokens for prithivida's models and at 64 for others."""
        length = default_lengths(self.name).queries if max_length is None else max_length
        return self._encode(texts, length, Quantization(scale, top_k), weights)

    def _encode(
        self, texts: Sequence[str], max_length: int, quantization: Quantization, weights: bool
    ) -> list[dict[str, int]] | list[dict[str, float]]:
        self.check_length(max_length)
        quantization.check()
        return self._batches.encode_now(texts, max_length, partial(self._bag, quantization=quantization, weights=weights))

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
        quantization.check()
        yield from self._batches.encode(windows, max_length, partial(self._bag, quantization=quantization, weights=False))

    def _bag(self, row: NDArray[np.float32], *, quantization: Quantization, weights: bool) -> dict[str, Any]:
        if weights:
            entries = quantization.prune(row)
            values: NDArray[Any] = row[entries]
        else:
            entries, values = quantization.apply(row)
        tokens = self._network.tokens
        return dict(zip((tokens[entry] for entry in entries.tolist()), values.tolist(), strict=True))
