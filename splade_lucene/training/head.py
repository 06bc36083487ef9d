"""The SPLADE head for training: pooled weights and exact gradients without the logits of a whole batch.

sentence-transformers' pooling keeps texts × tokens × vocabulary logits and as many gradients: gigabytes for a batch of passages. Only the
token with the largest logit of a vocabulary entry has a gradient, and only where the weight is above 0. So the forward pass takes the
maximum over tokens tile by tile without keeping logits, and the backward pass touches the active entries alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

# Logits of one tile in float32: small enough for a core's caches and for any memory.
_TILE_BYTES = 1 << 23


class _MaxPool(torch.autograd.Function):
    """``log1p(relu(max over tokens of (hidden · Wᵀ) + bias))`` with the gradient of the plain formulation."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, mask: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        texts, tokens, size = hidden.shape
        highest = hidden.new_empty(texts, len(weight))
        places = torch.empty(texts, len(weight), dtype=torch.int32, device=hidden.device)
        padding = ~mask.bool()[:, :, None]
        step = max(1, _TILE_BYTES // (4 * texts * tokens))
        flat = hidden.reshape(texts * tokens, size)
        for start in range(0, len(weight), step):
            tile = slice(start, start + step)
            logits = (flat @ weight[tile].T).view(texts, tokens, -1).masked_fill_(padding, -torch.inf)
            values, indices = logits.max(dim=1)
            highest[:, tile], places[:, tile] = values, indices.to(torch.int32)
        active = highest.add_(bias).relu_()
        # Entries that are 0 have no gradient; those that are not: which text, entry and token they come from.
        rows, entries = active.nonzero(as_tuple=True)
        ctx.save_for_backward(hidden, weight, rows, entries, places[rows, entries].long(), active[rows, entries])
        return active.log1p()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, Tensor | None, Tensor | None]:
        hidden, weight, rows, entries, places, active = ctx.saved_tensors
        above = gradients[0][rows, entries] / (1 + active)
        hidden_gradient = weight_gradient = bias_gradient = None
        if ctx.needs_input_grad[0]:
            hidden_gradient = torch.zeros_like(hidden)
            hidden_gradient.index_put_((rows, places), above[:, None] * weight[entries], accumulate=True)
        if ctx.needs_input_grad[2]:
            weight_gradient = torch.zeros_like(weight).index_add_(0, entries, above[:, None] * hidden[rows, places])
        if ctx.needs_input_grad[3]:
            bias_gradient = torch.zeros(len(weight), dtype=above.dtype, device=above.device).index_add_(0, entries, above)
        return hidden_gradient, None, weight_gradient, bias_gradient


def pooled_weights(hidden: Tensor, mask: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Pools a batch as SPLADE-max does (arXiv 2109.10086, equation 6), differentiable in all but the mask.

    Args:
        hidden: float, texts × tokens × hidden size: the input of the output layer.
        mask: texts × tokens: 1 for tokens, 0 for padding.
        weight: vocabulary × hidden size: of the output layer.
        bias: vocabulary: of the output layer.

    Returns:
        float, texts × vocabulary: non-negative weights. Memory for logits is one tile, not texts × tokens × vocabulary.
    """
    pooled: Tensor = _MaxPool.apply(hidden, mask, weight, bias)  # type: ignore[no-untyped-call]  # torch does not type apply
    return pooled
