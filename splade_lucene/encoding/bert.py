"""BERT with its MLM head, read straight from safetensors: the architecture of nearly all SPLADE models.

transformers' modelling code takes several times as long to import as ``tiny`` takes to answer a query. What is plain BERT is
therefore computed here, with the three projections of the attention as one product; everything else goes through transformers.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from splade_lucene.encoding.bert_config import plain_config, plain_name
from splade_lucene.encoding.loading import weight_files
from splade_lucene.errors import ModelError


class Bert(torch.nn.Module):
    """BertForMaskedLM for inference, without dropout and with all token types 0.

    Args:
        config: ``config.json`` of a plain BERT.
        tensors: its weights by their names in the checkpoint, in fp32.

    Raises:
        KeyError: a weight is missing.
        RuntimeError: a weight has another shape than ``config`` says.
    """

    def __init__(self, config: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        super().__init__()
        self.config = SimpleNamespace(model_type="bert", max_position_embeddings=int(config.get("max_position_embeddings", 512)))
        size, epsilon = int(config["hidden_size"]), float(config.get("layer_norm_eps", 1e-12))
        embeddings = "bert.embeddings"
        entries = tensors[f"{embeddings}.word_embeddings.weight"]
        self.words = _frozen(entries, (int(config["vocab_size"]), size))
        self.positions = _frozen(tensors[f"{embeddings}.position_embeddings.weight"], (self.config.max_position_embeddings, size))
        types = tensors[f"{embeddings}.token_type_embeddings.weight"]
        self.token_types = _frozen(types, (int(config.get("type_vocab_size", 2)), size))
        self.norm = _norm(tensors, f"{embeddings}.LayerNorm", size, epsilon)
        self.layers = torch.nn.ModuleList(
            _Layer(tensors, f"bert.encoder.layer.{number}", config, epsilon) for number in range(int(config["num_hidden_layers"]))
        )
        transform = "cls.predictions.transform"
        self.transform = _linear(tensors, [f"{transform}.dense"], size, size)
        self.transform_norm = _norm(tensors, f"{transform}.LayerNorm", size, epsilon)
        decoder = torch.nn.Linear(size, len(entries), device="meta")
        decoder.weight, decoder.bias = self.words, _frozen(tensors["cls.predictions.bias"], (len(entries),))
        self.decoder: torch.nn.Module = decoder

    def get_output_embeddings(self) -> torch.nn.Module:
        """The output layer, named as transformers names it."""
        return self.decoder

    def set_output_embeddings(self, decoder: torch.nn.Module) -> None:
        """Puts something else in the place of the output layer."""
        self.decoder = decoder

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None) -> SimpleNamespace:
        """Computes what BertForMaskedLM computes.

        Args:
            input_ids: int64, texts × tokens.
            attention_mask: int64, texts × tokens: 1 for tokens, 0 for padding; None if there is no padding, for which attention is faster.

        Returns:
            An object with the output of the output layer as ``logits``, as transformers has it.
        """
        state = functional.embedding(input_ids, self.words) + self.token_types[0] + self.positions[: input_ids.shape[1]]
        state = self.norm(state)
        mask = None if attention_mask is None else attention_mask.bool()[:, None, None, :]
        for layer in self.layers:
            state = layer(state, mask)
        return SimpleNamespace(logits=self.decoder(self.transform_norm(functional.gelu(self.transform(state)))))


class _Layer(torch.nn.Module):
    def __init__(self, tensors: dict[str, Tensor], name: str, config: dict[str, Any], epsilon: float) -> None:
        super().__init__()
        size, inner = int(config["hidden_size"]), int(config["intermediate_size"])
        self.heads = int(config["num_attention_heads"])
        attention = f"{name}.attention"
        self.projections = _linear(tensors, [f"{attention}.self.{each}" for each in ("query", "key", "value")], size, 3 * size)
        self.joined = _linear(tensors, [f"{attention}.output.dense"], size, size)
        self.attention_norm = _norm(tensors, f"{attention}.output.LayerNorm", size, epsilon)
        self.up = _linear(tensors, [f"{name}.intermediate.dense"], size, inner)
        self.down = _linear(tensors, [f"{name}.output.dense"], inner, size)
        self.norm = _norm(tensors, f"{name}.output.LayerNorm", size, epsilon)

    def forward(self, state: Tensor, mask: Tensor | None) -> Tensor:
        texts, tokens, size = state.shape
        # texts × tokens × 3 × heads × size of a head → 3 × texts × heads × tokens × size of a head
        parts = self.projections(state).view(texts, tokens, 3, self.heads, size // self.heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2], attn_mask=mask)
        state = self.attention_norm(self.joined(mixed.transpose(1, 2).reshape(texts, tokens, size)).add_(state))
        result: Tensor = self.norm(self.down(functional.gelu(self.up(state))).add_(state))
        return result


def read_bert(folder: Path) -> Bert | None:
    """Reads a model folder if it holds a plain BertForMaskedLM.

    Args:
        folder: with ``config.json`` and safetensors.

    Returns:
        The network in fp32 on the CPU; None if the folder holds another architecture, a variant, or something damaged, all of which
        is left to transformers to read or to complain about.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        config = plain_config(folder)
        if config is None:
            return None
        tensors: dict[str, Tensor] = {}
        for file in weight_files(folder, str(folder)):
            for name, tensor in load_file(file).items():
                tensors[plain_name(name)] = tensor.float()
        if not _is_tied(tensors):
            return None
        return Bert(config, tensors).eval()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError, ModelError):
        return None


def _is_tied(tensors: dict[str, Tensor]) -> bool:
    """Whether the output layer, where a checkpoint has it twice, is the same both times."""
    pairs = {
        "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    }
    return all(name not in tensors or torch.equal(tensors[name], tensors[twin]) for name, twin in pairs.items())


def _frozen(tensor: Tensor, shape: tuple[int, ...]) -> torch.nn.Parameter:
    if tuple(tensor.shape) != shape:
        raise RuntimeError(f"a weight has the shape {tuple(tensor.shape)}, not {shape}")
    return torch.nn.Parameter(tensor, requires_grad=False)


def _linear(tensors: dict[str, Tensor], names: list[str], inputs: int, outputs: int) -> torch.nn.Linear:
    """One layer of several that read the same."""
    layer = torch.nn.Linear(inputs, outputs, device="meta")
    layer.weight = _frozen(torch.cat([tensors[f"{name}.weight"] for name in names]), (outputs, inputs))
    layer.bias = _frozen(torch.cat([tensors[f"{name}.bias"] for name in names]), (outputs,))
    return layer


def _norm(tensors: dict[str, Tensor], name: str, size: int, epsilon: float) -> torch.nn.LayerNorm:
    norm = torch.nn.LayerNorm(size, eps=epsilon, device="meta")
    norm.weight, norm.bias = _frozen(tensors[f"{name}.weight"], (size,)), _frozen(tensors[f"{name}.bias"], (size,))
    return norm
