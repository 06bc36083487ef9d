"""Ways of pooling that are not SPLADE-max: the sum over tokens, and a second logarithm."""

from __future__ import annotations

import torch
from torch import Tensor

from splade_lucene.encoding.fused_head import FusedVocabulary
from splade_lucene.encoding.head import PackedVocabulary, splade_max
from splade_lucene.records import Activation, Pooling

# Logits at a time, on a CPU and elsewhere.
_TILE_ELEMENTS, _LARGE_TILE_ELEMENTS = 1 << 21, 1 << 25


def pool(
    hidden: Tensor,
    mask: Tensor,
    weight: Tensor | PackedVocabulary | FusedVocabulary,
    bias: Tensor | None,
    *,
    pooling: Pooling,
    activation: Activation,
) -> Tensor:
    """Pools the logits ``hidden · weightᵀ + bias`` over the tokens of each passage, as sentence-transformers' ``SpladePooling`` does.

    Args:
        hidden: float, passages × tokens × hidden: the input of the output layer.
        mask: bool, passages × tokens: True for tokens, which come first, False for padding; every passage has at least one token.
        weight: float, vocabulary × hidden: the output layer; packed, or for the kernel of a GPU, only for ``max``.
        bias: float, vocabulary, or None; -inf for entries that must never fire.
        pooling: ``max`` (SPLADE v2, arXiv 2109.10086) or ``sum`` (SPLADE, arXiv 2107.05720).
        activation: before log1p: ``relu``, or ``log1p_relu`` for a log1p more (arXiv 2504.14839).

    Returns:
        float32, passages × vocabulary: non-negative weights.
    """
    if pooling == "sum":
        assert isinstance(weight, Tensor)
        return _sum(hidden, mask, weight, bias, twice=activation == "log1p_relu")
    pooled = splade_max(hidden, mask, weight, bias)
    # log1p is monotone, so the second one may follow the maximum as well.
    return pooled.log1p_() if activation == "log1p_relu" else pooled


def activate(logits: Tensor, activation: Activation) -> Tensor:
    """Logits to weights of single tokens."""
    weights = logits.relu().log1p()
    return weights.log1p() if activation == "log1p_relu" else weights


def _sum(hidden: Tensor, mask: Tensor, weight: Tensor, bias: Tensor | None, *, twice: bool) -> Tensor:
    """The logarithm is not linear: every logit is needed, a tile of the vocabulary at a time."""
    passages, tokens, _ = hidden.shape
    pooled = torch.empty((passages, len(weight)), dtype=torch.float32, device=hidden.device)
    kept = mask.unsqueeze(-1)
    most = _TILE_ELEMENTS if hidden.device.type == "cpu" else _LARGE_TILE_ELEMENTS
    tile = max(64, most // (passages * tokens))
    for start in range(0, len(weight), tile):
        logits = (hidden.to(weight.dtype) @ weight[start : start + tile].T).float()
        if bias is not None:
            logits += bias[start : start + tile].float()
        logits.relu_().log1p_()
        if twice:
            logits.log1p_()
        pooled[:, start : start + tile] = (logits * kept).sum(dim=1)
    return pooled
