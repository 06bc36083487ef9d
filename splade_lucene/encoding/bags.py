"""Texts to bags of tokens: the model's prompt before, the network's batches, then pruning and quantization of each text's weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splade_lucene.encoding.batches import BatchEncoder, Network
from splade_lucene.encoding.defaults import DEFAULT_SCALE, MAX_BITS
from splade_lucene.encoding.loading import ModelFiles
from splade_lucene.encoding.quantization import Quantization
from splade_lucene.encoding.sparse import SparseWeights

Weights = NDArray[np.float32]
Kept = tuple[NDArray[np.intp], NDArray[Any]]
Keep = Callable[[Weights], Kept]
"""Takes the weights of a text and gives the entries that are kept and their values."""


class BagEncoder:
    """Makes bags of texts. Objects are safe to use from several threads.

    Args:
        files: of the model, with its prompt and how many weights it keeps.
        network: texts to weights.
    """

    def __init__(self, files: ModelFiles, network: Network) -> None:
        self._prompt, self._top_k = files.prompt, files.top_k
        self._batches = BatchEncoder(network, files.name)
        self._tokens = np.array(network.tokens, dtype=object)
        self._warned = False

    def impacts(self, texts: Sequence[str], max_length: int, quantization: Quantization) -> list[dict[str, int]]:
        """For each text token → impact."""
        return self._encode(texts, max_length, quantization, partial(self._quantized, quantization))

    def weights(self, texts: Sequence[str], max_length: int, quantization: Quantization) -> list[dict[str, float]]:
        """For each text token → weight, pruned and not quantized."""
        return self._encode(texts, max_length, quantization, partial(_pruned, quantization))

    def impacts_of_windows(
        self, windows: Iterable[Sequence[str]], max_length: int, quantization: Quantization
    ) -> Iterator[list[dict[str, int]]]:
        """:meth:`impacts` of a stream, window by window; the next is read and tokenized while one is being encoded."""
        quantization.check()
        return self._windows(windows, max_length, partial(self._quantized, quantization))

    def weights_of_windows(self, windows: Iterable[Sequence[str]], max_length: int) -> Iterator[list[dict[str, float]]]:
        """All :meth:`weights` of a stream, likewise."""
        return self._windows(windows, max_length, partial(_pruned, Quantization()))

    def _encode(self, texts: Sequence[str], max_length: int, quantization: Quantization, keep: Keep) -> list[dict[str, Any]]:
        quantization.check()
        return self._batches.encode_now(self._prompted(texts), max_length, partial(self._bag, keep=keep))

    def _windows(self, windows: Iterable[Sequence[str]], max_length: int, keep: Keep) -> Iterator[list[dict[str, Any]]]:
        prompted = (self._prompted(window) for window in windows)
        return self._batches.encode(prompted, max_length, partial(self._bag, keep=keep))

    def _prompted(self, texts: Sequence[str]) -> Sequence[str]:
        return [self._prompt + text for text in texts] if self._prompt else texts

    def _bag(self, text: SparseWeights, *, keep: Keep) -> dict[str, Any]:
        if self._top_k is not None:
            text = text.take(Quantization(top_k=self._top_k).prune(text.weights))
        positions, values = keep(text.weights)
        return dict(zip(self._tokens[text.entries[positions]].tolist(), values.tolist(), strict=True))

    def _quantized(self, quantization: Quantization, row: Weights) -> Kept:
        entries, impacts = quantization.apply(row)
        self._warn_of_large_scores(impacts, quantization)
        return entries, impacts

    def _warn_of_large_scores(self, impacts: NDArray[np.int64], quantization: Quantization) -> None:
        # Measured on the first text that shows it; a default scale never does.
        if self._warned or quantization.scale <= DEFAULT_SCALE or int(impacts @ impacts) < 1 << MAX_BITS:
            return
        self._warned = True
        warnings.warn(
            f"at the scale {quantization.scale} a query like one of the texts would score {int(impacts @ impacts):,}, and Lucene's scores "
            "are exact integers only below 2^24; a smaller --scale keeps them exact",
            RuntimeWarning,
            stacklevel=2,
        )


def _pruned(quantization: Quantization, row: Weights) -> Kept:
    entries = quantization.prune(row)
    return entries, row[entries]
