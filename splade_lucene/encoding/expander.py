"""The model card's API: texts to sparse expansions, as users of SPLADERunner know it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any, Literal, overload

from tqdm import tqdm

from splade_lucene.encoding.defaults import DEFAULT_MODEL
from splade_lucene.encoding.model import SpladeModel

# Texts encoded together: enough to batch by length, few enough for the bar to move.
_WINDOW = 256
# What SPLADERunner calls its models; on the hub they stand under their author's name.
_OWNER, _SHORT_NAMES = "prithivida", ("Splade_PP_en_v1", "Splade_PP_en_v2")


class Expander:
    """Expands texts with a SPLADE model, with the results of SPLADERunner 0.1.6 and the snippet of its model card.

    Args:
        model: as in :meth:`SpladeModel.load`; SPLADERunner's short names (``Splade_PP_en_v1``) stand for prithivida's models.
        max_length: tokens a text is cut at, special tokens included.
        revision: branch, tag or commit on the hub.
        device: as in :meth:`SpladeModel.load`.
        precision: likewise.

    Raises:
        ModelError: the model cannot be loaded, or cannot read ``max_length`` tokens.

    Example:
        >>> Expander("tiny", 128).expand("glass stress", outformat="lucene")[0]["glass"]
        2.43
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        max_length: int = 128,
        *,
        revision: str | None = None,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        name = f"{_OWNER}/{model}" if model in _SHORT_NAMES else model
        self._model = SpladeModel.load(name, revision=revision, device=device, precision=precision)
        self._model.check_length(max_length)
        self._max_length = max_length
        self._entries = {token: entry for entry, token in enumerate(self._model.vocabulary)}

    @overload
    def expand(self, texts: str | Iterable[str], outformat: Literal["lucene"], *, progress: bool = ...) -> list[dict[str, float]]: ...

    @overload
    def expand(self, texts: str | Iterable[str], outformat: Literal["hybrid"] = ..., *, progress: bool = ...) -> list[dict[str, Any]]: ...

    def expand(self, texts: str | Iterable[str], outformat: str = "hybrid", *, progress: bool = False) -> list[dict[str, Any]]:
        """Expands one text or many, in batches of like length.

        Args:
            texts: a text or any number of them.
            outformat: ``hybrid`` for what vector stores take, ``lucene`` for token → weight.
            progress: show a progress bar on stderr.

        Returns:
            One dictionary per text, also for a single text. ``hybrid``: ``{"indices": […], "values": […]}``, entries of the vocabulary
            in rising order and their unrounded weights. ``lucene``: token → weight rounded to two decimals, largest first.

        Raises:
            ValueError: ``outformat`` is neither.
        """
        if outformat not in ("hybrid", "lucene"):
            raise ValueError(f"outformat is 'hybrid' or 'lucene', not {outformat!r}")
        source = [texts] if isinstance(texts, str) else texts
        stream = iter(source)
        expanded: list[dict[str, Any]] = []
        with tqdm(
            desc="expanding", unit=" texts", total=len(source) if isinstance(source, list | tuple) else None, disable=not progress
        ) as bar:
            while window := list(islice(stream, _WINDOW)):
                for weights in self._model.document_weights(window, max_length=self._max_length):
                    expanded.append(self._hybrid(weights) if outformat == "hybrid" else _lucene(weights))
                bar.update(len(window))
        return expanded

    def _hybrid(self, weights: dict[str, float]) -> dict[str, Any]:
        return {"indices": [self._entries[token] for token in weights], "values": list(weights.values())}


def _lucene(weights: dict[str, float]) -> dict[str, float]:
    # Ordered by the unrounded weights, as the model card does.
    return {token: round(weight, 2) for token, weight in sorted(weights.items(), key=lambda item: item[1], reverse=True)}
