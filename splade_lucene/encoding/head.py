"""The head of SPLADE: hidden states to one weight per vocabulary entry, without ever holding the logits whole."""

from __future__ import annotations

import torch
from torch import Tensor

# Logits computed at a time: 2^21 floats are 8 MiB, which stay in the CPU's cache while they are reduced.
_TILE_ELEMENTS = 1 << 21


def splade_max(hidden: Tensor, mask: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``max over tokens of log(1 + relu(hidden · weightᵀ + bias))``: SPLADE-max pooling, eq. 6 of arXiv 2109.10086.

    log1p and relu are monotone and the bias is the same for all tokens, so the maximum is taken over the bare products first and
    the rest is applied to its result, once per passage instead of once per token. The vocabulary is walked in tiles, so memory is
    bounded by the tile and not by passages × tokens × vocabulary.

    Args:
        hidden: float, passages × tokens × hidden: the input of the output layer.
        mask: bool, passages × tokens: True for tokens, False for padding; every passage has at least one token.
        weight: float, vocabulary × hidden: the output layer.
        bias: float, vocabulary, or None; -inf for entries that must never fire.

    Returns:
        float32, passages × vocabulary: non-negative weights.
    """
    passages, tokens, _ = hidden.shape
    entries = weight.shape[0]
    # Added to the products of padding, so that they never win; 0 changes nothing for tokens.
    padding = None if bool(mask.all()) else torch.zeros(mask.shape, dtype=hidden.dtype).to(hidden.device)
    if padding is not None:
        padding.masked_fill_(~mask, torch.finfo(hidden.dtype).min / 2)
    pooled = torch.empty((passages, entries), dtype=torch.float32, device=hidden.device)
    tile = max(64, _TILE_ELEMENTS // (passages * tokens))
    for start in range(0, entries, tile):
        products = torch.matmul(hidden, weight[start : start + tile].T)
        if padding is not None:
            products += padding.unsqueeze(-1)
        pooled[:, start : start + tile] = products.amax(dim=1)
    if bias is not None:
        pooled += bias.float()
    return pooled.relu_().log1p_()
