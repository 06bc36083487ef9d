"""Queries without a network: the tokens of a query that are there, each with its weight from a table.

arXiv 2411.04403 (OpenSearch's inference-free retrievers) and sentence-transformers' ``SparseStaticEmbedding``. Neither torch nor
transformers is needed, so a query costs no more than its tokenization.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splade_lucene.encoding.defaults import DEFAULT_SCALE, MOST_UNUSED, Lengths, default_lengths
from splade_lucene.encoding.loading import ModelFiles
from splade_lucene.encoding.pairs import check_query_length
from splade_lucene.encoding.quantization import Quantization
from splade_lucene.encoding.texts import checked_texts
from splade_lucene.encoding.tokenizer import Tokenizer, load_tokenizer
from splade_lucene.errors import ModelError, first_sentence
from splade_lucene.records import EncoderSide

# As safetensors names them; numpy has no bfloat16.
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}


class StaticQueryEncoder:
    """Encodes queries by a table of token weights. Objects are safe to use from several threads.

    Args:
        files: of the side that encodes queries: its tokenizer and its table.
        table: token → weight, where they are not in ``files``: made of an index.

    Raises:
        ModelError: the files are damaged, or the table does not belong to the tokenizer.
    """

    def __init__(self, files: ModelFiles, table: Mapping[str, float] | None = None) -> None:
        self._files, self._table = files, table
        try:
            self._tokenizer: Tokenizer = load_tokenizer(files.folder, lower=files.lower)
        except ModelError:
            raise
        except Exception as error:  # damaged files make tokenizers and transformers raise whatever they like
            raise ModelError(f"the tokenizer of {files.name} cannot be loaded ({first_sentence(error)})") from None
        if table is None:
            table_or_weights = _read_weights(files)
            if isinstance(table_or_weights, np.ndarray):
                self._weights = self._fitted(table_or_weights)
                return
            if not table_or_weights:
                raise ModelError(f"{files.weights[0]} has no token weights; fetch it again")
            table = table_or_weights
        self._weights = self._from_table(table)

    @property
    def name(self) -> str:
        """The hub id, or the absolute folder."""
        return self._files.name

    @property
    def vocabulary(self) -> Sequence[str]:
        """The tokens in the order of their ids."""
        return self._tokenizer.tokens

    @property
    def lengths(self) -> Lengths:
        """Tokens that texts are cut at by default."""
        ours = default_lengths(self.name)
        return Lengths(ours.documents, min(self._tokenizer.max_length, self._files.max_length or ours.queries))

    def check_length(self, max_length: int) -> None:
        """Makes sure that queries can be cut at a length.

        Raises:
            ModelError: nothing would be left of a query.
        """
        check_query_length(max_length)

    def side(self) -> EncoderSide:
        """What identifies it."""
        return self._files.record()

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy in another process reads the files there."""
        return type(self), (self._files, self._table)

    def encode_queries(
        self, texts: Iterable[str], *, max_length: int | None = None, scale: float = DEFAULT_SCALE, top_k: int | None = None
    ) -> list[dict[str, int]]:
        """Encodes queries: token → impact, as :meth:`SpladeModel.encode_queries`; ``max_length`` counts no special tokens."""
        quantization = Quantization(scale, top_k)
        quantization.check()
        found = []
        for entries, weights in self._weigh(texts, max_length):
            kept, impacts = quantization.apply(weights)
            found.append(self._bag(entries[kept], impacts))
        return found

    def query_weights(self, texts: Iterable[str], *, max_length: int | None = None, top_k: int | None = None) -> list[dict[str, float]]:
        """The same with floats: token → weight."""
        quantization = Quantization(top_k=top_k)
        quantization.check()
        found = []
        for entries, weights in self._weigh(texts, max_length):
            kept = quantization.prune(weights)
            found.append(self._bag(entries[kept], weights[kept]))
        return found

    def _weigh(self, texts: Iterable[str], max_length: int | None) -> list[tuple[NDArray[np.intp], NDArray[np.float32]]]:
        length = self.lengths.queries if max_length is None else max_length
        self.check_length(length)
        prompt = self._files.prompt
        listed = [prompt + text for text in checked_texts(texts, "encode_queries")]
        found = []
        for ids in self._tokenizer.token_ids(listed, length, special=False):
            entries = np.unique(np.asarray(ids, dtype=np.intp))
            weights = self._weights[entries]
            if self._files.top_k is not None and len(entries) > self._files.top_k:
                kept = Quantization(top_k=self._files.top_k).prune(weights)
                entries, weights = entries[kept], weights[kept]
            found.append((entries, weights))
        return found

    def _bag(self, entries: NDArray[np.intp], values: NDArray[Any]) -> dict[str, Any]:
        tokens = self._tokenizer.tokens
        return dict(zip((tokens[entry] for entry in entries.tolist()), values.tolist(), strict=True))

    def _fitted(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        size = len(self._tokenizer.tokens)
        if weights.ndim != 1 or not 0 <= len(weights) - size <= MOST_UNUSED:
            raise ModelError(
                f"the table of {self.name} has the shape {weights.shape}, its tokenizer {size} tokens; they do not belong together"
            )
        if not np.isfinite(weights).all():
            raise ModelError(f"{self._files.weights[0]} has a weight that is not a finite number; fetch it again")
        # An impact is never negative.
        return np.maximum(weights[:size], 0)

    def _from_table(self, table: Mapping[str, float]) -> NDArray[np.float32]:
        entries = {token: entry for entry, token in enumerate(self._tokenizer.tokens)}
        weights = np.zeros(len(entries), np.float32)
        unknown = [token for token in table if token not in entries]
        if len(unknown) > len(table) // 100:
            raise ModelError(
                f"{len(unknown):,} of the {len(table):,} tokens of the table of {self.name} are not in its tokenizer "
                f"({', '.join(unknown[:3])}); they do not belong together"
            )
        for token, weight in table.items():
            if not math.isfinite(weight):
                raise ModelError(
                    f"the table of {self.name} has the weight {weight} for {token!r}; it must be a finite number, so fetch it again"
                )
            if token in entries:
                weights[entries[token]] = max(weight, 0)
        return weights


def _read_weights(files: ModelFiles) -> NDArray[np.float32] | dict[str, float]:
    (file,) = files.weights
    try:
        if file.suffix == ".safetensors":
            return read_tensor(file, "weight")
        return _read_json(file) if file.suffix == ".json" else _read_lines(file)
    except (OSError, ValueError, KeyError, TypeError, struct.error) as error:
        raise ModelError(f"{file} is not a table of token weights ({first_sentence(error)}); fetch it again") from None


def read_tensor(file: Path, name: str) -> NDArray[np.float32]:
    """One tensor of a safetensors file as float32, bfloat16 included, without torch.

    Raises:
        ValueError: the file is damaged, or the tensor is not there.
    """
    with file.open("rb") as stream:
        (size,) = struct.unpack("<Q", stream.read(8))
        header = json.loads(stream.read(size))
        if name not in header:
            raise ValueError(f"there is no tensor {name!r}")
        start, end = header[name]["data_offsets"]
        stream.seek(8 + size + start)
        data = stream.read(end - start)
    kind, shape = header[name]["dtype"], header[name]["shape"]
    if kind == "BF16":
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32).reshape(shape)
    if kind not in _TYPES:
        raise ValueError(f"the tensor {name!r} holds {kind}")
    return np.frombuffer(data, _TYPES[kind]).astype(np.float32).reshape(shape)


def _read_json(file: Path) -> dict[str, float]:
    return {str(token): float(weight) for token, weight in dict(json.loads(file.read_text(encoding="utf-8"))).items()}


def _read_lines(file: Path) -> dict[str, float]:
    table = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), start=1):
        if line.strip():
            token, tab, weight = line.rpartition("\t")
            if not tab:
                raise ValueError(f"line {number} has no tab")
            table[token] = float(weight)
    return table
