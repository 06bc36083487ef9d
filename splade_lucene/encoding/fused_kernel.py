"""The kernel of the fused head, in Triton: to be imported only where there is a GPU, as Triton comes with torch for GPUs alone."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _larger(one, other):  # type: ignore[no-untyped-def]  # types of Triton are not known to mypy
    # A weight that is not a number has to stay one: it is how an overflow in half precision is noticed.
    return tl.maximum(one, other, propagate_nan=tl.PropagateNan.ALL)


@triton.jit(do_not_specialize=["passages", "entries", "tokens"])  # type: ignore[untyped-decorator]  # likewise
def largest_logits(  # type: ignore[no-untyped-def]  # noqa: PLR0917  # by position, as Triton's launcher passes them
    hidden,
    weight,
    bias,
    lengths,
    pooled,
    passages,
    entries,
    tokens,
    SIZE: tl.constexpr,
    BLOCK_ENTRIES: tl.constexpr,
    BLOCK_TOKENS: tl.constexpr,
    BLOCK_SIZE: tl.constexpr,
    GROUP: tl.constexpr,
    PRECISION: tl.constexpr,
):
    """``relu(max over tokens of hidden · weightᵀ + bias)`` of one passage and one part of the vocabulary.

    Entries are the rows and tokens the columns of a product, so that the maximum over tokens is within threads before it is among them.
    Where a block reaches beyond the last token of a passage, or the last entry, that one is taken again: no maximum changes by it, and
    nothing has to be masked. Programs that run at the same time share few passages and few parts, which then are in the cache.
    """
    parts = tl.cdiv(entries, BLOCK_ENTRIES)
    program = tl.program_id(0)
    group = program // (GROUP * parts)
    members = tl.minimum(passages - group * GROUP, GROUP)
    within = program % (GROUP * parts)
    passage = group * GROUP + within % members
    entry = (within // members) * BLOCK_ENTRIES + tl.arange(0, BLOCK_ENTRIES)
    length = tl.load(lengths + passage)
    dimension = tl.arange(0, BLOCK_SIZE)
    rows = weight + tl.minimum(entry, entries - 1).to(tl.int64)[:, None] * SIZE + dimension[None, :]
    columns = hidden + passage.to(tl.int64) * tokens * SIZE + dimension[:, None]
    largest = tl.full([BLOCK_ENTRIES], float("-inf"), tl.float32)
    if SIZE == BLOCK_SIZE:
        part = tl.load(rows)
        for first in range(0, length, BLOCK_TOKENS):
            token = tl.minimum(first + tl.arange(0, BLOCK_TOKENS), length - 1)
            products = tl.dot(part, tl.load(columns + token[None, :] * SIZE), input_precision=PRECISION)
            largest = _larger(largest, tl.reduce(products, 1, _larger))
    else:
        for first in range(0, length, BLOCK_TOKENS):
            token = tl.minimum(first + tl.arange(0, BLOCK_TOKENS), length - 1)
            products = tl.zeros([BLOCK_ENTRIES, BLOCK_TOKENS], tl.float32)
            for start in range(0, SIZE, BLOCK_SIZE):
                part = tl.load(rows + start)
                products = tl.dot(part, tl.load(columns + start + token[None, :] * SIZE), products, input_precision=PRECISION)
            largest = _larger(largest, tl.reduce(products, 1, _larger))
    inside = entry < entries
    largest += tl.load(bias + entry, mask=inside, other=0.0)
    tl.store(pooled + passage.to(tl.int64) * entries + entry, _larger(largest, 0.0), mask=inside)
