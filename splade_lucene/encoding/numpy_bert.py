"""A plain BERT in NumPy over memory-mapped safetensors: a handful of queries, encoded before torch would be imported.

Importing torch takes longer than a whole search. What a few short texts cost is little, whatever computes it; for many, or for other
architectures, :class:`SpladeModel` is the one to use.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splade_lucene.encoding.bert_config import plain_config, plain_name
from splade_lucene.encoding.defaults import MOST_UNUSED, default_lengths
from splade_lucene.encoding.loading import ModelFiles
from splade_lucene.encoding.quantization import Quantization
from splade_lucene.encoding.tokenizer import Tokenizer, load_plain_tokenizer
from splade_lucene.errors import ModelError

Array = NDArray[np.float32]
_MIN_LENGTH = 3
# erf by formula 7.1.26 of Abramowitz and Stegun: at most 1.5e-7 off, as fp32 is.
_ERF = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
_ERF_P = 0.3275911


class NumpyModel:
    """A SPLADE encoder for a handful of queries, with the impacts of :class:`SpladeModel` in fp32.

    Args:
        files: the model.
        network: its network.
        tokenizer: its tokenizer.

    Attributes:
        files: the model.
        vocabulary: the tokens in the order of the output layer.
    """

    def __init__(self, files: ModelFiles, network: NumpyBert, tokenizer: Tokenizer) -> None:
        self.files, self._network, self._tokenizer = files, network, tokenizer
        self.vocabulary: Sequence[str] = tokenizer.tokens
        self._most = min(network.positions, tokenizer.max_length)
        self._unused = sorted(tokenizer.unused)

    def check_length(self, max_length: int) -> None:
        """Makes sure that texts can be cut at a length.

        Raises:
            ModelError: the model cannot read texts of that length, or nothing would be left of a text.
        """
        if not _MIN_LENGTH <= max_length <= self._most:
            name, least = self.files.name, _MIN_LENGTH
            raise ModelError(f"the maximum length {max_length} is not between {least} and the {self._most} tokens that {name} reads")

    def encode_queries(
        self, texts: Iterable[str], *, max_length: int | None, scale: float, top_k: int | None = None
    ) -> list[dict[str, int]]:
        """Encodes queries one by one, as :meth:`SpladeModel.encode_queries` does."""
        quantization = Quantization(scale, top_k)
        quantization.check()
        return [self._bag(*quantization.apply(weights)) for weights in self._weigh(texts, max_length)]

    def query_weights(self, texts: Iterable[str], *, max_length: int | None = None, top_k: int | None = None) -> list[dict[str, float]]:
        """The same with floats: token → weight."""
        quantization = Quantization(top_k=top_k)
        quantization.check()
        found = []
        for weights in self._weigh(texts, max_length):
            entries = quantization.prune(weights)
            found.append(self._bag(entries, weights[entries]))
        return found

    def _weigh(self, texts: Iterable[str], max_length: int | None) -> Iterator[Array]:
        length, given = default_lengths(self.files.name).queries if max_length is None else max_length, list(texts)
        self.check_length(length)
        for ids in self._tokenizer.token_ids(given, length):
            weights = self._network.pool(ids, len(self.vocabulary)) if ids else np.zeros(len(self.vocabulary), np.float32)
            weights[self._unused] = 0
            yield weights

    def _bag(self, entries: NDArray[np.intp], values: NDArray[Any]) -> dict[str, Any]:
        return dict(zip((self.vocabulary[entry] for entry in entries.tolist()), values.tolist(), strict=True))


class NumpyBert:
    """BertForMaskedLM with its logits pooled by the maximum.

    Args:
        config: ``config.json`` of a plain BERT.
        tensors: its weights by their names in the checkpoint, in fp32.

    Attributes:
        positions: the largest number of tokens that can be read at once.

    Raises:
        KeyError: a weight is missing.
        ValueError: a weight has another shape than ``config`` says.
    """

    def __init__(self, config: Mapping[str, Any], tensors: Mapping[str, Array]) -> None:
        self._tensors, self._epsilon = tensors, np.float32(config.get("layer_norm_eps", 1e-12))
        size, inner = int(config["hidden_size"]), int(config["intermediate_size"])
        self.positions = int(config.get("max_position_embeddings", 512))
        self._heads, self._layers = int(config["num_attention_heads"]), int(config["num_hidden_layers"])
        embeddings = "bert.embeddings"
        shapes = {
            f"{embeddings}.word_embeddings.weight": (int(config["vocab_size"]), size),
            f"{embeddings}.position_embeddings.weight": (self.positions, size),
            f"{embeddings}.token_type_embeddings.weight": (int(config.get("type_vocab_size", 2)), size),
            "cls.predictions.bias": (int(config["vocab_size"]),),
        }
        linear = {"cls.predictions.transform.dense": (size, size)}
        norms = [f"{embeddings}.LayerNorm", "cls.predictions.transform.LayerNorm"]
        for number in range(self._layers):
            layer = f"bert.encoder.layer.{number}"
            for name in ("self.query", "self.key", "self.value", "output.dense"):
                linear[f"{layer}.attention.{name}"] = (size, size)
            linear |= {f"{layer}.intermediate.dense": (inner, size), f"{layer}.output.dense": (size, inner)}
            norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
        for name, (outputs, inputs) in linear.items():
            shapes |= {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}
        for name in norms:
            shapes |= {f"{name}.weight": (size,), f"{name}.bias": (size,)}
        for name, shape in shapes.items():
            if tensors[name].shape != shape:
                raise ValueError(f"{name} has the shape {tensors[name].shape}, not {shape}")

    def pool(self, ids: Sequence[int], entries: int) -> Array:
        """Weights of the first ``entries`` of the vocabulary for a text of at least one token: ``log(1 + relu(max over tokens))``."""
        embeddings = "bert.embeddings"
        words = self._tensors[f"{embeddings}.word_embeddings.weight"]
        state: Array = words[list(ids)] + self._tensors[f"{embeddings}.token_type_embeddings.weight"][0]
        state = self._norm(f"{embeddings}.LayerNorm", state + self._tensors[f"{embeddings}.position_embeddings.weight"][: len(ids)])
        for number in range(self._layers):
            state = self._layer(f"bert.encoder.layer.{number}", state)
        transform = "cls.predictions.transform"
        state = self._norm(f"{transform}.LayerNorm", _gelu(self._linear(f"{transform}.dense", state)))
        pooled = (words[:entries] @ state.T).max(axis=1) + self._tensors["cls.predictions.bias"][:entries]
        weights: Array = np.log1p(np.maximum(pooled, 0))
        return weights

    def _layer(self, name: str, state: Array) -> Array:
        tokens, size = state.shape
        query, key, value = (
            self._linear(f"{name}.attention.self.{each}", state).reshape(tokens, self._heads, -1).transpose(1, 0, 2)
            for each in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) * np.float32(1 / math.sqrt(size // self._heads))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = (scores / scores.sum(axis=-1, keepdims=True)) @ value
        joined = self._linear(f"{name}.attention.output.dense", mixed.transpose(1, 0, 2).reshape(tokens, size))
        state = self._norm(f"{name}.attention.output.LayerNorm", joined + state)
        inner = _gelu(self._linear(f"{name}.intermediate.dense", state))
        return self._norm(f"{name}.output.LayerNorm", self._linear(f"{name}.output.dense", inner) + state)

    def _linear(self, name: str, inputs: Array) -> Array:
        outputs: Array = inputs @ self._tensors[f"{name}.weight"].T + self._tensors[f"{name}.bias"]
        return outputs

    def _norm(self, name: str, inputs: Array) -> Array:
        centred = inputs - inputs.mean(axis=-1, keepdims=True)
        deviation = np.sqrt(np.square(centred).mean(axis=-1, keepdims=True) + self._epsilon)
        scaled: Array = centred / deviation * self._tensors[f"{name}.weight"] + self._tensors[f"{name}.bias"]
        return scaled


def read_numpy_model(files: ModelFiles) -> NumpyModel | None:
    """Reads a model folder if it holds a plain BertForMaskedLM in fp32 and its plain tokenizer.

    Returns:
        None if it holds anything else, or is damaged: :class:`SpladeModel` reads it, or says what is wrong.
    """
    folder = files.folder
    config = plain_config(folder)
    is_usual = (files.kind, files.pooling, files.activation, files.prompt, files.lower) == ("mlm", "max", "relu", "", False)
    if config is None or not is_usual or files.top_k is not None or files.size is not None or len(files.weights) != 1:
        return None
    try:
        tensors = _memory_mapped(files.weights[0])
        words, bias = "bert.embeddings.word_embeddings.weight", "cls.predictions.bias"
        for twin, name in (("cls.predictions.decoder.weight", words), ("cls.predictions.decoder.bias", bias)):
            if twin in tensors and not np.array_equal(tensors[twin], tensors[name]):
                return None
        network, tokenizer = NumpyBert(config, tensors), load_plain_tokenizer(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if tokenizer is None or not 0 <= len(tensors[words]) - len(tokenizer.tokens) <= MOST_UNUSED:
        return None
    return NumpyModel(files, network, tokenizer)


def _memory_mapped(file: Path) -> dict[str, Array]:
    """The tensors of a safetensors file by the names that plain BERT has for them; nothing is read before it is used.

    Raises:
        ValueError: one of them is not in fp32.
    """
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(length))
    content = np.memmap(file, np.uint8, "r", offset=8 + length)
    tensors: dict[str, Array] = {}
    for name, entry in header.items():
        if name != "__metadata__":
            if entry["dtype"] == "I64":  # position ids of old checkpoints, which are not used
                continue
            if entry["dtype"] != "F32":
                raise ValueError(f"{name} is in {entry['dtype']}")
            begin, end = entry["data_offsets"]
            tensors[plain_name(name)] = content[begin:end].view(np.float32).reshape(entry["shape"])
    return tensors


def _gelu(inputs: Array) -> Array:
    """``x · Φ(x)``, by the error function."""
    scaled = np.abs(inputs) * np.float32(math.sqrt(0.5))
    t = 1 / (1 + np.float32(_ERF_P) * scaled)
    polynomial = np.zeros_like(t)
    for factor in reversed(_ERF):
        polynomial = (polynomial + np.float32(factor)) * t
    tail = polynomial * np.exp(-np.square(scaled)) * np.float32(0.5)  # Φ(-|x|)
    result: Array = inputs * np.where(inputs < 0, tail, 1 - tail)
    return result
