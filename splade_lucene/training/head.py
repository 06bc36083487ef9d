"""The SPLADE head for training: pooled weights and exact gradients without the logits of a whole batch.

sentence-transformers' pooling keeps texts × tokens × vocabulary logits and as many gradients: gigabytes for a batch of passages. Only the
token with the largest logit of a vocabulary entry has a gradient, and only where the weight is above 0. So the forward pass is that of
:mod:`splade_lucene.encoding.head`, which keeps no logits, and the backward pass computes again those of the active entries alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from splade_lucene.encoding.head import PackedVocabulary, splade_max
from splade_lucene.encoding.kernels import TORCH, choose_kernels


class _MaxPool(torch.autograd.Function):
    """``log1p(relu(max over tokens of (hidden · Wᵀ) + bias))`` with the gradient of the plain formulation."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, mask: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        mask = mask.bool()
        pooled = splade_max(hidden, mask, _packed(hidden, weight), bias)
        # Entries that are 0 have no gradient; those that are not: which text, entry and token they come from.
        rows, entries = pooled.nonzero(as_tuple=True)
        ends = torch.bincount(rows, minlength=len(pooled)).cumsum(0).tolist()
        places = torch.empty_like(entries)
        start = 0
        for text, end in enumerate(ends):
            logits = hidden[text] @ weight[entries[start:end]].T
            places[start:end] = logits.masked_fill_(~mask[text][:, None], -torch.inf).argmax(dim=0)
            start = end
        ctx.save_for_backward(hidden, weight, rows, entries, places, pooled[rows, entries])
        return pooled

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, Tensor | None, Tensor | None]:
        hidden, weight, rows, entries, places, pooled = ctx.saved_tensors
        # The derivative of log1p(x) is 1 / (1 + x), and 1 + x is exp of the weight.
        above = gradients[0][rows, entries] * torch.exp(-pooled)
        hidden_gradient = weight_gradient = bias_gradient = None
        if ctx.needs_input_grad[0]:
            texts, tokens, size = hidden.shape
            # Not index_put_, whose threads add in any order: the same run gives the same model.
            flat = hidden.new_zeros(texts * tokens, size).index_add_(0, rows * tokens + places, above[:, None] * weight[entries])
            hidden_gradient = flat.view(texts, tokens, size)
        if ctx.needs_input_grad[2]:
            weight_gradient = torch.zeros_like(weight).index_add_(0, entries, above[:, None] * hidden[rows, places])
        if ctx.needs_input_grad[3]:
            bias_gradient = torch.zeros(len(weight), dtype=above.dtype, device=above.device).index_add_(0, entries, above)
        return hidden_gradient, None, weight_gradient, bias_gradient


def _packed(hidden: Tensor, weight: Tensor) -> Tensor | PackedVocabulary:
    """The output layer in the form that is multiplied fastest; it is another one in every step."""
    if hidden.device.type != "cpu" or hidden.dtype != torch.float32:
        return weight
    kernels = choose_kernels("auto", weight.shape[1], hidden.dtype)
    return weight if kernels == TORCH else PackedVocabulary(weight.detach(), kernels=kernels, dtype=hidden.dtype)


def pooled_weights(hidden: Tensor, mask: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Pools a batch as SPLADE-max does (arXiv 2109.10086, equation 6), differentiable in all but the mask.

    Args:
        hidden: float, texts × tokens × hidden size: the input of the output layer.
        mask: texts × tokens: 1 for tokens, 0 for padding.
        weight: vocabulary × hidden size: of the output layer.
        bias: vocabulary: of the output layer.

    Returns:
        float32, texts × vocabulary: non-negative weights. Memory for logits is one tile, not texts × tokens × vocabulary.
    """
    pooled: Tensor = _MaxPool.apply(hidden, mask, weight, bias)  # type: ignore[no-untyped-call]  # torch does not type apply
    return pooled
