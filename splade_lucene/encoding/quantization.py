"""Weights to impacts: static pruning, then integers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from splade_lucene.encoding.defaults import DEFAULT_SCALE, MAX_BITS, MAX_SCALE
from splade_lucene.encoding.texts import whole_number
from splade_lucene.errors import ModelError


class Quantization(NamedTuple):
    """Which weights of a text are kept and how they become impacts.

    Each of the prunings is decided on all weights of the text, and what all of them keep is kept. The names are those of OpenSearch's
    ``prune_type``, where ``min_weight`` is ``abs_value``.

    Attributes:
        scale: impacts are ``round(weight × scale)``; what rounds to 0 is left out.
        top_k: only the K largest weights are kept; None keeps all.
        min_weight: only weights of at least this are kept; None keeps all.
        bits: larger impacts become ``2^bits - 1``; None leaves them as they are.
        max_ratio: only weights of at least this share of the text's largest one are kept; None keeps all.
        alpha_mass: only the largest weights are kept, as few as have this share of the sum of all; None keeps all.
    """

    scale: float = DEFAULT_SCALE
    top_k: int | None = None
    min_weight: float | None = None
    bits: int | None = None
    max_ratio: float | None = None
    alpha_mass: float | None = None

    @property
    def limit(self) -> int | None:
        """The largest impact there can be, None if there is no limit."""
        return None if self.bits is None else 2**self.bits - 1

    def check(self) -> None:
        """Makes sure that the values make sense.

        Raises:
            ValueError: they do not.
            TypeError: one is not a whole number that must be.
        """
        if isinstance(self.scale, str | bool) or not 1 <= self.scale <= MAX_SCALE:
            raise ValueError(
                f"scale must be from 1 to {MAX_SCALE:,}, not {self.scale}: impacts from 2^24 on are not exact in Lucene's scores"
            )
        if self.top_k is not None and whole_number("top_k", self.top_k) < 1:
            raise ValueError(f"top_k must be at least 1, not {self.top_k}")
        if self.min_weight is not None and not 0 < self.min_weight < math.inf:
            raise ValueError(f"min_weight must be a number above 0, not {self.min_weight}")
        for name, share in (("max_ratio", self.max_ratio), ("alpha_mass", self.alpha_mass)):
            if share is not None and (isinstance(share, bool) or not 0 < share <= 1):
                raise ValueError(f"{name} is a share and must be above 0 and at most 1, not {share}")
        if self.bits is not None and not 1 <= whole_number("bits", self.bits) <= MAX_BITS:
            raise ValueError(f"bits must be from 1 to {MAX_BITS}, not {self.bits}")

    def prune(self, weights: NDArray[np.floating]) -> NDArray[np.intp]:
        """Which weights are kept, before they are quantized.

        Args:
            weights: non-negative, one per entry of the vocabulary, or of a part of it in the same order.

        Returns:
            Their positions, ascending.

        Raises:
            ModelError: a weight is not a finite number.
        """
        (positions,) = weights.nonzero()
        if not np.isfinite(weights[positions]).all():
            raise ModelError("a weight of a text is not a finite number; in half precision that is an overflow, so try --precision fp32")
        values = weights[positions].astype(np.float64)
        least = max(self.min_weight or 0.0, (self.max_ratio or 0.0) * values.max(initial=0.0))
        most = len(positions) if self.top_k is None else min(self.top_k, len(positions))
        if most == len(positions) and self.alpha_mass is None:
            kept: NDArray[np.intp] = positions[values >= least]
            return kept
        # Stable on the negated weights: of equal ones the first in the vocabulary stays.
        order = np.argsort(-values, kind="stable")
        if self.alpha_mass is not None and len(order):
            mass = np.cumsum(values[order])
            most = min(most, int(np.searchsorted(mass, self.alpha_mass * mass[-1])) + 1)
        largest = order[:most]
        kept = positions[np.sort(largest[values[largest] >= least])]
        return kept

    def apply(self, weights: NDArray[np.floating]) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Prunes and quantizes the weights of one text.

        Args:
            weights: as for :meth:`prune`.

        Returns:
            The positions that are kept, ascending, and their impacts, from 1.

        Raises:
            ModelError: an impact is too large for Lucene, and not capped; or a weight is not a finite number.
        """
        positions = self.prune(weights)
        rounded = np.rint(weights[positions].astype(np.float64) * self.scale)
        positions, rounded = positions[rounded > 0], rounded[rounded > 0]
        if self.limit is not None:
            rounded = np.minimum(rounded, self.limit)
        elif len(rounded) and rounded.max() >= 1 << MAX_BITS:
            raise ModelError(
                f"a weight of {float(weights.max()):.4g} at the scale {self.scale} is an impact of {rounded.max():,.0f}, and Lucene's "
                "scores are exact only below 2^24; give a smaller --scale"
            )
        return positions, rounded.astype(np.int64)

    def bag(self, weights: Mapping[str, float]) -> dict[str, int]:
        """Prunes and quantizes what ``document_weights`` gave for a text: the impacts that it gives with these values.

        Example:
            >>> Quantization(top_k=2, bits=8).bag({"glass": 2.7, "pane": 0.4, "the": 0.1})
            {'glass': 255, 'pane': 40}
        """
        tokens = list(weights)
        positions, impacts = self.apply(np.fromiter(weights.values(), np.float32, len(tokens)))
        return {tokens[position]: impact for position, impact in zip(positions.tolist(), impacts.tolist(), strict=True)}
