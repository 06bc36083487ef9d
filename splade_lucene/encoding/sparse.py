"""The weights of a text that are not 0: a few hundred of tens of thousands, so the rest is left where it was computed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


class SparseWeights(NamedTuple):
    """The weights of a text.

    Attributes:
        entries: of the vocabulary, ascending.
        weights: float32, above 0, or not a number where the network overflowed.
    """

    entries: NDArray[np.int64]
    weights: NDArray[np.float32]

    def take(self, positions: NDArray[np.intp]) -> SparseWeights:
        """Some of them, by their positions here."""
        return SparseWeights(self.entries[positions], self.weights[positions])


NO_WEIGHTS = SparseWeights(np.empty(0, np.int64), np.empty(0, np.float32))


def sparse_weights(pooled: Tensor) -> list[SparseWeights]:
    """Takes the weights that are not 0 off the device, those of each text by themselves.

    Args:
        pooled: float32, texts × vocabulary.
    """
    if pooled.device.type == "cpu":
        rows: NDArray[np.float32] = pooled.numpy()
        return [SparseWeights(entries := row.nonzero()[0], row[entries]) for row in rows]
    texts, found = pooled.nonzero(as_tuple=True)
    weights, ends = pooled[texts, found].cpu().numpy(), (pooled != 0).sum(dim=1).cumsum(0).cpu().numpy()[:-1]
    return [SparseWeights(*each) for each in zip(np.split(found.cpu().numpy(), ends), np.split(weights, ends), strict=True)]
