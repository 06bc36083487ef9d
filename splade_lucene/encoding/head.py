"""The head of SPLADE: hidden states to one weight per vocabulary entry, without ever holding the logits whole."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import torch
from torch import Tensor

# On a CPU, tokens multiplied at a time for each core, and entries of the vocabulary: 1 MiB of float logits, which stay in the cache
# of the core until they are reduced. docs/encoding.md has the figures of other sizes.
_ROWS = 512
_COLUMNS = 512
# Elsewhere, logits at a time.
_TILE_ELEMENTS = 1 << 21


def splade_max(hidden: Tensor, mask: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``max over tokens of log(1 + relu(hidden · weightᵀ + bias))``: SPLADE-max pooling, eq. 6 of arXiv 2109.10086.

    log1p and relu are monotone and the bias is the same for all tokens, so the maximum is taken over the bare products first and
    the rest is applied to its result, once per passage instead of once per token. The vocabulary is walked in tiles, so memory is
    bounded by the tile and not by passages × tokens × vocabulary. On a CPU padding is not even multiplied.

    Args:
        hidden: float, passages × tokens × hidden: the input of the output layer.
        mask: bool, passages × tokens: True for tokens, False for padding; every passage has at least one token.
        weight: float, vocabulary × hidden: the output layer.
        bias: float, vocabulary, or None; -inf for entries that must never fire.

    Returns:
        float32, passages × vocabulary: non-negative weights.
    """
    pool = _pool_packed if hidden.device.type == "cpu" else _pool_padded
    pooled = pool(hidden, mask, weight).float()
    if bias is not None:
        pooled += bias.float()
    return pooled.relu_().log1p_()


def _pool_packed(hidden: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
    """The largest product of each passage and entry; only tokens are multiplied, passage after passage as far as the cache reaches."""
    packed, lengths = hidden[mask], mask.sum(dim=1).tolist()
    pooled = hidden.new_empty((len(lengths), len(weight)))
    threads = torch.get_num_threads()
    most, columns = _ROWS * min(threads, 4), _COLUMNS * max(1, threads // 4)
    # Written over and over: memory that comes fresh from the system costs more than the reduction.
    buffer = hidden.new_empty(max([most, *lengths]) * columns)
    row = passage = 0
    for group in _groups(lengths, most):
        rows = packed[row : row + sum(group)]
        # A group of few tokens, such as a single query, can take more of the vocabulary at once.
        tile = len(buffer) // len(rows)
        for start in range(0, len(weight), tile):
            entries = weight[start : start + tile]
            products = buffer[: len(rows) * len(entries)].view(len(rows), len(entries))
            torch.mm(rows, entries.T, out=products)
            first, into = 0, passage
            for length, alike in groupby(group):
                count = len(list(alike))
                part = products[first : first + count * length].view(count, length, -1)
                torch.amax(part, dim=1, out=pooled[into : into + count, start : start + tile])
                first, into = first + count * length, into + count
        row, passage = row + len(rows), passage + len(group)
    return pooled


def _groups(lengths: list[int], most: int) -> Iterator[list[int]]:
    """Cuts a list where its sum would go beyond ``most``; a length beyond it is a group of its own."""
    group: list[int] = []
    for length in lengths:
        if group and sum(group) + length > most:
            yield group
            group = []
        group.append(length)
    yield group


def _pool_padded(hidden: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
    """As :func:`_pool_packed`, with padding multiplied too: a GPU wants few large products rather than many small ones."""
    passages, tokens, _ = hidden.shape
    # Added to the products of padding, so that they never win; 0 changes nothing for tokens.
    padding = torch.zeros(mask.shape, dtype=hidden.dtype, device=hidden.device)
    padding.masked_fill_(~mask, torch.finfo(hidden.dtype).min / 2)
    pooled = hidden.new_empty((passages, len(weight)))
    tile = max(64, _TILE_ELEMENTS // (passages * tokens))
    for start in range(0, len(weight), tile):
        products = hidden @ weight[start : start + tile].T
        products += padding.unsqueeze(-1)
        pooled[:, start : start + tile] = products.amax(dim=1)
    return pooled
