"""Pyserini's encoders with ours inside: change the import, keep the script.

The classes have the shape of ``pyserini.encode``'s and need nothing of it. As a command, this module writes the file of encoded queries
that ``python -m pyserini.search.lucene --impact --encoder FILE.jsonl`` takes::

    python -m splade_lucene.integrations.pyserini INDEX QUERIES FILE.jsonl
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from splade_lucene.errors import InputError, ModelError, SpladeLuceneError

if TYPE_CHECKING:
    from splade_lucene.encoding.model import SpladeModel
    from splade_lucene.records import Query

# Pyserini's quantization: impacts are round(weight / range of weights × range of impacts), in pyserini.encode._splade.
WEIGHT_RANGE, QUANT_RANGE = 5, 256


class PyseriniQueryEncoder(Protocol):
    """What Pyserini asks of a query encoder."""

    def encode(self, text: str) -> dict[str, int]:
        """Encodes a query: token → impact."""


QueryEncoder = PyseriniQueryEncoder
"""Its former name."""


class SpladeQueryEncoder:
    """Stands in for ``pyserini.encode.SpladeQueryEncoder``: pass it to ``LuceneImpactSearcher(index, query_encoder)``.

    Quantizes as Pyserini does, for indexes made with its encoders or :class:`SpladeDocumentEncoder`; for an index of ours
    there is :class:`IndexQueryEncoder`. Tokens that quantize to 0, which Pyserini passes on and Lucene ignores, are left out.

    Args:
        model_name_or_path: as in :meth:`SpladeModel.load`.
        tokenizer_name: Pyserini's argument; the model's own tokenizer is used, and another is refused.
        device: as in :meth:`SpladeModel.load`.
        max_length: tokens a query is cut at.
        weight_range: impacts are ``round(weight / weight_range × quant_range)``.
        quant_range: likewise.
        precision: as in :meth:`SpladeModel.load`.

    Raises:
        ModelError: the model cannot be loaded, or another tokenizer was asked for.
    """

    def __init__(
        self,
        model_name_or_path: str,
        tokenizer_name: str | None = None,
        device: str = "auto",
        *,
        max_length: int = 256,
        weight_range: float = WEIGHT_RANGE,
        quant_range: float = QUANT_RANGE,
        precision: str = "auto",
    ) -> None:
        self._model = _load(model_name_or_path, tokenizer_name, device, precision)
        self._max_length, self._weight_range, self._quant_range = max_length, weight_range, quant_range

    def encode(self, text: str, max_length: int | None = None) -> dict[str, int]:
        """Encodes a query.

        Args:
            text: the query.
            max_length: tokens it is cut at; what the encoder was made with if None.

        Returns:
            Token → impact, integers from 1.
        """
        (weights,) = self._model.query_weights([text], max_length=max_length or self._max_length)
        return _quantized(weights, self._weight_range, self._quant_range)


class IndexQueryEncoder:
    """The query encoder of an index that ``splade-lucene index`` made, for ``LuceneImpactSearcher(index, IndexQueryEncoder(index))``.

    Args:
        index: the index; it names the model, the query length and the scale.
        query_idf: multiply query weights by idf to this power, as :class:`~splade_lucene.pipeline.search.ImpactSearcher` does.
        device: as in :meth:`SpladeModel.load`.
        precision: likewise.

    Raises:
        IndexMismatchError: ``index`` is no impact index of ours, or the model is no longer the one that it was made with.
        ModelError: the model cannot be loaded.
    """

    def __init__(self, index: Path | str, *, query_idf: float | None = None, device: str = "auto", precision: str = "auto") -> None:
        from splade_lucene.pipeline.search import ImpactSearcher

        with ImpactSearcher(index, query_idf=query_idf, device=device, precision=precision) as searcher:
            self._encoder = searcher.query_encoder()
            self._encoder.detach()

    def encode(self, text: str) -> dict[str, int]:
        """Encodes a query: token → impact, integers from 1."""
        return self._encoder.encode_queries([text])[0]


class SpladeDocumentEncoder:
    """Stands in for ``pyserini.encode.SpladeDocumentEncoder``; batches by length itself, so pass as many texts as you like.

    Args:
        model_name: as in :meth:`SpladeModel.load`.
        tokenizer_name: Pyserini's argument; the model's own tokenizer is used, and another is refused.
        device: as in :meth:`SpladeModel.load`; Pyserini's default, ``cuda:0``, is ``auto`` here.
        prefix: put before every text, with a space.
        weight_range: impacts are ``round(weight / weight_range × quant_range)``.
        quant_range: likewise.
        precision: as in :meth:`SpladeModel.load`.

    Raises:
        ModelError: the model cannot be loaded, or another tokenizer was asked for.
    """

    def __init__(
        self,
        model_name: str,
        tokenizer_name: str | None = None,
        device: str = "auto",
        prefix: str | None = None,
        *,
        weight_range: float = WEIGHT_RANGE,
        quant_range: float = QUANT_RANGE,
        precision: str = "auto",
    ) -> None:
        self._model = _load(model_name, tokenizer_name, device, precision)
        self._prefix, self._weight_range, self._quant_range = prefix, weight_range, quant_range

    def encode(
        self,
        texts: Sequence[str],
        titles: Sequence[str | None] | None = None,
        max_length: int = 512,
        *,
        fp16: bool = False,
        add_sep: bool = False,
    ) -> list[dict[str, int]]:
        """Encodes passages.

        Args:
            texts: the passages.
            titles: their titles, put before them with a space; where there is none (None, as Pyserini's reader gives it), nothing, and
                not the word “None” as in Pyserini.
            max_length: tokens a passage is cut at.
            fp16: Pyserini's argument, which it ignores; ask for ``precision="fp16"`` when making the encoder.
            add_sep: Pyserini's argument for titles and texts as two segments, which SPLADE models are not trained on.

        Returns:
            For each passage token → impact, integers from 1.

        Raises:
            ModelError: ``fp16`` or ``add_sep`` is asked for, or ``max_length`` is more than the model can read.
        """
        if fp16:
            raise ModelError("fp16 is chosen when the encoder is made: SpladeDocumentEncoder(…, precision='fp16')")
        if add_sep:
            raise ModelError("add_sep is not supported; titles and texts are joined with a space, as SPLADE models expect")
        if self._prefix is not None:
            texts = [f"{self._prefix} {text}" for text in texts]
        if titles is not None:
            texts = [f"{title} {text}" if title else text for title, text in zip(titles, texts, strict=True)]
        encoded = self._model.document_weights(texts, max_length=max_length)
        return [_quantized(weights, self._weight_range, self._quant_range) for weights in encoded]


def write_encoded_queries(queries: Iterable[Query], encoder: PyseriniQueryEncoder, path: Path) -> int:
    """Writes queries for ``pyserini.encode.CachedDataQueryEncoder``, which looks them up by their text.

    Args:
        queries: the queries.
        encoder: encodes them.
        path: the file, whose name must end in ``jsonl``: by that Pyserini knows it.

    Returns:
        The number of queries.

    Raises:
        InputError: ``path`` has another ending.
    """
    import jsonlines

    from splade_lucene.core.files import atomic_file

    if path.suffix != ".jsonl":
        raise InputError(path, "must end in .jsonl, or Pyserini takes it for the name of a model")
    count = 0
    with atomic_file(path) as stream, jsonlines.Writer(stream, dumps=json.dumps) as lines:
        for query in queries:
            count += 1
            lines.write({"id": query.query_id, "contents": query.text, "vector": encoder.encode(query.text)})
    return count


def _load(model: str, tokenizer: str | None, device: str, precision: str) -> SpladeModel:
    from splade_lucene.encoding.model import SpladeModel

    if tokenizer not in (None, model):
        raise ModelError(f"{model} is used with its own tokenizer, not with {tokenizer}; save the two together and give that folder")
    return SpladeModel.load(model, device=device, precision=precision)


def _quantized(weights: dict[str, float], weight_range: float, quant_range: float) -> dict[str, int]:
    # In Pyserini's order of operations, so that halves fall the same way.
    impacts = {token: round(weight / weight_range * quant_range) for token, weight in weights.items()}
    return {token: impact for token, impact in impacts.items() if impact}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m splade_lucene.integrations.pyserini",
        description="Encode queries for `python -m pyserini.search.lucene --impact --encoder FILE.jsonl`.",
    )
    parser.add_argument("index", type=Path, help="impact index that `splade-lucene index` made; it names the model")
    parser.add_argument("queries", type=Path, help="BEIR folder, queries.jsonl, or TSV topics")
    parser.add_argument("output", metavar="FILE.jsonl", type=Path, help="file to write")
    parser.add_argument("--query-idf", type=float, metavar="X", help="multiply query weights by idf to the power X, from the index")
    args = parser.parse_args(arguments)
    if args.query_idf is not None and not 0 < args.query_idf < math.inf:
        parser.error(f"--query-idf {args.query_idf} is not a number above 0")
    from splade_lucene.collections.queries import read_queries

    try:
        queries = read_queries(args.queries)
        count = write_encoded_queries(queries, IndexQueryEncoder(args.index, query_idf=args.query_idf), args.output)
    except (SpladeLuceneError, OSError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    print(f"{args.output}: {count:,} queries")
    return 0


if __name__ == "__main__":
    sys.exit(main())
