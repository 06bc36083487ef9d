"""The head of SPLADE: hidden states to one weight per vocabulary entry, without ever holding the logits whole."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import torch
from torch import Tensor

from splade_lucene.encoding.fused_head import FusedVocabulary
from splade_lucene.encoding.kernels import Linear

# On a CPU, tokens multiplied at a time for each core, and entries of the vocabulary: 1 MiB of float logits, which stay in the cache
# of the core until they are reduced. docs/encoding.md has the figures of other sizes.
_ROWS = 512
_COLUMNS = 512
# The same for matrices that were packed: few columns would cost a single query more calls than work.
_PACKED_ROWS = 256
_PACKED_COLUMNS = 2048
# Elsewhere, where there is no kernel that does all at once, logits at a time.
_TILE_ELEMENTS = 1 << 25


class PackedVocabulary:
    """The output layer cut along the vocabulary, each part packed for a product on a CPU.

    Args:
        weight: fp32, vocabulary × hidden.
        kernels: as for :class:`Linear`.
        dtype: of the products; hidden states are rounded to it.

    Attributes:
        tiles: the first entry of each part, and the part.
    """

    def __init__(self, weight: Tensor, *, kernels: str, dtype: torch.dtype) -> None:
        parts = enumerate(torch.split(weight, _PACKED_COLUMNS))
        self.dtype = dtype
        self.tiles = [(number * _PACKED_COLUMNS, Linear(part, None, kernels=kernels, dtype=dtype, widen=False)) for number, part in parts]

    def __len__(self) -> int:
        """The number of entries of the vocabulary."""
        first, last = self.tiles[-1]
        return first + last.out_features


def splade_max(hidden: Tensor, mask: Tensor, weight: Tensor | PackedVocabulary | FusedVocabulary, bias: Tensor | None) -> Tensor:
    """``max over tokens of log(1 + relu(hidden · weightᵀ + bias))``: SPLADE-max pooling, eq. 6 of arXiv 2109.10086.

    log1p and relu are monotone and the bias is the same for all tokens, so the maximum is taken over the bare products first and
    the rest is applied to its result, once per passage instead of once per token. The vocabulary is walked in tiles, so memory is
    bounded by the tile and not by passages × tokens × vocabulary. On a CPU padding is not even multiplied.

    Args:
        hidden: float, passages × tokens × hidden: the input of the output layer.
        mask: bool, passages × tokens: True for tokens, which come first, False for padding; every passage has at least one token.
        weight: float, vocabulary × hidden: the output layer; packed for hidden states on a CPU, or for the kernel of a GPU.
        bias: float, vocabulary, or None; -inf for entries that must never fire.

    Returns:
        float32, of float64 float64, passages × vocabulary: non-negative weights.
    """
    if isinstance(weight, FusedVocabulary):
        return weight.pool(hidden, mask, bias).log1p_()
    if isinstance(weight, PackedVocabulary):
        pooled = _pool_tokens(hidden[mask].to(weight.dtype), mask, weight)
    elif hidden.device.type == "cpu":
        pooled = _pool_tokens(hidden[mask], mask, weight)
    else:
        pooled = _pool_padded(hidden, mask, weight)
    pooled = pooled.to(torch.promote_types(pooled.dtype, torch.float32))
    if bias is not None:
        pooled += bias.to(pooled.dtype)
    return pooled.relu_().log1p_()


def _pool_tokens(tokens: Tensor, mask: Tensor, weight: Tensor | PackedVocabulary) -> Tensor:
    """The largest product of each passage and entry; only tokens are multiplied, passage after passage as far as the cache reaches."""
    lengths = mask.sum(dim=1).tolist()
    pooled = tokens.new_empty((len(lengths), len(weight)))
    threads = torch.get_num_threads()
    most, columns = _ROWS * min(threads, 4), _COLUMNS * max(1, threads // 4)
    if isinstance(weight, PackedVocabulary):
        most, buffer = _PACKED_ROWS, tokens.new_empty(0)
    else:  # written over and over: memory that comes fresh from the system costs more than the reduction
        buffer = tokens.new_empty(max([most, *lengths]) * columns)
    row = passage = 0
    for group in _groups(lengths, most):
        rows = tokens[row : row + sum(group)]
        multiplied = _multiply_packed(rows, weight) if isinstance(weight, PackedVocabulary) else _multiply(rows, weight, buffer)
        for start, products in multiplied:
            first, into, stop = 0, passage, start + products.shape[1]
            for length, alike in groupby(group):
                count = len(list(alike))
                part = products[first : first + count * length].view(count, length, -1)
                torch.amax(part, dim=1, out=pooled[into : into + count, start:stop])
                first, into = first + count * length, into + count
        row, passage = row + len(rows), passage + len(group)
    return pooled


def _multiply(rows: Tensor, weight: Tensor, buffer: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Products with one part of the vocabulary after the other, and the first entry of each; each part is valid until the next."""
    # A group of few tokens, such as a single query, can take more of the vocabulary at once.
    tile = len(buffer) // len(rows)
    for start in range(0, len(weight), tile):
        entries = weight[start : start + tile]
        products = buffer[: len(rows) * len(entries)].view(len(rows), len(entries))
        yield start, torch.mm(rows, entries.T, out=products)


def _multiply_packed(rows: Tensor, weight: PackedVocabulary) -> Iterator[tuple[int, Tensor]]:
    """As :func:`_multiply`, in the parts that were packed."""
    for start, tile in weight.tiles:
        yield start, tile(rows)


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
    """As :func:`_pool_tokens`, with padding multiplied too: a GPU wants few large products rather than many small ones."""
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
