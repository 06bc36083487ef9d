"""Query weights times the inverse document frequency of their tokens, to a power: no model is trained, rare tokens count for more."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from splade_lucene.encoding.quantization import Quantization
from splade_lucene.vectors.idf import idf

Frequencies = Callable[[Iterable[str]], Mapping[str, int]]
"""Tells in how many documents each of some tokens is."""


class QueryIdf:
    """What the weights of query tokens are multiplied by: ``idf ** power``, with the idf of :mod:`splade_lucene.vectors.idf`.

    Args:
        power: 0.25 takes a fourth root.
        documents: the number of indexed documents.
        frequencies: of tokens; asked once for each.
    """

    def __init__(self, power: float, documents: int, frequencies: Frequencies) -> None:
        check_power(power)
        self.power, self._documents, self._frequencies = power, documents, frequencies
        self._factors: dict[str, float] = {}
        self._lock = threading.Lock()

    def impacts(self, weights: Mapping[str, float], quantization: Quantization) -> dict[str, int]:
        """The impacts of a query.

        Weights are multiplied first. The largest products are kept where a query is cut to ``top_k`` tokens, and products are then
        rounded: ``round(weight × idf ** power × scale)`` in double precision.

        Args:
            weights: token → weight, as the model gives them.
            quantization: of the products.
        """
        tokens = list(weights)
        factors = np.array(self.factors(tokens), np.float64)
        positions, impacts = quantization.apply(np.fromiter(weights.values(), np.float64, len(tokens)) * factors)
        return {tokens[position]: impact for position, impact in zip(positions.tolist(), impacts.tolist(), strict=True)}

    def factors(self, tokens: Iterable[str]) -> list[float]:
        """The factor of each token; that of a token in no document is the largest."""
        wanted = list(tokens)
        with self._lock:
            missing = [token for token in dict.fromkeys(wanted) if token not in self._factors]
            if missing:
                found = self._frequencies(missing)
                self._factors.update((token, idf(found[token], self._documents) ** self.power) for token in missing)
            return [self._factors[token] for token in wanted]

    def detached(self, tokens: Iterable[str]) -> QueryIdf:
        """The same for these tokens, without the index, which may then be closed."""
        found = self._frequencies(tokens)
        return QueryIdf(self.power, self._documents, _Counted(dict(found)))

    def __reduce__(self) -> tuple[type[QueryIdf], tuple[float, int, Frequencies]]:
        """A copy asks for the frequencies itself."""
        return QueryIdf, (self.power, self._documents, self._frequencies)


class _Counted:
    """Frequencies that were counted before; unlike a bound method of a searcher this can be pickled without an index."""

    def __init__(self, frequencies: Mapping[str, int]) -> None:
        self._frequencies = frequencies

    def __call__(self, tokens: Iterable[str]) -> Mapping[str, int]:
        return {token: self._frequencies[token] for token in tokens}


def check_power(power: float) -> None:
    """Makes sure that idf can be raised to a power.

    Raises:
        ValueError: it is no number above 0.
    """
    if isinstance(power, bool) or not 0 < power < math.inf:
        raise ValueError(f"query_idf is a power and must be a number above 0, not {power}")
